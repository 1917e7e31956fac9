# Out of descriptors, ports or threads: requests wait and go on, nothing is
# lost, and the log has one line.
#
# The test runs itself again in namespaces of its own where that is allowed:
# there it sets the range of local ports and /etc/hosts, and nobody else feels
# it.

use strict;
use warnings;

# Before anything opens a file or a log.  New namespaces have no network, not
# even lo's.
BEGIN
{
	my @namespaces = qw(unshare --map-current-user --keep-caps --net --mount);
	my $lo_up = 'PATH=$PATH:/usr/sbin:/sbin ip link set lo up';

	if (!$ENV{PGNET_NAMESPACES} && system("@namespaces sh -c '$lo_up' 2>/dev/null") == 0)
	{
		$ENV{PGNET_NAMESPACES} = 1;
		exec @namespaces, 'sh', '-c', qq($lo_up; exec "\$@"), 'sh', $^X, map({ "-I$_" } @INC), $0;
	}
}

use IO::Socket::INET;
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

# What no request here can take, however slow the machine.
use constant LONG_MS => 170_000;

# For a request that fails when it is decided, not when its time is over.
use constant SOON_MS => 60_000;

# Longer than the timeout of one that waits meanwhile.
use constant OCCUPIED_SECONDS => 7;
use constant SHORT_MS => 5000;

# Descriptors that the worker leaves to others, as src/http/sockets.c says.
use constant LEFT_TO_OTHERS => 16;
use constant SOME => 10;

# The range of local ports, in namespaces of our own.
use constant PORTS => 20;

# Servers before ports are few, since these take some, too.
my $server = start_http_server();
my $other = start_http_server();
my $node = new_node('shortage', conf => "autovacuum = off\nrestart_after_crash = on");
my $worker = current_worker($node);
warm_up();

# The SQL that queues so many requests and returns their ids.
sub get
{
	my ($url, $count, $timeout) = @_;
	$count //= 1;
	$timeout //= LONG_MS;
	return "select net.http_get('$url' || i, timeout_milliseconds := $timeout)"
	  . " from generate_series(1, $count) as i";
}

sub queue
{
	my @ids = split /\n/, sql(get(@_));
	return @ids;
}

# How many of the requests have which status, as "200: 3"; the errors of those
# without one.
sub answers
{
	my $list = join ',', @_;
	return sql("select coalesce(status_code::text, error_msg) || ': ' || count(*)"
		  . " from net._http_response where id in ($list) group by status_code, error_msg order by 1");
}

# Wait until all have a response, and check that they have a good one.
sub all_answered
{
	my ($name, @ids) = @_;
	my $list = join ',', @ids;
	my $count = @ids;
	eval {
		wait_for('all responses', sub {
			return sql("select count(*) from net._http_response where id in ($list)") == $count;
		});
	} or diag($@);
	return is(answers(@ids), "200: $count", $name);
}

# Set a limit of the worker's, or give back the one it had.
my %had;
sub limit
{
	my ($what, $value) = @_;
	my $current = run_command_or_die('prlimit', '--pid', $worker, "--$what", '--noheadings', '--output', 'SOFT');
	$had{$what} //= $current;
	system_or_bail('prlimit', '--pid', $worker, "--$what=" . ($value // $had{$what}) . ':');
	return;
}

sub run_command_or_die
{
	my @command = @_;
	my ($out, $err) = run_command(\@command);
	die "@command: $err\n" if $err ne '' || $out !~ /\S/;
	$out =~ s/\s+//g;
	return $out;
}

# Let a worker that has had no connection open so many.
sub connections_left
{
	my ($count) = @_;
	my %used = map { m{/(\d+)$}; $1 => 1 } glob "/proc/$worker/fd/*";
	my $next = 0;

	# The kernel gives out the lowest number that is free.
	while ($used{$next} || $count-- > 0) { $next++ }
	limit('nofile', $next + LEFT_TO_OTHERS);
	return;
}

# The warnings of a shortage since then.
sub shortages
{
	my ($start) = @_;
	my @lines = slurp_file($node->logfile, $start) =~ /WARNING:  (pg_net is out of .*)/g;
	return @lines;
}

sub wait_shortage
{
	my ($start) = @_;
	return wait_for('the line in the log', sub { return shortages($start) });
}

sub wait_full_rate
{
	my ($start) = @_;
	return wait_for('the line that it is over', sub {
		return log_contains($node, qr/LOG:  pg_net is sending at full rate again/, $start);
	});
}

# Another worker, with the limits all processes have.
sub fresh_worker
{
	sql('select net.worker_restart()');
	$worker = next_worker($node, $worker);
	%had = ();
	warm_up();
	return;
}

# Have the worker open the files it needs, but no connection.
sub warm_up
{
	my $id = sql('insert into net.http_request_queue (method, url, timeout_milliseconds)'
		  . " values ('GET', 'nowhere', 1000) returning id");
	sql('select net.wake()');
	die "sent to nowhere\n" if wait_response($node, $id)->{error_msg} !~ /^invalid URL/;
	return;
}

# A port of this machine that nobody listens at.
sub deserted_port
{
	my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')
	  or die "could not listen: $!\n";
	return $socket->sockport;
}

my $no_descriptors = qr/^pg_net is out of file descriptors: Too many open files$/;

subtest 'fewer descriptors than requests' => sub {
	my $start = -s $node->logfile;
	my $refusing = 'http://127.0.0.1:' . deserted_port() . '/';

	connections_left(SOME);
	my @ids = (queue($server->url . '/delay/0.2?a', 100), queue($other->url . '/delay/0.2?b', 100));
	my ($refused) = queue($refusing, 1, SOON_MS);
	all_answered('all are answered', @ids);

	my $row = wait_response($node, $refused);
	is($row->{status_code}, undef, 'a host that refuses is no answer');
	like($row->{error_msg}, qr/connect to server/, 'but an error');
	is(scalar($server->arrivals_of(qr{\?a\d+$})), 100, 'each arrived once');
	is(scalar($other->arrivals_of(qr{\?b\d+$})), 100, 'at the other server, too');
	my @lines = shortages($start);
	is(scalar(@lines), 1, 'one line in the log');
	like($lines[0] // '', $no_descriptors, 'says why');

	limit('nofile');
	ok(eval { wait_full_rate($start) }, 'then it is over') or diag($@);
	is(scalar(() = slurp_file($node->logfile, $start) =~ /sending at full rate again/g), 1, 'as one line says');
	is(scalar(shortages($start)), 1, 'nothing came between');
	fresh_worker();
};

subtest 'a request waits for longer than its timeout' => sub {
	my $start = -s $node->logfile;

	connections_left(SOME);
	my @ids = queue($server->url . '/delay/' . OCCUPIED_SECONDS . '?occupied', SOME + 2);
	wait_shortage($start);
	my ($waits) = queue($other->url . '/status/200?waits', 1, SHORT_MS);
	my $row = wait_response($node, $waits);
	is($row->{status_code}, 200, 'it is answered') or diag($row->{error_msg});
	is(scalar(shortages($start)), 1, 'one line in the log');

	fresh_worker();
	all_answered('the next worker sends the rest', @ids);
};

subtest 'idle connections follow the settings' => sub {
	my $port = $server->port;
	my $few = 2;
	my $hosts = 10;
	my $sockets = sub { return scalar grep { (readlink($_) // '') =~ /^socket:/ } glob "/proc/$worker/fd/*" };
	my $visit = sub {
		request($node, get("http://$_[0]-$_.localhost:$port/status/200?idle")) for 1 .. $hosts;
		return $sockets->();
	};

	sql("alter system set pg_net.max_in_flight = $few");
	fresh_worker();
	my $before = $sockets->();
	cmp_ok($visit->('few'), '<=', $before + 2 * $few, "$few requests in flight, so few are kept");

	sql('alter system reset pg_net.max_in_flight');
	sql('select pg_reload_conf()');
	wait_for('the setting to be back', sub { return sql('show pg_net.max_in_flight') > $few });
	eval {
		wait_for('all to be kept', sub { return $visit->('many') >= $before + $hosts });
	} or diag($@);
	cmp_ok($sockets->(), '>=', $before + $hosts, 'a reload lets all be kept');
	fresh_worker();
};

SKIP: {
	skip 'no namespaces here', 5 unless $ENV{PGNET_NAMESPACES};

	# Names for the servers' address, one of them beside another address that
	# cannot be reached.
	my $hosts = PostgreSQL::Test::Utils::tempdir('hosts') . '/hosts';
	my @names = map { "name$_.test" } 1 .. 60;
	append_to_file($hosts, "127.0.0.1 localhost\n127.0.0.1 both.test @names\n2001:db8::1 both.test\n");
	system_or_bail('mount', '--bind', $hosts, '/etc/hosts');

	subtest 'descriptors for looking up names' => sub {
		my $start = -s $node->logfile;
		my $port = $server->port;

		# A lookup takes four, and they come all at once.
		connections_left(20);
		my @ids = split /\n/, sql("select net.http_get('http://name' || i || '.test:$port/echo/name', timeout_milliseconds := @{[LONG_MS]})"
			  . ' from generate_series(1, 60) as i');
		my ($nowhere) = queue('http://nowhere.test/', 1, SOON_MS);
		all_answered('all are answered', @ids);
		is(scalar($server->arrivals_of('/echo/name')), 60, 'each arrived once');
		my $row = wait_response($node, $nowhere);
		like($row->{error_msg}, qr/resolve host name/, 'a name that does not exist is an error');
		my @lines = shortages($start);
		is(scalar(@lines), 1, 'one line in the log');
		like($lines[0] // '', $no_descriptors, 'says why');
		fresh_worker();
	};

	sysctl('net.ipv4.ip_local_port_range', '40000 ' . (40000 + PORTS - 1));

	subtest 'fewer ports than requests' => sub {
		my $start = -s $node->logfile;
		my $port = $server->port;
		my @ids = queue("http://127.0.0.1:$port/delay/3?port", PORTS * 2);
		my $list = join ',', @ids;

		wait_shortage($start);
		my ($beside) = queue($other->url . '/status/200?beside');
		all_answered('all are answered', @ids, $beside);
		is(sql("select created < (select max(created) from net._http_response where id in ($list))"
				. " from net._http_response where id = $beside"), 't', 'another host has ports while they wait');
		is(scalar($server->arrivals_of(qr{\?port\d+$})), PORTS * 2, 'each arrived once');
		is_deeply([ shortages($start) ],
			[qq(pg_net is out of local ports for "127.0.0.1:$port": Cannot assign requested address)],
			'one line in the log');
	};

	# What was not sent is not in flight: nothing of it stays.
	subtest 'careful mode, and fewer ports than requests' => sub {
		my $port = $server->port;
		my $crashed = $worker;

		sql('select net.set_durable(true)');
		my @ids = queue("http://127.0.0.1:$port/delay/2?careful", PORTS * 2);
		$server->wait_arrivals(qr{\?careful}, 5);
		my $start = -s $node->logfile;
		kill 'KILL', $crashed;
		wait_for('the server to be back', sub {
			log_contains($node, qr/reinitializing.*ready to accept connections/s, $start)
			  && try_sql('select 1');
		});
		$worker = next_worker($node, $crashed);
		wait_shortage($start);
		all_answered('all are answered', @ids);
		ok(log_contains($node, qr/requests queued before that are sent with care/, $start), 'with care');
		eval { wait_for('nothing to be written down', sub { sql('select in_flight is null from net._installation') eq 't' }) };
		is(sql('select in_flight from net._installation'), '', 'and nothing is written down any more');
		sql('select net.set_durable(false)');
	};

	subtest 'addresses that cannot be reached' => sub {
		my $start = -s $node->logfile;

		sysctl('net.ipv6.conf.lo.disable_ipv6', 1);
		my $row = request($node, get("http://[::1]:@{[$server->port]}/", 1, SOON_MS));
		is($row->{status_code}, undef, 'the address of an interface without IPv6 is no answer');
		like($row->{error_msg}, qr/connect to server/, 'but an error');
		is_deeply([ shortages($start) ], [], 'and no shortage');
	};

	subtest 'one address without ports, one that cannot be reached' => sub {
		my $port = $other->port;
		my @ids = queue("http://both.test:$port/delay/1?both", PORTS * 2);
		all_answered('all are answered', @ids);
		is(scalar($other->arrivals_of(qr{\?both\d+$})), PORTS * 2, 'each arrived once');
	};
}

is(current_worker($node), $worker, 'one worker did it, but for the restart');
$node->stop;
done_testing();

# Set a kernel parameter of the network namespace.
sub sysctl
{
	my ($name, $value) = @_;
	$name =~ tr{.}{/};
	open my $file, '>', "/proc/sys/$name" or die "$name: $!\n";
	print $file $value;
	close $file or die "$name: $!\n";
	return;
}
