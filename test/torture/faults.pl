# The rounds of test/t/022_faults.pl, for long: make torture.
#
# ROUNDS (200) faults, or as many as fit into SECONDS (900); PGNET_SEED repeats
# a run.  The table at the end is the ledger; see Ledger.pm for its columns.

use strict;
use warnings;

use Faults;
use Ledger;
use PgNetTest;
use Test::More;

my $rounds = $ENV{PGNET_TORTURE_ROUNDS} || 200;
my $seconds = $ENV{PGNET_TORTURE_SECONDS} || 900;

my $seed = seed();
my $server = start_http_server();
my $node = faults_node('torture');
my $ledger = Ledger->new($node, $server, seed => $seed);

run_rounds($node, $ledger, $rounds, $seconds);
$ledger->check;
diag($ledger->report);

$node->stop;
done_testing();
