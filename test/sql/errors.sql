-- What cannot be sent is an error at the call, and nothing is queued.

set client_min_messages = warning;
create extension if not exists pg_net;
reset client_min_messages;
select net.wait_until_running();
\set SHOW_CONTEXT never

-- no URL
select net.http_get(null);
\echo :SQLSTATE
-- the error prints nothing of what else was given
select net.http_get(null, headers := '{"Authorization": "Bearer secret"}');
\echo :SQLSTATE
select net.http_post(null, '{"password": "secret"}');
\echo :SQLSTATE
select net.http_delete(null, body := '{"password": "secret"}');
\echo :SQLSTATE
select net.http_get('');
\echo :SQLSTATE

-- not an absolute URL
select net.http_get('/x');
\echo :SQLSTATE
select net.http_post('/x');
\echo :SQLSTATE
select net.http_delete('/x');
\echo :SQLSTATE
select net.http_get('example.com/x');
\echo :SQLSTATE
select net.http_get('//example.com/x');
\echo :SQLSTATE

-- not http or https
select net.http_get('localhost:6666');
\echo :SQLSTATE
select net.http_get('ftp://example.com/x');
\echo :SQLSTATE
select net.http_get('file:///etc/passwd');
\echo :SQLSTATE
select net.http_get('gopher://example.com/x');
\echo :SQLSTATE

-- no host, no such port
select net.http_get('http://');
\echo :SQLSTATE
select net.http_get('http://?x');
\echo :SQLSTATE
select net.http_get('http://example.com:99999/');
\echo :SQLSTATE
select net.http_get('http://example.com:port/');
\echo :SQLSTATE

-- spaces and control characters
select net.http_get('http://exam ple.com/');
\echo :SQLSTATE
-- (of these the code only: the message would put such characters here)
\set VERBOSITY sqlstate
select net.http_get(E'http://example.com/x\ny');
select net.http_get(E'http://example.com/x HTTP/1.1\r\nX-Smuggled: yes');
select net.http_get(E'http://example.com/\x01');
select net.http_get(E'http://example.com/\x7f');
\set VERBOSITY default

-- a long URL is not shown whole
select net.http_get('/' || repeat('x', 1000));
\echo :SQLSTATE

-- passwords are not shown, wherever the error is
select net.http_get('http://user:secret@exam ple.com/');
\echo :SQLSTATE
select net.http_get('http://user:secret@example.com:99999/');
\echo :SQLSTATE
select net.http_get('ftp://user:secret@example.com/');
\echo :SQLSTATE
select net.http_get('http://user:sec@ret@example.com:99999/');
\echo :SQLSTATE
select net.http_get('http://user:' || repeat('secret', 50) || '@example.com:99999/');
\echo :SQLSTATE
select net.http_get('user:secret@example.com');
\echo :SQLSTATE
select net.http_get('http:/user:secret@exam ple.com/?://x@y');
\echo :SQLSTATE

-- an @ elsewhere hides nothing; a slash in a password still does
select net.http_get('http://exa mple/secret@y');
select net.http_get('http://exa mple/?q=a@b#c@d');
select net.http_get('http://user:sec/ret@example.com/');
select net.http_get('http://user:sec?ret@example.com/');

-- what stands at an end and is not seen is an error, not %20
select net.http_get(' http://example.com/');
select net.http_get('http://example.com/ ');
\echo :SQLSTATE
select net.http_get(E'http://example.com/\n');
select net.http_get(E'http://example.com/\r\n', params := '{"a": 1}');
select net.http_get(E'\thttp://example.com/');
select net.http_get(U&'http://example.com/\200B');
select net.http_get(U&'\FEFFhttp://example.com/');
select net.http_get(U&'http://example.com/\00A0');
select net.http_get('   ');
select net._encode_url_with_params_array('http://example.com/ ', '{a=b}');
begin;
select net.http_get('http://example.com/a b') > 0 as queued;
select net.http_get(U&'http://example.com/\00E9') > 0 as queued;
rollback;

-- the likeliest mistakes have a hint
select net.http_get('htpp://example.com/');
select net.http_get('user:secret@example.com/x');

-- headers: an object, names that are tokens, values of one line
select net.http_get('http://example.com/', headers := '[1, 2]');
\echo :SQLSTATE
select net.http_get('http://example.com/', headers := '"X-Name: value"');
\echo :SQLSTATE
select net.http_get('http://example.com/', headers := '7');
\echo :SQLSTATE
select net.http_get('http://example.com/', headers := 'true');
\echo :SQLSTATE
select net.http_get('http://example.com/', headers := 'null');
\echo :SQLSTATE
select net.http_post('http://example.com/', headers := '[1, 2]');
\echo :SQLSTATE
select net.http_delete('http://example.com/', headers := '[1, 2]');
\echo :SQLSTATE
select net.http_get('http://example.com/', headers := '{"": "value"}');
\echo :SQLSTATE
select net.http_get('http://example.com/', headers := '{"two words": "value"}');
\echo :SQLSTATE
select net.http_get('http://example.com/', headers := '{"X-Name:": "value"}');
\echo :SQLSTATE
select net.http_get('http://example.com/', headers := '{"Namé": "value"}');
\echo :SQLSTATE
\set VERBOSITY sqlstate
select net.http_get('http://example.com/', headers := '{"X-One\r\nX-Two": "value"}');
\set VERBOSITY default
select net.http_get('http://example.com/', headers := '{"X-Name": "secret\r\nX-Smuggled: yes"}');
\echo :SQLSTATE
select net.http_get('http://example.com/', headers := '{"X-Name": "secret\r"}');
\echo :SQLSTATE
select net.http_get('http://example.com/', headers := '{"X-Name": "\nsecret"}');
\echo :SQLSTATE
select net.http_get('http://example.com/', headers := '{"content-type": "text/plain", "Content-Type": "text/css"}');
\echo :SQLSTATE
select net.http_post('http://example.com/', headers := '{"Content-Type": "text/plain"}');
\echo :SQLSTATE
select net.http_post('http://example.com/', headers := '{"content-type": "application/jsonlines"}');
\echo :SQLSTATE
select net.http_delete('http://example.com/', headers := '{"Content-Type": "text/plain"}', body := '{}');
\echo :SQLSTATE

-- params: an object
select net.http_get('http://example.com/', params := '["a", "b"]');
\echo :SQLSTATE
select net.http_get('http://example.com/', params := '"a=b"');
\echo :SQLSTATE
select net.http_post('http://example.com/', params := '5');
\echo :SQLSTATE
select net.http_delete('http://example.com/', params := 'null');
\echo :SQLSTATE

-- timeouts: positive
select net.http_get('http://example.com/', timeout_milliseconds := 0);
\echo :SQLSTATE
select net.http_get('http://example.com/', timeout_milliseconds := -1);
\echo :SQLSTATE
select net.http_get('http://example.com/', timeout_milliseconds := null);
\echo :SQLSTATE
select net.http_post('http://example.com/', timeout_milliseconds := 0);
\echo :SQLSTATE
select net.http_delete('http://example.com/', timeout_milliseconds := null);
\echo :SQLSTATE

-- a method is a token
insert into net.http_request_queue (method, url, timeout_milliseconds)
values (E'GET / HTTP/1.1\r\nX-Smuggled: yes\r\n\r\nGET', 'http://example.com/', 1000);
\echo :SQLSTATE
select ''::net.http_method;
\echo :SQLSTATE

-- whoever adds a constraint to the type of the column has it kept, whether the
-- queue is as it was made or changed
begin;
alter domain net.http_method add constraint no_delete check (value <> 'DELETE');
savepoint s;
select net.http_delete('http://localhost/');
\echo :SQLSTATE
rollback to s;
select net.http_get('http://localhost/') > 0 as queued;
alter table net.http_request_queue add column more text;
savepoint s;
select net.http_request('DELETE', 'http://localhost/');
\echo :SQLSTATE
rollback to s;
select net.http_get('http://localhost/') > 0 as queued;
alter domain net.http_method drop constraint no_delete;
select net.http_delete('http://localhost/') > 0 as queued;
alter table net.http_request_queue drop column more;
alter domain net.http_method add constraint no_get check (value <> 'GET') not valid;
select net.http_get('http://localhost/');
\echo :SQLSTATE
rollback;
-- what passed is looked at again when there are other constraints
begin;
select net.http_delete('http://localhost/') > 0 as queued;
rollback;
begin;
alter domain net.http_method add constraint short check (length(value) < 5);
savepoint s;
select net.http_delete('http://localhost/');
\echo :SQLSTATE
rollback to s;
alter domain net.http_method drop constraint short;
alter domain net.http_method drop constraint http_method_check;
select net.http_delete('http://localhost/') > 0 as queued;
rollback;

-- one bad call of many takes the others of its statement with it
select net.http_get(url)
from (values ('http://example.com/'), ('/x')) as t (url);
\echo :SQLSTATE

-- nothing of all this was queued
select count(*) from net.http_request_queue;

-- Where nothing can be queued, the error says so of the function.
begin transaction read only;
select net.http_post('http://localhost/');
\echo :SQLSTATE
rollback;
begin transaction read only;
select net.set_durable(true);
\echo :SQLSTATE
rollback;
create function pretends(sql text) returns text language plpgsql parallel safe as
$$ begin execute sql into sql; return sql; end $$;
select count(set_config(name, 'on', false)) from pg_settings where name in ('debug_parallel_query', 'force_parallel_mode');
select pretends($$select net.http_get('http://localhost/')$$);
\echo :SQLSTATE
select pretends($$select net.http_request('GET', 'http://localhost/')$$);
\echo :SQLSTATE
select pretends($$select net.http_delete('http://localhost/')$$);
\echo :SQLSTATE
select pretends('select net.wake()');
\echo :SQLSTATE
select pretends('select net.set_durable(true)');
\echo :SQLSTATE
select pretends('select net._await_response(1)');
\echo :SQLSTATE
select pretends('select net._http_collect_response(1, async := false)');
\echo :SQLSTATE
select pretends('select status from net._http_collect_response(1)');
\echo :SQLSTATE
select count(set_config(name, 'off', false)) from pg_settings where name in ('debug_parallel_query', 'force_parallel_mode');
drop function pretends;

-- bad settings are refused
set pg_net.ttl = 'x';
\echo :SQLSTATE
set pg_net.ttl = '';
\echo :SQLSTATE
set pg_net.ttl = '-1 hour';
\echo :SQLSTATE
set pg_net.ttl = '1 month -40 days';
\echo :SQLSTATE
set pg_net.batch_size = 0;
\echo :SQLSTATE
set pg_net.batch_size = -1;
\echo :SQLSTATE
set pg_net.batch_size = 'many';
\echo :SQLSTATE
set pg_net.max_in_flight = 0;
\echo :SQLSTATE
set pg_net.max_in_flight_per_host = 0;
\echo :SQLSTATE
set pg_net.denied_networks = 'localhost';
\echo :SQLSTATE
set pg_net.denied_networks = '127.1';
\echo :SQLSTATE
set pg_net.denied_networks = '10.0.0.1/8';
\echo :SQLSTATE
set pg_net.denied_networks = '10.0.0.0/33';
\echo :SQLSTATE
set pg_net.denied_networks = '::ffff:10.0.0.1/100';
\echo :SQLSTATE
set pg_net.denied_networks = 'fe80::1%lo';
\echo :SQLSTATE
set pg_net.denied_networks = '10.0.0.0/8 ::1';
\echo :SQLSTATE
set pg_net.denied_networks = '10.0.0.0/8,';
\echo :SQLSTATE
set pg_net.nonsense = 1;
\echo :SQLSTATE
set pg_net.database_name = 'postgres';
\echo :SQLSTATE
set pg_net.username = 'postgres';
\echo :SQLSTATE
alter system set pg_net.ttl = 'x';
\echo :SQLSTATE
alter system set pg_net.batch_size = 0;
\echo :SQLSTATE
alter system set pg_net.database_name = '';
\echo :SQLSTATE
alter role current_user set pg_net.ttl = 'x';
\echo :SQLSTATE

-- good ones are not; most have no effect on a session
set pg_net.max_waiting_per_role = 1000;
reset pg_net.max_waiting_per_role;
set pg_net.decompress = on;
reset pg_net.decompress;
set pg_net.ttl = '30 minutes';
set pg_net.ttl = '2 days 3:00';
set pg_net.ttl = 'P1DT1H';
set pg_net.ttl = '0';
set pg_net.batch_size = 500;
set pg_net.denied_networks = '';
set pg_net.denied_networks = '0.0.0.0/0, ::/0,10.0.0.1, ::ffff:10.0.0.0/104 ,64:FF9B::/96, fe80::1/128';
set pg_net.denied_networks = '10.0.0.0/8', '::1';
show pg_net.denied_networks;
reset pg_net.denied_networks;
reset pg_net.ttl;
reset pg_net.batch_size;

-- the settings and their defaults, as documented
select name, boot_val, vartype, context
from pg_settings
where name like 'pg_net%'
order by name;

-- A queue that somebody changed: NOT NULL where our rows may have a null, a
-- modifier, another default, another index.
begin;
alter table net.http_request_queue alter column headers set not null;
\set VERBOSITY terse
select net.http_get('http://localhost/', headers := null);
\echo :SQLSTATE
\set VERBOSITY default
rollback;
begin;
create unique index on net.http_request_queue (url);
select net.http_get('http://localhost/twice') > 0 as queued;
select net.http_get('http://localhost/twice');
\echo :SQLSTATE
rollback;
begin;
alter table net.http_request_queue alter column id set default -7;
select net.http_get('http://localhost/');
rollback;
begin;
alter table net.http_request_queue alter column ordering_key type varchar(20);
select net.http_request('GET', 'http://localhost/', ordering_key := 'longer-than-twenty-one');
\echo :SQLSTATE
rollback;
