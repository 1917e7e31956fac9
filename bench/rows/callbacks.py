"""Row 17: functions that are called with responses.

A call is a transaction in a process of its own, in which the function notes
the id of its request in a table.  While it runs the next requests are sent.
"""

import time

from lib.figures import Figure, at_least
from lib.pgnet import NEAR
from lib.process import cpu_seconds
from lib.tools import Failed, amount, median, wait_for
from rows import row
from rows.bursts import cpu, rate

SET_UP = """
    drop table if exists noted cascade;
    create unlogged table noted (id bigint);
    create or replace function note(r net._http_response) returns void
        language sql as 'insert into public.noted (id) values (r.id)';
    create or replace procedure note_all(first bigint, newest bigint)
        language plpgsql as $$
        declare
            r net._http_response;
        begin
            for number in first .. newest loop
                select l.* into r from net._http_response as l
                    where l.id = number for update skip locked;
                perform note(r);
                update net._http_response set called = clock_timestamp()
                    where id = number;
                commit;
            end loop;
        end $$
"""


PROCESS = ("select pid from pg_stat_activity"
           " where backend_type = 'net callback'")


@row(17, "callbacks")
def callbacks(bench):
    bench.ours.sql.run(SET_UP)
    return [bursts(bench), calls(bench)]


def bursts(bench):
    """Bursts as in row 1; the calls go on meanwhile, and afterwards."""
    get = f"net.http_request('GET', '{bench.nginx.url()}'"

    def with_callback():
        bench.ours.sql.run("truncate noted")
        bench.ours.forget_answers()
        began = time.monotonic()
        result = bench.ours.timed_burst(get + ", callback := 'note')",
                                        bench.count)
        wait_until_called(bench.ours)
        took = time.monotonic() - began - result["queuing_seconds"]
        check_noted(bench.ours, bench.count)
        return {**result, "called_per_second": bench.count / took}

    def without():
        return bench.ours.burst(get + ")", bench.count)

    what = f"{bench.count:,} small GETs with a callback"
    pairs = bench.alternate(what, with_callback, without)
    return Figure(
        what, rate(pairs.median_ours()), rate(pairs.median_beside()),
        ratio=pairs.ratio(), spread=pairs.spread(),
        bars=[at_least(pairs.ratio(), 0.5)],
        notes="vs. without, to the last response. Requests/s: "
        + pairs.listed() + ". Callbacks, to the last one: "
        + rate(median([run["called_per_second"] for run in pairs.ours]))
        + ". "
        + cpu(pairs).replace("bare", "without").replace("worker", "with"))


def calls(bench):
    """Calls alone, with responses that are stored already."""
    count = bench.part(1 / 5)
    it = bench.ours
    it.forget_answers()
    burst = it.queue(f"net.http_get('{bench.nginx.url()}')", count)
    it.wait_until_sent(burst)
    it.check_answers(burst)

    def prepare(callback):
        it.sql.run("truncate noted; update net._http_response set callback ="
                   f" {callback}, called = null")
        it.sql.run("vacuum net._http_response")

    def called():
        prepare("'public.note'")
        before = cpu_of_process(it)
        start = time.monotonic()
        it.sql.run("select net.wake()")
        wait_until_called(it)
        took = time.monotonic() - start
        return result(took, cpu_of_process(it) - before)

    def by_procedure():
        prepare("null")
        before = cpu_seconds(it.sql.pid)
        start = time.monotonic()
        it.sql.run(f"call note_all({burst.first}, {burst.newest})")
        took = time.monotonic() - start
        return result(took, cpu_seconds(it.sql.pid) - before)

    def result(took, cpu_taken):
        check_noted(it, count)
        return {"requests": count, "per_second": count / took,
                "cpu_seconds": cpu_taken}

    what = f"{count:,} calls of a function"
    pairs = bench.alternate(what, called, by_procedure)
    return Figure(
        what, rate(pairs.median_ours()), rate(pairs.median_beside()),
        ratio=pairs.ratio(), spread=pairs.spread(),
        bars=[at_least(pairs.ratio(), 0.5)],
        notes="vs. a procedure that does the same. Calls/s: "
        + pairs.listed() + ". Processor time per call: "
        + ", ".join(f"{side} {amount(median(each), ' µs')}"
                    for side, each in (("process", us(pairs.ours)),
                                       ("procedure", us(pairs.beside))))
        + ".")


def us(runs):
    return [run["cpu_seconds"] / run["requests"] * 1e6 for run in runs]


def cpu_of_process(it):
    """Processor time of the process of the callbacks so far, if there is one.

    It stays for 5 s when nothing is to be called.
    """
    pid = it.sql.value(PROCESS)
    return cpu_seconds(int(pid)) if pid else 0


def wait_until_called(it, seconds=300):
    """Returns when nothing waits to be called; the oldest goes first."""
    wait_for(lambda: not it.sql.true(
        "select exists (select from net._http_response where id = (select"
        " max(id) from net._http_response) and callback is not null"
        " and called is null)"), "the last call", seconds, NEAR)
    wait_for(lambda: not it.sql.true(
        "select exists (select from net._http_response where callback is not"
        " null and called is null)"), "the rest", seconds, NEAR)


def check_noted(it, count):
    noted = it.sql.rows("select count(*), count(distinct id) from noted")
    if noted != [[str(count)] * 2]:
        raise Failed(f"called {noted[0][0]} times, for {noted[0][1]} of"
                     f" {count} responses")
