-- What http_request and the newer request functions put in the queue.  The
-- transactions are rolled back, so nothing is sent.

set client_min_messages = warning;
create extension if not exists pg_net;
reset client_min_messages;
select net.wait_until_running();

create view queued as
select method, url, headers, encode(body, 'escape') as body, timeout_milliseconds as timeout
from net.http_request_queue
order by id;

-- put and patch are as post, head is as get
begin;
select net.http_put('http://example.com/put') > 0 as id,
       net.http_patch('http://example.com/patch') > 0 as id,
       net.http_head('http://example.com/head') > 0 as id;
select net.http_put('http://example.com/', '{"b": 1}', '{"a": 1}', '{"X-Name": "value"}', 1000) > 0 as id,
       net.http_patch('http://example.com/', '{"b": 1}', '{"a": 1}', '{"X-Name": "value"}', 1000) > 0 as id,
       net.http_head('http://example.com/', '{"a": 1}', '{"X-Name": "value"}', 1000) > 0 as id,
       net.http_put('http://example.com/', null, null, null) > 0 as id,
       net.http_patch('http://example.com/', body := null) > 0 as id,
       net.http_patch('http://example.com/', headers := '{"Content-Type": "application/merge-patch+json"}') > 0 as id,
       net.http_head('http://example.com/', null, null) > 0 as id;
select * from queued;
rollback;
select net.http_put('http://example.com/', headers := '{"Content-Type": "text/plain"}');
select net.http_patch('http://example.com/', headers := '{"content-type": "text/plain"}');
select net.http_head(null);

-- a body has its content type, unless the headers have one
create temp table typed (t text, v varchar(10), j json, jb jsonb, b bytea, x xml, n text);
insert into typed values ('text é', 'varchar', '{"json":1}', '{"jsonb": 1}', '\x00ff', '<a/>');
begin;
select count(*)
from typed,
     lateral (values
       (net.http_request('POST', 'http://example.com/', body := 'plain words')),
       (net.http_request('POST', 'http://example.com/', body := t)),
       (net.http_request('POST', 'http://example.com/', body := v)),
       (net.http_request('POST', 'http://example.com/', body := j)),
       (net.http_request('POST', 'http://example.com/', body := jb)),
       (net.http_request('POST', 'http://example.com/', body := b)),
       (net.http_request('POST', 'http://example.com/', body := x)),
       (net.http_request('POST', 'http://example.com/', body := n)),
       (net.http_request('POST', 'http://example.com/', body := null)),
       (net.http_request('POST', 'http://example.com/', body := '')),
       (net.http_request('POST', 'http://example.com/', body := net.form('{"a": "b c"}'))),
       (net.http_request('POST', 'http://example.com/', body := to_jsonb(typed) -> 'jb'))) as sent (id);
select headers, body from queued;
rollback;
begin;
select count(net.http_request('POST', 'http://example.com/', headers := headers::jsonb, body := 'x'))
from (values (null), ('{}'), ('{"X-Name": "value"}'), ('{"Content-Type": "text/csv"}'), ('{"content-type": "text/csv"}'),
             ('{"Content-Type": null}'), ('{"Content-Type": ""}')) as t (headers);
select headers from queued;
rollback;
-- the boundary of a multipart body is in its content type
begin;
select net.http_request('POST', 'http://example.com/', body := net.multipart('{"a": "b"}')) > 0 as id;
select headers ->> 'Content-Type' ~ '^multipart/form-data; boundary=pg_net-[0-9a-f]{32}$' as content_type,
       body like '--' || substr(headers ->> 'Content-Type', 31) || '%' as boundary
from queued;
rollback;

-- any method
begin;
select count(net.http_request(method, 'http://example.com/'))
from unnest(array['GET', 'get', 'OPTIONS', 'PROPFIND', 'M-SEARCH', 'x!#$%&''*+.^_`|~-1', 'HEAD']) as method;
select * from queued;
rollback;
select net.http_request('', 'http://example.com/');
select net.http_request('GET /', 'http://example.com/');
select net.http_request(E'GET\r\nX: y', 'http://example.com/');
select net.http_request(null, 'http://example.com/');
select net.http_request('head', 'http://example.com/', body := '');

-- params: an array repeats its name
begin;
select count(net.http_request('GET', 'http://example.com/?a=b', params::jsonb))
from (values
  ('{"tag": ["x", "y"]}'),
  ('{"tag": ["x y", null, "&"], "z": 1}'),
  ('{"none": []}'),
  ('{"null": null, "list": [[1, 2], {"a": 1}, true, ""]}'),
  ('{"object": {"a": [1]}}'),
  ('{}'),
  (null)) as t (params);
select url from queued;
rollback;
select net.http_request('GET', 'http://example.com/', '[1]');

-- the rest is as for the others
select net.http_request('GET', null);
select net.http_request('GET', '/relative');
select net.http_request('GET', 'http://example.com/', headers := '{"a b": 1}');
select net.http_request('GET', 'http://example.com/', timeout_milliseconds := 0);
select net.http_request('GET', 'http://example.com/', timeout_milliseconds := null);


-- options: null in the queue is the server's default
begin;
select net.http_request('GET', 'http://example.com/') > 0 as id,
       net.http_request('GET', 'http://example.com/', connect_timeout_milliseconds := 100, max_redirects := 0,
                        max_response_bytes := 1000000, decompress := true, http_version := '1.1',
                        same_origin_headers := array['X-Mine', 'X-Yours']) > 0 as id,
       net.http_get('http://example.com/') > 0 as id;
select connect_timeout_milliseconds, max_redirects, max_response_bytes, decompress, http_version, same_origin_headers
from net.http_request_queue
order by id;
rollback;
-- the same through SQL, when somebody changed the table
begin;
create index on net.http_request_queue (url);
select net.http_request('PUT', 'http://example.com/', '{"a": 1}', '{"X-Name": "v"}', 'text', 1000, null, null, null, null, null, null, 100, 0, 1000000, false, '1.0',
                        array['X-Mine', null]) > 0 as id,
       net.http_request('GET', 'http://example.com/') > 0 as id;
select method, url, headers, body, timeout_milliseconds, role = current_user::regrole as mine, connect_timeout_milliseconds,
       max_redirects, max_response_bytes, decompress, http_version, same_origin_headers
from net.http_request_queue
order by id;
rollback;
select net.http_request('GET', 'http://example.com/', connect_timeout_milliseconds := 0);
select net.http_request('GET', 'http://example.com/', connect_timeout_milliseconds := -2147483648);
select net.http_request('GET', 'http://example.com/', max_redirects := -1);
select net.http_request('GET', 'http://example.com/', max_response_bytes := -1);
select net.http_request('GET', 'http://example.com/', max_response_bytes := 268435457);
select net.http_request('GET', 'http://example.com/', max_response_bytes := -2147483648);
select net.http_request('GET', 'http://example.com/', http_version := '3');
select net.http_request('GET', 'http://example.com/', http_version := '');

-- in a row by hand they are its response
with inserted as (
  insert into net.http_request_queue (method, url, timeout_milliseconds, connect_timeout_milliseconds, max_redirects,
                                      max_response_bytes, http_version)
  select 'GET', 'http://localhost:1/', 60000, c, r, b, v
  from (values (0, 1, 1, '1.1'), (-2147483648, 1, 1, '1.1'), (1, -1, 1, '1.1'), (1, 1, -1, '1.1'), (1, 1, 1, 'HTTP/2')) as t (c, r, b, v)
  returning id)
select min(id) as first from inserted \gset
select net.wake();
select bool_and(net._await_response(:first + i)) as answered from generate_series(0, 4) as i;
select status_code, error_msg from net._http_response where id between :first and :first + 4 order by id;
drop view queued;
