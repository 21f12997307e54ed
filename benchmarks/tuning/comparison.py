"""The comparison's arithmetic: mean regrets with their standard errors, and differences between paired runs.

A pair is two rows' runs for one truth: same family, same seed, same noise. Where a row has fewer runs than another,
they are compared on the truths that both have had, and a run counts for the ratings that it had. It writes nothing;
that is `benchmarks.tuning.page`.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.tuning.methods import OURS
from benchmarks.tuning.runs import SIZES, Run
from benchmarks.tuning.worlds import ALIKE, World

ENOUGH = 20  # truths in common; of fewer, chance says which method is better

_Runs = dict[tuple[str, int], Run]  # of one row, by family and seed


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, its standard error (nan of a single value), and of how many values."""

    mean: float
    error: float
    count: int


@dataclass(frozen=True, slots=True)
class Pairing:
    """One row against another on the truths that both have had.

    `difference` is the first's regret less the second's; `share` the first's mean regret as a share of the second's;
    `won` the share of truths for which the first lost less, a tie being half.
    """

    difference: Estimate
    share: Estimate
    won: float

    @property
    def errors(self) -> float:
        """By how many standard errors the first is better."""
        return -self.difference.mean / self.difference.error if self.difference.error else math.nan


class Comparison:
    """Runs of one world by row; of each row those of the version that was measured last, whatever was measured before.

    `methods` are the rows that have runs, in the order of the world's table.
    """

    def __init__(self, runs: Sequence[Run], world: World = ALIKE) -> None:
        self.world = world
        latest = {run.method: run.version for run in runs}
        self._all = runs
        self._runs = {name: self._of_version(name, version) for name, version in latest.items()}
        self.methods = [name for name in world.rows if name in self._runs]
        self.families = list(dict.fromkeys(run.family for run in runs))
        self.versions = {name: latest[name] for name in self.methods}

    @property
    def machines(self) -> list[str]:
        """What the runs were measured with."""
        return list(dict.fromkeys(run.machine for runs in self._runs.values() for run in runs.values()))

    @property
    def peers(self) -> list[str]:
        """Every row but those of ours that has had a truth in common with ours."""
        others = (name for name in self.methods if not self.world.rows[name].is_ours)
        return [name for name in others if self.common(OURS, name)]

    def title(self, method: str) -> str:
        """Return how the row is called on the page."""
        return self.world.rows[method].title

    def methods_in(self, family: str | None) -> list[str]:
        """Return the rows that have runs in the family; None is any."""
        return [name for name in self.methods if self._of(name, family)]

    def seeds(self, method: str) -> list[int]:
        """Return the seeds of which the row has a run, in order."""
        return sorted({seed for _, seed in self._runs[method]})

    def common(self, first: str, second: str, size: int = SIZES[0]) -> int:
        """Return how many truths both rows have had, for `size` ratings at least."""
        return len(_rated(self._of(first, None), size).keys() & _rated(self._of(second, None), size).keys())

    def runs(self, method: str, size: int, family: str | None = None) -> int:
        """Return how many runs the row has had for `size` ratings, in all families or one."""
        return len(_rated(self._of(method, family), size))

    def regret(self, method: str, size: int, family: str | None = None) -> Estimate:
        """Return the mean regret after `size` ratings, over all families or one.

        Raises:
            ValueError: there are no runs.
        """
        at = SIZES.index(size)
        return estimate(run.regrets[at] for run in _rated(self._of(method, family), size).values())

    def sizes(self, method: str, family: str | None = None) -> list[int]:
        """Return after how many ratings all of the row's runs have values."""
        return [size for size in SIZES if all(run.ratings >= size for run in self._of(method, family).values())]

    def seconds(self, method: str, size: int) -> float:
        """Return the mean CPU seconds of the batch that ended with `size` ratings."""
        at = SIZES.index(size)
        return statistics.fmean(run.seconds[at] for run in _rated(self._of(method, None), size).values())

    def coverage(self, method: str, size: int, family: str | None = None) -> Estimate | None:
        """Return how often the 90 % interval held after `size` ratings, a share; None of a row that gives none."""
        at = SIZES.index(size)
        held = [float(run.lows[at] <= 0.0 <= run.highs[at]) for run in self._of(method, family).values() if run.lows]
        return estimate(held) if held else None

    def width(self, method: str, size: int) -> float:
        """Return the mean width of the intervals after `size` ratings, in rating points, of a row that gives any."""
        at = SIZES.index(size)
        return statistics.fmean(run.highs[at] - run.lows[at] for run in self._of(method, None).values() if run.lows)

    def pairing(self, first: str, second: str, size: int, family: str | None = None) -> Pairing:
        """Return `first` against `second` after `size` ratings. Raises ValueError if they have no truth in common."""
        return pair(self._of(first, family), self._of(second, family), size)

    def since(self, method: str, version: str, size: int) -> Pairing | None:
        """Return the row against an earlier version of itself; None if that has no truth in common with it."""
        return _pair_if_any(self._of(method, None), self._of_version(method, version), size)

    def against(self, before: "Comparison", method: str, size: int) -> Pairing | None:
        """Return the row against itself in another comparison; None if they have no truth in common."""
        return _pair_if_any(self._of(method, None), before._of(method, None), size)

    def best_peer(self, size: int) -> str:
        """Return the peer beside which ours looks worst after `size` ratings, if any has ENOUGH truths of those."""
        pairings = {peer: self.pairing(OURS, peer, size) for peer in self.peers if self.common(OURS, peer, size)}
        enough = [peer for peer, pairing in pairings.items() if pairing.difference.count >= ENOUGH]
        return max(enough or pairings, key=lambda peer: pairings[peer].share.mean)

    def _of(self, method: str, family: str | None) -> _Runs:
        return {truth: run for truth, run in self._runs.get(method, {}).items() if family in {None, run.family}}

    def _of_version(self, method: str, version: str) -> _Runs:
        return {(run.family, run.seed): run for run in self._all if (run.method, run.version) == (method, version)}


def _rated(runs: _Runs, size: int) -> _Runs:
    """Return the runs that had so many ratings."""
    return {truth: run for truth, run in runs.items() if run.ratings >= size}


def _pair_if_any(ones: _Runs, others: _Runs, size: int) -> Pairing | None:
    return pair(ones, others, size) if _rated(ones, size).keys() & _rated(others, size).keys() else None


def pair(ones: _Runs, others: _Runs, size: int) -> Pairing:
    """Return the first runs against the second after `size` ratings, on the truths that both have had.

    The share is a ratio of means, and its error that of the differences left when the second are scaled by it
    (W. Cochran, Sampling Techniques, 1977, chapter 6).

    Raises:
        ValueError: they have no truth in common.
    """
    at = SIZES.index(size)
    ones, others = _rated(ones, size), _rated(others, size)
    pairs = [(ones[truth].regrets[at], others[truth].regrets[at]) for truth in ones.keys() & others.keys()]
    difference = estimate(one - other for one, other in pairs)
    below = statistics.fmean(other for _, other in pairs)
    share = statistics.fmean(one for one, _ in pairs) / below if below else math.nan
    error = estimate(one - share * other for one, other in pairs).error / below if below else math.nan
    won = statistics.fmean((one < other) + 0.5 * (one == other) for one, other in pairs)
    return Pairing(difference, Estimate(share, error, len(pairs)), won)


def estimate(values: Iterable[float]) -> Estimate:
    """Mean and standard error of independent values. Raises ValueError if there are none."""
    found = list(values)
    if not found:
        raise ValueError("no runs to average")
    error = statistics.stdev(found) / math.sqrt(len(found)) if len(found) > 1 else math.nan
    return Estimate(statistics.fmean(found), error, len(found))
