# Through pgbouncer, which gives each transaction another server session.

use strict;
use warnings;

use IPC::Run ();
use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan(skip_all => 'pgbouncer is not installed') unless has_tool('pgbouncer');

$ENV{PATH} .= ':/usr/sbin';
my $server = start_http_server();
my $url = $server->url;
my $node = new_node('pooled');
my $dir = PostgreSQL::Test::Utils::tempdir('pgbouncer');
my $port = PostgreSQL::Test::Cluster::get_free_port();

sql('create role app login');
append_to_file("$dir/users", qq("app" ""\n));
append_to_file("$dir/pgbouncer.ini", <<"END");
[databases]
* = host=@{[$node->host]} port=@{[$node->port]}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = trust
auth_file = $dir/users
pool_mode = transaction
default_pool_size = 3
logfile = $dir/log
pidfile = $dir/pid
END
my $bouncer = IPC::Run::start([ 'pgbouncer', '-q', "$dir/pgbouncer.ini" ], '<', \undef, '>', "$dir/out", '2>&1');
END { local $?; $bouncer->kill_kill if $bouncer }

# What psql prints for statements that are sent one by one; each in another session, perhaps.
sub pooled
{
	my @statements = @_;
	my ($out, $err);
	IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', "host=127.0.0.1 port=$port user=app dbname=postgres", map { ('-c', $_) } @statements ], '>', \$out, '2>', \$err) or return $err;
	chomp $out;
	return $out;
}

wait_for('pgbouncer', sub { pooled('select 1') eq '1' });
my @ids = split /\n/, pooled(map { "select net.http_post('$url/echo/pooled-$_', jsonb_build_object('n', $_))" } 1 .. 20);
is(scalar @ids, 20, 'calls, each in a transaction');
is(pooled("select count(*) from net.await('{" . join(',', @ids) . "}', timeout := '30 s')"), 20, 'the role of the pool sees its responses');
my @together = split /\n/, pooled('begin', (map { "select net.http_get('$url/echo/together-$_')" } 1 .. 5), 'commit');
is(scalar @together, 5, 'calls in one transaction');
is(pooled("select bool_and(net._await_response(id)) from unnest('{" . join(',', @together) . "}'::bigint[]) id"), 't', 'are sent');
pooled('begin', "select net.http_get('$url/echo/rolled-back')", 'rollback');
my $id = pooled("select net.http_request('GET', '$url/echo/last', retry := '{1s}')");
is(pooled("select status from net._http_collect_response($id, async := false)"), 'SUCCESS', 'waiting works');
is(scalar $server->arrivals_of(qr/rolled-back/), 0, 'what was rolled back is not sent');
is(sql("select string_agg(distinct role::text, ',') from net._http_response"), 'app', 'the role of the request is that of the pool');

# Many clients, three sessions of the server.
my @clients = map { my $n = $_; IPC::Run::start([ 'psql', '-XAtq', '-d', "host=127.0.0.1 port=$port user=app dbname=postgres", map { ('-c', "select net.http_get('$url/echo/client-$n-$_')") } 1 .. 10 ], '>', \my $out) } 1 .. 10;
$_->finish for @clients;
wait_queue_empty();
is(scalar $server->arrivals_of(qr/client-/), 100, 'of ten clients all requests arrive');

done_testing();
