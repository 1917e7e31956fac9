"""Plots of the results, drawn by gnuplot as SVG."""

import shutil
import subprocess

from lib.tools import say

OURS = "#1f6fb4"
OTHER = "#999999"
MET = "#4c9f70"
MISSED = "#c8553d"

STYLE = """
set terminal svg size {width},{height} noenhanced \
    font "sans-serif,13" background "white"
set output "{file}"
set border 3 lc rgb "#555555"
set tics nomirror
set grid lc rgb "#dddddd"
"""

RATIOS = """
set title "pg_net's speed relative to the other side, and the targets"
set xlabel "ratio (1 = equally fast)"
set xrange [0:{right}]
set yrange [{lines}.6:0.4]
set ytics ({labels})
set lmargin 62
set rmargin 8
set bmargin 6
set ytics scale 0
set grid noytics
set key at screen 0.98, screen 0.01 bottom right horizontal
$data << end
{data}
end
plot $data using (0):1:(0):2:($1-0.3):($1+0.3):3 with boxxyerror \\
         fs solid 0.85 noborder lc rgb variable notitle, \\
     $data using 2:1:(sprintf("%.2f", $2)) with labels left offset 0.6,0 \\
         notitle, \\
     $data using 4:($1-0.42):(0):(0.84) with vectors nohead lw 2.5 \\
         lc rgb "black" title "target", \\
     NaN with boxes fs solid lc rgb "{met}" title "met", \\
     NaN with boxes fs solid lc rgb "{missed}" title "not met", \\
     NaN with boxes fs solid lc rgb "{other}" title "no target"
"""

MILLION = """
set title "{count} requests queued at once"
set xlabel "responses (thousands)"
set ylabel "requests per second"
set y2label "memory of the worker (MB)"
set border 11
set y2tics
set yrange [0:*]
set y2range [0:200]
set key center right
set arrow from graph 0, second 150 to graph 1, second 150 nohead \
    dashtype 2 lc rgb "{missed}"
set label "memory target: 150 MB" at graph 0.01, second 157 \
    tc rgb "{missed}"
$data << end
{data}
end
plot $data using 1:2 with lines lw 2 lc rgb "{ours}" title "speed", \\
     $data using 1:3 axes x1y2 with lines lw 2 lc rgb "{missed}" \\
         title "RssAnon + RssFile (right)"
"""

LATENCY = """
set title "One request at a time: how many took how long at most"
set xlabel "milliseconds (logarithmic)"
set ylabel "share of the requests (%)"
set logscale x
set yrange [0:100]
set key bottom right
{data}
plot {curves}
"""

SESSION = """
set title "net.http_get, one per transaction, {count} of one session"
set xlabel "seconds"
set ylabel "transactions per second"
set yrange [0:*]
$data << end
{data}
end
plot $data using 1:2 with lines lw 2 lc rgb "{ours}" notitle
"""


def draw_all(folder, figures, series):
    """Draws what there are figures for; old plots go, lest they mislead."""
    for old in folder.glob("*.svg"):
        old.unlink()
    if shutil.which("gnuplot") is None:
        say("no plots: gnuplot is not installed (dev/install-deps bench)")
        return
    ratios(folder / "ratios.svg", figures)
    if "latency" in series:
        latency(folder / "latency.svg", series["latency"])
    if "million" in series:
        million(folder / "million.svg", series["million"]["series"])
    if len(series.get("session", [])) > 1:
        session(folder / "session.svg", series["session"])


def gnuplot(file, script, width, height, **values):
    text = (STYLE + script).format(
        file=file, width=width, height=height, ours=OURS, other=OTHER,
        met=MET, missed=MISSED, **values)
    done = subprocess.run(["gnuplot"], input=text, text=True, timeout=60,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode != 0 or not file.exists():
        say(f"could not draw {file.name}: {done.stderr.strip()}")
        file.unlink(missing_ok=True)


def ratios(file, figures):
    """A box for each ratio of speeds, a line where its bar is."""
    shown = [figure for figure in figures
             if figure.ratio is not None and not figure.less_is_better]
    if not shown:
        return
    lines = []
    for number, figure in enumerate(shown, 1):
        limits = [bar.limit for bar in figure.bars if bar.of_ratio]
        limit = limits[0] if limits else None
        colour = (OTHER if limit is None
                  else MET if figure.ratio >= limit else MISSED)
        lines.append(f"{number} {figure.ratio:.4f} {colour.replace('#', '0x')}"
                     f" {'NaN' if limit is None else limit}")
    labels = ", ".join(f'"{shortened(figure)}" {number}'
                       for number, figure in enumerate(shown, 1))
    right = max(1.2, *(figure.ratio * 1.1 for figure in shown))
    gnuplot(file, RATIOS, 1000, 130 + 26 * len(shown), lines=len(shown),
            right=right, labels=labels, data="\n".join(lines))


def shortened(figure, length=70):
    work = figure.work.replace('"', "")
    if len(work) > length:
        work = work[:length - 1] + "…"
    return f"{figure.row}: {work}"


def million(file, series):
    points = []
    for there, here in zip([{"seconds": 0, "answered": 0}, *series], series):
        seconds = max(here["seconds"] - there["seconds"], 1e-6)
        speed = (here["answered"] - there["answered"]) / seconds
        points.append(f"{here['answered'] / 1000} {speed:.1f}"
                      f" {here['own_mb']:.2f}")
    gnuplot(file, MILLION, 900, 480, data="\n".join(points),
            count=f"{series[-1]['answered']:,}")


def latency(file, sides):
    """For each side, the time below which each percent of requests stays."""
    data = []
    curves = []
    for (name, times), colour in zip(sides.items(), (OURS, OTHER, MISSED)):
        if not times:
            continue
        points = [(times[min(len(times) * step // 1000, len(times) - 1)],
                   step / 10) for step in range(1001)]
        block = f"${name}"
        data.append(f"{block} << end\n" + "\n".join(
            f"{time / 1000:.4f} {share}" for time, share in points) + "\nend")
        curves.append(f"{block} using 1:2 with lines lw 2.5 lc rgb"
                      f" '{colour}' title '{name}'")
    gnuplot(file, LATENCY, 900, 480, data="\n".join(data),
            curves=", ".join(curves))


def session(file, by_second):
    transactions = round(sum(by_second) / 1000) * 1000
    gnuplot(file, SESSION, 900, 400, count=f"some {transactions:,}",
            data="\n".join(f"{second} {tps}" for second, tps in
                           enumerate(by_second, 1)))
