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
    execute function net.webhook('net://ops/paused', 'columns=name', 'on_error=warn');

-- A receiver that is always ill.
insert into net.endpoint (name, url, retry) values ('shop', 'http://localhost:8080/status/503', '{100ms}');
select net.http_post('net://shop', '{"order": 1}') as id \gset
select id, error_msg from net.await(array[:id], timeout := '10 s');
update net.endpoint set paused = true where name = 'shop';

-- Both alerts are on their way. Wait for them.
select net._await_response(id) from net.http_request_queue where url like 'net://ops%' order by id;

select url, (content::jsonb->>'body')::jsonb->'record' as alert
from net._http_response
where url like 'net://ops%'
order by url;
