# Too few background workers, and requests that last: which database gets a
# process, and what that costs the others.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $server = start_http_server();
my $url = $server->url;
# Three for workers: the launcher has one, and so has that of logical replication.
my $node = new_node('preempt', conf => "max_worker_processes = 5\npg_net.database_name = ''");
my $files = PostgreSQL::Test::Utils::tempdir();
my $held = qr/LOG:  pg_net worker keeps its process: requests in flight are taking long/;

sub queue
{
	my ($database, $path) = @_;
	return sql_in($database, "select net.http_get('$url$path', timeout_milliseconds := 3600000)");
}

# Queue a request that is answered once the file of that name exists.
sub queue_held
{
	my ($name, $database) = @_;
	my $path = "/wait?file=$files/$name";
	my $id = queue($database, $path);
	$server->wait_arrivals($path, 1);
	return { id => $id, path => $path, database => $database, file => "$files/$name" };
}

sub let_go
{
	append_to_file($_[0]{file}, '');
	return;
}

create_databases(qw(a b c d));
$node->restart;

subtest 'every process has a request that lasts' => sub {
	my $log_offset = -s $node->logfile;
	my %lasts = map { $_ => queue_held($_, $_) } qw(a b c);
	my $waits = queue('d', '/echo/waits');

	wait_for('all workers to refuse', sub {
		3 == (() = slurp_file($node->logfile, $log_offset) =~ /$held/g);
	});
	is_served($server, "$_ is served though its worker was asked to leave", $_) for qw(a b c);
	is(sql_in('d', 'select count(*) from net._http_response'), '0', 'd waits for a process');
	is(sql("select count(*) from pg_stat_activity where backend_type = 'pg_net worker'"), '3', 'which nobody can leave');

	let_go($lasts{b});
	is(wait_response($node, $waits, undef, 'd')->{status_code}, 200, 'd is served when one can');
	is(wait_response($node, $lasts{b}{id}, undef, 'b')->{status_code}, 200, 'what that one waited for is answered');
	is_served($server, "$_ is served when its turn comes", $_) for qw(b d a c);

	let_go($lasts{$_}) for qw(a c);
	is(wait_response($node, $lasts{$_}{id}, undef, $_)->{status_code}, 200, "what $_ waited for is answered, too") for qw(a c);
	is($server->arrivals_of($lasts{$_}{path}) + 0, 1, "that of $_ was sent once") for qw(a b c);
};

subtest 'who becomes idle is asked, though another one is about to leave' => sub {
	$node->append_conf('postgresql.conf', "max_worker_processes = 4\nlog_min_messages = debug1");
	$node->restart;
	my $log_offset = -s $node->logfile;
	my $oid = sql("select oid from pg_database where datname = 'a'");
	# it may have to leave again while databases are looked at
	wait_for('the turn of the first to end', sub {
		queue('a', '/echo/first');
		sql("select backend_start < clock_timestamp() - interval '2.5 s' from pg_stat_activity"
			  . " where datname = 'a' and backend_type = 'pg_net worker'") eq 't';
	});
	my $started = time;
	my $longer = queue_held('longer', 'a');
	my $shorter = queue_held('shorter', 'b');
	my $waits = queue('c', '/echo/waits');
	wait_for('the first to be asked', sub { log_contains($node, qr/DEBUG:  asking the pg_net worker of database $oid to leave/, $log_offset) });
	let_go($shorter);
	my $let_go = time;

	is(wait_response($node, $waits, undef, 'c')->{status_code}, 200, 'c is served by the process of the one that is idle');
  SKIP: {
		skip 'this machine takes too long', 1 if $let_go > $started + 2;
		ok(!log_contains($node, $held, $log_offset), 'before the other one refused');
	}
	let_go($longer);
	is(wait_response($node, $longer->{id}, undef, 'a')->{status_code}, 200, 'which has its answer');
};

subtest 'requests that overlap keep no process for ever' => sub {
	$node->append_conf('postgresql.conf', "max_worker_processes = 3\nlog_min_messages = warning");
	$node->restart;
	my $waits;
	my $sent = 0;
	my $started = time;

	# longer than the worker's patience at first
	while (!$waits || sql_in('b', "select count(*) from net._http_response where id = $waits") eq '0')
	{
		queue('a', '/delay/8?overlaps');
		$waits = queue('b', '/echo/between') if ++$sent == 6;
		last if time > $started + 2 * $PostgreSQL::Test::Utils::timeout_default;
		sleep 0.7;
	}
	is(sql_in('b', "select status_code from net._http_response where id = $waits"), '200', 'another database has its turn');
	wait_queue_empty('a');
	is($server->arrivals_of('/delay/8?overlaps') + 0, $sent, 'and nothing was sent twice');
	cmp_ok(sql_in('a', 'select count(*) from net._http_response where status_code = 200'), '>=', $sent, 'or lost');
};

subtest 'a row that somebody holds is as a request that lasts' => sub {
	$node->restart;
	my $log_offset = -s $node->logfile;
	my $lasts = queue_held('locked', 'a');
	my $session = $node->background_psql('a', on_error_stop => 0);
	$session->query_safe("begin; select from net.http_request_queue where id = $lasts->{id} for update");
	let_go($lasts);
	my $waits = queue('b', '/echo/unlocked');

	wait_for('the worker to refuse', sub { log_contains($node, $held, $log_offset) });
	is_served($server, 'a is served though its worker was asked to leave', 'a');
	$session->query_safe('commit');
	is(wait_response($node, $waits, undef, 'b')->{status_code}, 200, 'b is served when the row is free');
	is(wait_response($node, $lasts->{id}, undef, 'a')->{status_code}, 200, 'and what was answered is recorded');
	is($server->arrivals_of($lasts->{path}) + 0, 1, 'without being sent again');
	$session->quit;
};

$node->stop;
done_testing();
