# Two servers that Patroni looks after, with etcd: the one that leads dies under
# load, and what was committed is sent by the other one.

use strict;
use warnings;

use JSON::PP qw(decode_json);
use IPC::Run ();
use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

plan(skip_all => "$_ is not installed") for grep { !has_tool($_) } qw(patroni etcd);

# Patroni gives a leader at least so long to come back.
use constant TTL => 20;
use constant PATIENCE => 90;

my $dir = PostgreSQL::Test::Utils::tempdir('patroni');
my $server = start_http_server();
my $url = $server->url;
my ($bindir) = run_command([ 'pg_config', '--bindir' ]);
my %pids;

END { local $?; kill_all($_) for keys %pids }

# End a program with all it has started: the server is not a child of Patroni.
sub kill_all
{
	my ($name) = @_;
	my @pids = ($pids{$name});
	push @pids, slurp_file("$dir/$name/postmaster.pid") =~ /^(\d+)/ if -e "$dir/$name/postmaster.pid";
	for (my $i = 0; $i < @pids; $i++) { push @pids, PgNetTest::children_of($pids[$i]) }
	kill 'KILL', @pids;
	waitpid delete $pids{$name}, 0;
	return;
}

sub start
{
	my ($name, @command) = @_;
	$pids{$name} = PgNetTest::spawn('sh', '-c', 'exec "$@" >"$0" 2>&1', "$dir/$name.log", @command);
	return;
}

my ($client, $peer) = map { PostgreSQL::Test::Cluster::get_free_port() } 1 .. 2;
start('etcd', 'etcd', '--name', 'one', '--data-dir', "$dir/etcd", '--listen-client-urls', "http://127.0.0.1:$client", '--advertise-client-urls', "http://127.0.0.1:$client",
	'--listen-peer-urls', "http://127.0.0.1:$peer", '--initial-advertise-peer-urls', "http://127.0.0.1:$peer", '--initial-cluster', "one=http://127.0.0.1:$peer");

my %nodes = map { $_ => { port => PostgreSQL::Test::Cluster::get_free_port(), rest => PostgreSQL::Test::Cluster::get_free_port() } } qw(one two);
for my $name (keys %nodes)
{
	my ($port, $rest) = @{ $nodes{$name} }{qw(port rest)};
	append_to_file("$dir/$name.yml", <<"END");
scope: pgnet
name: $name
restapi: {listen: 127.0.0.1:$rest, connect_address: 127.0.0.1:$rest}
etcd3: {host: 127.0.0.1:$client}
bootstrap:
  dcs:
    ttl: @{[TTL]}
    loop_wait: 1
    retry_timeout: 3
    primary_start_timeout: 0
    synchronous_mode: true
    postgresql:
      use_pg_rewind: true
      parameters: {shared_preload_libraries: pg_net, wal_log_hints: 'on', fsync: 'off', max_connections: 30}
  initdb: [{encoding: UTF8}, {auth: trust}, {locale: C}]
postgresql:
  listen: 127.0.0.1:$port
  connect_address: 127.0.0.1:$port
  data_dir: $dir/$name
  bin_dir: $bindir
  pgpass: $dir/$name.pgpass
  authentication: {superuser: {username: postgres}, replication: {username: postgres}, rewind: {username: postgres}}
  parameters: {unix_socket_directories: '$dir'}
  pg_hba: ['local all all trust', 'host all all 127.0.0.1/32 trust', 'host replication all 127.0.0.1/32 trust']
watchdog: {mode: 'off'}
END
}
sub start_patroni { my ($name) = @_; return start($name, 'patroni', "$dir/$name.yml") }

# What psql prints, of a server or of the one that leads; undef if it fails.
sub psql
{
	my ($name, $sql) = @_;
	my $ports = join ',', map { $nodes{$_}{port} } $name eq 'leader' ? sort keys %nodes : $name;
	my $hosts = join ',', ('127.0.0.1') x split /,/, $ports;
	my $which = $name eq 'leader' ? ' target_session_attrs=read-write' : '';
	my ($out, $err);
	local $ENV{PGCONNECT_TIMEOUT} = 2;
	return undef unless IPC::Run::run([ 'psql', '-XAtq', '-d', "host=$hosts port=$ports user=postgres dbname=postgres$which", '-c', $sql ], '>', \$out, '2>', \$err);
	chomp $out;
	return $out;
}

sub wait_psql
{
	my ($name, $sql, $expected) = @_;
	return wait_for("$sql on $name", sub { (psql($name, $sql) // 'no answer') eq ($expected // 't') }, PATIENCE);
}

# Calls in a process of their own, until told to stop: a line for each that was
# committed, with its number and its id.
sub start_calls
{
	my ($what) = @_;
	my $parent = $$;
	$pids{calls} = fork // die "could not fork: $!\n";
	return if $pids{calls};
	for (my $n = 1; !-e "$dir/stop-$what" && getppid() == $parent && $n < 100000; $n++)
	{
		my $id = psql('leader', "select net.http_request('POST', '$url/echo/$what-$n', retry := '{1s,1s,1s}')");
		append_to_file("$dir/$what", "$n $id\n") if defined $id;
	}
	POSIX::_exit(0);
}

sub stop_calls
{
	my ($what) = @_;
	append_to_file("$dir/stop-$what", '');
	waitpid delete $pids{calls}, 0;
	return map { [split] } split /\n/, slurp_file("$dir/$what");
}

sub calls { my ($what) = @_; return -e "$dir/$what" ? scalar(() = slurp_file("$dir/$what") =~ /\n/g) : 0 }

start_patroni('one');
wait_psql('one', 'select not pg_is_in_recovery()');
psql('one', 'create extension pg_net');
psql('one', 'select net.set_durable(true)');
start_patroni('two');
wait_psql('leader', q(select exists (select from pg_stat_replication where sync_state = 'sync')));
is(psql('two', 'select pg_is_in_recovery()'), 't', 'one leads, the other follows synchronously');

subtest 'the leader dies under load' => sub {
	start_calls('sync');
	wait_for('some calls', sub { calls('sync') > 30 });
	kill_all('one');
	my $began = time;
	wait_psql('two', 'select not pg_is_in_recovery()');
	note(sprintf 'the other one leads after %.1f s', time - $began);
	my $before = calls('sync');
	wait_for('more calls', sub { calls('sync') > $before + 30 }, PATIENCE);
	my @calls = stop_calls('sync');
	wait_psql('two', 'select not exists (select from net.http_request_queue)');
	my %arrived;
	$arrived{$_->[2] =~ /sync-(\d+)/ ? $1 : ''}++ for $server->arrivals_of(qr/sync-/);
	my @lost = grep { !$arrived{ $_->[0] } } @calls;
	is(scalar @lost, 0, sprintf('of %d requests that were committed none is lost', scalar @calls));
	my %ids;
	$ids{ $_->[1] }++ for @calls;
	is(scalar(grep { $_ > 1 } values %ids), 0, 'no id was given out twice');
	my $twice = grep { $_ > 1 } values %arrived;
	note("$twice arrived twice");
	cmp_ok($twice, '<', 30, 'only what was in flight arrived twice');
	is(psql('two', 'select count(*) - count(distinct id) from net._http_response'), 0, 'no id has two responses');
};

subtest 'the old leader follows, and the new one dies with a standby that lags' => sub {
	start_patroni('one');
	wait_psql('leader', q(select exists (select from pg_stat_replication where state = 'streaming')));
	is(psql('one', 'select pg_is_in_recovery()'), 't', 'it was rewound and follows');
	is(psql('one', q(select count(*) from pg_stat_activity where backend_type ~ '^(pg_)?net worker')), 0, 'and sends nothing');

	system_or_bail('patronictl', '-c', "$dir/two.yml", 'edit-config', '--force', '--quiet', '-s', 'synchronous_mode=false');
	wait_psql('leader', q(select exists (select from pg_stat_replication where sync_state = 'async')));
	my $first = psql('leader', "select net.http_get('$url/echo/before')");
	wait_psql('two', 'select not exists (select from net.http_request_queue)');
	wait_psql('leader', 'select bool_and(replay_lsn = pg_current_wal_lsn()) from pg_stat_replication');
	my $walsender = psql('leader', 'select pid from pg_stat_replication');
	kill 'STOP', $walsender;
	my @lost = map { psql('leader', "select net.http_get('$url/echo/lost-$_')") } 1 .. 20;
	kill_all('two');
	kill 'KILL', $walsender;
	wait_psql('one', 'select not pg_is_in_recovery()');
	my $id = wait_for('a call', sub { psql('one', "select net.http_get('$url/echo/after')") }, PATIENCE);
	cmp_ok($id, '>', $lost[-1], "ids go on higher than those that were lost: $id");
	wait_psql('one', "select exists (select from net._http_response where id = $id and status_code = 200)");
	is(psql('one', "select status_code from net._http_response where id = $first"), 200, 'what had been replicated is there');
	is(psql('one', "select count(*) from net._http_response where id in (" . join(',', @lost) . ')'), 0, 'the others are not');
};

kill_all($_) for keys %pids;
done_testing();
