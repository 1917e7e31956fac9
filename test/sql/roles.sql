-- Who may do what, and see what.

set client_min_messages = warning;
create extension if not exists pg_net;
reset client_min_messages;
select net.wait_until_running();
\getenv url PGNET_TEST_URL
\set SHOW_CONTEXT never

create role regress_alice;
create role regress_bob;
create role regress_group;
create role regress_member in role regress_group;
create role regress_noinherit noinherit in role regress_group;
create role regress_reader in role pg_read_all_data;
create role regress_bypass bypassrls;
create role "Regress ""odd"" Näme";

truncate net._http_response;

-- everybody may call the functions; each sees the own rows, before commit …
begin;
set role regress_alice;
select net.http_get('http://example.com/alice') > 0 as id;
set role regress_bob;
select net.http_post('http://example.com/bob') > 0 as id;
select url, role from net.http_request_queue order by id;
set role regress_group;
select net.http_delete('http://example.com/group') > 0 as id;
set role "Regress ""odd"" Näme";
select net.http_get('http://example.com/odd') > 0 as id;
select url, role from net.http_request_queue order by id;
set role regress_alice;
select url, role from net.http_request_queue order by id;
-- … members those of their group, too
set role regress_member;
select net.http_get('http://example.com/member') > 0 as id;
select url, role from net.http_request_queue order by id;
set role regress_group;
select url, role from net.http_request_queue order by id;
-- … but not where SET ROLE would be needed first
set role regress_noinherit;
select url, role from net.http_request_queue order by id;
-- … and these see all
set role regress_reader;
select url, role from net.http_request_queue order by id;
set role regress_bypass;
select url, role from net.http_request_queue order by id;
reset role;
select url, role from net.http_request_queue order by id;
rollback;

-- the same for responses
set role regress_alice;
select net.http_get(:'url' || '/echo/alice') as alice \gset
set role regress_bob;
select net.http_get(:'url' || '/echo/bob') as bob \gset
set role regress_group;
select net.http_get(:'url' || '/echo/group') as group \gset
reset role;
select n, net._await_response(id)
from (values (1, :alice), (2, :bob), (3, :group)) as t (n, id)
order by n;

set role regress_alice;
select role, content::jsonb ->> 'path' as path from net._http_response order by id;
select (a).status, (a).response.status_code from net._http_collect_response(:alice) as a;
-- another's request is no different from one that never was
select (a).status, replace((a).message, :'bob', 'N') as message, (a).response from net._http_collect_response(:bob) as a;
select (a).status, replace((a).message, :'bob', 'N') as message, (a).response from net._http_collect_response(:bob, async := false) as a;
select net._await_response(:alice) as own, net._await_response(:bob) as others;
set role regress_bob;
select role, content::jsonb ->> 'path' as path from net._http_response order by id;
set role regress_member;
select role, content::jsonb ->> 'path' as path from net._http_response order by id;
select (a).status from net._http_collect_response(:group) as a;
set role regress_noinherit;
select role, content::jsonb ->> 'path' as path from net._http_response order by id;
set role regress_reader;
select role, content::jsonb ->> 'path' as path from net._http_response order by id;
set role regress_bypass;
select role, content::jsonb ->> 'path' as path from net._http_response order by id;
reset role;
select role, content::jsonb ->> 'path' as path from net._http_response order by id;

-- nobody else may write
set role regress_alice;
insert into net.http_request_queue (method, url, timeout_milliseconds) values ('GET', 'http://example.com/', 1000);
update net.http_request_queue set url = 'http://example.com/';
delete from net.http_request_queue;
truncate net.http_request_queue;
insert into net._http_response (id) values (1);
update net._http_response set content = 'forged';
delete from net._http_response where id = :alice;
truncate net._http_response;
select nextval('net.http_request_queue_id_seq');
select setval('net.http_request_queue_id_seq', 1);
create function net.mine() returns int language sql as 'select 1';
alter function net.http_get(text, jsonb, jsonb, integer) security definer;
select net.worker_restart();
set pg_net.ttl = '1 second';
set pg_net.batch_size = 1;
-- but anybody may wake the worker, and ask whether there is one
select net.wake();
select net.check_worker_is_up();
select net.wait_until_running();
reset role;

-- through a SECURITY DEFINER wrapper the request belongs to its owner
create function ask(path text) returns bigint language sql security definer set search_path = net
as $$ select http_get(current_setting('pgnet_test.url') || path) $$;
alter function ask(text) owner to regress_bob;
set role regress_alice;
select ask('/echo/wrapped') as wrapped \gset
select count(*) as seen_by_caller from net._http_response where id = :wrapped;
reset role;
select net._await_response(:wrapped);
set role regress_alice;
select count(*) as seen_by_caller from net._http_response where id = :wrapped;
set role regress_bob;
select role, content::jsonb ->> 'path' as path from net._http_response where id = :wrapped;
reset role;

-- as the documentation of hosted platforms has it: the function itself
begin;
alter function net.http_get(text, jsonb, jsonb, integer) security definer;
set role regress_alice;
select net.http_get('http://example.com/') > 0 as id;
select count(*) as seen_by_caller from net.http_request_queue;
reset role;
select url, role = current_user::regrole as owners from net.http_request_queue;
rollback;

-- a trigger on the queue acts as the owner of the table, not as the caller
begin;
create function tell_user() returns trigger language plpgsql as $$
begin
  raise notice 'inserted by the owner: %', current_user = session_user;
  return new;
end
$$;
create trigger tell_user before insert on net.http_request_queue for each row execute function tell_user();
set role regress_alice;
select net.http_get('http://example.com/') > 0 as id;
select current_user;
reset role;
rollback;

-- without USAGE of the schema, or EXECUTE of the function, nothing
begin;
revoke usage on schema net from public;
set role regress_alice;
select net.http_get('http://example.com/');
rollback;
begin;
revoke execute on function net.http_get(text, jsonb, jsonb, integer) from public;
set role regress_alice;
select net.http_get('http://example.com/');
rollback;

-- who may restart the worker is for its owner to say
begin;
grant execute on function net.worker_restart() to regress_alice;
select has_function_privilege('regress_alice', 'net.worker_restart()', 'execute');
rollback;

-- roles that used it all can be dropped; their answers stay, for the others
drop function ask;
drop role regress_alice, regress_bob, regress_group, regress_member, regress_noinherit, "Regress ""odd"" Näme";
select count(*) from net._http_response where content::jsonb ->> 'path' like '/echo/%';
create role regress_carol;
set role regress_carol;
select count(*) from net._http_response;
select count(*) from net.http_request_queue;
set role regress_reader;
select count(*) from net._http_response;
reset role;
drop role regress_bypass, regress_carol, regress_reader;
