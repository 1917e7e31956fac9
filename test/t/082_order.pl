# Requests with the same ordering key are sent one at a time, in order of id.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = start_http_server();
my $node = new_node('order', conf => "pg_net.max_in_flight_per_host = 100");
my $base = $server->url;
my $two = start_http_server();

# Queue for each of these keys so many requests, in turns; a key is in the path.
sub queue
{
	my ($prefix, $path, $count, $keys, $more, $url) = @_;
	$more //= '';
	$url //= $base;
	return sql(qq(select string_agg(id::text, ',') from (
		select net.http_request('POST', format('$url$path', k, n), ordering_key := '$prefix' || k, timeout_milliseconds := 100000 $more) as id
		from generate_series(1, $count) n, generate_series(1, $keys) k order by n, k) s));
}

# Have the arrivals that match, whose first group is the key, come by number, the second group?
sub in_order
{
	my ($regex, $server_of) = @_;
	my %last;
	for my $arrival (($server_of // $server)->arrivals_of($regex))
	{
		my ($key, $number) = $arrival->[2] =~ $regex;
		return "key $key: $number after $last{$key}" if $number < ($last{$key} // 0);
		$last{$key} = $number;
	}
	return 'in order';
}

subtest 'one at a time' => sub {
	queue('a', '/delay/0.02?a=%s-%s', 10, 20);
	wait_queue_empty();
	is(scalar $server->arrivals_of(qr/a=/), 200, 'all arrive');
	is(in_order(qr/a=(\d+)-(\d+)/), 'in order', 'in order');
	is(sql(q(select count(*) from net._http_response r join net._http_response s
		on substring(r.url, 'a=(\d+)-') = substring(s.url, 'a=(\d+)-') and r.id < s.id
		and r.started + r.duration_ms * interval '1 ms' > s.started + interval '1 ms' where r.url ~ 'a=')), 0, 'never two of a key in flight');
	my ($in_all, $longest) = split /\|/, sql(q(select extract(epoch from max(started) - min(started)) || '|' || sum(duration_ms) / 1000 from net._http_response where url ~ 'a='));
	ok($in_all < $longest / 2, "and the keys side by side: $longest s of requests in $in_all s");
};

subtest 'a retry holds up its key alone' => sub {
	my @ids = split /,/, queue('b', '/flaky/b%s-%s?fails=1', 3, 2, q(, retry := '{300ms}'));
	my $plain = sql("select net.http_request('GET', '$base/echo/plain')");
	wait_response($node, $plain);
	is(sql("select count(*) from net._http_response where id in ($ids[0], $ids[1])"), 0, 'one without a key goes past');
	wait_queue_empty();
	is(in_order(qr/b(\d+)-(\d+)/), 'in order', 'in order, retries too');
	is(scalar $server->arrivals_of(qr/b\d+-\d+/), 12, 'each twice');
	is(sql("select sum(attempts) from net._http_response where id in (" . join(',', @ids) . ')'), 12, 'attempts');
};

subtest 'until it is given up, or cancelled, or due' => sub {
	my ($first, $second) = split /,/, queue('c', '/flaky/c%s-%s?fails=2', 2, 1, q(, retry := '{10ms}'));
	is(wait_response($node, $first)->{error_msg}, 'gave up after 2 attempts: 503', 'given up');
	wait_response($node, $second);
	is(in_order(qr/c(\d+)-(\d+)/), 'in order', 'then the next one');
	is(sql("select net.resend($first)"), 't', 'sent again');
	wait_sql("select error_msg is null from net._http_response where id = $first");

	($first, $second) = split /,/, queue('d', '/flaky/d%s-%s?fails=1', 2, 1, q(, retry := '{1h}'));
	wait_sql("select due > now() from net.http_request_queue where id = $first");
	is(scalar $server->arrivals_of(qr/d1-2/), 0, 'the next one waits');
	is(sql("select net.cancel($first)"), 't', 'cancelled');
	wait_sql("select due > now() from net.http_request_queue where id = $second");
	is(scalar $server->arrivals_of(qr/d1-2/), 1, 'then the next one goes');
	sql("update net.http_request_queue set due = now() where id = $second");
	is(wait_response($node, $second)->{status_code}, 200, 'and again, when it is brought forward');

	$first = sql("select net.http_request('GET', '$base/echo/e-1', ordering_key := 'e', due := now() + interval '1 hour')");
	is(wait_response($node, sql("select net.http_request('GET', '$base/echo/e-2', ordering_key := 'e')"))->{status_code}, 200, 'one that is scheduled holds up nobody');
	sql("select net.cancel($first)");
};

# Without the primary key, rows may have any ids.
subtest 'many rows with the id of a holder' => sub {
	my $id = sql("select net.http_request('GET', '$base/status/503', ordering_key := 'held', retry := '{1h}')");
	wait_sql("select failures is not null from net.http_request_queue where id = $id");
	sql('alter table net.http_request_queue drop constraint http_request_queue_pkey');
	sql("insert into net.http_request_queue select q.* from net.http_request_queue as q, generate_series(1, 100000) where id = $id");
	my $worker = current_worker($node);
	sql('delete from net.http_request_queue where id = 0');
	wait_response($node, sql("select net.http_request('GET', '$base/echo/held', ordering_key := 'another')"));
	is(current_worker($node), $worker, 'the worker lives');
	sql("delete from net.http_request_queue where id = $id");
	sql('alter table net.http_request_queue add primary key (id)');
};

subtest 'within a role and an origin' => sub {
	my ($first) = split /,/, queue('f', '/flaky/f%s-%s?fails=1', 1, 1, q(, retry := '{1h}'));
	wait_sql("select due > now() from net.http_request_queue where id = $first");
	my ($other) = split /,/, queue('f', '/echo/%s-%s', 1, 1, '', $two->url);
	is(wait_response($node, $other)->{status_code}, 200, 'another origin');
	sql('create role r');
	$other = sql("set role r; select net.http_request('GET', '$base/echo/r', ordering_key := 'f1')");
	sql('reset role');
	is(wait_response($node, $other)->{status_code}, 200, 'another role');

	# the same key in two lanes, many rows of the other one in between
	my @mixed = split /,/, sql(qq(select string_agg(net.http_request('GET', case when n % 12 = 0 then '@{[$two->url]}' else '$base' end || '/echo/g1-' || n, ordering_key := 'g')::text, ',') from generate_series(1, 60) n));
	wait_response($node, $_) for @mixed;
	is(in_order(qr/g(1)-(\d+)/), 'in order', 'two lanes with the same key: one');
	is(in_order(qr/g(1)-(\d+)/, $two), 'in order', 'and the other');
	sql("delete from net.http_request_queue where id = $first");
};

subtest 'a new worker knows' => sub {
	my ($first, $second) = split /,/, queue('h', '/flaky/h%s-%s?fails=1', 2, 1, q(, retry := '{1h}'));
	wait_sql("select due > now() from net.http_request_queue where id = $first");
	my $worker = current_worker($node);
	sql('select net.worker_restart()');
	next_worker($node, $worker);
	is_served($server, 'the new worker');
	my ($third) = split /,/, queue('h', '/echo/h%s-3?%s', 1, 1);
	is_served($server, 'and once more');
	is(scalar $server->arrivals_of(qr/h1-[23]/), 0, 'what was held is held');
	sql("update net.http_request_queue set due = now() where id = $first");
	wait_response($node, $first);
	wait_sql("select due > now() from net.http_request_queue where id = $second");
	sql("update net.http_request_queue set due = now() where id = $second");
	wait_response($node, $third);
	is(in_order(qr/h(1)-(\d+)/), 'in order', 'in order');
};

subtest 'more than a worker remembers' => sub {
	# 30,000 rows behind one key do not keep out those of others
	my ($first) = split /,/, queue('i', '/flaky/i%s-%s?fails=1', 1, 1, q(, retry := '{1h}'));
	wait_sql("select due > now() from net.http_request_queue where id = $first");
	sql("select count(net.http_request('GET', '$base/echo/i', ordering_key := 'i1')) from generate_series(1, 30000)");
	my $id = sql("select net.http_request('GET', '$base/echo/j', ordering_key := 'j')");
	is(wait_response($node, $id)->{status_code}, 200, 'another key');
	is(wait_response($node, sql("select net.http_get('$base/echo/k')"))->{status_code}, 200, 'and none');
	is(scalar $server->arrivals_of('/echo/i'), 0, 'they wait');
	sql("select net.cancel($first)");
	$server->wait_arrivals('/echo/i', 100);
	pass('and go then');
	sql('truncate net.http_request_queue');
};

like(failure("select net.http_request('GET', '$base/', ordering_key := repeat('x', 1001))"), qr/22023: +ordering key is longer than 1000 bytes/, 'a long key');

# They are read by time.
subtest 'due at times in another order' => sub {
	sql('alter system set pg_net.batch_size = 1');
	sql('select pg_reload_conf()');
	is_served($server, 'a worker that knows it');
	my $worker = current_worker($node);
	queue('w', '/echo/w%s-%s', 6, 1, ", due := now() + interval '1500 ms' - n * interval '100 ms'");
	is_served($server, 'and has seen them');
	kill 'STOP', $worker;
	sleep 2;
	kill 'CONT', $worker;
	wait_queue_empty();
	is(join(' ', map { $_->[2] =~ /w1-(\d)/ } $server->arrivals_of(qr/w1-/)), '1 2 3 4 5 6', 'of those that are due the one with the lowest id goes next');
	sql('alter system reset pg_net.batch_size');
	sql('select pg_reload_conf()');
};

# The worker remembers 50,000 holders of keys that wait for their next attempt.
subtest 'very many keys' => sub {
	my $many = 50100;
	my $worker = current_worker($node);
	my $insert = qq(insert into net.http_request_queue (method, url, timeout_milliseconds, role, ordering_key, due, retry, failures)
		select 'GET', format('$base/echo/held-%s', n), 10000, current_user::regrole, 'many' || n, now() + interval '1 hour', '{1h,1h}',
			'[{"due": null, "at": "2026-01-01T00:00:00Z", "ms": 1, "status": 503, "error": null}]'
		from generate_series(1, $many) n);
	sql($insert);
	sql('select net.worker_restart()');
	next_worker($node, $worker);

	# some of them are not remembered, wherever they are
	my @keys = (1, 2, 300, 25000, 49990, 50001, 50050, 50099, 50100);
	my %behind = map { $_ => sql("select net.http_request('GET', '$base/echo/behind-$_', ordering_key := 'many$_')") } @keys;
	my $free = sql("select net.http_request('GET', '$base/echo/free', ordering_key := 'none of them')");
	my $elsewhere = sql("select net.http_request('GET', '" . $two->url . "/echo/elsewhere', ordering_key := 'many50100')");
	is(wait_response($node, $_)->{status_code}, 200, 'a key without a holder') for $free, $elsewhere;
	my $plain = sql("select net.http_get('$base/echo/plain')");
	wait_response($node, $plain);
	is(join(' ', map { $_->[2] } $server->arrivals_of(qr/behind-\d/)), '', 'those with a holder wait');

	my $held = "(select id from net.http_request_queue where url = '$base/echo/held-%s')";
	sql(sprintf "select net.cancel($held)", $_) for 1, 300, 50100;
	wait_response($node, $behind{$_}) for 1, 300, 50100;
	pass('until it is cancelled');
	sql(sprintf "select net.resend($held)", $_) for 2, 25000, 50099;
	wait_response($node, $behind{$_}) for 2, 25000, 50099;
	is(join(' ', map { my $n = $_; scalar grep { $_->[2] =~ /held-$n$/ } $server->arrivals_of(qr/held-/) } 2, 25000, 50099), '1 1 1', 'which goes');
	for my $n (2, 25000, 50099)
	{
		my @paths = map { $_->[2] } $server->arrivals_of(qr/-$n$/);
		like("@paths", qr/held-$n \S*behind-$n/, "before the one behind it: $n");
	}
	is(scalar $server->arrivals_of(qr/behind-/), 6, 'the others still wait');

	# one more is held while there are so many
	my ($first) = split /,/, queue('late', '/flaky/late%s-%s?fails=1', 2, 3, q(, retry := '{300ms}'));
	wait_sql(q(select count(*) from net._http_response where url ~ 'late'), 6);
	is(in_order(qr/late(\d+)-(\d+)/), 'in order', 'new ones are in order, too');
	sql('truncate net.http_request_queue');
};

done_testing();
