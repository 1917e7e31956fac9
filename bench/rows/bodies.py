"""Row 11: large bodies; and the memory that requests in flight take."""

import threading
import time

from lib.bench import restarted_with
from lib.figures import Figure, Pairs, at_least, at_most
from lib.hanging import HangingHosts
from lib.nginx import HOSTS
from lib.process import memory_mb
from lib.tools import amount, listed, median, say, wait_for
from rows import row

MB = 1024 * 1024

# What the worker may take beside the bytes it has to have; and of a body that
# it sends, the part it has to have (20 bodies: 20 MB in all).
CONSTANT_MB = 16
WINDOW_MB = 1


@row(11, "large bodies: 1 MB responses, 10 MB requests; memory in flight")
def bodies(bench):
    return [*responses(bench), *requests(bench), in_flight(bench)]


def responses(bench):
    """200 responses of 1 MB, of which 100 are under way at a time."""
    count = 20 if bench.options.quick else 200
    folder = bench.nginx.folder / "files"
    folder.mkdir(exist_ok=True)
    text = json_text(MB)
    (folder / "1mb.json").write_text(text)
    url = bench.nginx.url("files/1mb.json")
    figures, pairs = compare(
        bench, f"{count} responses of 1 MB",
        f"net.http_get('{url}', timeout_milliseconds := 60000)",
        [url, count], count, 1, min(count, 100),
        CONSTANT_MB + min(count, 100))
    return [figures[0], with_insert(bench, text, count, pairs), *figures[1:]]


def with_insert(bench, text, count, pairs):
    """Beside the bare client and a plain INSERT, one after the other."""
    sql = bench.ours.sql
    what = f"{count} responses of 1 MB: to bare and a plain INSERT"
    runs = []
    for _ in pairs.ours:
        sql.run("drop table if exists like_response;"
                " create unlogged table like_response"
                " (like net._http_response including all)")
        start = time.monotonic()
        sql.run("insert into like_response (id, status_code, content) select"
                f" i, 200, text from (values ('{text}')) as body (text),"
                f" generate_series(1, {count}) as i")
        seconds = time.monotonic() - start
        runs.append({"insert_seconds": seconds})
        bench.keep(what, "INSERT", runs[-1])
    sql.run("drop table like_response")
    both = Pairs(pairs.ours, [
        {"mb_per_second": count / (run["insert_seconds"] + bare["seconds"])}
        for run, bare in zip(runs, pairs.beside)])
    key = "mb_per_second"
    insert = count / median([run["insert_seconds"] for run in runs])
    return Figure(
        what, amount(both.median_ours(key), " MB/s"),
        amount(both.median_beside(key), " MB/s"), ratio=both.ratio(key),
        spread=both.spread(key),
        notes="vs. the bare client, then INSERT ... SELECT of the same"
        " bodies into a table like net._http_response; that alone makes"
        f" {insert:,.0f} MB/s.")


def requests(bench):
    """20 requests with bodies of 10 MB, all under way at a time."""
    count = 4 if bench.options.quick else 20
    url = bench.nginx.url("sink")
    sql = bench.ours.sql
    sql.run("drop table if exists large; create unlogged table large"
            " (body jsonb); insert into large values"
            f" ('{json_text(10 * MB)}')")
    size = int(sql.number("select octet_length(body::text) from large"))
    try:
        return compare(
            bench, f"{count} requests with bodies of 10 MB",
            f"(select net.http_post('{url}', body, timeout_milliseconds :="
            " 60000 + i * 0) from large)",
            [url, count, "--body-bytes", size], count, 10, count,
            CONSTANT_MB + count * WINDOW_MB)[0]
    finally:
        sql.run("drop table large")


def in_flight(bench):
    """Memory of the worker while hosts keep it waiting, for each request."""
    count = 2000

    def measured(it):
        with HangingHosts(HOSTS) as hanging, \
                restarted_with(it, max_in_flight=2 * count):
            # what any work needs is there before; more would leave memory
            # that is free to be used again
            it.burst(f"net.http_get('{bench.nginx.url()}')", 10)
            before = memory_mb(it.worker_pid())["anon"]
            it.queue(f"net.http_get('http://127.0.1.' || (i % {HOSTS} + 1) ||"
                     f" ':{hanging.port}/', timeout_milliseconds := 600000)",
                     count)
            # a part is kept for others: docs/operations.md, Fair shares
            wait_for(lambda: hanging.count() >= count * 3 // 4,
                     f"{count} hanging connections", 30)
            time.sleep(0.5)
            growth = memory_mb(it.worker_pid())["anon"] - before
            result = {"in_flight": hanging.count(),
                      "kb": growth * 1024 / hanging.count()}
            hanging.hang_up()
            it.drain()
        return result

    what = f"memory of the worker for each of {count:,} requests in flight"
    runs = []
    for _ in range(bench.options.repeat):
        runs.append(measured(bench.ours))
        bench.keep(what, "pg_net", runs[-1])
        say(f"  {what}: {runs[-1]['kb']:.1f} kB")
    old = bench.on_baseline(what, measured)
    kb = median([run["kb"] for run in runs])
    return Figure(
        what, amount(kb, " kB"), baseline=amount(old["kb"], " kB") if old
        else "-", bars=[at_most(kb, 10, " kB")],
        notes="growth of its heap (RssAnon) while hosts do not respond, HTTP."
        f" In flight: {listed([run['in_flight'] for run in runs], 0)};"
        f" kB: {listed([run['kb'] for run in runs], 1)}.")


def compare(bench, what, call, bare_arguments, count, size_mb, under_way,
            memory_limit):
    def ours():
        # a new worker, for its memory to be what this work takes
        bench.ours.restart_worker()
        with Peak(bench.ours.worker_pid()) as peak:
            result = bench.ours.burst(call, count)
        return {**result, "mb_per_second": count * size_mb / result["seconds"],
                "memory_mb": peak.growth}

    def bare():
        result = bench.bare(*bare_arguments, "--buffer-bytes", MB // 2,
                            concurrency=under_way)
        return {**result, "mb_per_second": count * size_mb / result["seconds"]}

    pairs = bench.alternate(what, ours, bare, sides=("pg_net", "bare"))
    bytes_mb = under_way * size_mb
    memory = pairs.median_ours("memory_mb")
    key = "mb_per_second"
    figures = [
        Figure(what, amount(pairs.median_ours(key), " MB/s"),
               amount(pairs.median_beside(key), " MB/s"),
               ratio=pairs.ratio(key), spread=pairs.spread(key),
               bars=[at_least(pairs.ratio(key), 0.6)],
               notes=f"MB/s: {pairs.listed(key)}. The bodies are JSON."),
        Figure(f"{what}: memory of the worker",
               amount(memory, " MB"), amount(bytes_mb, " MB"),
               ratio=memory / bytes_mb, less_is_better=True,
               bars=[at_most(memory, memory_limit, " MB")],
               notes=f"peak of its heap (RssAnon) less what it had before,"
               f" beside: {under_way} under way of {size_mb} MB."),
    ]
    return figures, pairs


def json_text(size):
    """JSON as services send it: records with numbers, words and hashes."""
    records = []
    length = 0
    number = 0
    while length < size:
        number += 1
        record = (f'{{"id": {number}, "name": "customer {number % 977}",'
                  f' "token": "{hash_of(number)}",'
                  f' "amount": {number * 37 % 9973}}}')
        records.append(record)
        length += len(record) + 2
    return "[" + ", ".join(records) + "]"


def hash_of(number):
    return f"{(number * 0x9E3779B97F4A7C15) % 2**64:016x}"


class Peak:
    """Looks at a process's memory every 10 ms; growth is in MB."""

    def __init__(self, pid):
        self.pid = pid
        self.before = memory_mb(pid)["anon"]
        self.growth = 0.0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self):
        while not self.done.wait(0.01):
            self.growth = max(self.growth,
                              memory_mb(self.pid)["anon"] - self.before)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
