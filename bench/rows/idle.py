"""Row 12: what a worker does that has nothing to do."""

import re
import shutil
import signal
import subprocess
import time

from lib.figures import Bar, Figure
from lib.tools import Failed, stop
from rows import row


@row(12, "idle after work")
def idle(bench):
    if shutil.which("strace") is None:
        raise Failed("strace is not installed (dev/install-deps bench)")
    seconds = 3 if bench.options.quick else 10
    sql = bench.ours.sql

    def calls(it):
        it.burst(f"net.http_get('{bench.nginx.url()}')",
                 400 if it.is_baseline else bench.part(1 / 10))
        # idle from a second after the last answer on; the rest of it goes
        # into counting the answers and starting strace
        time.sleep(0.95)
        return traced(it.worker_pid(), seconds, bench.folder)

    what = f"system calls in {seconds} s, 1 s after the last response"
    ours = calls(bench.ours)
    bench.keep(what, "pg_net", ours)
    old = bench.on_baseline(what, calls)
    launcher = sql.value("select pid from pg_stat_activity where backend_type"
                         " = 'logical replication launcher'")
    beside = traced(int(launcher), seconds, bench.folder)
    return [Figure(
        what, str(ours["calls"]), str(beside["calls"]),
        str(old["calls"]) if old else "-",
        bars=[Bar("none", ours["calls"] == 0)],
        notes="vs. PostgreSQL's logical replication launcher. A call the"
        " worker sleeps in is none."
        + (f" Its calls: {ours['names']}." if ours["calls"] else ""))]


def traced(pid, seconds, folder):
    """The system calls a process completes in that time.

    NB: only completed ones count, so the one it sleeps in does not, and
    neither does the tracer's coming and going.
    """
    counts = folder / "strace.out"
    counts.write_text("")
    tracer = subprocess.Popen(
        ["strace", "-c", "-f", "-qq", "-o", counts, "-p", str(pid)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(seconds)
        tracer.send_signal(signal.SIGINT)
        complaint = tracer.communicate(timeout=20)[1]
    finally:
        stop(tracer)
    if "ptrace" in complaint:
        raise Failed(f"strace could not attach: {complaint.strip()}")
    # "100.00    0.006809           9       693        90 total"
    lines = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$",
                       counts.read_text(), re.MULTILINE)
    calls = {name: int(count) for count, name in lines}
    total = calls.pop("total", 0)
    return {"calls": total, "names": ", ".join(
        f"{count} {name}" for name, count in calls.items())}
