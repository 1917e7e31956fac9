"""Row 16: what it costs that a URL names an endpoint.

The endpoint leads where the plain URL does, which is beside it.
"""

import time

from lib.figures import Figure, at_least, at_most
from lib.tools import amount
from rows import row
from rows.bursts import cpu, rate

ENDPOINT = ("delete from net.endpoint where name = 'bench';"
            " insert into net.endpoint (name, url) values ('bench', '{url}')")


@row(16, "endpoints")
def endpoints(bench):
    bench.ours.sql.run(ENDPOINT.format(url=bench.nginx.url()))
    return [calls(bench), bursts(bench)]


def calls(bench):
    """The caller's price, as in row 4."""
    count = bench.part(1 / 5)

    def call(url):
        with bench.ours.worker_paused():
            start = time.monotonic()
            bench.ours.sql.run(f"select count(net.http_get('{url}'))"
                               f" from generate_series(1, {count})")
            return {"us": (time.monotonic() - start) * 1e6 / count}

    what = f"net.http_get('net://bench'), {count:,} in one statement"
    pairs = bench.alternate(what, lambda: call("net://bench"),
                            lambda: call(bench.nginx.url()))
    return Figure(
        what, amount(pairs.median_ours("us"), " µs"),
        amount(pairs.median_beside("us"), " µs"), ratio=pairs.ratio("us"),
        less_is_better=True, spread=pairs.spread("us"),
        bars=[at_most(pairs.ratio("us"), 1.5)],
        notes="vs. a plain URL. µs: " + pairs.listed("us", 2) + ".")


def bursts(bench):
    """Bursts as in row 1."""
    def burst(url):
        bench.ours.forget_answers()
        return bench.ours.burst(f"net.http_get('{url}')", bench.count)

    what = f"{bench.count:,} small GETs to net://bench"
    pairs = bench.alternate(what, lambda: burst("net://bench"),
                            lambda: burst(bench.nginx.url()))
    return Figure(
        what, rate(pairs.median_ours()), rate(pairs.median_beside()),
        ratio=pairs.ratio(), spread=pairs.spread(),
        bars=[at_least(pairs.ratio(), 0.75)],
        notes="vs. a plain URL. Requests/s: " + pairs.listed() + ". "
        + cpu(pairs).replace("worker", "endpoint").replace("bare", "plain"))
