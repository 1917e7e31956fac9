-- Calling an API that takes money: the call is repeated until there is an answer,
-- the receiver knows repetitions by their Idempotency-Key, and a function of the
-- caller's books the result in the transaction that notes the call. Nothing polls.

\set ON_ERROR_STOP on
create extension if not exists pg_net;
select net.set_durable(true);

create role shop nologin;
create table payments (
    id int primary key,
    cents int not null,
    state text not null default 'new',
    problem text
);
grant select, update on payments to shop;
insert into payments values (1, 995), (2, 1250);

-- The role may use the key to call this API, and cannot see it.
insert into net.secret (name, value, roles, host, port, allow_http)
values ('pay', 'sk_test_1', '{}', 'localhost', 8080, true);
insert into net.endpoint (name, url, roles, headers, retry)
values ('pay', 'http://localhost:8080/echo', '{shop}',
        jsonb_build_object('Authorization', 'Bearer ' || net.secret('pay')), net.backoff(8));

-- Status 200: paid. Anything else, or no answer after all attempts: look into it.
create function book_payment(r net._http_response) returns void
language sql as $$
    update payments
    set state = case when r.error_msg is null and r.status_code = 200 then 'paid' else 'failed' end,
        problem = coalesce(r.error_msg, nullif(r.status_code, 200)::text)
    where id = (r.context->>'payment')::int
$$;

-- As a role of its own: the function can do what that role can, and no more.
begin;
set local role shop;
update payments set state = 'sent' where state = 'new';
select net.http_request('POST', 'net://pay/charges',
                        body := net.form(jsonb_build_object('amount', cents, 'currency', 'eur')),
                        callback := 'book_payment',
                        context := jsonb_build_object('payment', id))
from payments
where state = 'sent'
order by id;
commit;
