# What holds the requests to an endpoint: rate, places, order, back-off, pause.

use strict;
use warnings;

use List::Util qw(max min);
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $server = start_http_server();
my $node = new_node('limits', conf => "pg_net.worker_idle_timeout = '1min'");
my $base = $server->url;

sub endpoint
{
	my ($name, %more) = @_;
	my $url = delete $more{url} // $base;
	sql("insert into net.endpoint (" . join(', ', 'name', 'url', sort keys %more) . ") values (" . join(', ', "'$name'", "'$url'", map { $more{$_} } sort keys %more) . ')');
	return;
}

# Queue that many, as a role; %s in the path is the number.
sub queue
{
	my ($name, $path, $count, $role) = @_;
	my $as = $role ? "set role $role;" : '';
	return split /,/, sql("$as select string_agg(net.http_request('GET', 'net://$name' || format('$path', n), timeout_milliseconds := 60000)::text, ',') from generate_series(1, $count) n");
}

sub done { my $in = join ',', @_; return wait_sql("select count(*) from net._http_response where id in ($in)", scalar @_) }

# The most arrivals within so many seconds.
sub most_within
{
	my ($regex, $seconds) = @_;
	my @at = sort { $a <=> $b } map { $_->[0] } $server->arrivals_of($regex);
	my ($most, $first) = (0, 0);

	for my $last (0 .. $#at)
	{
		$first++ while $at[$last] - $at[$first] >= $seconds;
		$most = max($most, $last - $first + 1);
	}
	return $most;
}

subtest 'rate' => sub {
	endpoint('slow', rate => 50, burst => 10);
	my $start = time;
	my @ids = queue('slow', '/echo/rate-%s', 150);
	done(@ids);
	my $took = time - $start;
	ok($took >= 140 / 50 - 0.1, "150 requests at 50 a second, 10 at once: $took s");
	cmp_ok(most_within(qr/rate-/, 1), '<=', 61, 'never more in a second');
	cmp_ok(most_within(qr/rate-/, 0.1), '<=', 17, 'nor in a tenth');
	is(sql("select max(timed_out::int) from net._http_response where url like 'net://slow%'"), 0, 'none has failed for that');

	# beside it, another endpoint of the same host, and the host itself
	my @held = queue('slow', '/echo/held-%s', 100);
	endpoint('quick');
	is(wait_response($node, (queue('quick', '/echo/quick', 1))[0])->{status_code}, 200, 'another endpoint goes past');
	is(wait_response($node, sql("select net.http_get('$base/echo/plain')"))->{status_code}, 200, 'and a plain URL');
	cmp_ok(sql("select count(*) from net.http_request_queue where url like 'net://slow%'"), '>', 0, 'while the others wait');

	my $worker = current_worker($node);
	sql('select net.worker_restart()');
	next_worker($node, $worker);
	done(@held);
	cmp_ok(most_within(qr/held-/, 1), '<=', 61, 'a new worker does not forget');

	@held = queue('slow', '/echo/faster-%s', 150);
	sql("update net.endpoint set rate = null where name = 'slow'");
	$start = time;
	done(@held);
	cmp_ok(time - $start, '<', 2, 'what waits goes by the rate as it is now');

	endpoint('never', rate => '1e-20', burst => 2);
	endpoint('rarely', rate => '1e-9', burst => 2147483647);
	done((queue('never', '/echo/never-%s', 3))[0, 1], queue('rarely', '/echo/rarely-%s', 20));
	is(wait_response($node, (queue('quick', '/echo/quick-2', 1))[0])->{status_code}, 200, 'another one');
	is(sql("select count(*) from net.http_request_queue where url like 'net://never%'"), 1, 'a rate of nearly nothing holds');
	sql("update net.endpoint set rate = 10 where name = 'never'");
	wait_sql("select count(*) from net.http_request_queue where url like 'net://never%'", 0);
};

subtest 'places' => sub {
	endpoint('narrow', max_in_flight => 2);
	done(queue('narrow', '/delay/0.1?narrow-%s', 20));
	is(sql(q(select max(n) from (select count(*) as n from net._http_response r join net._http_response s
		on s.started <= r.started + interval '1 ms' and s.started + s.duration_ms * interval '1 ms' > r.started + interval '2 ms'
		where r.url like 'net://narrow%' and s.url like 'net://narrow%' group by r.id) t)), 2, 'two at a time');
	endpoint('wide', max_in_flight => 300);
	my $gate = PostgreSQL::Test::Utils::tempdir() . '/gate';
	my @ids = queue('wide', "/wait?file=$gate&wide-%s", 250);
	$server->wait_arrivals(qr/wide-/, 250);
	pass('more than the setting allows a host');
	append_to_file($gate, '');
	done(@ids);
};

subtest 'ordered' => sub {
	endpoint('line', ordered => 'true', retry => q('{50ms}'));
	done(queue('line', '/flaky/line-%s?fails=1', 8));
	my @numbers = map { $_->[2] =~ /line-(\d+)/ } $server->arrivals_of(qr/line-/);
	is("@numbers", join(' ', map { "$_ $_" } 1 .. 8), 'one after the other, retries too');
	is(sql(q(select count(*) from net.http_request_queue where url like 'net://line%')), 0, 'all are done');
};

subtest 'pause' => sub {
	endpoint('rest', paused => 'true');
	my @ids = queue('rest', '/echo/rest-%s', 5);
	is_served($server, 'a plain URL, meanwhile');
	is(sql("select message from net._http_collect_response($ids[0])"), 'request is pending processing', 'they wait');
	is(scalar $server->arrivals_of(qr/rest-/), 0, 'nothing is sent');
	sql("update net.endpoint set paused = false where name = 'rest'");
	done(@ids);
	pass('and go when it is over');
	my $gate = PostgreSQL::Test::Utils::tempdir() . '/gate2';
	@ids = queue('rest', "/wait?file=$gate&in-flight-%s", 3);
	$server->wait_arrivals(qr/in-flight-/, 3);
	sql("update net.endpoint set paused = true where name = 'rest'");
	my @later = queue('rest', '/echo/later-%s', 3);
	append_to_file($gate, '');
	done(@ids);
	pass('what is in flight ends normally');
	is(scalar $server->arrivals_of(qr/later-/), 0, 'and the others wait');
	is(sql("select net.cancel($later[0])"), 't', 'one can be cancelled');
	sql("delete from net.endpoint where name = 'rest'");
	like(wait_response($node, $later[1])->{error_msg}, qr/^endpoint "rest" does not exist/, 'given up when the endpoint is gone');
};

subtest 'back-off' => sub {
	sql('create role one; create role two');
	endpoint('dead', roles => "'{one,two}'", retry => q('{10ms,10ms}'));
	my @ids = queue('dead', '/status/503?dead-%s', 20, 'one');
	$server->wait_arrivals(qr/dead-/, 5);
	my $seen = time;
	is_served($server, 'the host itself');
	my $arrived = $server->arrivals_of(qr/dead-/);
	cmp_ok($arrived, '<=', 25, "held after five failures and what was in flight: $arrived");
	my ($other) = queue('dead', '/echo/two', 1, 'two');
	is(wait_response($node, $other)->{status_code}, 200, "another role's requests go");
	my $worker = current_worker($node);
	sql('select net.worker_restart()');
	next_worker($node, $worker);
	is_served($server, 'the new worker');
	is(scalar $server->arrivals_of(qr/dead-/), $arrived, 'does not forget');

	wait_for('the probe', sub { $server->arrivals_of(qr/dead-/) > $arrived });
	my $waited = time - $seen;
	ok($waited > 28 && $waited < 40, "a probe after 30 s: $waited");
	is_served($server, 'the host itself');
	is(scalar $server->arrivals_of(qr/dead-/), $arrived + 1, 'one');
	sql("update net.endpoint set url = '$base/echo' where name = 'dead'");
	done(@ids);
	pass('a change of the row ends it');

	endpoint('busy', retry => q('{10ms}'));
	my ($id) = queue('busy', '/flaky/busy?fails=1&retry-after=2', 1);
	$server->wait_arrivals(qr/busy/, 1);
	my $start = time;
	my ($behind) = queue('busy', '/echo/behind', 1);
	wait_response($node, $behind);
	cmp_ok(time - $start, '>', 1.5, 'Retry-After holds those behind, too');

	endpoint('brave', retry => q('{10ms}'), back_off => 'false');
	done(queue('brave', '/status/503?brave-%s', 30));
	is(scalar $server->arrivals_of(qr/brave-/), 60, 'not where it is off');
	done(queue('slow', '/status/503?plain-%s', 30));
	is(scalar $server->arrivals_of(qr/plain-/), 30, 'nor without a schedule');
};

like(failure("insert into net.endpoint (name, url, rate) values ('x', '$base', 0)"), qr/endpoint_rate_check/, 'a rate of nothing');
like(failure("insert into net.endpoint (name, url, burst) values ('x', '$base', 0)"), qr/endpoint_burst_check/, 'a burst of nothing');
like(failure("insert into net.endpoint (name, url, max_in_flight) values ('x', '$base', 0)"), qr/endpoint_max_in_flight_check/, 'no place');

done_testing();
