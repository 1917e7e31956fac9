-- What the request functions put in the queue.  The transactions are rolled
-- back, so nothing is sent but where it says so.

set client_min_messages = warning;
create extension if not exists pg_net;
reset client_min_messages;
select net.wait_until_running();
\getenv url PGNET_TEST_URL

create view queued as
select method, url, headers, convert_from(body, 'UTF8') as body, timeout_milliseconds as timeout
from net.http_request_queue
order by id;

-- the defaults
begin;
select net.http_get('http://example.com/get') > 0 as id,
       net.http_post('http://example.com/post') > 0 as id,
       net.http_delete('http://example.com/delete') > 0 as id;
select * from queued;
select distinct role = current_user::regrole as mine from net.http_request_queue;
rollback;
select count(*) from queued;

-- positional arguments
begin;
select net.http_get('http://example.com/get', '{"a": 1}', '{"X-Name": "value"}', 1000) > 0 as id,
       net.http_post('http://example.com/post', '{"b": [1, null]}', '{"a": 1}', '{"X-Name": "value"}', 2500) > 0 as id,
       net.http_delete('http://example.com/delete', '{"a": 1}', '{"X-Name": "value"}', 3000) > 0 as id,
       net.http_delete('http://example.com/delete', '{"a": 1}', '{"X-Name": "value"}', 3000, '{"b": 2}') > 0 as id;
select * from queued;
rollback;

-- the same, named, in any order
begin;
select net.http_get(timeout_milliseconds := 1000, headers := '{"X-Name": "value"}',
                    params := '{"a": 1}', url := 'http://example.com/get') > 0 as id,
       net.http_post(timeout_milliseconds => 2500, headers => '{"X-Name": "value"}', params => '{"a": 1}',
                     body => '{"b": [1, null]}', url => 'http://example.com/post') > 0 as id,
       net.http_delete(body := '{"b": 2}', timeout_milliseconds := 3000, headers := '{"X-Name": "value"}',
                       params := '{"a": 1}', url := 'http://example.com/delete') > 0 as id,
       net.http_post('http://example.com/post', headers := '{"X-Name": "value"}') > 0 as id;
select * from queued;
rollback;

-- ids go up, one each call
begin;
select net.http_get('http://example.com/') as first \gset
select net.http_get('http://example.com/') - :first as difference;
select array_agg(id order by id) = array[:first, :first + 1]::bigint[] as ids from net.http_request_queue;
rollback;

-- URLs
begin;
select count(net.http_get(url))
from (values
  ('http://example.com'),
  ('https://example.com'),
  ('HTTP://Example.com/Path'),
  ('http://example.com?a=b'),
  ('http://example.com:8080'),
  ('http://127.0.0.1/'),
  ('http://[::1]:8080/x'),
  ('http://user:secret@example.com/'),
  ('http://example.com/a b'),
  ('http://example.com/é?ü=ß'),
  ('http://example.com/%2F%2f/a+b?c=%C3%A9+%c3%a9')
) as t (url);
select url from queued;
rollback;

-- params are encoded and appended to the query, which stays as it is
begin;
select count(net.http_get(url, params::jsonb))
from (values
  ('http://example.com', '{"a": "b"}'),
  ('http://example.com/', '{"a": "1", "b": "2"}'),
  ('http://example.com/?x=y', '{"a": "b"}'),
  ('http://example.com?x=y&x=%20z', '{"a": "b"}'),
  ('http://example.com/?x', '{"a": "b"}'),
  ('http://example.com/#part', '{"a": "b"}'),
  ('http://example.com/', '{"key&": "a b&é/~!"}'),
  ('http://example.com/', '{"plus": "1+1=2", "percent": "100%", "hash": "#"}'),
  ('http://example.com/', '{"ключ": "日本"}'),
  ('http://example.com/', '{"line": "one\ntwo"}'),
  ('http://example.com/', '{"empty": ""}'),
  ('http://example.com/', '{"": "no name"}'),
  ('http://example.com/', '{"number": 1.50, "true": true, "false": false}'),
  ('http://example.com/', '{"null": null}'),
  ('http://example.com/', '{"a": 1, "null": null, "z": 2}'),
  ('http://example.com/', '{"array": [1, "two", null]}'),
  ('http://example.com/', '{"object": {"a": {"b": [1]}}}'),
  ('http://example.com/', '{"array": [], "object": {}}'),
  ('http://example.com/', '{}'),
  ('http://example.com/', null)
) as t (url, params);
select url from queued;
rollback;

-- params of all three
begin;
select net.http_post('http://example.com/?x=y', params := '{"a": "b c"}') > 0 as id,
       net.http_delete('http://example.com/?x=y', params := '{"a": "b c"}') > 0 as id;
select method, url from queued;
rollback;

-- a POST has a content type, added unless it is there
begin;
select count(net.http_post('http://example.com/', headers := headers::jsonb))
from (values
  ('{}'),
  (null),
  ('{"X-Name": "value"}'),
  ('{"Content-Type": "application/json"}'),
  ('{"content-type": "application/json"}'),
  ('{"CONTENT-TYPE": "Application/JSON"}'),
  ('{"Content-Type": "application/json; charset=utf-8"}'),
  ('{"Content-Type": "application/json;charset=utf-8"}'),
  ('{"content-type": "application/vnd.api+json"}'),
  ('{"Content-Type": null}')
) as t (headers);
select headers from queued;
rollback;
select net.http_post('http://example.com/', headers := '{"Content-Type": "text/plain"}');
select net.http_post('http://example.com/', headers := '{"CONTENT-type": "text/json; charset=utf-8"}');
select net.http_post('http://example.com/', headers := '{"Content-Type": "application/json5"}');
select net.http_post('http://example.com/', headers := '{"Content-Type": ""}');

-- header values that are not strings, as text; null ones are left out when sent
begin;
select net.http_get('http://example.com/', headers := '{"X-Number": 1.50, "X-True": true, "X-Null": null, "X-Empty": ""}') > 0 as id,
       net.http_get('http://example.com/', headers := null) > 0 as id;
select headers from queued;
rollback;

-- bodies: JSON, or none
begin;
select count(net.http_post('http://example.com/', body::jsonb))
from (values
  ('{"hello": "world", "nested": {"array": [1, 2.50, "é", null, true]}}'),
  ('{}'),
  ('[]'),
  ('"text"'),
  ('7'),
  ('false'),
  ('null'),
  (null)
) as t (body);
select body, headers from queued;
rollback;

-- null for everything but url and timeout
begin;
select net.http_get('http://example.com/', null, null) > 0 as id,
       net.http_post('http://example.com/', null, null, null) > 0 as id,
       net.http_delete('http://example.com/', null, null, 2000, null) > 0 as id;
select * from queued;
rollback;

-- DELETE: a content type with a body only
begin;
select net.http_delete('http://example.com/1') > 0 as id,
       net.http_delete('http://example.com/2', body := '{"a": 1}') > 0 as id,
       net.http_delete('http://example.com/3', headers := '{"X-Name": "value"}') > 0 as id,
       net.http_delete('http://example.com/4', headers := '{"X-Name": "value"}', body := '[1]') > 0 as id,
       net.http_delete('http://example.com/5', headers := '{"content-type": "application/json; charset=utf-8"}', body := '[1]') > 0 as id,
       net.http_delete('http://example.com/6', body := 'null') > 0 as id;
select * from queued;
rollback;

-- a large body, whole
begin;
select net.http_post('http://example.com/', jsonb_build_object('x', repeat('y', 1000000))) > 0 as id;
select length(body), body::jsonb ->> 'x' = repeat('y', 1000000) as same from queued;
rollback;

-- every row of a query
begin;
select count(net.http_get('http://example.com/', jsonb_build_object('n', n))) from generate_series(1, 3) as n;
select url from queued;
rollback;
begin;
with table_rows as (
  select jsonb_agg(to_jsonb(t.*)) as payload from (values (1, 'a'), (2, 'b')) as t (id, name)
)
select net.http_post(url := 'http://example.com/'::text, body := payload) > 0 as id from table_rows;
select body from queued;
rollback;

-- inside DO
begin;
do $$
declare
  first bigint;
  second bigint;
begin
  first := net.http_get('http://example.com/do');
  select net.http_post(url := 'http://example.com/do', body := '{"a": 1}') into second;
  assert second = first + 1;
end
$$;
select method, url, body from queued;
rollback;

-- inside a procedure, which commits between its requests
create procedure ask_twice(url text) language plpgsql as $$
begin
  perform net.http_get(url || '/echo/procedure', '{"n": 1}');
  commit;
  perform net.http_get(url || '/echo/procedure', '{"n": 2}');
  rollback;
  perform net.http_get(url || '/echo/procedure', '{"n": 3}');
end
$$;
select currval('net.http_request_queue_id_seq') as before \gset
call ask_twice(:'url');
select n, (a).status, (a).response.body::jsonb ->> 'query' as query
from generate_series(1, 3) as n, net._http_collect_response(:before + n, async := false) as a
order by n;
drop procedure ask_twice;

-- inside functions: SQL, and SECURITY DEFINER with only net in the search path
create function ask(url text) returns bigint language sql as
  $$ select net.http_get(url, '{"from": "sql"}') $$;
create function ask_definer(url text) returns bigint language plpgsql
security definer set search_path = net as $$
begin
  return http_get(url, params := '{"from": "definer"}');
end
$$;
create function ask_nowhere(url text) returns bigint language plpgsql set search_path = '' as $$
begin
  return net.http_post(url, '{"from": "nowhere"}');
end
$$;
begin;
select ask('http://example.com/') > 0 as id,
       ask_definer('http://example.com/') > 0 as id,
       ask_nowhere('http://example.com/') > 0 as id;
select method, url, body from queued;
rollback;
drop function ask, ask_definer, ask_nowhere;

-- a search path that has traps in it changes nothing
begin;
create schema trap;
create function trap.nextval(regclass) returns bigint language sql as $$ select -1::bigint $$;
create function trap.quote_ident(text) returns text language sql as $$ select 'nobody' $$;
create domain trap.http_method as text check (false);
create table trap.http_request_queue (like net.http_request_queue);
set local search_path = trap, pg_catalog;
select net.http_get('http://example.com/') > 0 as id;
select count(*) as in_trap from trap.http_request_queue;
select url from public.queued;
rollback;

-- inside a trigger: on the table's rows, and deferred
create table orders (id int primary key, state text);
create function tell() returns trigger language plpgsql as $$
begin
  perform "net"."http_post"(
    'http://example.com/' || tg_op::text,
    jsonb_build_object('old_row', to_jsonb(old.*), 'new_row', to_jsonb(new.*)),
    headers := '{"Content-Type": "application/json"}'::jsonb
  ) as request_id;
  return new;
end
$$;
create trigger tell after insert or update or delete on orders for each row execute function tell();
begin;
insert into orders values (1, 'new'), (2, 'new');
update orders set state = 'paid' where id = 2;
delete from orders where id = 1;
select url, body from queued;
rollback;
drop trigger tell on orders;
create constraint trigger tell after insert on orders deferrable initially deferred
for each row execute function tell();
begin;
insert into orders values (1, 'new');
select count(*) from queued;
set constraints all immediate;
select url, body from queued;
rollback;
drop table orders;
drop function tell;

-- in an exception block: what it undoes is not queued, the rest is
begin;
do $$
begin
  perform net.http_get('http://example.com/before');
  begin
    perform net.http_get('http://example.com/undone');
    perform 1 / 0;
  exception when division_by_zero then
    perform net.http_get('http://example.com/handler');
  end;
  begin
    perform net.http_get('/x');
  exception when invalid_parameter_value then
    raise notice 'caught: %', sqlerrm;
  end;
  perform net.http_get('http://example.com/after');
end
$$;
select url from queued;
rollback;

-- savepoints
begin;
select net.http_get('http://example.com/1') > 0 as id;
savepoint a;
select net.http_get('http://example.com/2') > 0 as id;
rollback to a;
select net.http_get('http://example.com/3') > 0 as id;
release a;
select url from queued;
rollback;

-- a request that waits can be cancelled by whoever may delete its row
begin;
select net.http_get('http://example.com/') as id \gset
delete from net.http_request_queue where id = :id;
select count(*) from queued;
rollback;

-- not where nothing may be written
begin read only;
select net.http_get('http://example.com/');
\echo :SQLSTATE
rollback;

-- a role that asked can be dropped at once, and gets its request sent
create role regress_asker;
set role regress_asker;
select net.http_get(:'url' || '/echo/dropped') as id \gset
reset role;
drop role regress_asker;
select (a).status, (a).response.status_code from net._http_collect_response(:id, async := false) as a;

-- nothing is left
select count(*) from queued;
drop view queued;
