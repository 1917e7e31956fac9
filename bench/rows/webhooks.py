"""Row 15: what a webhook adds to a statement that changes many rows.

One request for each row, or for 500 rows of the statement.  Nothing is sent.
"""

import time

from lib.figures import Figure, at_most
from lib.tools import amount
from rows import row

BEST_OF = 5

TABLE = """
    drop table if exists hooked;
    create unlogged table hooked (id int primary key, name text, price numeric,
        changed timestamptz)
"""

FOR_ROWS = ("create trigger hook after insert on hooked for each row"
            " execute function net.webhook('{url}')")

FOR_STATEMENT = ("create trigger hook after insert on hooked"
                 " referencing new table as n for each statement"
                 " execute function net.webhook('{url}')")

INSERT = ("insert into hooked select i, 'name ' || i, i / 7.0, now()"
          " from generate_series(1, {count}) as i")


@row(15, "webhooks")
def webhooks(bench):
    count = bench.part(1 / 10)
    url = bench.nginx.url()

    def insert(*triggers):
        """The best of some, since one takes a few milliseconds."""
        return min(insert_once(triggers) for _ in range(BEST_OF))

    def insert_once(triggers):
        bench.ours.sql.run(TABLE)
        for trigger in triggers:
            bench.ours.sql.run(trigger.format(url=url))
        bench.ours.sql.run("begin")
        start = time.monotonic()
        bench.ours.sql.run(INSERT.format(count=count))
        taken = time.monotonic() - start
        bench.ours.sql.run("rollback")
        return taken

    def added_by(trigger):
        return {"us": (insert(trigger) - insert()) * 1e6 / count}

    what = f"INSERT of {count:,} rows, webhook of the statement"
    pairs = bench.alternate(what, lambda: added_by(FOR_STATEMENT),
                            lambda: added_by(FOR_ROWS))
    return [Figure(
        what, amount(pairs.median_ours("us"), " µs"),
        amount(pairs.median_beside("us"), " µs"), ratio=pairs.ratio("us"),
        less_is_better=True, spread=pairs.spread("us"),
        bars=[at_most(pairs.ratio("us"), 0.25)],
        notes="vs. a webhook of each row. µs that it adds to a row: "
        + pairs.listed("us", 2) + ".")]
