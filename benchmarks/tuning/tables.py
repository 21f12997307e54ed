"""The tables of the page in Markdown, each made of a comparison, and how figures stand in them."""

from collections.abc import Iterable, Sequence

from benchmarks.tuning.comparison import Comparison, Estimate
from benchmarks.tuning.methods import OURS
from benchmarks.tuning.runs import RATINGS

COLUMNS = (10, 20, 30, 40, 50)
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
        estimates = [comparison.regret(method, size, family) for size in COLUMNS]
        rows.append([comparison.title(method), str(estimates[0].count), *map(plus_minus, estimates)])
    return table(["mean regret", "runs", *AT], rows)


def pairings(comparison: Comparison, others: Sequence[str]) -> str:
    """Return what ours gains on each of the others, paired."""
    rows = []
    for other in others:
        cells = []
        for size in COLUMNS:
            pairing = comparison.pairing(OURS, other, size)
            gain = Estimate(-pairing.difference.mean, pairing.difference.error, pairing.difference.count)
            cells.append(f"{plus_minus(gain)} ({pairing.errors:.1f}; {pairing.won:.0%})")
        count = comparison.pairing(OURS, other, RATINGS).difference.count
        rows.append([comparison.title(other), str(count), *cells])
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
    """Return a mean with its standard error, to two decimals."""
    return f"{estimate.mean:.2f} ± {estimate.error:.2f}"


def percent(estimate: Estimate) -> str:
    """Return a share with its standard error in percent."""
    return f"{100 * estimate.mean:.0f} ± {100 * estimate.error:.0f}"
