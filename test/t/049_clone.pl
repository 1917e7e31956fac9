# A copy of a server that is started beside the original: nothing is sent twice.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $server = start_http_server();
my $url = $server->url;
my $original = new_node('original', init => { allows_streaming => 1 });
my $gate = PostgreSQL::Test::Utils::tempdir() . '/gate';

sql_in($original, 'postgres', 'select net.set_durable(true)');
sql_in($original, 'postgres', "insert into net.endpoint (name, url, paused) values ('rest', '$url', true)");
my @held = split /\n/, sql_in($original, 'postgres', "select net.http_get('net://rest/echo/held-' || n) from generate_series(1, 10) n");
my $in_flight = sql_in($original, 'postgres', "select net.http_get('$url/wait?file=$gate&in-flight', timeout_milliseconds := 60000)");
$server->wait_arrivals(qr/in-flight/, 1);
$original->backup('copy');

my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init_from_backup($original, 'copy');
$copy->append_conf('postgresql.conf', 'pg_net.enabled = off');
$copy->start;
is(sql_in($copy, 'postgres', 'select count(*) from net.http_request_queue'), 11, 'the copy has the queue');
sql_in($copy, 'postgres', "update net.endpoint set paused = false; select net.http_get('$url/echo/of-the-copy')");
append_to_file($gate, '');
is(wait_response($original, $in_flight)->{status_code}, 200, 'the original goes on');
sql_in($original, 'postgres', 'update net.endpoint set paused = false');
is(wait_response($original, $_)->{status_code}, 200, "request $_") for @held;
is(scalar $server->arrivals_of(qr/held-/), 10, 'each was sent once');
is(scalar $server->arrivals_of(qr/in-flight/), 1, 'so was what was in flight');
is(scalar $server->arrivals_of(qr/of-the-copy/), 0, 'and nothing by the copy');
is(sql_in($copy, 'postgres', 'select count(*) from net.http_request_queue'), 12, 'whose calls are queued');

# It becomes a server of its own.
sql_in($copy, 'postgres', "delete from net.http_request_queue where url !~ 'of-the-copy'");
$copy->adjust_conf('postgresql.conf', 'pg_net.enabled', 'on');
$copy->reload;
$server->wait_arrivals(qr/of-the-copy/, 1);
pass('until it may send');

done_testing();
