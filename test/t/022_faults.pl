# Nothing lost, nothing stuck: the server and its processes end in every way
# while requests are queued, sent and answered.
#
# make torture does the same for longer.

use strict;
use warnings;

use Faults;
use Ledger;
use PgNetTest;
use Test::More;

# Each kind of fault once or twice.
use constant ROUNDS => 12;
use constant SECONDS => 30;

my $seed = seed();
my $server = start_http_server();
my $node = faults_node('faults');
my $ledger = Ledger->new($node, $server, seed => $seed);

run_rounds($node, $ledger, ROUNDS, SECONDS);
$ledger->check;
note($ledger->report);

$node->stop;
done_testing();
