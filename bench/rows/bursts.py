"""Rows 1, 2, 10 and 13: many requests queued in one transaction.

From its commit to the last stored answer, beside as many of the bare client.
"""

import json

from lib.figures import Figure, at_least
from lib.tools import amount, median
from rows import row


@row(1, "small GETs queued in one transaction")
def gets(bench):
    url = bench.nginx.url()
    call = f"net.http_get('{url}')"
    return [compare(bench, f"{bench.count:,} small GETs", call,
                    [url, bench.count], 0.70, note=" Stretch goal: 0.85.")]


def compare(bench, what, call, bare_arguments, limit, least_rate=None,
            note="", count=None, baseline=True):
    """One line: pg_net's speed beside the bare client's."""
    count = count or bench.count
    # opens the connections, and fills caches
    bench.ours.burst(call, min(count, 1000))
    pairs = bench.alternate(
        what, lambda: bench.ours.burst(call, count),
        lambda: bench.bare(*bare_arguments), sides=("pg_net", "bare"))
    old = bench.on_baseline(
        what, lambda it: it.bounded_burst(call, count)) if baseline else None
    bars = [at_least(pairs.ratio(), limit)]
    if least_rate:
        bars.append(at_least(pairs.median_ours(), least_rate, "/s"))
    return Figure(
        what, rate(pairs.median_ours()), rate(pairs.median_beside()),
        rate(old["per_second"]) if old else "-",
        ratio=pairs.ratio(), spread=pairs.spread(), bars=bars,
        notes="all answered with 200. Requests/s: " + pairs.listed() + ". "
        + cpu(pairs) + note)


def rate(per_second):
    return amount(per_second, "/s")


def cpu(pairs):
    """What a request costs the processor, which tells more than a clock."""
    def each(runs):
        return amount(median([run["cpu_seconds"] / run["requests"] * 1e6
                              for run in runs]), " µs")
    return (f"Processor time per request: worker {each(pairs.ours)},"
            f" bare {each(pairs.beside)}.")


@row(2, "POSTs of 1 kB with four headers: HTTP, HTTPS, HTTP/2")
def posts(bench):
    headers = {"Content-Type": "application/json",
               "Authorization": "Bearer 0123456789abcdef0123456789abcdef",
               "X-Request-Source": "bench", "X-Trace": "0af7651916cd43dd8448"}
    # as jsonb prints it
    body = '{"text": "' + "x" * (1024 - 12) + '"}'
    arguments = ["--body-bytes", len(body)]
    for name, value in headers.items():
        arguments += ["--header", f"{name}: {value}"]

    figures = []
    for kind, what in (("http", "HTTP"), ("https", "HTTPS, kept alive"),
                       ("http2", "HTTP/2")):
        url = bench.nginx.url("sink", kind)
        call = (f"net.http_post('{url}', '{body}',"
                f" headers := '{json.dumps(headers)}')")
        figures.append(compare(
            bench, f"{bench.count:,} POSTs of 1 kB, {what}", call,
            [url, bench.count, *arguments, *ca(bench, kind)], 0.65,
            # 0.20 cannot be told to trust our authority
            baseline=kind == "http"))
    return figures


def ca(bench, kind):
    return [] if kind == "http" else ["--cafile", bench.nginx.ca_file]


@row(10, "HTTPS with a new connection for each request")
def new_connections(bench):
    url = bench.nginx.url("close", "https")
    count = bench.part(1 / 20)
    return [compare(
        bench, f"{count:,} GETs, HTTPS, a new connection each",
        f"net.http_get('{url}')", [url, count, *ca(bench, "https")],
        0.70, least_rate=1000,
        note=" Verified in full on both sides, by the same file.",
        count=count, baseline=False)]


@row(13, "row 1 with logged tables")
def logged(bench):
    call = f"net.http_get('{bench.nginx.url()}')"
    sql = bench.ours.sql
    tables = ("net.http_request_queue", "net._http_response")

    def burst(kind):
        bench.ours.forget_answers()
        for table in tables:
            sql.run(f"alter table {table} set {kind}")
        # what one side has written does not fall on the other
        sql.run("checkpoint")
        return bench.ours.burst(call, bench.count)

    what = f"{bench.count:,} small GETs, logged tables"
    try:
        pairs = bench.alternate(what, lambda: burst("logged"),
                                lambda: burst("unlogged"),
                                sides=("logged", "unlogged"))
    finally:
        for table in tables:
            sql.run(f"alter table {table} set unlogged")
    return [Figure(
        what, rate(pairs.median_ours()), rate(pairs.median_beside()),
        ratio=pairs.ratio(), spread=pairs.spread(),
        bars=[at_least(pairs.ratio(), 0.5)],
        notes="vs. unlogged tables, the default."
        " Requests/s: " + pairs.listed() + ".")]
