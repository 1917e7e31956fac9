# What is kept of requests that were given up: so much for each receiver, and
# the oldest go first.

use strict;
use warnings;

use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $server = start_http_server();
my $node = new_node('given_up');
my $base = $server->url;

# As if that many had been given up, one each second from days ago on.
sub insert_given_up
{
	my ($url, $count, $days, $body) = @_;
	sql("insert into net.http_request_queue (method, url, body, timeout_milliseconds, role, gave_up, due)
		select 'POST', '$url', $body, 1000, current_user::regrole, g, g + interval '7 days'
		from (select now() - interval '$days days' + n * interval '1 s' as g from generate_series(1, $count) n) t");
	return;
}

sub kept { return sql("select count(*) from net.http_request_queue where gave_up is not null and url like '$_[0]%'") }

# One more, which is the newest; its id.
sub give_up
{
	my ($url) = @_;
	my $id = sql("select net.http_request('GET', '$url', retry := '{10ms}')");
	like(wait_response($node, $id)->{error_msg}, qr{^gave up}, "$url is given up");
	return $id;
}

my $offset = -s $node->logfile;
sql("insert into net.endpoint (name, url) values ('shop', '$base'), ('stock', '$base')");
insert_given_up('net://shop/a', 60000, 3, 'null');
insert_given_up('net://shop/b', 40100, 2, 'null');
insert_given_up('net://stock', 2000, 4, 'null');
insert_given_up("$base/status/503", 2000, 1, 'null');
sql("insert into net.http_request_queue (method, url, timeout_milliseconds, due) select 'GET', 'net://shop/later', 1000, now() + interval '1 day' from generate_series(1, 1000)");

my $id = give_up('net://shop/status/503');
wait_sql(q(select count(*) <= 90000 from net.http_request_queue where gave_up is not null and url like 'net://shop%'), 't');
is(kept("net://shop/a"), 49899, 'the oldest are gone');
is(kept('net://shop/b'), 40100, 'and none of those after them');
is(sql("select count(*) from net.http_request_queue where id = $id"), 1, 'nor the newest');
is(kept('net://stock'), 2000, 'those of another endpoint stay, older or not');
is(kept($base), 2000, 'and those of a plain URL');
is(sql(q(select count(*) from net.http_request_queue where gave_up is null)), 1000, 'and what is scheduled');
wait_for('the log', sub { log_contains($node, qr/removed the oldest 10101 requests to shop that were given up/, $offset) });
ok(log_contains($node, qr/Of one receiver, it keeps 100000 of them, and 1024 MB/, $offset), 'the log says how many are kept');
is(sql(q(select count(*) from net._http_response where url like 'net://shop/status/503')), 1, 'responses stay');

# By size: bodies are compressed here, to spare the disk.
sql('truncate net.http_request_queue; alter table net.http_request_queue alter column body set storage extended');
insert_given_up("$base/large", 60, 2, q(convert_to(repeat('x', 20000000), 'UTF8')));
insert_given_up('net://stock', 2000, 4, 'null');
give_up("$base/status/503?small");
wait_sql(qq(select sum(octet_length(body)) < 1000000000 from net.http_request_queue where url = '$base/large'));
is(kept("$base/large"), 48, 'more than 1 GB is too much');
is(kept('net://stock'), 2000, 'those of another endpoint stay');
is(kept("$base/status/503?small"), 1, 'and the newest');

done_testing();
