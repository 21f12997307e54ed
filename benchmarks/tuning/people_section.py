"""The page's section of the second world, where raters and pictures differ, and how often intervals held in both."""

from benchmarks.tuning.comparison import ENOUGH, Comparison
from benchmarks.tuning.families import MOVED, RAISED
from benchmarks.tuning.methods import OURS
from benchmarks.tuning.raters import LENIENCY, LEVEL, PEOPLE, PER_PICTURE, SCATTER, SLOPE
from benchmarks.tuning.runs import RATINGS
from benchmarks.tuning.tables import Targets, pairings, percent, plus_minus, regrets, table
from benchmarks.tuning.worlds import LIMIT, RELATED, UNRELATED, WITHHELD

AGES = (10, 20, 30, 50)

# What this project set out to reach.
_OF_LIMIT, _LIMIT_AT = 1.12, (20, 30, 50)
_OF_WITHHELD, _ERRORS, _WITHHELD_AT = 0.85, 2.0, 30
_SHARES = {20: 0.60, 30: 0.50, 50: 0.42}
_RELATED_AT, _FRESH_AT = 10, 22
_HARM, _HARM_AT = 0.05, (20, 30)
_COVERAGE = (0.85, 0.95)

_SECTION = """
## People

The same true ratings, and raters as people are: {people} take turns, each judges {per_picture} settings on one
picture, then comes a new picture. People are lenient or severe (standard deviation {leniency} rating points) and use
the scale more or less widely (slopes of 1 ± {slope}), pictures are easy or hard ({level}), single ratings scatter by
each person's own deviation (around {scatter}), and all ratings are whole stars. What is known of people in tests of
picture quality stands beside these figures ([raters.py](../../benchmarks/tuning/raters.py)). The true rating is the
mean over all people, of whom these are few. The peers have no argument for who rated or of what, and get the ratings
alone.

{regrets}

![Mean regret by the number of ratings, people](tuning-people.svg)

"All alike" are raters of the same scatter and whole stars, without biases, slopes and levels. The studies that are
based on another know {ratings} ratings of it, by other people of other pictures: of a related one, whose optimum is off
by up to {moved} of each parameter's range and its level by up to {raised} rating points, or of an unrelated one.
{paired}{targets}"""

_PAIRED = """
The other row's regret less that of ours, told, on the true ratings that both have had, in how many standard errors that
is, and the share of those for which ours, told, lost less.

{pairings}
"""

_TARGETS = """
What was to be reached. The best peer is the one beside which ours looks worst, of those with at least {enough} pairs.

{targets}
"""

_INTERVALS = """
## Intervals

How often, in percent, the 90 % interval of the recommended setting held its true rating; in parentheses its mean width
in rating points.

{table}
"""


def render(people: Comparison, alike: Comparison) -> str:
    """Return the section, of what was measured of it; with a table of how often the intervals of either world held."""
    others = [name for name in people.methods if name != OURS]
    paired = [name for name in others if people.common(OURS, name)]
    targets = _targets(people, alike)
    section = _SECTION.format(
        people=PEOPLE,
        per_picture=PER_PICTURE,
        leniency=LENIENCY,
        slope=SLOPE,
        level=LEVEL,
        scatter=SCATTER,
        regrets=regrets(people, None),
        ratings=RATINGS,
        moved=MOVED,
        raised=RAISED,
        paired=_PAIRED.format(pairings=pairings(people, paired)) if paired else "",
        targets=_TARGETS.format(enough=ENOUGH, targets=targets) if targets else "",
    )
    intervals = _intervals(people, alike)
    return section + (_INTERVALS.format(table=intervals) if intervals else "")


def _targets(people: Comparison, alike: Comparison) -> str | None:
    targets = Targets()
    _add_fields(targets, people)
    for size, bound in _SHARES.items() if people.peers else ():
        peer = people.best_peer(size)
        share = people.pairing(OURS, peer, size).share
        targets.add(
            f"regret as a share of the best peer's at n = {size}",
            f"≤ {bound:.2f}",
            f"{plus_minus(share)} ({people.title(peer)})",
            share.mean <= bound,
        )
    _add_bases(targets, people)
    for comparison, name in ((people, OURS), (people, LIMIT), (alike, OURS)):
        _add_coverage(targets, comparison, name)
    return targets.render() if targets.any else None


def _add_fields(targets: Targets, people: Comparison) -> None:
    """Add what it is worth to know who rated and of what."""
    if people.common(OURS, LIMIT):
        for size in _LIMIT_AT:
            share = people.pairing(OURS, LIMIT, size).share
            targets.add(
                f"regret as a share of that where all are alike at n = {size}",
                f"≤ {_OF_LIMIT:.2f}",
                plus_minus(share),
                share.mean <= _OF_LIMIT,
            )
    if people.common(OURS, WITHHELD):
        pairing = people.pairing(OURS, WITHHELD, _WITHHELD_AT)
        targets.add(
            f"told, as a share of not told at n = {_WITHHELD_AT}; standard errors better",
            f"≤ {_OF_WITHHELD:.2f}; > {_ERRORS:.0f}",
            f"{plus_minus(pairing.share)}; {pairing.errors:.1f}",
            pairing.share.mean <= _OF_WITHHELD and pairing.errors > _ERRORS,
        )


def _add_bases(targets: Targets, people: Comparison) -> None:
    """Add what an older study is worth."""
    if people.common(RELATED, OURS):
        based, fresh = people.regret(RELATED, _RELATED_AT), people.regret(OURS, _FRESH_AT)
        targets.add(
            f"based on a related study, regret at n = {_RELATED_AT}",
            f"≤ a fresh one's at n = {_FRESH_AT}, {fresh.mean:.2f}",
            plus_minus(based),
            based.mean <= fresh.mean,
        )
    if people.common(UNRELATED, OURS):
        for size in _HARM_AT:
            harm = people.pairing(UNRELATED, OURS, size).difference
            figure = f"based on an unrelated study, regret less a fresh one's at n = {size}, paired"
            targets.add(figure, f"≤ {_HARM:.2f}", plus_minus(harm), harm.mean <= _HARM)


def _add_coverage(targets: Targets, comparison: Comparison, name: str) -> None:
    found = [comparison.coverage(name, size) for size in AGES] if name in comparison.methods else []
    shares = [one.mean for one in found if one is not None]
    if shares:
        low, high = _COVERAGE
        targets.add(
            f"90 % intervals that held, at any age; {comparison.world.name}, {comparison.title(name)}",
            f"{low:.0%} to {high:.0%}",
            f"{min(shares):.0%} to {max(shares):.0%}",
            low <= min(shares) and max(shares) <= high,
        )


def _intervals(people: Comparison, alike: Comparison) -> str | None:
    rows = []
    for comparison in (alike, people):
        for name in comparison.methods:
            found = {size: comparison.coverage(name, size) for size in AGES}
            cells = [
                f"{percent(one)} ({comparison.width(name, size):.2f})" for size, one in found.items() if one is not None
            ]
            if cells:
                rows.append([f"{comparison.world.name}: {comparison.title(name)}", *cells])
    return table(["held", *(f"n = {size}" for size in AGES)], rows) if rows else None
