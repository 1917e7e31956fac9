# Ledger.pm -- was every committed request sent, and none for nothing?  Was every
# callback's effect there once?
#
# Two ledgers are kept.  The server's: every arrival, with its time and message
# id.  The senders': a row in the table ledger for each request, committed with
# it, and a file of the keys whose commit was acknowledged.  In between the test
# does harm; check() compares.  Callbacks write the ids of their requests into
# the table effect, which takes each as often as it comes.

package Ledger;

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use List::Util qw(max min sum0);
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $lib_dir = dirname(abs_path(__FILE__));

# Clocks of two processes are compared.
use constant CLOCK_SECONDS => 0.1;

# What must not happen, in the words of report().
my @wrongs = (
	'lost', 'delivered without being asked', 'acknowledged, not committed',
	'responses missing or too many', 'ids used twice', 'message ids that changed',
	'callbacks run twice', 'callbacks lost', 'effects of callbacks that failed',
	'arrived again without a fault', 'arrived again after the response was stored');

# Set the tables of a node up, logged, and start sessions that send.
#
# Options: sessions (3), seed.
sub new
{
	my ($class, $node, $server, %opts) = @_;
	my $self = bless {
		node => $node,
		server => $server,
		dir => PostgreSQL::Test::Utils::tempdir('ledger'),
		seed => $opts{seed} // 1,
		sessions => $opts{sessions} // 3,
		started => 0,
		faults => [],
		probes => 0
	  },
	  $class;

	# callbacks fail on purpose, always or now and then, when they have done their
	# work already
	sql_in($node, 'postgres', <<'END');
alter table net.http_request_queue set logged;
alter table net._http_response set logged;
create table ledger (key text primary key, id bigint not null,
                     at timestamptz not null default clock_timestamp(),
                     callback text, keep boolean not null default true);
create table effect (id bigint not null, at timestamptz not null default clock_timestamp());
create role ledger_a nologin;
create role ledger_b nologin;
grant select, insert on ledger, effect to ledger_a, ledger_b;
create function ledger_note(r net._http_response) returns void language sql as
  'insert into public.effect (id) values (r.id)';
create function ledger_slow(r net._http_response) returns void language plpgsql as
  'begin perform pg_sleep(random() * 0.03); perform public.ledger_note(r); perform pg_sleep(random() * 0.03); end';
create function ledger_fail(r net._http_response) returns void language plpgsql as
  'begin perform public.ledger_note(r); raise ''on purpose''; end';
create function ledger_conflict(r net._http_response) returns void language plpgsql as
  'begin perform public.ledger_note(r); if random() < 0.3 then raise ''on purpose'' using errcode = ''40001''; end if; end';
END
	$self->start_senders;
	return $self;
}

# Start the sessions that send, each with a prefix of its own for its keys.
sub start_senders
{
	my ($self) = @_;

	$self->{senders} = [];
	for (1 .. $self->{sessions})
	{
		my $number = ++$self->{started};
		push @{ $self->{senders} },
		  PgNetTest::spawn("$lib_dir/ledger-sender", $self->{node}->connstr('postgres'),
			$self->{server}->url, "s$number", $self->{dir}, $self->{seed} + $number);
	}
	return;
}

# Have the senders close their connections, and open them again.
sub pause { append_to_file("$_[0]{dir}/pause", ''); return }
sub resume { unlink "$_[0]{dir}/pause"; return }

# Send to another node from now on, one that has the tables already.
sub move_to
{
	my ($self, $node) = @_;

	$self->stop_senders;
	unlink "$self->{dir}/stop";
	$self->{node} = $node;
	$self->start_senders;
	return;
}

# End the senders.
sub stop_senders
{
	my ($self) = @_;

	append_to_file("$self->{dir}/stop", '');
	waitpid $_, 0 for @{ $self->{senders} };
	return;
}

# Do harm, and wait until a request that was queued afterwards arrives.
# The deed must return when the server takes connections again; when the harm is
# not over by then it returns a sub that waits until it is.
#
# Options: spares_requests (no request may be repeated for it).
sub fault
{
	my ($self, $kind, $deed, %opts) = @_;
	my %fault = (kind => $kind, start => time, %opts);

	my $wait = $deed->();
	$fault{end} = time;
	$wait->() if ref $wait;
	$fault{over} = time;
	push @{ $self->{faults} }, \%fault;
	$self->probe;
	return;
}

# Queue a request of the test's own, and wait until it arrives.
sub probe
{
	my ($self) = @_;
	my $key = 'probe-' . ++$self->{probes};
	my $url = $self->{server}->url;

	sql_in($self->{node}, 'postgres',
		"insert into ledger (key, id) values ('$key', net.http_get('$url/ledger/$key'))");
	$self->{log_offset} //= 0;
	wait_for("request $key to arrive", sub {
		my $found = slurp_file($self->{server}->log, $self->{log_offset}) =~ m{/ledger/$key\t};
		return $found;
	});
	$self->{log_offset} = -s $self->{server}->log;
	return;
}

# Stop sending, wait until all is answered and called, and compare.  report()
# says what was found.
sub check
{
	my ($self) = @_;
	my $node = $self->{node};

	$self->stop_senders;
	# a session may have been lost between its two commits
	for my $gid (split /\n/, sql_in($node, 'postgres', 'select gid from pg_prepared_xacts'))
	{
		sql_in($node, 'postgres', "commit prepared '$gid'");
	}
	ok(eval { $self->wait_until_over }, 'nothing is stuck') or diag($@);

	$self->{requests} = $self->read_sent;
	$self->{arrivals} = $self->read_arrivals;
	my $found = $self->{found} = $self->compare;
	for my $wrong (@wrongs)
	{
		my @wrong = @{ $found->{$wrong} };
		is(@wrong, 0, $wrong) or diag(join "\n", map { "  $_" } splice @wrong, 0, 20);
	}
	cmp_ok($found->{committed}, '>', 0, "$found->{committed} were committed");
	cmp_ok($found->{'with a callback'}, '>', 0, "$found->{'with a callback'} of them with a callback");
	return;
}

# Wait until nothing is queued, or waits to be called, as long as that gets less:
# what was in flight at two deaths is sent one at a time.
sub wait_until_over
{
	my ($self) = @_;
	my $waiting = sub {
		sql_in($self->{node}, 'postgres', 'select (select count(*) from net.http_request_queue)'
			  . ' + (select count(*) from net._http_response where callback is not null and called is null)');
	};

	while ((my $before = $waiting->()) > 0)
	{
		wait_for("fewer than $before to wait", sub { $waiting->() < $before });
	}
	return 1;
}

# What is committed: by key, a hash of id, at, callback and keep as they were asked
# for, responses (how many), error (of the request), effects (how many),
# callback_error, and stored (when its response was there at the latest).
sub read_sent
{
	my ($self) = @_;
	my @columns = qw(id at callback keep responses error effects callback_error stored);
	my %requests;

	for (split /\n/, sql_in($self->{node}, 'postgres', <<'END'))
select key, l.id, extract(epoch from l.at), l.callback, l.keep, coalesce(r.count, 0), r.error, coalesce(e.count, 0),
       r.callback_error, extract(epoch from least(r.created, e.at))
from ledger as l
  left join (select id, count(*), min(created) as created, max(error_msg) as error, max(callback_error) as callback_error
             from net._http_response group by id) as r using (id)
  left join (select id, count(*), min(at) as at from effect group by id) as e using (id)
END
	{
		my ($key, @values) = split /\|/, $_, 1 + @columns;
		@{ $requests{$key} }{@columns} = @values;
	}
	return \%requests;
}

# What arrived: by key, its times; and its message ids, '-' for none.  The server
# told so many to be sent again.
sub read_arrivals
{
	my ($self) = @_;
	my %arrivals;

	for ($self->{server}->arrivals)
	{
		next unless $_->[2] =~ m{^/ledger/([^?]+)(?:.*fails=(\d+))?};
		push @{ $arrivals{$1} }, $_->[0];
		$self->{message_ids}{$1}{ $_->[3] } = 1;
		$self->{is_scheduled}{$1} = defined $2;
		$self->{to_be_repeated}{$1} = $2 // 0;
	}
	return \%arrivals;
}

# What the senders were told is committed: a list of [key, id].
sub acknowledged
{
	my ($self) = @_;

	return map { [ split /\|/ ] }
	  map { split /\n/, slurp_file("$self->{dir}/s$_") } 1 .. $self->{started};
}

# Compare the two ledgers: how much was asked for, and a list of keys or ids for
# each of @wrongs.
sub compare
{
	my ($self) = @_;
	my ($requests, $arrivals) = @$self{qw(requests arrivals)};
	my @keys = sort keys %$requests;
	my (%id_seen, %found);

	$id_seen{ $_->{id} }++ for values %$requests;
	$id_seen{ $_->[1] }++ for grep { !$requests->{ $_->[0] } } $self->acknowledged;

	$found{committed} = @keys;
	$found{lost} = [ grep { !$arrivals->{$_} } @keys ];
	$found{'delivered without being asked'} = [ grep { !$requests->{$_} } sort keys %$arrivals ];
	$found{'acknowledged, not committed'} =
	  [ map { $_->[0] } grep { my $sent = $requests->{ $_->[0] }; !$sent || $sent->{id} != $_->[1] } $self->acknowledged ];
	$found{'responses missing or too many'} = [ grep { !has_response_if_kept($requests->{$_}) } @keys ];
	$found{'ids used twice'} = [ grep { $id_seen{$_} > 1 } sort keys %id_seen ];
	$found{'message ids that changed'} = [ $self->changed_message_ids ];
	$found{'arrived again without a fault'} = [ $self->not_explained ];
	$found{'arrived again after the response was stored'} = [ grep {
			my $stored = $requests->{$_} && $requests->{$_}{stored};
			$stored && $arrivals->{$_}[-1] > $stored + CLOCK_SECONDS
		} sort keys %$arrivals ];
	return { %found, $self->compare_callbacks };
}

# Has a request one response, or none if that was not to be kept?
sub has_response_if_kept
{
	my ($request) = @_;
	my $kept = $request->{keep} eq 't' || $request->{error} ne '' || $request->{callback_error} ne '';

	return $request->{responses} == ($kept ? 1 : 0);
}

# Keys whose message id is not the same at each arrival, or not of the form that
# all share; those that have a schedule have one.
sub changed_message_ids
{
	my ($self) = @_;
	my $requests = $self->{requests};
	my ($installation, @changed);

	for my $key (grep { $requests->{$_} } sort keys %{ $self->{arrivals} })
	{
		my @ids = keys %{ $self->{message_ids}{$key} };
		my ($of) = $ids[0] =~ /^msg_([0-9a-f]{12})_$requests->{$key}{id}$/;

		$installation //= $of;
		next if @ids == 1 && ($self->{is_scheduled}{$key} ? ($of // '') eq ($installation // '-') : $ids[0] eq '-');
		push @changed, join ' ', $key, @ids;
	}
	return @changed;
}

# What compare() says of callbacks.  A call that fails on purpose leaves the error
# and no effect; one at which its process died too often is given up.
sub compare_callbacks
{
	my ($self) = @_;
	my $requests = $self->{requests};
	my @called = grep { $requests->{$_}{callback} ne '' } sort keys %$requests;
	my $given_up = sub { $requests->{ $_[0] }{callback_error} =~ /^the process died in \d+ calls$/ };
	my $may_fail = sub {
		my $request = $requests->{ $_[0] };
		return $request->{callback} =~ /fail|conflict/ && $request->{callback_error} eq 'on purpose';
	};
	my @lost = grep { !$requests->{$_}{effects} && !$may_fail->($_) && !$given_up->($_) } @called;

	return (
		'with a callback' => scalar @called,
		'callbacks given up for deaths' => scalar(grep { $given_up->($_) } @called),
		'callbacks run twice' => [ grep { $requests->{$_}{effects} > 1 } sort keys %$requests ],
		'callbacks lost' => [ map { "$_: $requests->{$_}{callback}: $requests->{$_}{callback_error}" } @lost ],
		'effects of callbacks that failed' =>
		  [ grep { $requests->{$_}{effects} && $requests->{$_}{callback_error} ne '' } sort keys %$requests ]);
}

# What arrived once more than the server asked for, and no fault explains: keys
# and times.  Those that one does are counted there.
sub not_explained
{
	my ($self) = @_;
	my $arrivals = $self->{arrivals};
	my @not_explained;

	for my $key (sort keys %$arrivals)
	{
		my $times = $arrivals->{$key};
		for my $i (1 + $self->{to_be_repeated}{$key} .. $#$times)
		{
			my $fault = $self->fault_between($times->[ $i - 1 ], $times->[$i]);
			if ($fault) { $fault->{repeated}++ }
			else
			{
				my ($before) = grep { $_->{over} < $times->[ $i - 1 ] } reverse @{ $self->{faults} };
				push @not_explained, join ' ', $key, (map { sprintf '%.3f', $_ } @$times[ 0 .. $i ]),
				  $before ? sprintf('after %s, %.3f to %.3f', @$before{qw(kind start over)}) : ();
			}
		}
	}
	return @not_explained;
}

# The last fault between two times that may repeat requests.
sub fault_between
{
	my ($self, $first, $second) = @_;

	for my $fault (grep { !$_->{spares_requests} } reverse @{ $self->{faults} })
	{
		return $fault if $first <= $fault->{over} && $second >= $fault->{start};
	}
	return undef;
}

# A table of the faults, one line a kind, and what check() found, as text.  After
# check().
#
#   requests   committed from one fault to the end of the next
#   in flight  sent before the fault was over, response not stored when it began
#   repeated   arrivals after the first; a fault that is several, as
#              worker_restart in a row, may repeat a request more than once
#   recovery   from the fault's end, that is when the server takes connections,
#              to the first arrival of a request queued since, in ms
sub report
{
	my ($self) = @_;
	my (%kinds, @lines);

	$self->assign_to_faults;
	push @{ $kinds{ $_->{kind} } }, $_ for @{ $self->{faults} };
	my $format = "%-18s %6s %9s %5s %10s %9s %9s %9s\n";
	push @lines, sprintf $format, 'fault', 'rounds', 'requests', 'lost', 'in flight', 'repeated', 'p50 ms', 'p99 ms';
	for (map({ [ $_, $kinds{$_} ] } sort keys %kinds), [ 'all', $self->{faults} ])
	{
		my ($name, $faults) = @$_;
		my @recovery = sort { $a <=> $b } map { $_->{recovery} } @$faults;
		push @lines, sprintf $format, $name, scalar @$faults,
		  (map { my $what = $_; sum0(map { $_->{$what} // 0 } @$faults) } qw(requests lost in_flight repeated)),
		  map { sprintf '%.1f', 1000 * $recovery[ min($#recovery, int($_ * @recovery)) ] } 0.5, 0.99;
	}
	my $given_up = sql_in($self->{node}, 'postgres',
		"select count(*) from net._http_response where error_msg like 'given up after the worker died%'");
	my $found = $self->{found};
	push @lines, map { sprintf "%s: %d\n", @$_ }
	  [ "committed requests", $found->{committed} ],
	  [ "... with a callback", $found->{'with a callback'} ],
	  (map { [ $_, scalar @{ $found->{$_} } ] } @wrongs),
	  [ "given up for the worker's deaths", $given_up ],
	  [ "callbacks given up for the deaths of their process", $found->{'callbacks given up for deaths'} ];
	return join '', @lines;
}

# Find for each fault what was sent around it.  Faults are in order of time.
sub assign_to_faults
{
	my ($self) = @_;
	my @faults = @{ $self->{faults} };
	my @by_commit = sort { $a->{at} <=> $b->{at} }
	  map { +{ %{ $self->{requests}{$_} }, times => $self->{arrivals}{$_} } } keys %{ $self->{requests} };

	for my $fault (@faults)
	{
		$fault->{$_} = 0 for qw(requests lost in_flight);
		$fault->{repeated} //= 0;
	}
	my $next = 0;
	for my $request (@by_commit)
	{
		my ($at, $times) = @$request{qw(at times)};
		my $stored = $request->{stored} || $at;

		$next++ while $next < $#faults && $faults[$next]{end} < $at;
		$faults[$next]{requests}++;
		$faults[$next]{lost}++, next unless $times;

		my $first = max(0, $next - 1);
		for my $fault (@faults[ $first .. $#faults ])
		{
			last if $fault->{start} > $stored;
			$fault->{in_flight}++ if $times->[0] <= $fault->{over};
		}
		for my $fault (grep { $_->{end} <= $at } @faults[ $first, $next ])
		{
			my $waited = $times->[0] - $fault->{end};
			$fault->{recovery} = min($waited, $fault->{recovery} // $waited);
		}
	}
	return;
}

1;
