-- What comes back, from a server that answers all sorts of things.

set client_min_messages = warning;
create extension if not exists pg_net;
reset client_min_messages;
select net.wait_until_running();
\getenv url PGNET_TEST_URL
truncate net._http_response;

-- one request of each kind
select net.http_get(:'url' || '/echo/get?x=y', '{"a": "b c"}', '{"X-Name": "value"}') as id \gset
select (a).status, (a).message, (a).response.status_code,
       (a).response.headers ->> 'Content-Type' as type,
       echo ->> 'method' as method, echo ->> 'target' as target,
       echo #>> '{headers,X-Name}' as x_name, echo ->> 'length' as length,
       echo -> 'headers' ? 'Content-Type' as has_type
from net._http_collect_response(:id, async := false) as a,
     lateral (select (a).response.body::jsonb) as t (echo);
select net.http_post(:'url' || '/echo/post', '{"key1": "value", "key2": 5, "é": [null]}') as id \gset
select (a).status, echo ->> 'method' as method, echo ->> 'body' as body,
       echo ->> 'length' as length, echo #>> '{headers,Content-Type}' as type
from net._http_collect_response(:id, async := false) as a,
     lateral (select (a).response.body::jsonb) as t (echo);
select net.http_post(:'url' || '/echo/post', null) as id \gset
select (a).status, echo ->> 'method' as method, echo ->> 'body' as body, echo ->> 'length' as length,
       echo #>> '{headers,Content-Length}' as content_length, echo #>> '{headers,Content-Type}' as type
from net._http_collect_response(:id, async := false) as a,
     lateral (select (a).response.body::jsonb) as t (echo);
select net.http_delete(:'url' || '/echo/delete') as id \gset
select (a).status, echo ->> 'method' as method, echo ->> 'length' as length,
       echo -> 'headers' ? 'Content-Type' as has_type
from net._http_collect_response(:id, async := false) as a,
     lateral (select (a).response.body::jsonb) as t (echo);
select net.http_delete(:'url' || '/echo/delete', body := '{"ids": [1, 2]}') as id \gset
select (a).status, echo ->> 'method' as method, echo ->> 'body' as body,
       echo #>> '{headers,Content-Type}' as type
from net._http_collect_response(:id, async := false) as a,
     lateral (select (a).response.body::jsonb) as t (echo);

-- one's own header replaces a default one; null ones are not sent, empty ones are
select net.http_get(:'url' || '/echo', headers := '{"user-agent": "mine/1", "X-Null": null, "X-Empty": "", "X-Number": 1.50, "Accept": "text/x"}') as id \gset
select key, value
from net._http_collect_response(:id, async := false) as a,
     jsonb_each((a).response.body::jsonb -> 'headers')
where lower(key) <> 'host'
order by lower(key) collate "C";
select net.http_get(:'url' || '/echo') as id \gset
select echo #>> '{headers,User-Agent}' ~ '^pg_net/[0-9.]+$' as user_agent
from net._http_collect_response(:id, async := false) as a,
     lateral (select (a).response.body::jsonb) as t (echo);

-- the row, and that the request is gone from the queue in the same moment
select net.http_get(:'url' || '/healthz') as id \gset
select net._await_response(:id);
select id = :id as id, status_code, content_type, headers ->> 'Content-Length' as length, content,
       timed_out, error_msg, content_bytes, role = current_user::regrole as mine,
       created between now() - interval '10 minutes' and now() as recently
from net._http_response
where id = :id;
select count(*) from net.http_request_queue where id = :id;
-- again, and again with async
select net._await_response(:id);
select status, message, (response).status_code, (response).body from net._http_collect_response(:id, true);
select status, message, (response).status_code, (response).body from net._http_collect_response(request_id := :id);
-- by its old name, with a notice
select status, message, (response).status_code, (response).body from net.http_collect_response(:id);
select status, message, (response).status_code, (response).body from net.http_collect_response(:id, async := false);

-- any status is an answer
create table asked as
select code, net.http_get(:'url' || '/status/' || code) as id
from unnest(array[200, 201, 204, 304, 400, 401, 404, 418, 429, 500, 503, 599]) as code;
select code, (a).status, (a).message, (a).response.status_code, (a).response.body
from asked, net._http_collect_response(id, async := false) as a
order by code;
drop table asked;

-- unknown ids, and none
select * from net._http_collect_response(0);
select * from net._http_collect_response(-1, async := false);
select * from net._http_collect_response(9223372036854775807);
select * from net._http_collect_response(null);
select net._await_response(0);
select net._await_response(null);

-- not before commit: pending, and nothing to wait for
begin;
select net.http_get(:'url' || '/healthz') as id \gset
select status, message, response from net._http_collect_response(:id);
savepoint s;
\set VERBOSITY sqlstate
select net._await_response(:id);
rollback to s;
select status from net._http_collect_response(:id, async := false);
rollback to s;
\set VERBOSITY default
do $$
begin
  perform net._await_response(currval('net.http_request_queue_id_seq'));
exception when others then
  raise notice '%', regexp_replace(sqlerrm, '\d+', 'N');
end
$$;
commit;
select status, message, (response).body from net._http_collect_response(:id, async := false);
begin;
select net.http_get(:'url' || '/healthz') as id \gset
rollback;
select status, replace(message, :'id', 'N') as message from net._http_collect_response(:id, async := false);

-- in flight: pending
select net.http_get(:'url' || '/hang', timeout_milliseconds := 60000) as id \gset
select status, message, response from net._http_collect_response(:id);
-- a request that somebody deletes is not waited for
delete from net.http_request_queue where id = :id;
select status, replace(message, :'id', 'N') as message from net._http_collect_response(:id, async := false);

-- no answer
create function problem(id bigint) returns text language sql as $$
  select (a).status || ': ' || regexp_replace((a).message, '\d+(\.\d+)? ms(?! reached)', 'T ms', 'g')
  from net._http_collect_response(id, async := false) as a
$$;
create function row_without(id bigint, out status_code int, out content_type text, out headers jsonb,
                            out content text, out content_bytes bytea, out timed_out bool, out has_error bool)
language sql as $$
  select status_code, content_type, headers, content, content_bytes, timed_out, error_msg is not null
  from net._http_response as r
  where r.id = row_without.id
$$;
select net.http_get(:'url' || '/hang', timeout_milliseconds := 300) as id \gset
select problem(:id);
select * from row_without(:id);
select (error_msg ~ '^Timeout of 300 ms reached\. Total time: [0-9.]+ ms \(DNS time: [0-9.]+ ms, TCP/SSL handshake time: [0-9.]+ ms, HTTP Request/Response time: [0-9.]+ ms\)$') as as_ever
from net._http_response
where id = :id;
select net.http_get(:'url' || '/drip?bytes=1000&interval=0.1', timeout_milliseconds := 400) as id \gset
select problem(:id);
select * from row_without(:id);
-- nobody listens on port 1
select net.http_get('http://127.0.0.1:1/') as id \gset
select problem(:id) ~ '^ERROR: (Couldn''t|Could not) connect to server' as refused;
select * from row_without(:id);
select net.http_get(:'url' || '/disconnect') as id \gset
select problem(:id);
select * from row_without(:id);
select net.http_post(:'url' || '/disconnect?post') as id \gset
select problem(:id);
select net.http_get(:'url' || '/malformed-header') as id \gset
select problem(:id) like 'ERROR: %Weird server reply%' as weird;
select * from row_without(:id);
create table asked as
select path, net.http_get(:'url' || path) as id
from unnest(array['/disconnect-mid-body', '/disconnect-mid-header', '/not-http', '/redirect-loop', '/reset']) as path;
select path, problem(id) ~ '^ERROR: .' as failed from asked order by path;
select path, r.* from asked, row_without(id) as r order by path;
-- the documented query finds them
select count(*)
from net._http_response
where ("status_code" >= 400 or "error_msg" is not null) and id in (select id from asked);
drop table asked;

-- headers: repeated ones joined, cookies apart, odd ones kept
select net.http_get(:'url' || '/duplicate-headers') as id \gset
select net._await_response(:id);
select headers -> 'Set-Cookie' as cookies, headers -> 'X-Dup' as dup from net._http_response where id = :id;
select net.http_get(:'url' || '/odd-headers') as id \gset
select net._await_response(:id);
select headers -> 'X-Empty' as empty, headers -> 'X-Control' as control, headers -> 'X-Latin1' as latin1
from net._http_response
where id = :id;

-- bodies: text is text, anything else is its exact bytes
create table asked as
select path, net.http_get(:'url' || path) as id
from unnest(array['/', '/binary', '/chunked', '/gzip', '/invalid-utf8', '/latin1', '/no-content-type',
                  '/nul', '/status/204', '/utf16']) as path;
select bool_and(net._await_response(id)) from asked;
select path, content_type, content, content_bytes
from asked join net._http_response using (id)
order by path collate "C";
select path, (a).status, (a).response.body from asked, net._http_collect_response(id) as a
where path in ('/binary', '/latin1')
order by path;
drop table asked;
select net.http_get(:'url' || '/huge?bytes=3000000', timeout_milliseconds := 30000) as id \gset
select net._await_response(:id);
select status_code, length(content) from net._http_response where id = :id;

-- redirects are followed; only the last answer counts
select net.http_get(:'url' || '/redirect/3') as id \gset
select net._await_response(:id);
select status_code, content::jsonb ->> 'path' as path, headers ? 'Location' as has_location
from net._http_response
where id = :id;
select net.http_get(:'url' || '/redirect-to', jsonb_build_object('url', '/status/404', 'status', 301)) as id \gset
select net._await_response(:id);
select status_code, content from net._http_response where id = :id;
-- … but not out of http
select net.http_get(:'url' || '/redirect-to', '{"url": "file:///etc/passwd"}') as id \gset
select (a).status, (a).response from net._http_collect_response(:id, async := false) as a;

-- rows inserted by hand are served after wake()
insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)
values ('PUT', :'url' || '/echo/put', '{"Content-Type": "text/plain"}', 'by hand', 2000)
returning id \gset
select status, message from net._http_collect_response(:id);
select net.wake();
select (a).status, echo ->> 'method' as method, echo ->> 'body' as body, echo #>> '{headers,Content-Type}' as type
from net._http_collect_response(:id, async := false) as a,
     lateral (select (a).response.body::jsonb) as t (echo);
-- only the columns that must be there; a lower-case method is one, too
begin;
insert into net.http_request_queue (method, url, timeout_milliseconds)
values ('get', :'url' || '/echo/lower', 2000)
returning id \gset
select net.wake();
commit;
select (a).status, echo ->> 'method' as method, echo ->> 'length' as length
from net._http_collect_response(:id, async := false) as a,
     lateral (select (a).response.body::jsonb) as t (echo);
-- an id of one's own, lower than all that were served
insert into net.http_request_queue (id, method, url, body, timeout_milliseconds)
values (-5, 'POST', :'url' || '/echo/negative', '\x00ff', 2000);
select net.wake();
select (a).status, echo ->> 'body_base64' as body
from net._http_collect_response(-5, async := false) as a,
     lateral (select (a).response.body::jsonb) as t (echo);

-- bad rows inserted by hand become responses that say what the call would say
create table bad (n serial, url text, headers jsonb, timeout int, id bigint default nextval('net.http_request_queue_id_seq'));
insert into bad (url, headers, timeout) values
  ('/x', '{}', 1000),
  ('', '{}', 1000),
  ('localhost:6666', '{}', 1000),
  ('http://', '{}', 1000),
  ('ftp://user:secret@example.com/', '{}', 1000),
  (:'url' || '/bad', '[1, 2]', 1000),
  (:'url' || '/bad', '"text"', 1000),
  (:'url' || '/bad', 'null', 1000),
  (:'url' || '/bad', '{"two words": "value"}', 1000),
  (:'url' || '/bad', '{"X-Name": "secret\r\nX-Smuggled: yes"}', 1000),
  (:'url' || '/bad', '{}', 0),
  (:'url' || '/bad', '{}', -1);
create function said_by_call(url text, headers jsonb, timeout int) returns text language plpgsql as $$
begin
  perform net.http_get(url, headers := headers, timeout_milliseconds := timeout);
  raise exception 'accepted';
exception when others then
  return sqlerrm;
end
$$;
insert into net.http_request_queue (id, method, url, headers, timeout_milliseconds)
select id, 'GET', url, headers, timeout from bad;
insert into net.http_request_queue (method, url, timeout_milliseconds)
values ('GET', :'url' || '/healthz', 2000)
returning id as good \gset
select net.wake();
select n, (a).status, (a).message, (a).message = said_by_call(url, headers, timeout) as as_the_call
from bad, net._http_collect_response(id, async := false) as a
order by n;
select n, r.* from bad, row_without(id) as r order by n;
-- and stop nobody else
select status, (response).body from net._http_collect_response(:good, async := false);
select count(*) from net.http_request_queue;
select net.check_worker_is_up();
drop table bad;
drop function said_by_call, problem, row_without;

-- none of them was sent, and no request twice
select net.http_get(:'url' || '/count') as id \gset
select seen -> '/bad' as bad, seen -> '/echo/put' as put, seen -> '/echo/post' as posts,
       seen -> '/disconnect?post' as disconnected
from net._http_collect_response(:id, async := false) as a,
     lateral (select (a).response.body::jsonb) as t (seen);

-- responses are rows like any other
update net._http_response set content = 'redacted' where id = :id;
select (response).body from net._http_collect_response(:id);
delete from net._http_response where id = :id;
select status, replace(message, :'id', 'N') as message from net._http_collect_response(:id);
truncate net._http_response;
