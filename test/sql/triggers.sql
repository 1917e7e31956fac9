-- Triggers that somebody puts on the tables fire, whatever they are called.

set client_min_messages = warning;
create extension if not exists pg_net;
reset client_min_messages;
select net.wait_until_running();
\getenv url PGNET_TEST_URL

create table fired (what text);

-- functions of the names of ours, in another schema
create function public._queue_changed() returns trigger language plpgsql set search_path = public as $$
begin
  insert into fired values ('_queue_changed');
  return old;
end $$;
create function public._queue_insert() returns trigger language plpgsql set search_path = public as $$
begin
  insert into fired values ('_queue_insert');
  return new;
end $$;
create function public._not_replicated() returns trigger language plpgsql set search_path = public as $$
begin
  insert into fired values ('_not_replicated');
  return coalesce(new, old);
end $$;

create trigger queue_changed_too before delete on net.http_request_queue
  for each row execute function public._queue_changed();
create trigger queue_insert_too before insert on net.http_request_queue
  for each row execute function public._queue_insert();
create trigger not_replicated_too before insert on net._http_response
  for each row execute function public._not_replicated();

select net.http_get(:'url' || '/status/200') as id \gset
select net._await_response(:id);
select what, count(*) from fired group by what order by what;

drop trigger queue_changed_too on net.http_request_queue;
drop trigger queue_insert_too on net.http_request_queue;
drop trigger not_replicated_too on net._http_response;

-- without them rows go in and out as before
truncate fired;
select net.http_get(:'url' || '/status/200') as id \gset
select net._await_response(:id);
select count(*) from fired;

-- ours are called by nobody
select net._queue_changed();
\echo :SQLSTATE
drop table fired;
drop function public._queue_changed(), public._queue_insert(), public._not_replicated();
