# A session in psql, as an owner of a database may have it: what delivery is
# made of, used together, statement by statement.  It is in the log of this test
# with what psql printed.

use strict;
use warnings;

use JSON::PP qw(decode_json);
use PgNetTest;
use PostgreSQL::Test::Utils;
use Test::More;

plan(skip_all => 'openssl is not installed') unless has_tool('openssl');

# One certificate for all of them, by an authority of our own.
my $dir = PostgreSQL::Test::Utils::tempdir('session');
my $names = join ',', map { "DNS:$_" } qw(hooks.shop.example hooks2.shop.example api.pay.example alerts.example);
my @key = qw(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes);
append_to_file("$dir/names", "subjectAltName=$names\n");
system_or_bail('openssl', 'req', '-x509', @key, '-keyout', "$dir/ca.key", '-out', "$dir/ca.pem", qw(-days 2 -subj /CN=authority));
system_or_bail('openssl', 'req', @key, '-keyout', "$dir/server.key", '-out', "$dir/server.csr", qw(-subj /CN=server));
system_or_bail('openssl', 'x509', '-req', '-in', "$dir/server.csr", '-CA', "$dir/ca.pem", '-CAkey', "$dir/ca.key",
	qw(-CAcreateserial -days 2 -extfile), "$dir/names", '-out', "$dir/server.pem");

my %servers = map { $_->[0] => start_http_server('--tls', "$dir/server", '--always', $_->[1]) }
  [ 'hooks.shop' => 'status/503' ], [ 'hooks2.shop' => 'status/204' ], [ 'api.pay' => 'echo' ], [ 'alerts' => 'echo' ];
my $node = new_node('session', conf => "pg_net.ca_file = '$dir/ca.pem'");
sql('create database shop');
sql_in('shop', 'create extension pg_net');

# The names are nobody's, so each endpoint is told where its server is, whatever
# the session makes of it.
my $cases = join ' ', map { "when new.url ~ '//$_.example/' then '127.0.0.1:" . $servers{$_}->port . "'" } sort keys %servers;
sql_in('shop', "create function connect_to_test() returns trigger language plpgsql as \$\$ begin new.connect_to := case $cases end; return new; end \$\$");
sql_in('shop', 'create trigger connect_to_test before insert or update on net.endpoint for each row execute function connect_to_test()');

# Run a part of the session in psql, as it is; what psql prints, with the
# statements.
sub in_psql
{
	my ($session) = @_;
	my ($rc, $out, $err) = $node->psql('shop', $session, extra_params => ['--echo-all'], timeout => $PostgreSQL::Test::Utils::timeout_default);
	note($out);
	is($rc, 0, 'psql runs it') or diag($err);
	return $out;
}

my $first = <<'END_OF_SESSION';
create role billing;
create table orders (id int primary key, status text);
create table stock (id int primary key, pieces int); create table invoices (id int primary key, paid boolean default false);
grant select, update on invoices to billing;
insert into net.secret (name, value, roles, host) values
  ('shop_hook',  'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', '{}', 'hooks.shop.example'),
  ('shop_hook2', 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3', '{}', 'hooks2.shop.example'),
  ('pay',        'sk_test_1',                              '{}', 'api.pay.example'),
  ('ops_path',   'k3y0fTheHook',                           '{}', 'alerts.example');
insert into net.endpoint (name, url, signing, signing_secrets, retry, retry_all, rate, burst, keep)
values ('shop', 'https://hooks.shop.example/in', 'standard', '{shop_hook}', net.backoff(10), true, 50, 100, false);
insert into net.endpoint (name, url, roles, methods, retry, headers)
values ('pay', 'https://api.pay.example/v1', '{billing}', '{GET,POST}', '{1s,5s,30s}', jsonb_build_object('Authorization', 'Bearer ' || net.secret('pay')));
insert into net.endpoint (name, url, roles) values ('ops', 'https://alerts.example/in/' || net.secret('ops_path'), '{billing}');
insert into net.access_rule (position, allow) values (10, false);     -- nobody sends anywhere else
-- webhooks, one statement each; the third is the alert
create trigger shop_orders after insert or update of status on orders
  for each row execute function net.webhook('net://shop', 'ordering_key=id', 'columns=id,status');
create trigger shop_stock after update on stock referencing old table as o new table as n
  for each statement execute function net.webhook('net://shop');
create trigger tell_ops after update of paused on net.endpoint
  for each row when (new.paused) execute function net.webhook('net://ops', 'columns=name,pause_reason');
insert into orders values (1, 'new'), (2, 'new');
update orders set status = 'paid' where id = 1;
-- an API call, and its response as a function call
create function charged(r net._http_response) returns void language sql as $$
  update invoices set paid = true where id = (r.context->>'invoice')::int and r.error_msg is null and r.status_code = 200 $$;
insert into invoices values (7);
set role billing;
select net.http_request('POST', 'net://pay/charges', body := net.form('{"amount": 995, "currency": "eur"}'),
                        context := '{"invoice": 7}', callback := 'charged') as charge \gset
select net.http_post('net://ops', body := '{"text": "good morning"}', timeout_milliseconds := 5000) as note \gset
select net.http_request('POST', 'net://pay/refunds', body := net.form('{"charge": "ch_1"}'), due := now() + interval '1 day') as refund \gset
select id, status_code, error_msg from net.await(array[:charge, :note], timeout := '10s');
select status, message from net._http_collect_response(:refund);   -- PENDING | scheduled for 2026-11-28 10:00:00+00
select net.cancel(:refund);
reset role;
END_OF_SESSION

my $second = <<'END_OF_SESSION';
-- how is it going?
select endpoint, state, waiting, in_flight, now() - oldest_waiting as age, failing_since, last_error from net.stat_endpoint;
select id, state, attempt, due, last_error from net.stat_activity where url like 'net://shop%' order by id;
-- they moved, and what waits goes to the new place; a new key without a gap; then what was given up, again
update net.endpoint set url = 'https://hooks2.shop.example/in', signing_secrets = '{shop_hook2,shop_hook}' where name = 'shop';
select net.resend(id) from net.http_request_queue where gave_up is null and url like 'net://shop%';
select net.resend(id) from net.http_request_queue where gave_up > now() - interval '1 day';
select net.stat_reset('shop');
END_OF_SESSION

subtest 'up to the move' => sub {
	my $out = in_psql($first);
	like($out, qr/^4\|200\|$/m, 'the charge is answered');
	like($out, qr/^5\|200\|$/m, 'the note is, too');
	like($out, qr/^PENDING\|scheduled for \d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.\d]*[+-]\d\d$/m, 'the refund is scheduled');
	like($out, qr{^select net\.cancel\(:refund\);\nt$}m, 'and is cancelled');
	my $charge = decode_json(sql_in('shop', 'select content from net._http_response where id = 4'));
	is("$charge->{method} $charge->{target} $charge->{headers}{Host} $charge->{headers}{Authorization} $charge->{body}",
		'POST /v1/charges api.pay.example Bearer sk_test_1 amount=995&currency=eur', 'what the charge was');
	is(decode_json(sql_in('shop', 'select content from net._http_response where id = 5'))->{target}, '/in/k3y0fTheHook', 'where the note went');
	wait_for('the callback', sub { sql_in('shop', 'select paid from invoices where id = 7') eq 't' });
	pass('the invoice is paid');
	like(failure("set role billing; select net.http_get('https://elsewhere.example/')", 'shop'), qr/42501/, 'nobody sends anywhere else');
};

subtest 'while the shop says 503' => sub {
	wait_for('both orders to have failed',
		sub { sql_in('shop', q(select string_agg(id || ' ' || (failures->-1->>'status'), ', ' order by id) from net.http_request_queue where failures is not null)) eq '1 503, 2 503' });
	is(sql_in('shop', q(select failures is null and due is null from net.http_request_queue where id = 3)), 't', 'the change of order 1 is held behind the order');
	is($servers{'hooks2.shop'}->arrivals + 0, 0, 'nothing goes where they are not yet');
};

subtest 'after the move' => sub {
	my $out = in_psql($second);
	like($out, qr/^shop\|ok\|[01]\|0\|[^|]*\|\d{4}-[^|]*\|503$/m, 'the shop fails');
	like($out, qr/^pay\|ok\|0\|0\|\|\|$/m, 'the others do not');
	like($out, qr/^$_\|retrying\|2\|\d{4}-[^|]*\|503$/m, "order $_ is retried") for 1, 2;
	like($out, qr/^3\|waiting\|1\|\|$/m, 'its change waits');
	wait_sql('select not exists (select from net.http_request_queue)', 't', 'shop');
	is($servers{'hooks2.shop'}->arrivals_of('/in') + 0, 3, 'what waited arrives at the new place');
	is(sql_in('shop', q(select count(*) from net._http_response where url like 'net://shop%')), 0, 'and leaves no responses');
};

done_testing();
