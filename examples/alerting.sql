-- An alert when a request fails, and when an endpoint is paused.

create extension if not exists pg_net;

-- A chat room, or a service that calls somebody. What is in its URL is a secret.
insert into net.secret (name, value, roles, host, port, allow_http)
values ('ops_path', 'k3y0fTheHook', '{}', 'localhost', 8080, true);
insert into net.endpoint (name, url, retry)
values ('ops', 'http://localhost:8080/echo/' || net.secret('ops_path'), net.backoff(5));

-- An alert for each request that failed or was given up. Alerts about alerts are not sent.
create trigger request_failed after insert on net._http_response
    for each row when (new.error_msg is not null and new.url not like 'net://ops%')
    execute function net.webhook('net://ops/failed', 'columns=id,url,error_msg,context', 'on_error=warn');

create trigger endpoint_paused after update of paused on net.endpoint
    for each row when (new.paused and not old.paused)
    execute function net.webhook('net://ops/paused', 'columns=name,pause_reason', 'on_error=warn');

-- A receiver that is always ill: one request is given up.
insert into net.endpoint (name, url, retry) values ('shop', 'http://localhost:8080/status/503', '{100ms}');
select net.http_post('net://shop', '{"order": 1}') as id \gset
select id, error_msg from net.await(array[:id], timeout := '10 s');

-- Another one: pg_net pauses it when nothing has succeeded for a while. In production that is hours.
insert into net.endpoint (name, url, retry, back_off, pause_after)
values ('stock', 'http://localhost:8080/status/503', array_fill(interval '100 ms', '{50}'), false, '1 s');
select net.http_post('net://stock', '{"pieces": 5}') as waits \gset
create function wait_until_paused(which text) returns boolean language plpgsql as $$
begin
    for i in 1 .. 100 loop
        if exists (select from net.endpoint where name = which and paused) then return true; end if;
        perform pg_sleep(0.1);
    end loop;
    return false;
end $$;
select wait_until_paused('stock');

-- Both alerts are on their way. Wait for them.
select net._await_response(id) from net.http_request_queue where url like 'net://ops%' order by id;

select url, (content::jsonb->>'body')::jsonb->'record' as alert
from net._http_response
where url like 'net://ops%'
order by url;

-- When the receiver is well again, somebody ends the pause, and what waits is sent.
update net.endpoint set paused = false, url = 'http://localhost:8080/echo' where name = 'stock';
select status_code from net.await(array[:waits], timeout := '10 s');
