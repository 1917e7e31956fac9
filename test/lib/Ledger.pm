# Ledger.pm -- was every committed request sent, and none for nothing?
#
# Two ledgers are kept.  The server's: every arrival, with its time.  The
# senders': a row in the table ledger for each request, committed with it, and
# a file of the keys whose commit was acknowledged.  In between the test does
# harm; check() compares.

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

	sql_in($node, 'postgres', <<'END');
alter table net.http_request_queue set logged;
alter table net._http_response set logged;
create table ledger (key text primary key, id bigint not null,
                     at timestamptz not null default clock_timestamp());
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
sub fault
{
	my ($self, $kind, $deed) = @_;
	my %fault = (kind => $kind, start => time);

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

# Stop sending, wait until all is answered, and compare.  Returns what was
# found, a hash of counts; see report() for the faults.
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
	ok(eval { $self->wait_until_sent }, 'nothing is stuck') or diag($@);

	$self->{requests} = $self->read_sent;
	$self->{arrivals} = $self->read_arrivals;
	my $found = $self->compare;
	diag("not explained: $_") for splice @{ $self->{unexplained} // [] }, 0, 20;
	is($found->{$_}, 0, $_)
	  for 'committed, never arrived', 'arrived, never committed',
	  'acknowledged, not committed', 'without exactly one response',
	  'ids used twice', 'arrived again without a fault', 'arrived again after the response was stored';
	cmp_ok($found->{committed}, '>', 0, "$found->{committed} were committed");
	return $found;
}

# Wait until the queue is empty, as long as it gets shorter: what was in flight
# at two deaths is sent one at a time.
sub wait_until_sent
{
	my ($self) = @_;
	my $queued = sub { sql_in($self->{node}, 'postgres', 'select count(*) from net.http_request_queue') };

	while ((my $before = $queued->()) > 0)
	{
		wait_for("fewer requests than $before to be queued", sub { $queued->() < $before });
	}
	return 1;
}

# What is committed: by key, a hash of id, at, responses and stored.
sub read_sent
{
	my ($self) = @_;
	my %requests;

	for (split /\n/, sql_in($self->{node}, 'postgres', <<'END'))
select key, l.id, extract(epoch from at), count(r.id), extract(epoch from max(r.created))
from ledger as l left join net._http_response as r using (id)
group by key
END
	{
		my ($key, @values) = split /\|/;
		@{ $requests{$key} }{qw(id at responses stored)} = @values;
	}
	return \%requests;
}

# What arrived: by key, its times.  The server told so many to be sent again.
sub read_arrivals
{
	my ($self) = @_;
	my %arrivals;

	for ($self->{server}->arrivals)
	{
		next unless $_->[2] =~ m{^/ledger/([^?]+)(?:.*fails=(\d+))?};
		push @{ $arrivals{$1} }, $_->[0];
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

# Compare the two ledgers.
sub compare
{
	my ($self) = @_;
	my ($requests, $arrivals) = @$self{qw(requests arrivals)};
	my @keys = keys %$requests;
	my (%id_seen, %found);

	$id_seen{ $_->{id} }++ for values %$requests;
	$id_seen{ $_->[1] }++ for grep { !$requests->{ $_->[0] } } $self->acknowledged;

	$found{committed} = @keys;
	$found{'committed, never arrived'} = grep { !$arrivals->{$_} } @keys;
	$found{'arrived, never committed'} = grep { !$requests->{$_} } keys %$arrivals;
	$found{'acknowledged, not committed'} =
	  grep { my $sent = $requests->{ $_->[0] }; !$sent || $sent->{id} != $_->[1] } $self->acknowledged;
	$found{'without exactly one response'} = grep { $requests->{$_}{responses} != 1 } @keys;
	$found{'ids used twice'} = grep { $_ > 1 } values %id_seen;
	$found{'arrived again without a fault'} = 0;
	$found{'arrived again after the response was stored'} = grep {
		my $stored = $requests->{$_} && $requests->{$_}{stored};
		$stored && $arrivals->{$_}[-1] > $stored + CLOCK_SECONDS
	} keys %$arrivals;

	for my $key (keys %$arrivals)
	{
		my $times = $arrivals->{$key};
		for my $i (1 + $self->{to_be_repeated}{$key} .. $#$times)
		{
			my $fault = $self->fault_between($times->[ $i - 1 ], $times->[$i]);
			if ($fault) { $fault->{repeated}++ }
			else
			{
				$found{'arrived again without a fault'}++;
				push @{ $self->{unexplained} }, join ' ', $key, map { sprintf '%.3f', $_ } @$times[ 0 .. $i ];
			}
		}
	}
	return \%found;
}

# The last fault between two times.
sub fault_between
{
	my ($self, $first, $second) = @_;

	for my $fault (reverse @{ $self->{faults} })
	{
		return $fault if $first <= $fault->{over} && $second >= $fault->{start};
	}
	return undef;
}

# A table of the faults, one line a kind, as text.  After check().
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
	return join '', @lines, "given up for the worker's deaths: $given_up\n";
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
