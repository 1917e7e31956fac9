"""Figures: what a row found, and whether that meets its bars."""

import dataclasses

from lib.tools import listed, median


@dataclasses.dataclass
class Bar:
    """A promise, in words, and whether it holds."""
    text: str
    met: bool
    limit: float = 0
    # the ratio in the table is what it is about
    of_ratio: bool = False


def at_least(value, limit, unit=" x"):
    return Bar(f">= {limit:g}{unit}", value >= limit, limit, unit == " x")


def at_most(value, limit, unit=" x"):
    return Bar(f"<= {limit:g}{unit}", value <= limit, limit, unit == " x")


@dataclasses.dataclass
class Figure:
    """One line of the table."""
    work: str
    ours: str
    beside: str = "-"
    baseline: str = "-"
    # ours to the other: of speeds (more is better), unless faster is less
    ratio: float | None = None
    less_is_better: bool = False
    spread: str = "-"
    bars: list = dataclasses.field(default_factory=list)
    notes: str = ""
    row: int = 0

    def bar(self):
        return ", ".join(bar.text for bar in self.bars) or "-"

    def met(self):
        if not self.bars:
            return "-"
        return "yes" if all(bar.met for bar in self.bars) else "NO"

    def shown_ratio(self):
        return "-" if self.ratio is None else f"{self.ratio:.2f}"


class Pairs:
    """Runs of two sides, each pair made one right after the other.

    The machine's speed changes over minutes but less within seconds, so each
    run is compared with its neighbour, and the median of these ratios counts.
    """

    def __init__(self, ours, beside):
        self.ours = ours
        self.beside = beside

    def ratios(self, key):
        return [ours[key] / beside[key]
                for ours, beside in zip(self.ours, self.beside)]

    def ratio(self, key="per_second"):
        return median(self.ratios(key))

    def spread(self, key="per_second"):
        ratios = self.ratios(key)
        return f"{min(ratios):.2f} .. {max(ratios):.2f}"

    def median_ours(self, key="per_second"):
        return median([run[key] for run in self.ours])

    def median_beside(self, key="per_second"):
        return median([run[key] for run in self.beside])

    def listed(self, key="per_second", digits=0, scale=1):
        """All runs, for the notes."""
        return (listed([run[key] * scale for run in self.ours], digits)
                + " vs. "
                + listed([run[key] * scale for run in self.beside], digits))
