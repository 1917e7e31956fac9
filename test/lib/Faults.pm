# Faults.pm -- what may happen to a server with pg_net, as things to do to it.
#
# Each fault is a sub of a node and a Ledger that returns when the server takes
# connections again.

package Faults;

use strict;
use warnings;

use Exporter qw(import);
use Ledger;
use PgNetTest;
use PostgreSQL::Test::Utils;
use Session;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(fault_kinds run_rounds seed faults_node kill_process kill_postmaster);

# Load goes on for this long at most between two faults.
use constant LONGEST_PEACE => 0.6;

# What waits to be called may have been called when a lock is there.
use constant LONGEST_LOCK => 1;

# The postmaster sees at once that a process was killed.
use constant LONGEST_CRASH => 10;

use constant RESTARTS_IN_A_ROW => 10;

# A worker with requests in flight takes 0.5 s to leave.
use constant LONGEST_RESTART_PAUSE => 0.2;

my $callback = "backend_type = 'net callback'";

my %faults = (
	'kill -9 worker' => sub { kill_process($_[0], "backend_type = 'pg_net worker'") },
	'kill -9 launcher' => sub { kill_process($_[0], "backend_type = 'net launcher'") },
	'kill -9 backend' => sub { kill_process($_[0], "application_name = 'ledger'") },
	'kill -9 before call' => sub { kill_waiting_callback($_[0], 'exclusive') },
	'kill -9 in call' => sub { kill_process($_[0], "$callback and wait_event = 'PgSleep'") },
	'kill -9 after call' => sub { kill_waiting_callback($_[0], 'share') },
	'terminate callback' => \&terminate_callback,
	'terminate worker' => \&terminate_worker,
	'worker_restart' => \&restart_worker,
	'stop -m fast' => sub { $_[0]->stop('fast'); $_[0]->start; },
	'stop -m immediate' => sub { $_[0]->stop('immediate'); $_[0]->start; },
	'stop -m smart' => \&stop_smart,
	'kill -9 postmaster' => \&kill_postmaster);

# Faults at which the worker goes on.
my %spares_requests = ('terminate callback' => 1);

sub fault_kinds { return sort keys %faults }

# The seed of this run: PGNET_SEED, or another each time.
sub seed
{
	my $seed = $ENV{PGNET_SEED} || 1 + int rand 1_000_000;

	diag("PGNET_SEED=$seed repeats the choice of faults and moments");
	srand $seed;
	return $seed;
}

# A node that may be harmed.
sub faults_node
{
	my ($name) = @_;

	return new_node($name, conf => <<'END');
restart_after_crash = on
max_prepared_transactions = 20
pg_net.max_in_flight_per_host = 1000
log_statement = none
log_min_messages = warning
log_checkpoints = off
END
}

# Do so many rounds, in shuffled sets of all kinds, or as many as fit into the
# time in seconds.
sub run_rounds
{
	my ($node, $ledger, $rounds, $seconds) = @_;
	my $deadline = time + $seconds;
	my @kinds;

	for my $round (1 .. $rounds)
	{
		@kinds = sort { $a->[0] <=> $b->[0] } map { [ rand, $_ ] } fault_kinds() unless @kinds;
		my $kind = (shift @kinds)->[1];
		sleep rand LONGEST_PEACE;
		$ledger->fault($kind, sub { $faults{$kind}->($node, $ledger) }, spares_requests => $spares_requests{$kind});
		last if time > $deadline;
	}
	return;
}

# kill -9 a process of the server, at random, and wait until the server has
# started anew.
sub kill_process
{
	my ($node, $which) = @_;

	return crash($node, sub { random_pid($node, $which) });
}

# The pid of a process of the server, at random; '' if there is none.
sub random_pid
{
	my ($node, $which) = @_;
	return sql_in($node, 'postgres', "select pid from pg_stat_activity where $which order by random() limit 1");
}

# kill -9 the process of the callbacks as it waits for a lock of the responses
# that this mode is in the way of.  It locks a row before it calls the function,
# and changes that afterwards.
sub kill_waiting_callback
{
	my ($node, $mode) = @_;
	my $session = Session->new($node, 'postgres');

	return crash($node, sub {
		# while the lock is held no response is stored
		return '' unless $session->query('select id from net._http_response where callback is not null and called is null limit 1');
		$session->query('begin');
		$session->query("lock table net._http_response in $mode mode");
		my $pid = eval { wait_for('the lock', sub { random_pid($node, "$callback and wait_event_type = 'Lock'") }, LONGEST_LOCK) };
		$session->query('rollback') unless $pid;
		return $pid;
	});
}

# kill -9 a process whose pid this sub returns, once there is one, and wait until
# the server has started anew.
sub crash
{
	my ($node, $find) = @_;
	my $log_offset = -s $node->logfile;

	wait_for('a process to kill', sub {
		my $pid = $find->() or return;

		kill 'KILL', $pid;
		# it may just have ended by itself
		return eval {
			wait_for('the crash to be seen', sub { log_contains($node, qr/reinitializing/, $log_offset) }, LONGEST_CRASH);
		};
	});
	wait_for('the server to be back', sub {
		log_contains($node, qr/ready to accept connections/, $log_offset);
	});
	return;
}

# End the process of the callbacks, perhaps in a call.
sub terminate_callback
{
	my ($node) = @_;

	wait_for('a process of callbacks', sub {
		sql_in($node, 'postgres', "select pg_terminate_backend(pid) from pg_stat_activity where $callback");
	});
	return;
}

sub terminate_worker
{
	my ($node) = @_;
	my $pid = current_worker($node);

	sql_in($node, 'postgres', "select pg_terminate_backend($pid)");
	return sub { next_worker($node, $pid) };
}

sub restart_worker
{
	my ($node) = @_;

	for (1 .. RESTARTS_IN_A_ROW)
	{
		sleep rand LONGEST_RESTART_PAUSE;
		sql_in($node, 'postgres', 'select net.worker_restart()');
	}
	# it does not run again before the last one that was ended has left
	my $timeout = $PostgreSQL::Test::Utils::timeout_default;
	return sub { sql_in($node, 'postgres', "set statement_timeout = '${timeout}s';", 'select net.wait_until_running()') };
}

# A smart stop waits for the sessions to leave.
sub stop_smart
{
	my ($node, $ledger) = @_;

	$ledger->pause;
	$node->stop('smart');
	$node->start;
	$ledger->resume;
	return;
}

# kill -9 the postmaster; its children see that and end.
sub kill_postmaster
{
	my ($node) = @_;
	my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	my @children = children_of($postmaster);

	$node->kill9;
	wait_for('all processes of the server to end', sub { !kill 0, $postmaster, @children });
	$node->start;
	return;
}

1;
