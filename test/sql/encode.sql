-- Percent-encoding in SQL.

set client_min_messages = warning;
create extension if not exists pg_net;
reset client_min_messages;
select net.wait_until_running();

-- everything but the unreserved characters of RFC 3986 is encoded
select net._urlencode_string('a b&é/~!');
select net._urlencode_string('ABCXYZabcxyz0189-._~');
select net._urlencode_string(':/?#[]@!$&''()*+,;=%"<>\^`{|}');
select net._urlencode_string(E'tab\tand\nnewline');
select net._urlencode_string('日本 😀');

-- twice is not the same as once
select net._urlencode_string(net._urlencode_string('50%'));

-- nothing stays nothing
select net._urlencode_string('') = '' as empty;
select net._urlencode_string(null) is null as null_is_null;

-- parameters, encoded already, go to the end of the query
select url, params, net._encode_url_with_params_array(url, params) as encoded
from (values
  ('http://example.com/', array['a=1', 'b=2']),
  ('http://example.com', array['a=1']),
  ('http://example.com/?x=y', array['a=1']),
  ('http://example.com/#part', array['a=1']),
  ('http://example.com/?x=y#part', array['a=1', 'a=2']),
  ('http://example.com/?', array['a=1']),
  ('http://example.com/', array['key=' || net._urlencode_string('a b&é/~!')]),
  ('http://example.com/', array['a=1', null, 'b=2']),
  ('http://example.com/', array['a=']),
  ('http://example.com/path', '{}')
) as t (url, params);

-- by the names that 0.20 has
select net._encode_url_with_params_array(url := null, params_array := array['a=1']) is null as null_url,
       net._encode_url_with_params_array(url := 'http://example.com/', params_array := null) is null as null_params;

-- a host is written in one way, whatever is escaped in it
select net._encode_url_with_params_array('http://213070643%33/%33', '{}');

-- what is no URL is refused here, too
select net._encode_url_with_params_array('/x', array['a=1']);
\echo :SQLSTATE

-- fit for indexes and parallel plans
select proname, provolatile, proparallel, proisstrict
from pg_proc
where pronamespace = 'net'::regnamespace and proname like '%encode%'
order by proname;
