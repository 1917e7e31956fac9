"""What the kernel knows of a process, and where it lets it run."""

import contextlib
import os
import pathlib
import signal

# kB in the units of /proc/PID/status
MB = 1024


def cpu_seconds(pid):
    """Processor time so far; its grain is 10 ms."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    # the name, in parentheses, may contain blanks
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid):
    """Resident memory by kind, in MB.

    total counts every page of shared memory the process ever touched, so it
    grows to the size of shared_buffers and is no memory of its own; own is
    what would be freed with it: its heap (anon), and libraries.
    """
    fields = {}
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.startswith(("VmRSS", "Rss")):
            fields[name] = int(value.split()[0]) / MB
    return {"total": fields["VmRSS"], "anon": fields["RssAnon"],
            "own": fields["RssAnon"] + fields["RssFile"]}


@contextlib.contextmanager
def paused(pid):
    """Holds a process still, whatever happens meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


class Pinning:
    """One processor for the network's client, another for its server.

    Client is whoever sends the requests: pg_net's worker or the bare client.
    Everything else (sessions of the benchmark, this program) shares the
    server's processor where there are two, and gets the rest of them where
    there are more.
    """

    def __init__(self, wanted):
        cpus = sorted(os.sched_getaffinity(0))
        self.enabled = wanted and len(cpus) > 1
        self.client = cpus[0] if self.enabled else None
        self.server = cpus[1] if self.enabled else None
        self.rest = set(cpus[2:] or cpus[1:])

    @contextlib.contextmanager
    def apply(self, client_pid, *rest_pids):
        """Pins a client, and others out of its way, for a while."""
        with self.pin([(client_pid, {self.client}),
                       *((pid, self.rest) for pid in (0, *rest_pids))]):
            yield

    def beside_client(self, server_pids):
        """Moves a server to its clients' processor, for a while."""
        return self.pin([(pid, {self.client}) for pid in server_pids])

    @contextlib.contextmanager
    def pin(self, pins):
        if not self.enabled:
            yield
            return
        before = [(pid, os.sched_getaffinity(pid)) for pid, _ in pins]
        try:
            for pid, cpus in pins:
                os.sched_setaffinity(pid, cpus)
            yield
        finally:
            for pid, cpus in before:
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(pid, cpus)

    def describe(self):
        if not self.enabled:
            return "not pinned"
        return (f"clients pinned to processor {self.client}, nginx to"
                f" {self.server}")
