"""Row 14: tables that users changed, beside the same work as they come.

A column and a trigger that fills it; and what needs no trigger: a column, an
index and a check.
"""

import contextlib
import time

from lib.figures import Figure, at_least, at_most
from lib.tools import amount
from rows import row
from rows.bursts import cpu, rate

TRIGGER = ("a column and a trigger", """
    create function bench_fill() returns trigger language plpgsql
        as 'begin new.note := new.url; return new; end';
    alter table {table} add column note text;
    create trigger bench_fill before insert on {table}
        for each row execute function bench_fill()
""", """
    drop function bench_fill cascade;
    alter table {table} drop column note
""")

CHECKED = ("a column, an index and a check", """
    alter table {table} add column seen timestamptz default now();
    alter table {table} add constraint bench_check check (id > 0);
    create index bench_index on {table} (role)
""", """
    alter table {table} drop column seen, drop constraint bench_check;
    drop index net.bench_index
""")


@row(14, "changed tables")
def changed(bench):
    return [calls(bench, CHECKED, 1.5), calls(bench, TRIGGER, 2.5),
            responses(bench, TRIGGER)]


@contextlib.contextmanager
def changed_as(bench, table, kind):
    """A table as a user left it, for a while."""
    _, up, down = kind
    bench.ours.sql.run(up.format(table=table))
    try:
        yield
    finally:
        bench.ours.sql.run(down.format(table=table))


def calls(bench, kind, most):
    """The caller's price, as in row 4."""
    count = bench.part(1 / 5)
    url = bench.nginx.url()

    def unchanged():
        with bench.ours.worker_paused():
            start = time.monotonic()
            bench.ours.sql.run(f"select count(net.http_get('{url}'))"
                               f" from generate_series(1, {count})")
            return {"us": (time.monotonic() - start) * 1e6 / count}

    def as_changed():
        with changed_as(bench, "net.http_request_queue", kind):
            return unchanged()

    what = f"net.http_get, {count:,} in one statement: {kind[0]}"
    pairs = bench.alternate(what, as_changed, unchanged)
    return Figure(
        what, amount(pairs.median_ours("us"), " µs"),
        amount(pairs.median_beside("us"), " µs"), ratio=pairs.ratio("us"),
        less_is_better=True, spread=pairs.spread("us"),
        bars=[at_most(pairs.ratio("us"), most)],
        notes="vs. the unmodified queue. µs: " + pairs.listed("us", 2)
        + ".")


def responses(bench, kind):
    """Bursts as in row 1, recorded in the table as changed."""
    call = f"net.http_get('{bench.nginx.url()}')"

    def unchanged():
        return bench.ours.burst(call, bench.count)

    def as_changed():
        bench.ours.forget_answers()
        with changed_as(bench, "net._http_response", kind):
            return unchanged()

    what = f"{bench.count:,} small GETs: responses with {kind[0]}"
    pairs = bench.alternate(what, as_changed, unchanged)
    return Figure(
        what, rate(pairs.median_ours()), rate(pairs.median_beside()),
        ratio=pairs.ratio(), spread=pairs.spread(),
        bars=[at_least(pairs.ratio(), 0.67)],
        notes="vs. the unmodified table. Requests/s: " + pairs.listed()
        + ". " + cpu(pairs).replace("worker", "changed").replace(
            "bare", "unchanged"))
