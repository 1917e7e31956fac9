"""Rows 1, 2, 10 and 13: many requests queued in one transaction.

From its commit to the last stored answer, beside as many of the bare client.
"""

import json

from lib.figures import Figure, at_least
from lib.server import Server
from lib.tools import amount, median
from rows import row


@row(1, "small GETs queued in one transaction")
def gets(bench):
    def beside_bare(what, url, limit):
        return compare(bench, f"{bench.count:,} small GETs, {what}",
                       f"net.http_get('{url}')", [url, bench.count], limit)

    figures = [beside_bare("nginx", bench.nginx.url(), 1.5)]
    with Server(bench.folder, bench.pinning.server) as server:
        figures.append(beside_bare("quickest server", server.url(), 1.8))
    return figures


def compare(bench, what, call, bare_arguments, limit, note="", count=None,
            baseline=True):
    """One line: pg_net's speed beside the bare client's."""
    count = count or bench.count
    # opens the connections, and fills caches
    bench.ours.burst(call, min(count, 1000))
    pairs = bench.alternate(
        what, lambda: bench.ours.burst(call, count),
        lambda: bench.bare(*bare_arguments), sides=("pg_net", "bare"))
    old = bench.on_baseline(
        what, lambda it: it.bounded_burst(call, count)) if baseline else None
    return Figure(
        what, rate(pairs.median_ours()), rate(pairs.median_beside()),
        rate(old["per_second"]) if old else "-",
        ratio=pairs.ratio(), spread=pairs.spread(),
        bars=[at_least(pairs.ratio(), limit)],
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
    for kind, what, limit in (("http", "HTTP", 1.5),
                              ("https", "HTTPS, kept alive", 2.0),
                              ("http2", "HTTP/2", 2.5)):
        url = bench.nginx.url("sink", kind)
        call = (f"net.http_post('{url}', '{body}',"
                f" headers := '{json.dumps(headers)}')")
        figures.append(compare(
            bench, f"{bench.count:,} POSTs of 1 kB, {what}", call,
            [url, bench.count, *arguments, *tls(bench, kind)], limit,
            # 0.20 cannot be told to trust our authority
            baseline=kind == "http"))
    return figures


def tls(bench, kind):
    """What the bare client is told of it."""
    if kind == "http":
        return []
    return ["--cafile", bench.nginx.ca_file,
            "--http-version", "2" if kind == "http2" else "1.1"]


@row(10, "HTTPS with a new connection for each request")
def new_connections(bench):
    count = bench.part(1 / 20)

    def beside_bare(what, kind, limit):
        # the bare client resumes no sessions, whatever the server offers
        url = bench.nginx.url("close", kind)
        return compare(
            bench, f"{count:,} GETs, HTTPS, a new connection each, {what}",
            f"net.http_get('{url}')", [url, count, *tls(bench, kind)], limit,
            note=" Verified in full on both sides, by the same file.",
            count=count, baseline=False)

    return [beside_bare("whole handshakes", "https", 1.0),
            beside_bare("resumed sessions", "https_tickets", 1.8)]


@row(13, "row 1 with logged tables")
def logged(bench):
    what = f"{bench.count:,} small GETs, logged tables"
    figures = []
    try:
        figures.append(logged_beside(
            bench, what, bench.ours, "unlogged", [],
            "vs. unlogged tables, the default."))
        if bench.baseline:
            figures.append(logged_beside(
                bench, f"{what}: to the baseline", bench.baseline, "logged",
                [1.5], "vs. logged tables of the baseline."))
    finally:
        for it in (bench.ours, bench.baseline):
            if it:
                set_tables(it, "unlogged")
    return figures


def logged_beside(bench, what, other, kind, limits, note):
    def burst(it, kind):
        it.forget_answers()
        set_tables(it, kind)
        # what one side has written does not fall on the other
        it.sql.run("checkpoint")
        run = it.bounded_burst if it.is_baseline else it.burst
        return run(f"net.http_get('{bench.nginx.url()}')", bench.count)

    pairs = bench.alternate(
        what, lambda: burst(bench.ours, "logged"), lambda: burst(other, kind),
        sides=("logged", "baseline" if other.is_baseline else kind))
    return Figure(
        what, rate(pairs.median_ours()), rate(pairs.median_beside()),
        ratio=pairs.ratio(), spread=pairs.spread(),
        bars=[at_least(pairs.ratio(), limit) for limit in limits],
        notes=f"{note} Requests/s: {pairs.listed()}. "
        + cpu(pairs).replace("worker", "logged").replace("bare", "the other"))


def set_tables(it, kind):
    for table in ("net.http_request_queue", "net._http_response"):
        it.sql.run(f"alter table {table} set {kind}")
