-- net.set_durable(): logged tables, or unlogged ones.

set client_min_messages = warning;
create extension if not exists pg_net;
reset client_min_messages;
select net.wait_until_running();
\getenv url PGNET_TEST_URL

create view persistence as
select relname, relpersistence
from pg_class
where relnamespace = 'net'::regnamespace and relkind = 'r' and relname like '%http%'
order by relname;
create table at_first as
select relname, pg_relation_filenode(oid) as file
from pg_class
where relnamespace = 'net'::regnamespace and relname like '%http%';
create view not_rewritten as
select count(*) from at_first where file = pg_relation_filenode(('net.' || relname)::regclass);

-- for the owner and superusers, and a null is no answer
create role regress_nobody;
select has_function_privilege('regress_nobody', 'net.set_durable(boolean)', 'execute');
grant execute on function net.set_durable(boolean) to regress_nobody;
set role regress_nobody;
select net.set_durable(true);
\echo :SQLSTATE
reset role;
revoke execute on function net.set_durable(boolean) from regress_nobody;
drop role regress_nobody;
select net.set_durable(null);
\echo :SQLSTATE

-- what is so already is left alone
table not_rewritten;
select net.set_durable(false);
table persistence;
table not_rewritten;

-- both or neither
set client_min_messages = error;
create publication regress_publication;
reset client_min_messages;
select net.set_durable(true);
table persistence;
table not_rewritten;
create table file_now as
select relname, pg_relation_filenode(oid) as file
from pg_class
where relnamespace = 'net'::regnamespace and relname like '%http%';
select net.set_durable(true);
select count(*) as unchanged
from file_now where file = pg_relation_filenode(('net.' || relname)::regclass);
-- its words are others in PostgreSQL 19
alter publication regress_publication add table net._http_response;
\set VERBOSITY sqlstate
select net.set_durable(false);
\set VERBOSITY default
table persistence;
drop publication regress_publication;

-- it is part of the transaction
begin;
select net.set_durable(false);
rollback;
table persistence;

-- requests go on: durable, with some that wait, and back
create table sent (id bigint);
insert into sent select net.http_get(:'url' || '/echo');
begin;
insert into sent select net.http_get(:'url' || '/echo') from generate_series(1, 5);
select net.set_durable(false);
insert into sent select net.http_get(:'url' || '/echo');
commit;
table persistence;
insert into sent select net.http_get(:'url' || '/echo');
begin;
select net.set_durable(true);
insert into sent select net.http_get(:'url' || '/echo');
commit;
select bool_and(net._await_response(id)) from sent;
select count(*), count(distinct r.id) as ids
from sent join net._http_response as r using (id)
where status_code = 200;
select count(*) as left_behind from net.http_request_queue join sent using (id);

select net.set_durable(false);
table persistence;
drop view persistence, not_rewritten;
drop table at_first, file_now, sent;
