-- What create extension makes, and what drop extension leaves.

set client_min_messages = warning;
drop extension if exists pg_net;
reset client_min_messages;

-- a schema net that is somebody else's is refused, and left alone
create schema net;
create table net.mine (a int);
\set SHOW_CONTEXT never
create extension pg_net;
\echo :SQLSTATE
\set SHOW_CONTEXT errors
select relname from pg_class where relnamespace = 'net'::regnamespace;
drop schema net cascade;

-- as any schema's extension; the objects are in net all the same
create schema extensions;
create extension pg_net schema extensions;
select count(*) as in_extensions from pg_class where relnamespace = 'extensions'::regnamespace;
select extnamespace::regnamespace, extversion from pg_extension where extname = 'pg_net';
begin;
select net.http_get('http://example.com/');
rollback;
drop extension pg_net;
drop schema extensions;
select count(*) as left_behind from pg_namespace where nspname = 'net';

create extension pg_net;
select net.wait_until_running();
select net.check_worker_is_up();

-- the first id is 1
begin;
select net.http_get('http://example.com/') as request_id;
rollback;

-- ids are never used twice: the sequence is logged, and no TRUNCATE resets it
select relname, relpersistence
from pg_class
where relnamespace = 'net'::regnamespace and relkind in ('r', 'S')
order by relname;
select pg_get_serial_sequence('net.http_request_queue', 'id') is null as not_owned;
truncate net.http_request_queue restart identity;
begin;
select net.http_get('http://example.com/') as request_id;
rollback;

\d net.http_request_queue
\d net._http_response
\dT net.*
\df net.*

-- not strict, so that a null is never a request that was not sent
select p.oid::regprocedure as function, provolatile, proparallel, proisstrict, prosecdef
from pg_proc as p
where pronamespace = 'net'::regnamespace
order by proname, p.oid::regprocedure::text;

-- every object has a comment; from 17 on the types of tables, views and arrays are
-- members, too
create view members as
select d.classid, d.objid, 0 as objsubid
from pg_depend as d
where d.refclassid = 'pg_extension'::regclass and d.deptype = 'e'
  and d.refobjid = (select oid from pg_extension where extname = 'pg_net')
  and not exists (
    select from pg_type as t
    left join pg_class as c on c.oid = t.typrelid
    where d.classid = 'pg_type'::regclass and d.objid = t.oid and (t.typcategory = 'A' or c.relkind in ('r', 'v')))
union all
select 'pg_class'::regclass, a.attrelid, a.attnum
from pg_attribute as a
join pg_class as c on c.oid = a.attrelid
where c.relnamespace = 'net'::regnamespace and c.relkind = 'r'
  and a.attnum > 0 and not a.attisdropped
union all
select 'pg_class'::regclass, i.indexrelid, 0
from pg_index as i
join pg_class as c on c.oid = i.indrelid
where c.relnamespace = 'net'::regnamespace and not i.indisprimary
union all
select 'pg_policy'::regclass, p.oid, 0
from pg_policy as p
join pg_class as c on c.oid = p.polrelid
where c.relnamespace = 'net'::regnamespace
union all
select 'pg_extension'::regclass, oid, 0
from pg_extension
where extname = 'pg_net';

select (pg_identify_object(classid, objid, objsubid)).type, count(*)
from members
group by 1
order by 1;
select pg_describe_object(classid, objid, objsubid) as without_comment
from members
where case when objsubid = 0 then obj_description(objid, classid::regclass::name)
           else col_description(objid, objsubid) end is null
order by 1;
drop view members;

-- what everybody may do: call all functions but these, read their own rows
select p.oid::regprocedure as not_for_public
from pg_proc as p
where pronamespace = 'net'::regnamespace
  and not has_function_privilege('public', p.oid, 'execute')
order by proname, p.oid::regprocedure::text;
select c.relname, a.privilege_type
from pg_class as c, aclexplode(c.relacl) as a
where c.relnamespace = 'net'::regnamespace and a.grantee = 0
order by 1, 2;
select a.privilege_type
from pg_namespace as n, aclexplode(n.nspacl) as a
where n.nspname = 'net' and a.grantee = 0;

-- what scripts in production do, and back
create role regress_caller;
alter function net.http_get(text, jsonb, jsonb, integer) security definer;
alter function net.http_get(text, jsonb, jsonb, integer) set search_path = net;
revoke all on function net.http_get(text, jsonb, jsonb, integer) from public;
grant execute on function net.http_get(text, jsonb, jsonb, integer) to regress_caller;
alter function net.http_post(text, jsonb, jsonb, jsonb, integer) security definer;
alter function net.http_post(text, jsonb, jsonb, jsonb, integer) set search_path = net;
revoke all on function net.http_post(text, jsonb, jsonb, jsonb, integer) from public;
grant execute on function net.http_post(text, jsonb, jsonb, jsonb, integer) to regress_caller;

begin;
set role regress_caller;
select net.http_get('http://example.com/get') > 0 as queued;
select net.http_post('http://example.com/post', '{"a": 1}') > 0 as queued;
reset role;
select method, url, role = current_user::regrole as by_owner
from net.http_request_queue
order by id;
rollback;

revoke all on function net.http_get(text, jsonb, jsonb, integer) from regress_caller;
set role regress_caller;
select net.http_get('http://example.com/');
\echo :SQLSTATE
reset role;
revoke all on function net.http_post(text, jsonb, jsonb, jsonb, integer) from regress_caller;
grant execute on function net.http_get(text, jsonb, jsonb, integer) to public;
grant execute on function net.http_post(text, jsonb, jsonb, jsonb, integer) to public;
alter function net.http_get(text, jsonb, jsonb, integer) reset search_path;
alter function net.http_get(text, jsonb, jsonb, integer) security invoker;
alter function net.http_post(text, jsonb, jsonb, jsonb, integer) reset search_path;
alter function net.http_post(text, jsonb, jsonb, jsonb, integer) security invoker;

begin;
set role regress_caller;
select net.http_get('http://example.com/get') > 0 as queued;
select net.http_post('http://example.com/post', '{"a": 1}') > 0 as queued;
reset role;
select method, url, role
from net.http_request_queue
order by id;
rollback;
drop role regress_caller;

-- the worker shows as one backend, for health checks
select count(*)
from pg_stat_activity
where application_name like '%pg_net%' and backend_type like '%pg_net%'
  and datname = current_database();
select count(*) from pg_stat_activity where backend_type ilike '%pg_net%';
