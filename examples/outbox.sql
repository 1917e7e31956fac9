-- An outbox: what a transaction tells another service is sent if and only if it
-- commits, at least once, and in order. The queue is the outbox.

create extension if not exists pg_net;

-- Requests survive a crash, and go with a failover to the standby.
select net.set_durable(true);

create table accounts (id bigint primary key, cents bigint not null check (cents >= 0));
insert into accounts values (1, 1000), (2, 0);

-- Everything but 2xx is tried again, for almost two days; a success leaves no row.
-- A service that listens at a Unix-domain socket has connect_to = 'unix:/path'.
insert into net.endpoint (name, url, retry, retry_all, ordered, keep)
values ('ledger', 'http://localhost:8080/echo/ledger', net.backoff(50, longest => '1 hour'), true, true, false);

create function transfer(payer bigint, payee bigint, amount bigint) returns bigint
language plpgsql as $$
begin
    update accounts set cents = cents - amount where id = payer;
    update accounts set cents = cents + amount where id = payee;
    return net.http_post('net://ledger/transfers',
                         jsonb_build_object('payer', payer, 'payee', payee, 'cents', amount));
end $$;

select transfer(1, 2, 100);
select transfer(2, 1, 30);

-- Nobody hears of what did not happen.
begin;
select transfer(1, 2, 500);
rollback;

-- The ledger knows by the header Idempotency-Key what it has already seen.
-- Wait until everything is there; the queue is empty then.
select net._await_response(id) from net.http_request_queue order by id;
select count(*) as waiting from net.http_request_queue;
