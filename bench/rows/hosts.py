"""Rows 5, 6 and 9: several hosts, some of which are slow or dead."""

import contextlib
import time

from lib.figures import Bar, Figure, at_least
from lib.hanging import HangingHosts
from lib.nginx import HOSTS
from lib.tools import amount, listed, median, wait_for
from rows import row
from rows.bursts import cpu, rate

# Long enough to be under way through a whole run.
LONG_MS = 600000

# Of 0.20, which has them time out a batch after the other.
BASELINE_COUNT = 400


@row(5, "2,000 requests to a host that hangs, 20,000 to a fast one")
def beside_hanging(bench):
    """2,000 in flight, at one address or many; and pg_net as it comes."""
    with HangingHosts(HOSTS) as hanging:
        with bench.with_settings(max_in_flight=4000,
                                 max_in_flight_per_host=2000):
            one = hanging_figure(bench, hanging, 1, 2000,
                                 "max_in_flight = 4000,"
                                 " max_in_flight_per_host = 2000")
        with bench.with_settings(max_in_flight=4000):
            many = hanging_figure(bench, hanging, HOSTS, 2000,
                                  "max_in_flight = 4000")
        as_it_comes = hanging_figure(bench, hanging, 1, 100, "",
                                     baseline=True)
    return [one, many, as_it_comes]


def hanging_figure(bench, hanging, hosts, in_flight, settings,
                   baseline=False):
    count = bench.part(1 / 5)
    queued = 2000
    fast = f"net.http_get('{bench.nginx.url()}')"

    def hang(it, queued, timeout_ms):
        it.queue(f"net.http_get('http://127.0.1.' || (i % {hosts} + 1) ||"
                 f" ':{hanging.port}/', timeout_milliseconds :="
                 f" {timeout_ms})", queued)

    def with_hanging():
        bench.ours.forget_answers()
        hang(bench.ours, queued, LONG_MS)
        try:
            # a part is kept for others: docs/operations.md, Fair shares
            wait_for(lambda: hanging.count() >= in_flight * 3 // 4,
                     f"{in_flight} hanging connections", 30)
            return bench.ours.timed_burst(fast, count)
        finally:
            hanging.hang_up()
            bench.ours.drain()
            hanging.resume()

    def on_baseline(it):
        hang(it, BASELINE_COUNT, 2000)
        return it.timed_burst(fast, BASELINE_COUNT, 120)

    waiting = f", {queued - in_flight:,} wait" if in_flight < queued else ""
    what = (f"{count:,} fast GETs beside {in_flight:,} in flight to"
            f" {'a hanging host' if hosts == 1 else f'{hosts} hanging hosts'}"
            + waiting)
    pairs = bench.alternate(what, with_hanging,
                            lambda: bench.ours.burst(fast, count),
                            sides=("with them", "alone"))
    old = bench.on_baseline(what, on_baseline) if baseline else None
    return Figure(
        what, rate(pairs.median_ours()), rate(pairs.median_beside()),
        rate(old["per_second"]) if old else "-", ratio=pairs.ratio(),
        spread=pairs.spread(), bars=[at_least(pairs.ratio(), 0.8)],
        notes="vs. the fast ones alone. "
        + (f"Both with {settings}. " if settings else "")
        + f"Requests/s: {pairs.listed()}."
        + (f" Baseline: {BASELINE_COUNT} hanging (2 s), {BASELINE_COUNT}"
           " fast." if old else ""))


@row(6, "100,000 requests for a slow host, then 10,000 for a fast one")
def behind_slow(bench):
    queued = bench.count
    count = bench.part(1 / 10)
    slow = f"net.http_get('{bench.nginx.host_url(1, '100ms')}')"
    fast = f"net.http_get('{bench.nginx.url()}')"

    def behind(it=bench.ours, queued=queued, count=count, seconds=300):
        it.forget_answers()
        with dropped_at_end(it):
            it.queue(slow, queued)
            # the slow host has what it can take, and the rest waits
            time.sleep(1)
            return it.timed_burst(fast, count, seconds, see_first=True)

    what = f"{count:,} fast GETs after {queued:,} to a slow host (100 ms)"
    pairs = bench.alternate(
        what, behind,
        lambda: bench.ours.burst(fast, count, see_first=True),
        sides=("behind", "alone"))
    old = bench.on_baseline(what, lambda it: behind(
        it, 20 * BASELINE_COUNT, BASELINE_COUNT, 120))
    first = [run["first_ms"] for run in pairs.ours]
    return [
        Figure(f"{what}: first response", amount(median(first), " ms"),
               amount(pairs.median_beside("first_ms"), " ms"),
               amount(old["first_ms"], " ms") if old else "-",
               spread=f"{min(first):.1f} .. {max(first):.1f} ms",
               bars=[Bar("<= 100 ms", median(first) <= 100)],
               notes="from their commit to the first stored response; vs."
               f" alone. ms: {listed(first, 1)}."),
        Figure(f"{what}: all", rate(pairs.median_ours()),
               rate(pairs.median_beside()),
               rate(old["per_second"]) if old else "-", ratio=pairs.ratio(),
               spread=pairs.spread(), bars=[at_least(pairs.ratio(), 0.7)],
               notes="vs. alone. The slow ones were queued a second"
               f" before. Requests/s: {pairs.listed()}."
               + (f" Baseline: {20 * BASELINE_COUNT:,} slow,"
                  f" {BASELINE_COUNT} fast." if old else "")),
    ]


@contextlib.contextmanager
def dropped_at_end(it):
    """What is still queued then is not waited for."""
    try:
        yield
    finally:
        it.sql.run("delete from net.http_request_queue")
        # those in flight end meanwhile
        time.sleep(0.5)


@row(9, "2,000 connections to 200 hosts, responses after 50 ms")
def many_hosts(bench):
    concurrency = 2000
    limit = concurrency / 0.05
    port = bench.nginx.ports["hosts"]
    count = max(bench.count, 4 * concurrency)
    call = (f"net.http_get('http://127.0.1.' || (i % {HOSTS} + 1) ||"
            f" ':{port}/50ms')")
    what = f"{count:,} GETs at {HOSTS} hosts, responses after 50 ms"
    bench.ours.burst(call, 2 * concurrency)
    pairs = bench.alternate(
        what, lambda: bench.ours.burst(call, count),
        lambda: bench.bare(bench.nginx.host_url("%d", "50ms"), count,
                           "--hosts", HOSTS, "--multis", 16,
                           concurrency=concurrency),
        sides=("pg_net", "bare"))
    share = pairs.median_ours() / limit
    notes = "Requests/s: " + pairs.listed() + ". " + cpu(pairs)
    return [
        Figure(f"{what}: to the limit", rate(pairs.median_ours()),
               rate(limit), ratio=share, bars=[at_least(share, 0.9)],
               notes=f"vs. the theoretical limit of {concurrency:,} requests"
               " of 50 ms in flight."),
        Figure(f"{what}: to bare", rate(pairs.median_ours()),
               rate(pairs.median_beside()), ratio=pairs.ratio(),
               spread=pairs.spread(),
               notes="vs. the bare client with 16 multi handles, itself"
               f" at {pairs.median_beside() / limit:.2f} of the limit."
               f" {notes}")]
