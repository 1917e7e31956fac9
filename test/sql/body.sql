-- net.http_body: what values become, how they are written out and read again.

set client_min_messages = warning;
create extension if not exists pg_net;
reset client_min_messages;

-- a cast for each type, and the literal
select '{"a": 1, "b": "é"}'::jsonb::net.http_body as jsonb,
       '{"a":1}'::json::net.http_body as json,
       '<a>é</a>'::xml::net.http_body as xml,
       '\x00ff'::bytea::net.http_body as bytea,
       'hello'::bytea::net.http_body as ascii_bytea,
       ''::bytea::net.http_body as empty_bytea;
select 'plain é'::net.http_body as literal, 'text'::text::net.http_body as text,
       'vc '::varchar::net.http_body as varchar, 'c  '::char(5)::net.http_body as char;
select ''::net.http_body as empty, null::net.http_body is null as is_null,
       null::jsonb::net.http_body is null as null_jsonb;
select '<?xml version="1.0" encoding="ISO-8859-1"?><a/>'::xml::net.http_body;

-- only what is meant: other types are cast to text first
select 1::net.http_body;
select now()::net.http_body is null;
select 1::text::net.http_body;

-- every literal is text, but for what the type itself writes
create temp table bodies (n serial, body net.http_body);
insert into bodies (body) values
  ('plain'), (''), ('data:text/html,x'), ('\x00ff'), ('\'), ('\body'), ('{"a": 1}'), (E'two\nlines\ttab'),
  ('\body(application/json){"a": "é"}'),
  ('\body(application/octet-stream)\x00ff0a'),
  ('\body(application/octet-stream)\x'),
  ('\body(application/octet-stream)'),
  ('\body(text/plain; charset=utf-8)\body(x'),
  ('\body(text/plain; charset=utf-8)\x5c78'),
  ('\body(multipart/form-data; boundary="a b")--a b--'),
  ('\body(text/plain; charset=utf-8)\xff'),
  ('\body(image/png))');
select n, body from bodies order by n;

-- written out, read, and written out: the same; sent and received: the same
create temp table copied (like bodies);
\copy bodies to 'tmp_check/bodies.copy'
\copy copied from 'tmp_check/bodies.copy'
select count(*) as differ
from bodies join copied using (n)
where net._http_body_send(bodies.body) is distinct from net._http_body_send(copied.body);
truncate copied;
\copy bodies to 'tmp_check/bodies.copy' binary
\copy copied from 'tmp_check/bodies.copy' binary
select count(*) as same
from bodies join copied using (n)
where net._http_body_send(bodies.body) = net._http_body_send(copied.body);
select net._http_body_send('\body(a/b)xyz');

-- what cannot be read
select '\body(application/json'::net.http_body;
select '\body()x'::net.http_body;
select E'\\body(a/b\r\nX: y)x'::net.http_body;
select '\body(a/b)\xf'::net.http_body;
select '\body(é)x'::net.http_body;

-- a large one, toasted and back
insert into bodies (body) select repeat(md5(i::text), 10000) from generate_series(1, 3) as i;
select n, length(body::text) from bodies where n > 17 order by n;

-- forms
select net.form('{"name": "A B", "tag": ["x", "y"]}');
select net.form('{"a&b=c": "1+1=2 %", "unreserved": "*-._~!''()", "utf8": "é日", "line": "a\r\nb"}');
select net.form('{"null": null, "none": [], "list": [1, null, true, 2.50, [1, 2], {"a": null}], "object": {"k": [1]}, "": ""}');
select net.form('{}') as empty, net.form(null) as of_null;
select net.form('["a"]');
select net.form('"a"');

-- multipart: the boundary is random, and shown here as ---
create function shown(net.http_body) returns text
return replace(regexp_replace($1::text, 'pg_net-[0-9a-f]{32}', '---', 'g'), E'\r', '\r');
select shown(net.multipart('{"name": "A é", "tag": ["x", "y"], "null": null, "json": {"a": 1}}'));
select shown(net.multipart(null,
  net.part('text', 'field'),
  net.part('meta', '{"a": 1}'::jsonb),
  net.part('file', 'text in a file', 'a.txt'),
  net.part('file', 'named type', 'a.csv', 'text/csv'),
  net.part('q"u\o' || E'\r\n' || 'te', '', 'n"a;me=é' || E'\r\n' || '.txt')));
select shown(net.multipart('{"first": 1}', net.part('bytes', '\x00ff'::bytea, 'b.bin'))) like '%\\x%' as as_hex;
select shown(net.multipart()), shown(net.multipart('{}')), shown(net.multipart('{}', variadic null)),
       shown(net.multipart('{}', variadic '{}'));
select shown(net.multipart(null, variadic array[net.part('a', 'b'), null, row('c', null, null, 'd')::net.http_part]));
select net.multipart('{}')::text <> net.multipart('{}')::text as another_boundary;
select net.part('name', '{"a": 1}'::json), net.part('name', 'x'), net.part('name', 'x', 'f'),
       net.part('name', 'x', null, 'text/csv'), net.part('name', 'x', '');

select net.part(null, 'x');
select net.part('name', null);
select net.part('name', 'x', 'f', E'a/b\r\nX: y');
select net.multipart('{}', row(null, null, null, 'd')::net.http_part);
select net.multipart('{}', row('a', null, null, null)::net.http_part);
select net.multipart('{}', row('a', null, E'\n', 'd')::net.http_part);
select net.multipart('[1]');
drop function shown;
