# Ids are not given out again, whatever of the sequence is lost: by a standby
# that lags, by a crash, by going back to a backup.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# How far ids go on.
use constant DISTANCE => 2**20;

# Calls of one session, in a transaction each; their ids.
sub calls
{
	my ($node, $database, $count) = @_;
	my $call = "select net.http_get('http://127.0.0.1:9/', timeout_milliseconds := 1000);\n";
	return split /\n/, sql_in($node, $database, $call x $count);
}

sub is_new
{
	my ($name, $old, $new) = @_;
	my %given = map { $_ => 1 } @$old;
	is(scalar(grep { $given{$_} } @$new), 0, "$name: no id twice");
	return cmp_ok($new->[0], '>', $old->[-1], "$name: and higher ones");
}

my $primary = new_node('primary', init => { allows_streaming => 1 });
my $standby = PostgreSQL::Test::Cluster->new('standby');
my @databases = ('postgres', 'durable');

sql_in($primary, 'postgres', 'create database durable');
sql_in($primary, 'durable', 'create extension pg_net; select net.set_durable(true)');
$primary->backup('backup');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

subtest 'in order' => sub {
	my @ids = calls($primary, 'postgres', 3);

	is_deeply(\@ids, [ 1 .. 3 ], 'ids begin at 1');
	is(sql_in($primary, 'postgres', 'select timeline from net._installation'), 1, 'on the first timeline');
	$primary->restart;
	is_deeply([ calls($primary, 'postgres', 3) ], [ 4 .. 6 ], 'and go on after a restart');
	wait_for('the standby to be back', sub { sql_in($primary, 'postgres', 'select count(*) from pg_stat_replication') == 1 });
};

my %given;

subtest 'a standby that lags' => sub {
	push @{ $given{$_} }, calls($primary, $_, 40) for @databases;
	$primary->wait_for_catchup($standby);
	my $walsender = sql_in($primary, 'postgres', 'select pid from pg_stat_replication');
	kill 'STOP', $walsender or die "could not stop the WAL sender: $!\n";
	push @{ $given{$_} }, calls($primary, $_, 200) for @databases;

	$primary->stop('immediate');
	$standby->promote;
	for my $database (@databases)
	{
		my $last = sql_in($standby, $database, 'select last_value from net.http_request_queue_id_seq');
		my @ids = calls($standby, $database, 300);
		is_new($database, $given{$database}, \@ids);
		cmp_ok($ids[0] - $given{$database}[-1], '<', 2 * DISTANCE, "$database: not much");
		note("the sequence stood at $last or was moved on to it, of $given{$database}[-1]");
		push @{ $given{$database} }, @ids;
		wait_for('the timeline to be written down', sub { sql_in($standby, $database, 'select timeline from net._installation') == 2 });
	}
};

subtest 'a restart of the promoted server' => sub {
	for my $database (@databases)
	{
		wait_for('the queue to be empty', sub { sql_in($standby, $database, 'select count(*) from net.http_request_queue') == 0 });
	}
	$standby->restart;
	for my $database (@databases)
	{
		my ($id) = calls($standby, $database, 1);
		is($id, $given{$database}[-1] + 1, "$database: ids go on");
		push @{ $given{$database} }, $id;
	}
};

subtest 'another failover, of a standby that knows of none' => sub {
	my $other = PostgreSQL::Test::Cluster->new('other');

	$primary->start;
	$primary->backup('later');
	$other->init_from_backup($primary, 'later', has_streaming => 1);
	$other->append_conf('postgresql.conf', 'recovery_target_timeline = current');
	$other->start;
	$other->promote;
	is_new('postgres', [ $given{postgres}[-1] % DISTANCE ], [ calls($other, 'postgres', 1) ]);
	$other->stop;
	$primary->stop;
};
$standby->stop;

subtest 'a crash that takes the last commits' => sub {
	my $node = new_node('crash', conf => "synchronous_commit = off\nwal_writer_delay = 10s\nmax_worker_processes = 0", no_extension => 1);
	my $insert = "insert into net.http_request_queue (method, url, timeout_milliseconds) values ('GET', 'http://127.0.0.1:9/', 1000) returning id";
	my @ids;

	sql_in($node, 'postgres', 'create extension pg_net; checkpoint');
	@ids = calls($node, 'postgres', 100);
	$node->stop('immediate');
	$node->start;
	my @again = calls($node, 'postgres', 100);
	is_new('calls', \@ids, \@again);
	$node->stop('immediate');
	$node->start;
	my $id = sql_in($node, 'postgres', $insert);
	is_new('by hand', [ @ids, @again ], [ $id ]);

	sql_in($node, 'postgres', 'alter table net.http_request_queue add column note text');
	$node->stop('immediate');
	$node->start;
	is_new('a changed table', [ $id ], [ calls($node, 'postgres', 2) ]);

	# a transaction that cannot write sees to nothing
	$node->stop('immediate');
	$node->start;
	my (undef, undef, $error) = $node->psql('postgres', "begin read only; select net.http_get('http://127.0.0.1:9/')");
	like($error, qr/cannot execute net\.http_get\(\) in a read-only transaction/, 'a read-only transaction is refused as ever');
	sql_in($node, 'postgres', "begin; select net.http_get('http://127.0.0.1:9/'); rollback");
	my ($first, $second) = calls($node, 'postgres', 2);
	cmp_ok($first, '>', $id + DISTANCE, 'one that is rolled back does for all');
	is($second, $first + 1, 'once');
	$node->stop;
};

done_testing();
