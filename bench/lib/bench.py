"""What a row gets to work with: the servers, the clients, and the counts."""

import contextlib
import json

from lib.cluster import settings
from lib.figures import Pairs
from lib.tools import Failed, run, run_json, say

# How many requests the bare client has under way.  With 100, pg_net's own limit
# for one host, libcurl takes a fifth more processor time for each.
CONCURRENCY = 32


class Bench:
    """Handed to every row."""

    def __init__(self, options, folder, nginx, pinning, ours, baseline):
        self.options = options
        self.folder = folder
        self.nginx = nginx
        self.pinning = pinning
        self.ours = ours
        # None without BASELINE_PG_CONFIG
        self.baseline = baseline
        # what latest.json keeps, and what the plots are drawn from
        self.raw = []
        self.series = {}
        self.row = 0
        self.failed = False

    @property
    def count(self):
        return self.options.count

    def part(self, share):
        """A count in proportion to --count."""
        return max(int(self.count * share), 1)

    def alternate(self, what, ours, beside, sides=("pg_net", "beside"),
                  repeat=None):
        """Runs both sides in the order A B, B A, A B; as Pairs."""
        results = [], []
        repeat = repeat or self.options.repeat
        for turn in range(repeat):
            for side in (0, 1) if turn % 2 == 0 else (1, 0):
                result = (ours, beside)[side]()
                results[side].append(result)
                self.keep(what, sides[side], result)
                say(f"  {turn + 1}/{repeat} {what}, {sides[side]}: "
                    f"{brief(result)}")
        return Pairs(*results)

    def keep(self, what, side, result):
        """For latest.json, but for the times of single requests."""
        self.raw.append({"row": self.row, "work": what, "side": side,
                         **{key: value for key, value in result.items()
                            if key != "times_us"}})

    def on_baseline(self, what, work):
        """The result of work(baseline), or None: it may well not work."""
        if self.baseline is None:
            return None
        try:
            self.baseline.clear()
            result = work(self.baseline)
        except Failed as problem:
            say(f"  baseline could not: {problem}")
            return None
        self.keep(what, "baseline", result)
        say(f"  {what}, baseline: {brief(result)}")
        return result

    def bare(self, url, count, *arguments, concurrency=CONCURRENCY):
        """A run of the bare client, in which no request failed.

        Its connections are open when the clock starts, as pg_net's are.
        """
        result = run_json(
            [self.folder / "bare-client", "--url", url, "--count", count,
             "--warm-up", concurrency, "--concurrency", concurrency,
             *arguments],
            cpu=self.pinning.client)
        if result["failed"]:
            raise Failed(f"the bare client failed {result['failed']} times")
        return result

    def with_settings(self, **changes):
        """Settings of pg_net, for a while; its worker starts anew for them."""
        return restarted_with(self.ours, **changes)


@contextlib.contextmanager
def restarted_with(pgnet, **changes):
    """Some settings decide at the worker's start how it is laid out."""
    try:
        with settings(pgnet.sql, {f"pg_net.{name}": value for
                                  name, value in changes.items()}):
            pgnet.restart_worker()
            yield
    finally:
        pgnet.restart_worker()


def brief(result):
    """A result in one line of progress."""
    shown = ((key, value) for key, value in result.items()
             if isinstance(value, (int, float)))
    return ", ".join(f"{key} {value:,.6g}" for key, value in shown)


def build(here, folder, pg_config):
    """Compiles the programs in C."""
    run(["make", "-s", "-C", here, f"OUT={folder}", f"PG_CONFIG={pg_config}"])


def write_json(path, content):
    path.write_text(json.dumps(content, indent=1) + "\n")
