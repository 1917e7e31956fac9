# Does the worker's memory grow with the number of requests?
#
# make valgrind runs this: memcheck says how many blocks of malloc() a process
# has at its end, and who allocated them.  One worker after the other sends
# requests of many kinds, most of which end badly, each worker in more rounds
# than the one before.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

# How often each request is sent in a round, and how many rounds each worker
# has.  The first worker is there to fill PostgreSQL's caches, for the others.
use constant COPIES => 3;
use constant ROUNDS => (1, 2, 6);

# So many connections are kept, each with memory of its own.
use constant IN_FLIGHT => 4;

my $reports = $ENV{PGNET_MEMCHECK_REPORTS}
  or plan skip_all => 'the server does not run in memcheck; see make valgrind';

my $server = start_http_server();
my $base = $server->url;
my $node = new_node('growth', conf => "pg_net.max_in_flight = @{[IN_FLIGHT]}\nautovacuum = off\n");

# Calls that return an id, and one that makes a row nobody can send.
my @calls = (
	map({ "net.http_get('$base$_')" } qw(
		  / /binary /latin1 /utf16 /invalid-utf8 /nul /gzip /no-content-type /duplicate-headers
		  /odd-headers /disconnect /disconnect-mid-header /disconnect-mid-body /malformed-header
		  /not-http /status/204 /status/500 /huge?bytes=100000 /chunked /trailers /redirect/3
		  /many-headers?count=1100 /close /reset)),
	"net.http_get('$base/hang', timeout_milliseconds := 100)",
	"net.http_get('http://127.0.0.1:1/refused')",
	"net.http_get('https://127.0.0.1:@{[ $server->port ]}/no-tls')",
	"net.http_get('http://no-such-host.invalid/')",
	"net.http_post('$base/echo/post', jsonb_build_object('a', repeat('x', 50000)), headers := '{\"X\": \"y\", \"Z\": 1}')",
	"net.http_delete('$base/echo/delete', params := '{\"q\": \"r s\"}')");
my $insert = <<'END';
insert into net.http_request_queue (method, url, headers, timeout_milliseconds) values
  ('GET', 'ftp://host/', null, 100), ('GET', 'http://a b/', null, 100),
  ('GET', 'http://host/', '[1]', 100), ('GET', 'http://host/', '{"a b": 1}', 100)
END

# The blocks a process had at its end, but for memory contexts: PostgreSQL keeps
# up to a hundred for the next ones and then frees all, and pg_net as many as
# there were jobs at once.
sub blocks_at_end
{
	my ($pid) = @_;
	my $report = wait_for("the report of process $pid", sub {
		my $text = slurp_file("$reports/$pid");
		return $text =~ /ERROR SUMMARY/ && $text;
	});
	my $blocks = 0;

	for (split /^==\d+== $/m, $report)
	{
		next if /AllocSetContextCreate|GenerationContextCreate/;
		$blocks += $1 =~ tr/,//dr if /bytes in ([\d,]+) blocks are .* in loss record/;
	}
	return $blocks;
}

# One session, since a new one takes long in memcheck.
sub run_round
{
	my @round = @_;
	sql(join ";\n", 'set statement_timeout = 300000',
		map({ "select $_ from generate_series(1, @{[COPIES]})" } @round), $insert, <<'END');
select net.wake();
do $$
begin
  while exists (select from net.http_request_queue) loop
    perform pg_sleep(0.05);
  end loop;
end $$
END
	return;
}

my @blocks;
for my $rounds (ROUNDS)
{
	my $worker = current_worker($node);

	run_round(@calls) for 1 .. $rounds;
	# all workers end with the same connections: none, and then as many as are kept
	run_round("net.http_get('$base/close-others')");
	run_round(("net.http_get('$base/delay/0.1')") x IN_FLIGHT);
	is(current_worker($node), $worker, "the worker is the same after $rounds rounds");
	sql('select net.worker_restart()');
	next_worker($node, $worker);
	push @blocks, blocks_at_end($worker);
	diag("$blocks[-1] blocks after $rounds rounds");
}
my $more_requests = COPIES * ((ROUNDS)[2] - (ROUNDS)[1]);
cmp_ok($blocks[2] - $blocks[1], '<', $more_requests, "$more_requests more requests of each kind leave no blocks behind");

$node->stop;
done_testing();
