"""Rows 7 and 8: a million requests."""

import contextlib
import time

from lib.figures import Figure, Pairs, at_least, at_most
from lib.process import memory_mb
from lib.tools import Failed, amount, median, say
from rows import row
from rows.bursts import rate

# How often the progress of row 7 is noted: not more often than batches of
# answers are stored.
MARKS = 100
MARK_DISTANCE = 2000


@row(7, "1,000,000 requests queued at once: speed and memory")
def million(bench):
    count = bench.count * 10
    what = f"{count:,} small GETs queued at once"
    runs = []
    for turn in range(min(bench.options.repeat, 2)):
        bench.ours.clear()
        # memory of this work, not of what was before
        bench.ours.restart_worker()
        run = watched_burst(bench, count)
        bench.keep(what, "pg_net", run)
        say(f"  {turn + 1}: first tenth {run['first']:,.0f}/s, last tenth"
            f" {run['last']:,.0f}/s, worker {run['peak_mb']:.0f} MB")
        runs.append(run)
    bench.ours.forget_answers()
    bench.series["million"] = runs[-1]

    ratio = median([run["last"] / run["first"] for run in runs])
    peak = max(run["peak_mb"] for run in runs)
    total = max(run["total_mb"] for run in runs)
    growth = max(run["end_mb"] / run["early_mb"] for run in runs)
    return [
        Figure(f"{what}: the last tenth",
               rate(median([run["last"] for run in runs])),
               rate(median([run["first"] for run in runs])), ratio=ratio,
               bars=[at_least(ratio, 0.9)],
               notes="vs. the first tenth; medians of ten parts each."
               f" {rate(median([run['per_second'] for run in runs]))} over"
               " all, all answered with 200."),
        Figure(f"{what}: memory of the worker", amount(peak, " MB"),
               amount(median([run["early_mb"] for run in runs]), " MB"),
               ratio=growth, less_is_better=True,
               bars=[at_most(peak, 150, " MB"), at_most(growth, 1.1)],
               notes="the highest RssAnon + RssFile; vs. after a tenth."
               f" VmRSS, {total:.0f} MB, counts what the worker touched of"
               " shared_buffers (128 MB), too. Before the work:"
               f" {runs[-1]['before_mb']:.0f} MB."),
    ]


def watched_burst(bench, count):
    """A burst whose speed and memory are noted along the way."""
    it = bench.ours
    worker = it.worker_pid()
    before = memory_mb(worker)["own"]
    marks = max(min(MARKS, count // MARK_DISTANCE), 10)
    series = []
    with it.pinned():
        burst = it.queue(f"net.http_get('{bench.nginx.url()}')", count)
        say(f"  queued in {burst.committed - burst.began:.1f} s")
        for mark in range(1, marks + 1):
            wait_until_gone(it, burst.first + (count - 1) * mark // marks)
            memory = memory_mb(worker)
            series.append({"seconds": time.monotonic() - burst.committed,
                           "answered": count * mark // marks,
                           "own_mb": memory["own"],
                           "total_mb": memory["total"]})
            if mark * 5 % marks == 0:
                say(f"  {mark * 100 // marks} %, {memory['own']:.0f} MB")
        it.wait_until_sent(burst)
        seconds = time.monotonic() - burst.committed
    it.check_answers(burst)
    speeds = [count / marks / max(here["seconds"] - there["seconds"], 1e-6)
              for there, here in zip([{"seconds": 0}, *series], series)]
    tenth = marks // 10
    return {"first": median(speeds[:tenth]), "last": median(speeds[-tenth:]),
            "per_second": count / seconds, "before_mb": before,
            "early_mb": series[tenth - 1]["own_mb"],
            "end_mb": series[-1]["own_mb"],
            "peak_mb": max(point["own_mb"] for point in series),
            "total_mb": max(point["total_mb"] for point in series),
            "series": series}


def wait_until_gone(it, request, seconds=300):
    deadline = time.monotonic() + seconds
    while it.is_queued(request):
        if time.monotonic() > deadline:
            raise Failed(f"request {request} not answered in {seconds} s")
        time.sleep(0.01)


@row(8, "row 1 while a snapshot is held open")
def old_snapshot(bench):
    """Rows removed since a snapshot began stay in the way of every scan."""
    it = bench.ours
    served = bench.count * 10
    call = f"net.http_get('{bench.nginx.url()}')"
    repeat = min(bench.options.repeat, 3)

    def bursts(what, one):
        results = []
        for turn in range(repeat):
            results.append(one())
            bench.keep(what, what, results[-1])
            say(f"  {turn + 1}/{repeat} {what}:"
                f" {results[-1]['per_second']:,.0f}/s")
        return results

    before = bursts("without, before", lambda: it.burst(call, bench.count))
    with held_snapshot(it):
        for part in range(10):
            it.timed_burst(call, served // 10)
            if part % 2 == 1:
                say(f"  {(part + 1) * 10} % of {served:,} served")
        held = bursts("with the snapshot",
                      lambda: it.timed_burst(call, bench.count))
    after = bursts("without, after", lambda: it.burst(call, bench.count))

    # neighbours in time
    pairs = Pairs(held + held, before[::-1] + after)
    return [Figure(
        f"{bench.count:,} small GETs, a snapshot held while {served:,} were"
        " served", rate(median([run["per_second"] for run in held])),
        rate(pairs.median_beside()), ratio=pairs.ratio(),
        spread=pairs.spread(), bars=[at_least(pairs.ratio(), 0.8)],
        notes=f"vs. runs without it: {repeat} runs before and {repeat} after."
        f" Requests/s: {Pairs(held, before + after).listed()}.")]


@contextlib.contextmanager
def held_snapshot(it):
    """A transaction elsewhere that keeps vacuum from removing rows."""
    session = it.cluster.session()
    try:
        session.run("begin isolation level repeatable read;"
                    " select count(*) from pg_class")
        yield
    finally:
        session.close()
        it.cluster.sessions.remove(session)
