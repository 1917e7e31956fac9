-- callback := names a function as SQL would find it
create schema other;
create function other.there(r net._http_response) returns void language sql as '';
create function here(r net._http_response, factor integer default 1) returns setof integer language sql as 'select 1';
create function generic(r anyelement) returns anyelement language sql as 'select r';
create function loose(r record) returns void language plpgsql as 'begin end';
create function "Mixed ""case"(r net._http_response) returns void language sql as '';
create function refused(r net._http_response) returns void language sql as '';
revoke execute on function refused from public;
create procedure a_procedure(r net._http_response) language sql as '';
create aggregate an_aggregate(net._http_response) (sfunc = array_append, stype = net._http_response[]);
create role caller;
grant usage on schema other to caller;

begin;
set local role caller;
select count(net.http_request('GET', 'http://127.0.0.1:1/', due := now() + interval '1 day', callback := name))
from unnest(array['other.there', 'here', 'public.here', 'Here', 'generic', 'loose', '"Mixed ""case"', null]) as name;
select callback from net.http_request_queue order by id;
rollback;

-- by the search_path of the caller
begin;
set local search_path = other;
select net.http_request('GET', 'http://127.0.0.1:1/', due := now() + interval '1 day', callback := 'there') > 0 as id;
select callback from net.http_request_queue;
rollback;

\set VERBOSITY sqlstate
select net.http_request('GET', 'http://127.0.0.1:1/', callback := 'there');
select net.http_request('GET', 'http://127.0.0.1:1/', callback := 'nowhere.there');
select net.http_request('GET', 'http://127.0.0.1:1/', callback := 'lower');
select net.http_request('GET', 'http://127.0.0.1:1/', callback := '');
select net.http_request('GET', 'http://127.0.0.1:1/', callback := 'here(1)');
select net.http_request('GET', 'http://127.0.0.1:1/', callback := 'a_procedure');
select net.http_request('GET', 'http://127.0.0.1:1/', callback := 'an_aggregate');
set role caller;
select net.http_request('GET', 'http://127.0.0.1:1/', callback := 'refused');
reset role;
revoke usage on schema other from caller;
set role caller;
select net.http_request('GET', 'http://127.0.0.1:1/', callback := 'other.there');
reset role;
\set VERBOSITY default

drop schema other cascade;
drop function here, generic, loose, "Mixed ""case", refused;
drop procedure a_procedure;
drop aggregate an_aggregate(net._http_response);
drop role caller;
