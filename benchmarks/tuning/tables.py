"""The tables of the page in Markdown, each made of a comparison, and how figures stand in them."""

import math
from collections.abc import Iterable, Sequence

from benchmarks.tuning.comparison import Comparison, Estimate
from benchmarks.tuning.methods import OURS

COLUMNS = (10, 20, 30, 40, 50)
_NONE = "-"
AT = tuple(f"n = {size}" for size in COLUMNS)


class Targets:
    """A table of what was to be reached: each figure, its bound, what was measured, and whether it holds."""

    def __init__(self) -> None:
        self._rows: list[list[str]] = []

    def add(self, figure: str, target: str, measured: str, reached: bool) -> None:
        """Add a row."""
        self._rows.append([figure, target, measured, "yes" if reached else "no"])

    @property
    def any(self) -> bool:
        """Whether there is a row."""
        return bool(self._rows)

    def render(self) -> str:
        """Return the table."""
        return table(["figure", "to reach", "measured", "reached"], self._rows)


def regrets(comparison: Comparison, family: str | None) -> str:
    """Return every row's mean regret, over all families or one."""
    rows = []
    for method in comparison.methods_in(family):
        reached = [comparison.runs(method, size, family) for size in COLUMNS]
        cells = [
            _of_fewer(plus_minus(comparison.regret(method, size, family)), count, reached[0]) if count else _NONE
            for size, count in zip(COLUMNS, reached, strict=True)
        ]
        rows.append([comparison.title(method), str(reached[0]), *cells])
    return table(["mean regret", "runs", *AT], rows)


def pairings(comparison: Comparison, others: Sequence[str]) -> str:
    """Return what ours gains on each of the others, paired."""
    rows = []
    for other in others:
        cells = []
        most = comparison.common(OURS, other, COLUMNS[0])
        for size in COLUMNS:
            count = comparison.common(OURS, other, size)
            if not count:
                cells.append(_NONE)
                continue
            pairing = comparison.pairing(OURS, other, size)
            gain = Estimate(-pairing.difference.mean, pairing.difference.error, pairing.difference.count)
            cells.append(_of_fewer(f"{plus_minus(gain)} ({pairing.errors:.1f}; {pairing.won:.0%})", count, most))
        rows.append([comparison.title(other), str(most), *cells])
    return table(["against", "pairs", *AT], rows)


def versions(comparison: Comparison) -> str:
    """Return what was measured: every row's version and seeds."""
    rows = []
    for method in comparison.methods:
        seeds = comparison.seeds(method)
        rows.append([comparison.title(method), comparison.versions[method], f"{seeds[0]} to {seeds[-1]}"])
    return table(["method", "adapter's revision and versions", "seeds"], rows)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose first column is text and whose others are figures."""
    lines = [f"| {' | '.join(heads)} |", f"| --- |{' ---: |' * (len(heads) - 1)}"]
    return "\n".join((*lines, *(f"| {' | '.join(cells)} |" for cells in rows)))


def plus_minus(estimate: Estimate) -> str:
    """Return a mean with its standard error, to two decimals; of one value, which has none, that alone."""
    return f"{estimate.mean:.2f}" if math.isnan(estimate.error) else f"{estimate.mean:.2f} ± {estimate.error:.2f}"


def _of_fewer(figure: str, count: int, most: int) -> str:
    return figure if count == most else f"{figure}, n = {count}"


def percent(estimate: Estimate) -> str:
    """Return a share with its standard error in percent."""
    return f"{100 * estimate.mean:.0f} ± {100 * estimate.error:.0f}"
