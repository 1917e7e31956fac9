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
drop view queued;
