"""Row 3: one request at a time on an idle worker."""

from lib.figures import Figure, at_most
from lib.tools import amount, run_json
from rows import row

# Of 0.20, whose requests take a second each.
BASELINE_COUNT = 15


@row(3, "one request at a time, idle worker")
def one_at_a_time(bench):
    """From a commit to its stored answer, with nothing else going on."""
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

    what = f"{count:,} GETs, one at a time"
    pairs = bench.alternate(what, lambda: stored(bench.ours), bare,
                            sides=("pg_net", "bare"))
    old = bench.on_baseline(what, lambda it: stored(
        it, BASELINE_COUNT if it.version().startswith("0.") else count))
    bench.series["latency"] = {
        "pg_net": all_times(pairs.ours), "bare": all_times(pairs.beside),
        "baseline": old["times_us"] if old else []}
    return [figure(pairs, old, "p50", 1.0), figure(pairs, old, "p99", 5.0)]


def figure(pairs, old, percentile, limit_ms):
    key = f"{percentile}_us"
    milliseconds = pairs.median_ours(key) / 1000
    ratio = pairs.ratio(key)
    bars = [at_most(milliseconds, limit_ms, " ms")]
    if percentile == "p50":
        bars.append(at_most(ratio, 3))
    return Figure(
        f"one GET at a time, commit to stored response, {percentile}",
        amount(milliseconds, " ms"),
        amount(pairs.median_beside(key) / 1000, " ms"),
        amount(old[key] / 1000, " ms") if old else "-",
        ratio=ratio, less_is_better=True, spread=pairs.spread(key), bars=bars,
        notes="vs. a request of the bare client. µs: "
        + pairs.listed(key) + ". With the queuing call: "
        + amount(pairs.median_ours("call_" + key) / 1000, " ms") + ".")


def with_times(bench, name, work):
    """The result of a client, with the times it wrote to a file."""
    file = bench.folder / f"{name}.times"
    result = work(file)
    result["times_us"] = [float(line) for line in
                          file.read_text().splitlines()]
    return result


def all_times(runs):
    return sorted(time for run in runs for time in run["times_us"])
