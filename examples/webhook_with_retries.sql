-- A webhook that is signed, and sent again while its receiver fails: by an
-- endpoint, which knows where and how.

create extension if not exists pg_net;

create table orders (
    id bigint generated always as identity primary key,
    status text not null
);

-- The receiver has the same key, and verifies the signature with it.
insert into net.secret (name, value, roles, host)
values ('shop_key', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', '{}', 'localhost');

-- This receiver answers each order with 503 twice, so the delays are short here. For a real one,
-- net.backoff(10) makes ten attempts in 14 hours.
insert into net.endpoint (name, url, retry, retry_all, signing, signing_secrets)
values ('shop', 'http://localhost:8080/flaky/shop?fails=2', '{100ms,100ms,1s}', true, 'standard', '{shop_key}');

-- The changes of one order are sent one after the other, also if they are sent again.
create trigger order_changed after insert or update on orders
    for each row execute function net.webhook('net://shop', 'ordering_key=id');

insert into orders (status) values ('new');
update orders set status = 'paid' where id = 1;

select id, status_code, attempts, error_msg,
       (select string_agg(failure->>'status', ' ' order by n)
        from jsonb_array_elements(failures) with ordinality as log (failure, n)) as failed_before
from net.await(array(select id from net.http_request_queue where url = 'net://shop'), timeout := '10 s');

-- What is given up, when no delay is left, stays in the queue for pg_net.failed_ttl.
-- After the receiver is well again, this sends it:
select net.resend(id) from net.http_request_queue where gave_up is not null and url like 'net://shop%';
