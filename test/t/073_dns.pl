# Name servers that fail, never answer, or change their mind.
#
# The test runs itself again in namespaces of its own, where it is the name
# server, on loopback.

use strict;
use warnings;

# Before anything opens a file or a log.  New namespaces have no network, not
# even lo's.
BEGIN
{
	my @namespaces = qw(unshare --map-current-user --keep-caps --net --mount);
	my $lo_up = 'PATH=$PATH:/usr/sbin:/sbin ip link set lo up && echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start';

	if (!$ENV{PGNET_NAMESPACES} && system("@namespaces sh -c '$lo_up' 2>/dev/null") == 0)
	{
		$ENV{PGNET_NAMESPACES} = 1;
		exec @namespaces, 'sh', '-c', qq($lo_up; exec "\$@"), 'sh', $^X, map({ "-I$_" } @INC), $0;
	}
}

use Clock;
use IO::Socket::INET;
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

use constant LONG_MS => 170_000;

# Of those that are not answered.
use constant SHORT_MS => 4000;

# How long libcurl keeps an address.
use constant CACHE_SECONDS => 60;

# Names with other addresses than 127.0.0.1 alone.
my %several = (
	'two.test' => [ '127.0.0.1', '127.0.0.2' ],
	'three.test' => [ '127.0.0.1', '127.0.0.3', '127.0.0.2' ]);

plan skip_all => 'no namespaces here' unless $ENV{PGNET_NAMESPACES};

my $dir = PostgreSQL::Test::Utils::tempdir('dns');
my $name_server = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1', LocalPort => 53)
  or plan skip_all => "no port to be a name server at: $!";

append_to_file("$dir/resolv.conf", "nameserver 127.0.0.1\noptions timeout:30 attempts:3\n");
system_or_bail('mount', '--bind', "$dir/resolv.conf", '/etc/resolv.conf');
be_name_server();

my $clock = Clock->new;
my $server = start_http_server();
my $port = $server->port;
my $start = sub { new_node('dns') };
my $node = $clock ? $clock->given_to($start) : $start->();

# Queue requests for names with these numbers; their ids.
sub queue
{
	my ($name, $count, $timeout) = @_;
	$timeout //= LONG_MS;
	return split /\n/, sql("select net.http_get('http://$name-' || i || '.test:$port/echo/$name', timeout_milliseconds := $timeout)"
		  . " from generate_series(1, $count) as i");
}

# Be asked in a process of its own.  Names tell what to do; see answer_to().
# Each question is a line in the file asked.
sub be_name_server
{
	my $parent = $$;
	my $pid = fork // die "could not fork: $!\n";

	if ($pid)
	{
		close $name_server;
		return;
	}
	$SIG{ALRM} = sub { getppid == $parent or POSIX::_exit(0); alarm 1 };
	alarm 1;
	while (1)
	{
		my $from = recv($name_server, my $question, 512, 0) // next;
		my $answer = answer_to($question) // next;
		send $name_server, $answer, 0, $from;
	}
}

# The name and type that are asked for.
sub parse
{
	my ($question) = @_;
	my ($at, @labels) = (12);

	while (my $length = ord substr $question, $at, 1)
	{
		push @labels, substr $question, $at + 1, $length;
		$at += 1 + $length;
	}
	return (lc join('.', @labels), unpack('n', substr $question, $at + 1, 2), $at + 5);
}

# An answer: addresses for what is asked, an error, or undef for none.
sub answer_to
{
	my ($question) = @_;
	my ($name, $type, $end) = parse($question);
	my @addresses = $name =~ /^moves/ ? slurp_file("$dir/address") : @{ $several{$name} // ['127.0.0.1'] };
	my $error = $name =~ /^fails/ ? 2 : $name =~ /^none/ ? 3 : 0;

	@addresses = () if $error || $type != 1;

	append_to_file("$dir/asked", "$name\n");
	return undef if $name =~ /^hangs/;
	return substr($question, 0, 2) . pack('n5', 0x8180 | $error, 1, scalar @addresses, 0, 0) . substr($question, 12, $end - 12)
	  . join('', map { pack('n3Nn', 0xc00c, 1, 1, 0, 4) . inet_aton($_) } @addresses);
}

sub asked
{
	my ($regex) = @_;
	return scalar grep { $_ =~ $regex } split /\n/, -e "$dir/asked" ? slurp_file("$dir/asked") : '';
}

sub statuses
{
	my %count;
	$count{ wait_response($node, $_)->{status_code} // 'none' }++ for @_;
	return join ' ', map { "$_: $count{$_}" } sort keys %count;
}

subtest 'names that are fine' => sub {
	is(statuses(queue('fine', 20)), '200: 20', 'are found by asking our name server');
	cmp_ok(asked(qr/^fine/), '>=', 20, 'which was asked');
};

subtest 'a name server that fails' => sub {
	for my $name ('fails', 'none')
	{
		my ($id) = queue($name, 1);
		my $row = wait_response($node, $id);

		is($row->{status_code}, undef, "$name: no answer");
		like($row->{error_msg}, qr/resolve host ?name/, "$name: an error");
		is($row->{timed_out}, JSON::PP::false, "$name: in time");
	}
};

subtest 'a name server that never answers' => sub {
	my @long = queue('hangs-long', 5);
	my @short = queue('hangs', 50, SHORT_MS);
	my $worker = current_worker($node);

	wait_for('it to be asked', sub { asked(qr/^hangs/) >= 55 });
	is(statuses(queue('fine', 100)), '200: 100', 'names that are known, and others, are answered meanwhile');
	for my $id (@short)
	{
		my $row = wait_response($node, $id);
		$row->{timed_out} && $row->{error_msg} =~ /^Timeout of @{[SHORT_MS]} ms reached/
		  or fail("request $id: " . ($row->{error_msg} // 'none'));
	}
	is(statuses(@short), 'none: 50', 'those end by their timeout');
	is(statuses(queue('beside', 20)), '200: 20', 'others after that');
	is(sql("select count(*) from net.http_request_queue where url like '%hangs-long%'"), '5', 'the rest wait on');

	sql("select pg_terminate_backend($worker)");
	next_worker($node, $worker);
	is(statuses(queue('after', 20)), '200: 20', 'a worker that was ended while lookups hang has a successor at once');
	is(sql("select count(*) from net.http_request_queue where url like '%hangs-long%'"), '5', 'which goes on with them');
	sql('truncate net.http_request_queue; select net.worker_restart()');
};

subtest 'an answer that changes' => sub {
	# nobody is there
	append_to_file("$dir/address", '127.0.0.9');
	my ($id) = queue('moves', 1);
	like(wait_response($node, $id)->{error_msg}, qr/connect to server/, 'the old address does not answer');

	unlink "$dir/address";
	append_to_file("$dir/address", '127.0.0.1');
	$clock->set(CACHE_SECONDS + 1) if $clock;
	wait_for('the new address to be used', sub {
		($id) = queue('moves', 1);
		return (wait_response($node, $id)->{status_code} // 0) == 200;
	});
	pass('the new address is used when the old one is a minute old');
};

subtest 'a host with addresses that are dead' => sub {
	my ($dead, @waiting) = full_listener();
	my $port = $dead->sockport;
	my $alive = start_http_server('--address' => '127.0.0.2', '--port' => $port);
	my $get = sub { request($node, "select net.http_get('http://$_[0]:$port/echo/', timeout_milliseconds := @{[SHORT_MS]})") };

	like($get->('localhost')->{error_msg}, qr/^Timeout of @{[SHORT_MS]} ms reached/, 'one cannot be connected to');
	for my $name ('two.test', 'three.test')
	{
		my $row = $get->($name);
		is($row->{status_code}, 200, "$name: others get a part of the time");
		is($row->{remote_address}, '127.0.0.2', "$name: and one answers");
	}
};

$node->stop;

# Names that nobody answers for are those of one role.
subtest 'lookups that hang, and others' => sub {
	$node = new_node('lookups', conf => 'pg_net.max_in_flight = 2000');
	sql('create role hog; create role other');
	my $worker = current_worker($node);
	my $asked = asked(qr/^hangs-/);

	sql("set role hog; select net.http_get('http://hangs-' || i || '.test/', timeout_milliseconds := @{[LONG_MS]}) from generate_series(1, 1000) as i");
	wait_for('many to hang', sub { asked(qr/^hangs-/) >= $asked + 100 });
	is(request($node, "set role other; select net.http_get('http://127.0.0.1:$port/echo/address', timeout_milliseconds := @{[LONG_MS]})")->{status_code},
		200, 'another role is served by an address');
	my $row = request($node, "set role other; select net.http_get('http://fine-1.test:$port/echo/name', timeout_milliseconds := @{[LONG_MS]})");
	is($row->{status_code}, 200, 'and by name');
	cmp_ok(sql("select count(*) from net.http_request_queue where url like '%//hangs-%'"), '>', 0, 'while the others wait');
	cmp_ok(scalar(() = glob "/proc/$worker/fd/*"), '<', 700, 'lookups are limited');
	is(scalar(() = glob "/proc/$worker/task/*"), 1, 'there are no threads');
	is(current_worker($node), $worker, 'one worker did it');
	$node->stop('immediate');
};

done_testing();
