"""The table, the machine it was made on, and the files of the results."""

import datetime
import os
import pathlib
import platform
import re
import subprocess

from lib.nginx import nginx_program
from lib.tools import run

COLUMNS = ("#", "work", "pg_net", "compared with", "ratio", "spread", "target",
           "met", "baseline", "notes")

EXPLANATION = """\
Ratio: pg_net's speed divided by that of the other side, the median of pairs of
neighboring runs; more is better. A ratio with "(times)" compares times or
memory; less is better."""


def lines_of(figures):
    for figure in figures:
        ratio = figure.shown_ratio()
        if figure.ratio is not None and figure.less_is_better:
            ratio += " (times)"
        yield (str(figure.row), figure.work, figure.ours, figure.beside,
               ratio, figure.spread, figure.bar(), figure.met(),
               figure.baseline, figure.notes)


def table(lines):
    """Markdown that is also readable as plain text."""
    cells = [COLUMNS, *lines]
    last = len(COLUMNS) - 1
    widths = [max(len(line[i]) for line in cells) for i in range(last)]
    text = ["| " + " | ".join(
        [*(cell.ljust(width) for cell, width in zip(line, widths)),
         line[last]]) + " |" for line in cells]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|---|"
    return [text[0], rule, *text[1:]]


def without_notes(lines):
    return [line[:-1] + ("",) for line in lines]


def machine(bench, here):
    """What a reader needs to judge the figures."""
    found = re.search(r"model name\s*: (.*)",
                      pathlib.Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    commit = subprocess.run(
        ["git", "-C", here, "describe", "--always", "--dirty"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    lines = [
        f"{datetime.datetime.now():%Y-%m-%d %H:%M}, pg_net"
        f" {commit.stdout.strip() or 'of unknown version'}",
        f"{os.cpu_count()} processors"
        f" ({found.group(1) if found else platform.machine()}),"
        f" {memory:.0f} GB, {platform.system()} {platform.release()};"
        f" {bench.pinning.describe()}",
        f"{bench.ours.cluster.ask('--version')}, its settings as they come;"
        " libcurl "
        + run(["curl-config", "--version"]).strip().removeprefix("libcurl ")
        + "; " + run([nginx_program(), "-v"]).strip().removeprefix(
            "nginx version: ").replace("/", " "),
        f"{bench.count:,} requests, {bench.options.repeat} pairs of runs",
    ]
    if bench.options.quick:
        lines.append("QUICK: too few requests for the figures to mean much")
    if bench.baseline:
        lines.append("baseline: pg_net " + bench.baseline.version() + " on "
                     + bench.baseline.cluster.ask("--version"))
    return lines


def print_table(figures):
    """For a terminal: the notes below, where they do not break the lines."""
    lines = list(lines_of(figures))
    narrow = [line.rstrip("| ") + " |" if i != 1 else line[:-3]
              for i, line in enumerate(table(without_notes(lines)))]
    narrow[0] = narrow[0].replace(" | notes", "")
    print("\n".join(narrow) + "\n\n" + EXPLANATION)


def markdown(figures, about):
    return "\n".join([*(line + "  " for line in about), "", EXPLANATION, "",
                      *table(lines_of(figures))]) + "\n"
