"""The comparison's arithmetic: mean regrets with their standard errors, and differences between paired runs.

A pair is two methods' runs for one rater: same family, same seed, same noise. Where a method has fewer runs than
another, they are compared on the raters that both have had. It writes nothing; that is `benchmarks.tuning.page`.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.tuning.methods import METHODS, OURS
from benchmarks.tuning.runs import SIZES, Run

ENOUGH = 20  # raters in common; of fewer, chance says which method is better


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, its standard error (nan of a single value), and of how many values."""

    mean: float
    error: float
    count: int


@dataclass(frozen=True, slots=True)
class Pairing:
    """One method against another on the raters that both have had.

    `difference` is the first's regret less the second's; `share` the first's mean regret as a share of the second's;
    `won` the share of raters for whom the first lost less, a tie being half.
    """

    difference: Estimate
    share: float
    won: float

    @property
    def errors(self) -> float:
        """By how many standard errors the first is better."""
        return -self.difference.mean / self.difference.error if self.difference.error else math.nan


class Comparison:
    """Runs by method; of each method those of the version that was measured last, whatever was measured before."""

    def __init__(self, runs: Sequence[Run]) -> None:
        latest = {run.method: run.version for run in runs}
        self._runs: dict[str, dict[tuple[str, int], Run]] = {}
        for run in runs:
            if run.version == latest[run.method]:
                self._runs.setdefault(run.method, {})[run.family, run.seed] = run
        self.methods = [name for name in METHODS if name in self._runs]
        self.families = list(dict.fromkeys(run.family for run in runs))
        self.versions = {name: latest[name] for name in self.methods}

    @property
    def peers(self) -> list[str]:
        """Every method but ours that has had a rater in common with ours."""
        ours = self._of(OURS, None).keys()
        return [name for name in self.methods if name != OURS and ours & self._of(name, None).keys()]

    def methods_in(self, family: str | None) -> list[str]:
        """Return the methods that have runs in the family; None is any."""
        return [name for name in self.methods if self._of(name, family)]

    def seeds(self, method: str) -> list[int]:
        """Return the seeds of which the method has a run, in order."""
        return sorted({seed for _, seed in self._runs[method]})

    def regret(self, method: str, size: int, family: str | None = None) -> Estimate:
        """Return the mean regret after `size` ratings, over all families or one.

        Raises:
            ValueError: there are no runs.
        """
        at = SIZES.index(size)
        return estimate(run.regrets[at] for run in self._of(method, family).values())

    def seconds(self, method: str, size: int) -> float:
        """Return the mean CPU seconds of the batch that ended with `size` ratings."""
        at = SIZES.index(size)
        return statistics.fmean(run.seconds[at] for run in self._of(method, None).values())

    def pairing(self, first: str, second: str, size: int, family: str | None = None) -> Pairing:
        """`first` against `second` after `size` ratings. Raises ValueError if they have no rater in common."""
        at = SIZES.index(size)
        ones, others = self._of(first, family), self._of(second, family)
        pairs = [(ones[rater].regrets[at], others[rater].regrets[at]) for rater in ones.keys() & others.keys()]
        difference = estimate(one - other for one, other in pairs)
        won = statistics.fmean((one < other) + 0.5 * (one == other) for one, other in pairs)
        return Pairing(difference, sum(one for one, _ in pairs) / sum(other for _, other in pairs), won)

    def best_peer(self, size: int) -> str:
        """Return the peer beside which ours looks worst after `size` ratings, if any has ENOUGH raters of those."""
        pairings = {peer: self.pairing(OURS, peer, size) for peer in self.peers}
        enough = [peer for peer, pairing in pairings.items() if pairing.difference.count >= ENOUGH]
        return max(enough or pairings, key=lambda peer: pairings[peer].share)

    def _of(self, method: str, family: str | None) -> dict[tuple[str, int], Run]:
        return {rater: run for rater, run in self._runs.get(method, {}).items() if family in {None, run.family}}


def estimate(values: Iterable[float]) -> Estimate:
    """Mean and standard error of independent values. Raises ValueError if there are none."""
    found = list(values)
    if not found:
        raise ValueError("no runs to average")
    error = statistics.stdev(found) / math.sqrt(len(found)) if len(found) > 1 else math.nan
    return Estimate(statistics.fmean(found), error, len(found))
