-- What net.webhook() refuses, and when.

set client_min_messages = warning;
create extension if not exists pg_net;
reset client_min_messages;
\set SHOW_CONTEXT never

create table hooked (id int, status text);

-- A trigger with these arguments, fired once.
create function try(arguments text, events text default 'after insert', each text default 'for each row')
returns text language plpgsql as $$
declare
  hint text;
  detail text;
begin
  execute format('create trigger hook %s on hooked %s execute function net.webhook(%s)', events, each, arguments);
  begin
    insert into hooked values (1, 'new');
    update hooked set status = 'old';
    delete from hooked;
    truncate hooked;
    drop trigger hook on hooked;
    return 'queues ' || (select count(*) from net.http_request_queue);
  exception when others then
    get stacked diagnostics hint = pg_exception_hint, detail = pg_exception_detail;
    execute 'drop trigger hook on hooked';
    return concat_ws(E'\n', sqlstate || ': ' || sqlerrm, 'DETAIL: ' || nullif(detail, ''), 'HINT: ' || nullif(hint, ''));
  end;
end $$;

\pset format unaligned
\pset tuples_only on
begin;

-- when
select net.webhook();
\echo :SQLSTATE
rollback;
begin;
select try($$'http://localhost/'$$, 'before insert');
select try($$'http://localhost/'$$, 'before insert', 'for each statement');
select try($$'http://localhost/'$$, 'after insert', 'for each statement');
select try($$'http://localhost/'$$, 'after update', 'for each statement');
select try($$'http://localhost/'$$, 'after update', 'referencing new table as n for each statement');
select try($$'http://localhost/'$$, 'after delete', 'for each statement');
select try($$'http://localhost/', 'GET'$$, 'after insert', 'for each statement');
select try($$'http://localhost/'$$, 'after truncate', 'for each statement');
rollback;
create view seen as select * from hooked;
create trigger hook instead of insert on seen for each row execute function net.webhook('http://localhost/');
insert into seen values (1, 'new');
\echo :SQLSTATE
drop view seen;

begin;
-- the URL
select try('');
select try($$''$$);
select try($$'null'$$);
select try($$'/relative'$$);
select try($$'ftp://localhost/'$$);
select try($$'batch=5'$$);
select try($$'columns=id', 'http://localhost/'$$);

-- the other arguments that have a place
select try($$'http://localhost/', 'TRACE'$$);
select try($$'http://localhost/', 'post'$$);
select try($$'http://localhost/', '', 'X-A: b'$$);
select try($$'http://localhost/', '', '[]'$$);
select try($$'http://localhost/', '', '{"X-A": "b\n"}'$$);
select try($$'http://localhost/', '', '', 'a=b'$$);
select try($$'http://localhost/', '', '', '[]'$$);
select try($$'http://localhost/', '', '', '', 'soon'$$);
select try($$'http://localhost/', '', '', '', '99999999999'$$);
select try($$'http://localhost/', '', '', '', '1s'$$);
select try($$'http://localhost/', '', '', '', '0'$$);
select try($$'http://localhost/', '', '', '', '', 'sixth'$$);

-- options
select try($$'http://localhost/', 'colour=red'$$);
select try($$'http://localhost/', 'columns=id', 'POST'$$);
select try($$'http://localhost/', 'columns=id', ''$$);
select try($$'http://localhost/', 'columns=id', 'columns=status'$$);
select try($$'http://localhost/', 'columns='$$);
select try($$'http://localhost/', 'columns=id,'$$);
select try($$'http://localhost/', 'columns=id,missing'$$);
select try($$'http://localhost/', 'columns="Status"'$$);
select try($$'http://localhost/', 'columns=xmin'$$);
select try($$'http://localhost/', 'batch=5'$$);
select try($$'http://localhost/', 'ordering_key=id'$$, 'after truncate', 'for each statement');
select try($$'http://localhost/', 'ordering_key='$$);
select try($$'http://localhost/', 'ordering_key=id,status'$$);
select try($$'http://localhost/', 'ordering_key=missing'$$);
select try($$'http://localhost/', 'ordering_key=id'$$);
select try(format($$'http://localhost/', 'batch=%s'$$, batch), 'after truncate', 'for each statement')
from (values ('0'), ('10001'), (''), ('5x'), ('x'), ('10000')) as v (batch);
select try($$'http://localhost/', 'on_error=ignore'$$);
select try($$'http://localhost/', 'on_error=fail'$$);
select try($$'http://localhost/', 'format=json'$$);
select try($$'http://localhost/', 'GET', 'format=cloudevents'$$);
rollback;

-- where nothing can be queued
create temp table temporary (id int);
create trigger hook after insert on temporary for each row execute function net.webhook('http://localhost/');
begin read only;
insert into temporary values (1);
\echo :SQLSTATE
rollback;
drop table temporary;

-- the context says which trigger it is
\set SHOW_CONTEXT errors
create trigger hook after insert on hooked for each row execute function net.webhook('http://localhost/', 'colour=red');
insert into hooked values (1, 'new');

-- by default everybody may make one
create role regress_hooked;
create schema regress_hooked authorization regress_hooked;
set role regress_hooked;
create table regress_hooked.own (id int);
create trigger hook after insert on regress_hooked.own for each row execute function net.webhook('http://localhost/');
begin;
insert into regress_hooked.own values (1);
select role, method, url, timeout_milliseconds, convert_from(body, 'utf8') from net.http_request_queue;
rollback;
reset role;
drop table regress_hooked.own;
drop schema regress_hooked;
drop role regress_hooked;
drop table hooked;
drop function try;
