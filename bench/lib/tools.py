"""Programs, time and numbers: the small things every module needs."""

import json
import socket
import statistics
import subprocess
import tempfile
import time

BEGIN = time.monotonic()


class Failed(Exception):
    """Something that makes figures worthless, in a sentence."""


def say(line):
    """Progress, with the time since the start."""
    print(f"[{time.monotonic() - BEGIN:6.1f} s] {line}", flush=True)


def run(command, cwd=None, seconds=300, cpu=None):
    """Runs a program to its end and returns what it printed."""
    command = [str(part) for part in command]
    if cpu is not None:
        command = ["taskset", "-c", str(cpu), *command]
    # to a file: a server started by pg_ctl would keep a pipe open for ever
    with tempfile.TemporaryFile("w+") as output:
        try:
            code = subprocess.run(
                command, cwd=cwd, timeout=seconds, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT).returncode
        except subprocess.TimeoutExpired:
            raise Failed(f"{command[0]} took over {seconds} s") from None
        output.seek(0)
        text = output.read()
    if code != 0:
        raise Failed(f"{' '.join(command)}: {text.strip()}")
    return text


def run_json(command, **options):
    """The last line a program printed, which is JSON."""
    return json.loads(run(command, **options).splitlines()[-1])


def stop(process):
    """Ends a child process."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def wait_for(condition, what, seconds=60, pause=0.02):
    """Asks until the answer is yes."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"waited over {seconds} s for {what}")
        time.sleep(pause)


def free_port():
    """A port nobody listens on at the moment, on any address."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


def median(values):
    return statistics.median(values) if values else None


def amount(value, unit):
    """A number with three digits that mean something, and its unit."""
    if value is None:
        return "-"
    text = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return text + unit


def listed(values, digits=2):
    return ", ".join(f"{value:,.{digits}f}" for value in values) or "-"
