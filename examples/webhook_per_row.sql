-- A webhook for each order that is new, or whose status changes.

create extension if not exists pg_net;

create table orders (
    id bigint generated always as identity primary key,
    status text not null,
    customer text not null
);

-- The key of the receiver: visible to nobody else, and sent to this host alone.
insert into net.secret (name, value, roles, host, port, allow_http)
values ('shop_key', 'k3y', array[current_user], 'localhost', 8080, true);

create trigger order_new after insert on orders
    for each row
    execute function net.webhook('http://localhost:8080/echo/orders', 'POST',
                                 '{"Authorization": "Bearer ${net.secret:shop_key}"}');

-- What identifies the order and what changed is enough here.
create trigger order_status after update of status on orders
    for each row when (old.status is distinct from new.status)
    execute function net.webhook('http://localhost:8080/echo/orders', 'POST',
                                 '{"Authorization": "Bearer ${net.secret:shop_key}"}',
                                 'columns=id,status');

insert into orders (status, customer) values ('new', 'Ada'), ('new', 'Grace');
update orders set status = 'paid' where customer = 'Ada';
update orders set customer = 'Ada L.' where customer = 'Ada';    -- sends nothing

-- The requests have been sent by now, or will be at once. Wait for the last one.
select net._await_response(max(id)) from net.http_request_queue;

select id, status_code, error_msg, content::json->>'body' as sent
from net._http_response
where url like '%/echo/orders'
order by id;
