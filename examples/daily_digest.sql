-- A digest of the last day, sent each morning. Needs pg_cron.

create extension if not exists pg_net;
create extension if not exists pg_cron;

create table orders (id bigint primary key, created timestamptz not null default now(), cents integer not null);
insert into orders values (1, now() - interval '2 hours', 995), (2, now() - interval '3 hours', 1250),
                          (3, now() - interval '3 days', 100);

-- If the receiver is down at that time, the digest comes later, but not on the next day.
insert into net.endpoint (name, url, retry, max_age)
values ('digest', 'http://localhost:8080/echo/digest', net.backoff(12, longest => '1 hour'), '12 hours');

create function send_digest() returns bigint
language sql as $$
    select net.http_post('net://digest',
                         jsonb_build_object('orders', count(*), 'cents', coalesce(sum(cents), 0)))
    from orders
    where created > now() - interval '1 day'
$$;

select cron.schedule('digest', '0 7 * * *', 'select send_digest()');

-- The one of today, at once.
select send_digest() as id \gset
select status_code, content::jsonb->>'body' as sent from net.await(array[:id], timeout := '10 s');
