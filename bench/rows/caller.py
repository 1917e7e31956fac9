"""Row 4: what select net.http_get(url) costs its caller.

The worker stands still for it (SIGSTOP), because on few processors it would
take its share and blur what the caller pays.  What the two cost together is a
line of its own, without a bar.
"""

import time

from lib.figures import Figure, at_least, at_most
from lib.tools import amount
from rows import row

LIKE_QUEUE = """
    drop table if exists like_queue;
    create unlogged table like_queue
        (like net.http_request_queue including all)
"""

INSERT = ("insert into like_queue"
          " (method, url, headers, timeout_milliseconds)"
          " select 'GET', '{url}', '{{}}'::jsonb, 2000")

BESIDE = "beside: a plain INSERT into a table like the queue"


@row(4, "cost of net.http_get for its caller")
def caller(bench):
    figures = [one_statement(bench)]
    for clients in (1, 4):
        figures.append(one_by_one(bench, clients))
    figures.append(worker_at_work(bench))
    figures.append(long_session(bench))
    return figures


def one_statement(bench):
    count = bench.part(1 / 5)
    url = bench.nginx.url()
    rows = f"from generate_series(1, {count})"

    def calls(it):
        with it.worker_paused():
            return timed(it, f"select count(net.http_get('{url}')) {rows}")

    def inserts():
        bench.ours.sql.run(LIKE_QUEUE)
        return timed(bench.ours, f"{INSERT.format(url=url)} {rows}")

    def timed(it, statement):
        start = time.monotonic()
        it.sql.run(statement)
        return {"us": (time.monotonic() - start) * 1e6 / count}

    what = f"net.http_get, {count:,} in one statement"
    pairs = bench.alternate(what, lambda: calls(bench.ours), inserts)
    old = bench.on_baseline(what, calls)
    return Figure(
        what, amount(pairs.median_ours("us"), " µs"),
        amount(pairs.median_beside("us"), " µs"),
        amount(old["us"], " µs") if old else "-",
        ratio=pairs.ratio("us"), less_is_better=True,
        spread=pairs.spread("us"),
        bars=[at_most(pairs.median_ours("us"), 5, " µs")],
        notes=f"{BESIDE}, rows from a SELECT. µs: "
        + pairs.listed("us", 2) + ".")


def one_by_one(bench, clients):
    transactions = bench.part(1 / 4)
    pairs, old = calls_and_inserts(
        bench, f"net.http_get, one per transaction, {clients} session"
        + "s" * (clients > 1), clients, transactions, paused=True)
    return tps_figure(pairs, old, clients, transactions, "paused")


def worker_at_work(bench):
    transactions = bench.part(1 / 4)
    pairs, old = calls_and_inserts(
        bench, "the same, 4 sessions, the worker sends meanwhile", 4,
        transactions, paused=False)
    figure = tps_figure(pairs, old, 4, transactions, "at work, for"
                        " information")
    figure.work = "the same, 4 sessions, the worker sends meanwhile"
    figure.bars = []
    return figure


def calls_and_inserts(bench, what, clients, transactions, paused):
    url = bench.nginx.url()
    script = f"select net.http_get('{url}');"

    def calls(it):
        if not paused:
            it.clear()
            result = it.cluster.pgbench(script, clients, transactions)
            it.clear()
            return result
        with it.worker_paused():
            return it.cluster.pgbench(script, clients, transactions)

    def inserts():
        bench.ours.sql.run(LIKE_QUEUE)
        return bench.ours.cluster.pgbench(INSERT.format(url=url) + ";",
                                          clients, transactions)

    pairs = bench.alternate(what, lambda: calls(bench.ours), inserts)
    return pairs, bench.on_baseline(what, calls)


def tps_figure(pairs, old, clients, transactions, worker):
    return Figure(
        f"net.http_get, one per transaction, {clients} session"
        + "s" * (clients > 1),
        amount(pairs.median_ours("tps"), " tps"),
        amount(pairs.median_beside("tps"), " tps"),
        amount(old["tps"], " tps") if old else "-",
        ratio=pairs.ratio("tps"), spread=pairs.spread("tps"),
        bars=[at_least(pairs.ratio("tps"), 0.7)],
        notes=f"{BESIDE}; worker {worker}; {transactions:,} transactions."
        f" tps: {pairs.listed('tps')}.")


def long_session(bench):
    """Do transactions of one session slow down in the long run?"""
    transactions = bench.count * 10
    url = bench.nginx.url()
    what = f"net.http_get, {transactions:,} transactions of one session"
    with bench.ours.worker_paused():
        result = bench.ours.cluster.pgbench(
            f"select net.http_get('{url}');", 1, transactions, progress=True,
            seconds=600)
    bench.keep(what, "pg_net", result)
    bench.series["session"] = result["by_second"]
    first, last = ends(result["by_second"], transactions)
    return Figure(
        what, amount(last, " tps"), amount(first, " tps"),
        ratio=last / first, bars=[at_least(last / first, 0.9)],
        notes="the last tenth of the transactions, vs. the first tenth;"
        " worker paused, as it would have the session share a processor"
        f" with it. {result['tps']:,.0f} tps over all.")


def ends(by_second, transactions):
    """Speed over the first and the last tenth of the transactions."""
    def over(seconds):
        done = used = 0
        for tps in seconds:
            done += tps
            used += 1
            if done >= transactions / 10:
                break
        return done / used if used else 0
    if len(by_second) < 2:
        # too short to tell
        return 1, 1
    return over(by_second), over(reversed(by_second))
