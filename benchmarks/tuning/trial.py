"""A quick look while the model is changed: some rows on some truths, and how they compare, printed and not kept.

Truths for choosing are those of seeds from 1000 on; the page reports those of seeds from 0 on.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from benchmarks.tuning import campaign, results
from benchmarks.tuning.comparison import Comparison, Estimate, Pairing
from benchmarks.tuning.methods import OURS
from benchmarks.tuning.runs import Run
from benchmarks.tuning.worlds import World

AGES = (10, 20, 30, 50)
_NICENESS = 5
_WIDTH = 15


def do(tasks: Sequence[campaign.Task], *, jobs: int, keep: Path | None) -> tuple[list[Run], list[campaign.FailedRun]]:
    """Do the tasks at low priority; `keep` is a file to which the runs are added."""
    os.nice(_NICENESS)
    runs: list[Run] = []

    def take(run: Run) -> None:
        runs.append(run)
        if keep is not None:
            results.append(keep, run)

    failures = campaign.do(tasks, take, jobs=jobs)
    return runs, failures


def render(runs: Sequence[Run], world: World, before: Sequence[Run] = ()) -> str:
    """Return mean regrets, that of ours as a share of each row's, and how often intervals held, by number of ratings.

    Where ours is not among the rows, the first one stands for it. `before` are runs that were kept, of which each row's
    latest version is compared with the row now.
    """
    comparison = Comparison(runs, world)
    if not comparison.methods:
        return "no run has a result"
    first = OURS if OURS in comparison.methods else comparison.methods[0]
    lines = [_line(f"regret ({comparison.regret(first, AGES[0]).count} runs)", [f"n = {size}" for size in AGES])]
    lines += [_line(name, [_estimate(comparison.regret(name, size)) for size in AGES]) for name in comparison.methods]
    for family in comparison.families if len(comparison.families) > 1 else ():
        lines += ["", family]
        lines += [
            _line(name, [_estimate(comparison.regret(name, size, family)) for size in AGES])
            for name in comparison.methods_in(family)
        ]
    others = [name for name in comparison.methods if name != first and comparison.common(first, name)]
    if others:
        lines += ["", f"regret of {first} as a share of it, paired"]
        lines += [_line(name, [_share(comparison.pairing(first, name, size)) for size in AGES]) for name in others]
    lines += _against(comparison, before)
    covered = [name for name in comparison.methods if comparison.coverage(name, AGES[0])]
    if covered:
        lines += ["", "90 % intervals that held, percent (width)"]
        lines += [_line(name, [_coverage(comparison, name, size) for size in AGES]) for name in covered]
    return "\n".join(lines)


def _against(comparison: Comparison, before: Sequence[Run]) -> list[str]:
    latest = Comparison(before, comparison.world)
    names = [name for name in comparison.methods if name in latest.methods]
    if not names:
        return []
    lines = ["", "regret less the earlier one, paired"]
    for name in names:
        pairings = [comparison.against(latest, name, size) for size in AGES]
        lines.append(_line(name, ["-" if one is None else _estimate(one.difference, "+") for one in pairings]))
    return lines


def _estimate(one: Estimate, sign: str = "") -> str:
    return f"{one.mean:{sign}.3f} ±{one.error:.3f}"


def _share(one: Pairing) -> str:
    return _estimate(one.share)


def _coverage(comparison: Comparison, name: str, size: int) -> str:
    held = comparison.coverage(name, size)
    return (
        "-" if held is None else f"{100 * held.mean:.0f} ±{100 * held.error:.0f} ({comparison.width(name, size):.2f})"
    )


def _line(head: str, cells: Sequence[str]) -> str:
    return f"{head:<20}" + "".join(f"{cell:>{_WIDTH}}" for cell in cells)
