"""Row 3: one request at a time on an idle worker."""

from lib.figures import Figure, at_most
from lib.tools import amount, run_json
from rows import row

# Of 0.20, whose requests take a second each.
BASELINE_COUNT = 15


@row(3, "one request at a time, idle worker")
def one_at_a_time(bench):
    """From a commit to its stored answer, with nothing else going on."""
    figures = [*beside_bare(bench, "nginx on another processor", 1.3)]
    if bench.pinning.enabled:
        with bench.pinning.beside_client(bench.nginx.pids()):
            figures += beside_bare(bench, "nginx on the worker's processor",
                                   3.5)
    return figures


def beside_bare(bench, where, limit):
    pairs, old = measured(bench, where)
    bench.series.setdefault("latency", {
        "pg_net": all_times(pairs.ours), "bare": all_times(pairs.beside),
        "baseline": all_times(old.beside) if old else []})
    return [
        figure(where, pairs, old, "p50", 1.0,
               [at_most(pairs.ratio("p50_us"), limit)]),
        figure(where, pairs, old, "p99", 5.0,
               [at_most(old.ratio("p99_us"), 1, " x the baseline")]
               if old else [])]


def measured(bench, where):
    """Pairs of runs with the bare client, and with the baseline if any."""
    count = 100 if bench.options.quick else 2000
    url = bench.nginx.url()

    def stored(it, count=count):
        it.forget_answers()
        with it.pinned():
            return with_times(bench, "stored", lambda file: run_json(
                [bench.folder / "latency", it.cluster.conninfo(), url, count,
                 120, file]))

    def bare():
        return with_times(bench, "bare", lambda file: bench.bare(
            url, count, "--latencies", file, concurrency=1))

    what = f"{count:,} GETs, one at a time, {where}"
    pairs = bench.alternate(what, lambda: stored(bench.ours), bare,
                            sides=("pg_net", "bare"))
    old = None
    if bench.baseline:
        is_020 = bench.baseline.version().startswith("0.")
        old = bench.alternate(
            what, lambda: stored(bench.ours),
            lambda: stored(bench.baseline, BASELINE_COUNT if is_020 else count),
            sides=("pg_net", "baseline"))
    return pairs, old


def figure(where, pairs, old, percentile, limit_ms, bars):
    key = f"{percentile}_us"
    milliseconds = pairs.median_ours(key) / 1000
    return Figure(
        f"one GET at a time, commit to stored response, {where},"
        f" {percentile}",
        amount(milliseconds, " ms"),
        amount(pairs.median_beside(key) / 1000, " ms"),
        amount(old.median_beside(key) / 1000, " ms") if old else "-",
        ratio=pairs.ratio(key), less_is_better=True, spread=pairs.spread(key),
        bars=[at_most(milliseconds, limit_ms, " ms"), *bars],
        notes="vs. a request of the bare client. µs: "
        + pairs.listed(key) + ". With the queuing call: "
        + amount(pairs.median_ours("call_" + key) / 1000, " ms") + "."
        + (f" Beside the baseline, µs: {old.listed(key)}." if old else ""))


def with_times(bench, name, work):
    """The result of a client, with the times it wrote to a file."""
    file = bench.folder / f"{name}.times"
    result = work(file)
    result["times_us"] = [float(line) for line in
                          file.read_text().splitlines()]
    return result


def all_times(runs):
    return sorted(time for run in runs for time in run["times_us"])
