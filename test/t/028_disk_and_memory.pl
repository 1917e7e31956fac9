# Out of disk, and out of memory in the worker: what was committed is sent and
# answered once there is room again.
#
# The test runs itself again in a mount namespace of its own, where it makes
# small file systems.

use strict;
use warnings;

# Before anything opens a file or a log.
BEGIN
{
	my @namespaces = qw(unshare --map-current-user --keep-caps --mount);

	if (!$ENV{PGNET_NAMESPACES} && system("@namespaces mount -t tmpfs tmpfs /mnt 2>/dev/null") == 0)
	{
		$ENV{PGNET_NAMESPACES} = 1;
		exec @namespaces, $^X, map({ "-I$_" } @INC), $0;
	}
}

use File::Copy qw(move);
use Faults;
use Ledger;
use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant LONG_MS => 170_000;

# What the worker may have beyond what it has, in bytes.
use constant SOME_MEMORY => 40_000_000;

my $server = start_http_server();
my $url = $server->url;
my $node;

sub get
{
	my ($target) = @_;
	return "select net.http_get('$url$target', timeout_milliseconds := @{[LONG_MS]})";
}

# A file system of so many megabytes, on a new folder.
sub small_disk
{
	my ($name, $megabytes) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir($name);

	system_or_bail('mount', '-t', 'tmpfs', '-o', "size=${megabytes}m,mode=700", 'tmpfs', $dir);
	return $dir;
}

# Put the tables and their indexes on it.
sub move_tables
{
	my ($disk) = @_;

	sql("create tablespace small location '$disk'");
	sql("alter table net.$_ set tablespace small") for 'http_request_queue', '_http_response';
	sql("alter index net.$_ set tablespace small")
	  for split /\n/, sql("select indexrelid::regclass from pg_index where indrelid in ('net.http_request_queue'::regclass, 'net._http_response'::regclass)") =~ s/^net\.//gmr;
	return;
}

# Leave no room on it.
sub fill
{
	my ($dir) = @_;

	open my $file, '>', "$dir/filler" or die "$dir/filler: $!\n";
	1 while syswrite $file, "\0" x 65536;
	1 while syswrite $file, "\0" x 512;
	close $file;
	return;
}

# Each of these has one response, a good one.
sub all_answered
{
	my ($name, @ids) = @_;
	my $list = join ',', @ids;
	my $count = @ids;

	eval {
		wait_for('all responses', sub {
			sql("select count(*) from net._http_response where id in ($list)") >= $count;
		});
	} or diag($@);
	is( sql("select count(*), count(distinct id), count(*) filter (where status_code = 200) from net._http_response where id in ($list)"),
		"$count|$count|$count",
		"$name: each has one response");
	return;
}

SKIP: {
	skip 'no namespaces here', 3 unless $ENV{PGNET_NAMESPACES};

	subtest 'no room for the tables' => sub {
		my $disk = small_disk('tablespace', 16);
		my $gate = PostgreSQL::Test::Utils::tempdir('gate') . '/open';

		$node = new_node('full', conf => 'autovacuum = off');
		move_tables($disk);
		my $worker = current_worker($node);
		my $start = -s $node->logfile;

		my @ids = split /\n/, sql(get("/wait?file=$gate") . ' from generate_series(1, 50)');
		$server->wait_arrivals("/wait?file=$gate", 50);
		fill($disk);

		# Callers see it, and what they commit until then counts.
		my $refused;
		for my $i (1 .. 1000)
		{
			my $stdout;
			my $rc = $node->psql('postgres', get("/echo/full/$i"), stdout => \$stdout, stderr => \$refused);
			last if $rc != 0;
			push @ids, $stdout;
		}
		like($refused, qr/No space left on device/, 'a request that finds no room is refused at the call');
		append_to_file($gate, '');
		wait_for('the worker to find no room', sub {
			log_contains($node, qr/WARNING:  pg_net could not record responses: .*No space left on device/, $start);
		});
		my $count = @ids;
		is(sql('select count(*) from net.http_request_queue'), $count, "all $count are queued still");

		unlink "$disk/filler";
		all_answered('with room again', @ids);
		is(scalar(() = slurp_file($node->logfile, $start) =~ /could not record responses/g), 1, 'one line in the log');
		is(scalar $server->arrivals_of("/wait?file=$gate"), 50, 'each was sent once');
		is(scalar $server->arrivals_of(qr{^/echo/full/}), $count - 50, 'those that were queued meanwhile, too');
		is(current_worker($node), $worker, 'by one worker');
		$node->stop;
	};

	subtest 'no room for failures' => sub {
		my $disk = small_disk('failures', 16);
		my $gate = PostgreSQL::Test::Utils::tempdir('gate') . '/open';
		my $body = 'x' x 900;

		$node = new_node('failures', conf => 'autovacuum = off');
		sql('select net.set_durable(true)');
		move_tables($disk);
		my $worker = current_worker($node);
		my $start = -s $node->logfile;

		# half of them succeed the second time, half are given up
		my @ids = split /\n/, sql("select net.http_request('GET', '$url/flaky/' || n || '?file=$gate&body=$body&fails=' || 1 + n % 2,"
			  . " retry := '{100ms}', timeout_milliseconds := @{[LONG_MS]}) from generate_series(1, 50) as n");
		my $list = join ',', @ids;
		$server->wait_arrivals(qr/^\/flaky/, 50);
		fill($disk);
		append_to_file($gate, '');
		wait_for('the worker to find no room', sub {
			log_contains($node, qr/WARNING:  pg_net could not record responses: .*No space left on device/, $start);
		});
		cmp_ok(sql("select count(*) from net.http_request_queue where failures is null"), '>', 25, 'no room for most failures');
		my $refused = failure("select net.http_request('GET', '$url/echo', context := to_jsonb(repeat('x', 1000))) from generate_series(1, 200)");
		like($refused, qr/No space left on device/, 'nor for more requests');
		is(sql("select count(*) from (select id from net.http_request_queue union select id from net._http_response) as known where id in ($list)"), 50, 'nothing is lost');

		unlink "$disk/filler";
		wait_sql("select count(*) from net._http_response where id in ($list)", 50);
		is(sql("select count(distinct id) from net._http_response where id in ($list)"), 50, 'with room again, each has one response');
		is(sql('select status_code, attempts, error_msg, jsonb_array_length(failures), count(*) from net._http_response group by 1, 2, 3, 4 order by 1'),
			"200|2||1|25\n503|2|gave up after 2 attempts: 503|2|25", 'after as many attempts as there should be');
		is(sql('select count(*) from net.http_request_queue where gave_up is not null'), 25, 'those that were given up can be sent again');
		is(scalar $server->arrivals_of(qr/^\/flaky/), 100, 'no attempt was made again');
		is(sql("select count(*) from net.http_request_queue where gave_up is null"), 0, 'nothing waits');
		is(scalar(() = slurp_file($node->logfile, $start) =~ /could not record responses/g), 1, 'one line in the log');
		is(sql("select count(net.resend(id)) from net.http_request_queue"), 25, 'resend');
		wait_sql("select count(*) from net._http_response where id in ($list) and status_code = 200", 50);
		is(current_worker($node), $worker, 'by one worker');
		$node->stop;
	};

	subtest 'no room for WAL, under load' => sub {
		my $disk = small_disk('wal', 64);
		my $seed = seed();

		$node = faults_node('panic');
		$node->stop;
		move($node->data_dir . '/pg_wal', "$disk/pg_wal") or system_or_bail('mv', $node->data_dir . '/pg_wal', "$disk/pg_wal");
		symlink "$disk/pg_wal", $node->data_dir . '/pg_wal' or die "no link: $!\n";
		$node->append_conf('postgresql.conf', "min_wal_size = 32MB\nmax_wal_size = 32MB");
		$node->start;
		sql('create unlogged table waste (t text); create table wasted (t text)');
		my $ledger = Ledger->new($node, start_http_server(), seed => $seed);

		$ledger->fault('out of disk', sub { run_out_of_wal($disk) }) for 1 .. 2;
		$ledger->check;
		note($ledger->report);
		$node->stop;
	};
}

# Does a statement succeed?  A server that goes down may end psql before it has
# read the statement, and then IPC::Run dies of the broken pipe.
sub succeeds
{
	my ($sql) = @_;
	my $status = eval { $node->psql('postgres', $sql, stdout => \my $out, stderr => \my $err) };
	return defined $status && $status == 0;
}

# Write WAL until the server goes down for it, then give it room again.
sub run_out_of_wal
{
	my ($disk) = @_;
	my $start = -s $node->logfile;

	fill($disk);
	wait_for('the server to panic', sub {
		succeeds("insert into wasted select repeat('x', 1000) from generate_series(1, 20000)");
		return log_contains($node, qr/PANIC:.*No space left on device/, $start);
	});
	unlink "$disk/filler";

	# It starts anew, or gives that up for want of room.
	wait_for('the server to be up or down', sub {
		return 1 if succeeds('truncate wasted');
		return log_contains($node, qr/database system is shut down/, $start);
	});
	unless (succeeds('select 1'))
	{
		$node->_update_pid(0);
		$node->start;
	}
	return;
}

subtest 'no memory in the worker' => sub {
	plan skip_all => 'no /proc' unless -r '/proc/self/status';
	plan skip_all => 'no prlimit' unless has_tool('prlimit');

	$node = new_node('memory', conf => "pg_net.max_response_size = '256MB'");
	my $worker = current_worker($node);
	my $start = -s $node->logfile;
	is(request($node, get('/echo/warm'))->{status_code}, 200, 'a request before');
	my ($kilobytes) = slurp_file("/proc/$worker/status") =~ /^VmSize:\s*(\d+) kB/m;
	my $limit = $kilobytes * 1024 + SOME_MEMORY;

	system_or_bail('prlimit', '--pid', $worker, "--as=$limit:");
	my $answer = sql(get('/huge?bytes=200000000'));
	my $body = sql('insert into net.http_request_queue (method, url, body, timeout_milliseconds)'
		  . " select 'POST', '$url/echo/large', convert_to(repeat('x', 90000000), 'UTF8'), @{[LONG_MS]} returning id");
	sql('select net.wake()');
	my @beside = split /\n/, sql(get('/echo/beside') . ' from generate_series(1, 50)');

	all_answered('small ones', @beside);
	my $row = wait_response($node, $answer);
	is($row->{status_code}, undef, 'an answer that is too large has no status');
	like($row->{error_msg}, qr/out of memory|Out of memory|writing/, 'but an error');
	wait_for('the worker to find no memory', sub { log_contains($node, qr/WARNING:  pg_net .*out of memory/, $start) });
	is(sql("select count(*) from net.http_request_queue where id = $body"), '1', 'a body that is too large waits');
	all_answered('small ones after that', split /\n/, sql(get('/echo/after') . ' from generate_series(1, 50)'));

	system_or_bail('prlimit', '--pid', $worker, '--as=unlimited:');
	wait_for('the answer to the large one', sub { sql("select 1 from net._http_response where id = $body and status_code = 200") });
	is(scalar $server->arrivals_of('/echo/large'), 1, 'with memory again it is sent, once');
	is(scalar $server->arrivals_of('/echo/beside'), 50, 'the others were sent once');
	is(current_worker($node), $worker, 'by one worker');
	$node->stop;
};

done_testing();
