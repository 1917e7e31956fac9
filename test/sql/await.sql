-- net.await(): what comes back, and what is refused.

set client_min_messages = warning;
create extension if not exists pg_net;
reset client_min_messages;
select net.wait_until_running();
\getenv url PGNET_TEST_URL
\set SHOW_CONTEXT never

select net.http_get(:'url' || '/status/200') as one \gset
select net.http_get(:'url' || '/status/404') as two \gset
select net.http_get('http://127.0.0.1:1/') as three \gset

-- by id, however they are given
select id - :one as place, status_code, error_msg is not null as failed
from net.await(array[:three, :one, null, :two, :one, 0, -1, 9223372036854775807]);
select count(*), count(distinct id) from net.await(array[array[:one, :two], array[:three, null]]);
select (net.await(array[:two])).status_code;
select r = a as same from net.await(array[:one]) as a join net._http_response as r using (id);

-- nothing to wait for
select count(*) from net.await(null);
select count(*) from net.await('{}');
select count(*) from net.await('{null}');
select count(*) from net.await('{0}', 100, '1 hour');

-- numbers that are none
select net.await('{1}', -1);
\echo :SQLSTATE
select net.await('{1}', timeout := '-1 ms');
\echo :SQLSTATE
select net.await('{1}', timeout := '1 day -25 hours');
\echo :SQLSTATE
select count(*) from net.await(array(select -i::bigint from generate_series(1, 10000) as i), 0);
select count(*) from net.await(array(select -i::bigint from generate_series(1, 10000) as i) || array[null, -7::bigint]);
select net.await(array(select -i::bigint from generate_series(1, 10001) as i));
\echo :SQLSTATE

-- what is not committed will not end
begin;
select net.http_get(:'url' || '/status/200') as own \gset
savepoint own;
select id - :own as other_than_own from net.await(array[:own + 1], timeout := '0');
\set VERBOSITY sqlstate
select count(*) from net.await(array[:one, :own], 1);
\set VERBOSITY default
rollback;
select count(*) from net.await(array[:own]);

-- in every isolation level and context
begin isolation level repeatable read;
select count(*) > 0 as has_snapshot from pg_class;
select count(*) from net.await(array[:one, :two, :three]);
commit;
create function waits() returns setof net._http_response stable language sql as 'select * from net.await(array[7])';
select count(*) from waits() where id <> 7;
drop function waits();

-- columns that somebody added, and one that was dropped
alter table net._http_response add column gone int, add column note text default 'x';
alter table net._http_response drop column gone;
select id - :one as place, status_code, note from net.await(array[:one, :two]);
alter table net._http_response drop column note;
select id - :one as place, status_code from net.await(array[:one, :two]);
