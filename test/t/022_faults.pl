# Nothing lost, nothing done twice, nothing stuck: the server and its processes
# end in every way while requests are queued, sent and answered, and functions
# called with the responses.
#
# PGNET_TORTURE_ROUNDS (13) faults, or as many as fit into PGNET_TORTURE_SECONDS
# (30); PGNET_SEED repeats a run.  make torture does hundreds, and prints the
# ledger at the end; see Ledger.pm for its columns.

use strict;
use warnings;

use Faults;
use Ledger;
use PgNetTest;
use Test::More;

# Each kind of fault once, unless asked for more.
my $rounds = $ENV{PGNET_TORTURE_ROUNDS} || (() = fault_kinds());
my $seconds = $ENV{PGNET_TORTURE_SECONDS} || 30;

my $seed = seed();
my $server = start_http_server();
my $node = faults_node('faults');
my $ledger = Ledger->new($node, $server, seed => $seed);

run_rounds($node, $ledger, $rounds, $seconds);
$ledger->check;
defined $ENV{PGNET_TORTURE_ROUNDS} ? diag($ledger->report) : note($ledger->report);

$node->stop;
done_testing();
