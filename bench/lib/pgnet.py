"""An installation of pg_net at work: queue requests, await their answers."""

import collections
import contextlib
import time

from lib.process import cpu_seconds, paused
from lib.tools import Failed, say, wait_for

# A burst: ids from first to newest, committed at that time (monotonic).
Burst = collections.namedtuple("Burst", "first newest count began committed")

# How far from the newest id an unanswered request may be once the newest is
# answered: no more are under way at a time.
UNDER_WAY = 4096

# Seconds between two looks, early on and near the end.
FAR = 0.025
NEAR = 0.004


class PgNet:
    """pg_net in one cluster, ours or the baseline's."""

    def __init__(self, cluster, pinning, is_baseline=False):
        self.cluster = cluster
        self.pinning = pinning
        self.is_baseline = is_baseline
        self.sql = cluster.session()
        self.sql.run("create extension pg_net")
        if self.sql.true("select exists (select from pg_proc where proname ="
                         " 'wait_until_running')"):
            self.sql.run("select net.wait_until_running()")
        wait_for(lambda: self.sql.value(WORKER), "a worker of pg_net", 30)

    def version(self):
        return self.sql.value("select extversion from pg_extension where"
                              " extname = 'pg_net'")

    def worker_pid(self):
        pid = self.sql.value(WORKER)
        if not pid:
            raise Failed("no worker of pg_net is running")
        return int(pid)

    def restart_worker(self):
        before = self.worker_pid()
        self.sql.run("select net.worker_restart()")
        wait_for(lambda: self.sql.value(WORKER) not in (None, str(before)),
                 "another worker")
        self.sql.run("select net.wait_until_running()")

    def queue_is_empty(self):
        return self.sql.true(
            "select not exists (select from net.http_request_queue)")

    def drain(self, seconds=300):
        wait_for(self.queue_is_empty, "the queue to be empty", seconds, 0.05)

    def clear(self):
        """Nothing queued, nothing under way, no answers, no dead rows."""
        self.sql.run("delete from net.http_request_queue")
        self.drain(60)
        self.forget_answers()

    def forget_answers(self):
        self.drain()
        # may wait for the worker's transaction; and leaves no dead rows
        self.sql.run("truncate net._http_response")
        self.sql.run("vacuum net.http_request_queue")

    @contextlib.contextmanager
    def worker_paused(self):
        """The worker stands still; what was queued meanwhile is dropped."""
        self.clear()
        # its last transaction over, it holds no lock that could be in the way
        time.sleep(0.2)
        try:
            with paused(self.worker_pid()):
                yield
                # before it starts to send them; should it hold a lock after
                # all, we must not wait for it here
                with contextlib.suppress(Failed):
                    self.sql.run("set lock_timeout = '2s';"
                                 " truncate net.http_request_queue")
        finally:
            self.sql.run("reset lock_timeout; truncate net.http_request_queue")

    def pinned(self):
        return self.pinning.apply(self.worker_pid(), self.sql.pid)

    def queue(self, call, count):
        """Queues requests in one transaction; call may use the number i."""
        began = time.monotonic()
        rows = self.sql.rows(
            "select min(id), max(id) from (select " + call + " as id from"
            f" generate_series(1, {count}) as i offset 0) as calls")
        first, newest = map(int, rows[0])
        return Burst(first, newest, count, began, time.monotonic())

    def is_queued(self, request):
        return self.sql.true("select exists (select from"
                             f" net.http_request_queue where id = {request})")

    def wait_until_sent(self, burst, seconds=300):
        """Returns when the last of a burst has left the queue.

        Counting reads whole tables, and takes processor time from what is
        measured.  So these are looks by primary key: now and then as long as
        the burst is far from its end, and often when it is near.
        """
        deadline = time.monotonic() + seconds
        near = burst.newest - burst.count // 10
        for request, pause in ((near, FAR), (burst.newest, NEAR)):
            while self.is_queued(request):
                if time.monotonic() > deadline:
                    raise Failed(f"not answered within {seconds} s")
                time.sleep(pause)
        tail = max(burst.first, burst.newest - UNDER_WAY)
        wait_for(lambda: not self.sql.true(
            "select exists (select from net.http_request_queue where id"
            f" between {tail} and {burst.newest})"), "the rest", seconds, NEAR)
        # 0.20 takes rows out of the queue before it sends them
        if self.is_baseline:
            wait_for(lambda: self.answered(burst) >= burst.count,
                     "the baseline's answers", seconds, NEAR)

    def answered(self, burst, condition="true"):
        return int(self.sql.number(
            f"select count(*) filter (where {condition}) from"
            " net._http_response where id between"
            f" {burst.first} and {burst.newest}"))

    def check_answers(self, burst, status=200):
        """Every request must have been answered, and well."""
        good = self.answered(burst, f"status_code = {status}")
        if good != burst.count:
            example = self.sql.value(
                "select coalesce(error_msg, status_code::text) from"
                f" net._http_response where status_code is distinct from"
                f" {status} and id between {burst.first} and {burst.newest}"
                " limit 1")
            raise Failed(f"only {good} of {burst.count} were answered with"
                         f" {status}: {example or 'no answer'}")

    def burst(self, call, count, seconds=300, see_first=False):
        """From the commit which queues requests to the last stored answer."""
        self.forget_answers()
        return self.timed_burst(call, count, seconds, see_first)

    def timed_burst(self, call, count, seconds=300, see_first=False):
        """As burst(), whatever else is queued and stored already."""
        result = {"requests": count}
        with self.pinned():
            worker = self.worker_pid()
            cpu = cpu_seconds(worker)
            burst = self.queue(call, count)
            if see_first:
                wait_for(lambda: self.is_answered(burst), "a first answer",
                         seconds, 0.001)
                result["first_ms"] = 1000 * (time.monotonic()
                                             - burst.committed)
            self.wait_until_sent(burst, seconds)
            took = time.monotonic() - burst.committed
            result["cpu_seconds"] = cpu_seconds(worker) - cpu
        self.check_answers(burst)
        return {**result, "seconds": took, "per_second": count / took,
                "queuing_seconds": burst.committed - burst.began}

    def is_answered(self, burst):
        """Is there any answer?"""
        return self.sql.true(
            "select exists (select from net._http_response where id between"
            f" {burst.first} and {burst.newest})")

    def bounded_burst(self, call, count, seconds=10):
        """As burst(), with no more requests than take some seconds."""
        probe = self.burst(call, min(count, 200), 60)
        count = max(min(count, int(probe["per_second"] * seconds)), 200)
        say(f"  baseline: {probe['per_second']:,.0f}/s, so {count:,} requests")
        return self.burst(call, count, 120)


WORKER = ("select pid from pg_stat_activity where backend_type ~ 'pg_net' or"
          " application_name ~ 'pg_net' limit 1")
