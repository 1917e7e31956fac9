-- A webhook for the rows of a statement, in batches: for bulk changes.

create extension if not exists pg_net;

create table prices (article bigint primary key, cents integer not null);

-- PostgreSQL has transition tables for triggers of a single event.
create trigger prices_insert after insert on prices
    referencing new table as new_rows
    for each statement
    execute function net.webhook('http://localhost:8080/echo/prices', 'batch=1000');

create trigger prices_update after update on prices
    referencing old table as old_rows new table as new_rows
    for each statement
    execute function net.webhook('http://localhost:8080/echo/prices', 'batch=1000');

insert into prices select i, 100 from generate_series(1, 2500) as i;
update prices set cents = 120 where article <= 3;

-- Wait until all have been sent.
select net._await_response(id) from net.http_request_queue order by id;

select id, status_code, error_msg,
       json_array_length((content::json->>'body')::json->'records') as rows,
       (content::json->>'body')::json->'old_records'->0 as first_old
from net._http_response
where url like '%/echo/prices'
order by id;
