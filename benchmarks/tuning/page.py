"""The page docs/benchmarks/tuning.md and its plot, written from the results that are kept; it measures nothing."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.drawing import new_figure, save
from benchmarks.tuning import people_section
from benchmarks.tuning.comparison import ENOUGH, Comparison
from benchmarks.tuning.methods import METHODS, OURS
from benchmarks.tuning.raters import NOISE
from benchmarks.tuning.runs import BATCH, RATINGS
from benchmarks.tuning.tables import AT, COLUMNS, Targets, pairings, plus_minus, regrets, table, versions
from benchmarks.tuning.timing import AGES, TOLD, Timing

_ORIGINAL, _RANDOM = "original", "random"
_STYLES = ("-", "--", ":", "-.", (0, (1, 4)))  # of the rows of ours
_BEFORE = "1, sources 72377dcb7785"  # ours before it knew of people

# What this project set out to reach.
_SHARES = {20: 0.68, 30: 0.50, 50: 0.43}
_ERRORS = 3.0
_ASK_MS, _LEARN_MS, _TIMES_LESS, _GROWTH = 10.0, 30.0, 50.0, 5.0
_TOLD_TITLE = "ours, told who and what"
_TOLD_ASK_MS, _TOLD_LEARN_MS = 12.0, 40.0
_YOUNG = AGES[0]

_PAGE = """\
# Tuning methods, side by side

How good is what a method recommends after so many noisy ratings? Simulated raters on the real space, two settings at
a time, up to {ratings} ratings; written by `make bench-tuning`, which goes on from the results in
[tuning.csv](tuning.csv).

Regret is the true value, in rating points of a scale of 1 to 5, that is lost by taking the method's own
recommendation for the best setting. Less is better. After ± stands the standard error.

{regrets}

![Mean regret by the number of ratings](tuning.svg)
{ours}
## By family

{families}

## CPU

Mean CPU milliseconds of one batch: asking for {batch} settings and telling their ratings, one thread. Other work on the
machine lengthens them, so small differences mean nothing.

{cpu}
{growth}{people}
## What was run

- Four families of true ratings, each redrawn for each seed (optimum, shape, the better API): `smooth`, one broad hill
  in either API; `bumps`, four hills in either; `ridge`, a narrow diagonal ridge in one API beside a flat other; `trap`,
  where the weaker API looks better on average and the better one has a narrow peak
  ([families.py](../../benchmarks/tuning/families.py)).
- In the first table, a rating errs by Gaussian noise of standard deviation {noise}, is kept within 1 to 5, and is
  rounded to halves where the seed is odd ([raters.py](../../benchmarks/tuning/raters.py)). The n-th rating of a run
  errs alike for every method, so runs are paired by family and seed.
- Each method is used as its documentation advises for noisy ratings in batches; where that leaves a choice, it was
  made on seeds from 100 on, of ours on seeds from 1000 on ([methods](../../benchmarks/tuning/methods)). Suggestions are
  rounded to the space's grid before they are rated. Each recommends by its own best judgement: the best rated setting,
  or its model's where it offers that.
- Ax takes most of a minute for {ratings} ratings. All but a few of its runs end after {ax}; `n` says how many went on.
- Every run has a process of its own. Python packages are those of
  [requirements.txt](../../benchmarks/tuning/requirements.txt).

{versions}

More seeds: `make bench-tuning RUN="--seeds 20:40"`. One world: `RUN="--world people --seeds 0:20"`.
Measured with {machines}.
"""

_OURS_SECTION = """
## Ours against each peer

The peer's regret less ours on the true ratings that both have had, in how many standard errors that is, and the share
of those for which ours lost less.

{pairings}

## What was to be reached

The best peer is the one beside which ours looks worst, of those with at least {enough} pairs.

{targets}
"""

_GROWTH_SECTION = """
How ours grows, beside the original at {young} ratings in the same run: median CPU milliseconds of a study of that age,
hyperparameters stored, nothing read anew.

{table}
"""


def render(comparison: Comparison, timings: Sequence[Timing], people: Comparison | None = None) -> str:
    """Return the page. Ours is compared with the peers that had its truths; how it grows is said if that was timed.

    `people` are the runs of the second world, if there are any.
    """
    ours, growth = "", ""
    if comparison.peers:
        ours = _OURS_SECTION.format(
            pairings=pairings(comparison, comparison.peers), enough=ENOUGH, targets=_targets(comparison, timings)
        )
    if timings:
        growth = _GROWTH_SECTION.format(young=_YOUNG, table=_growth(timings))
    worlds = [comparison] if people is None else [comparison, people]
    machines = [*(machine for one in worlds for machine in one.machines), *(one.machine for one in timings)]
    return _PAGE.format(
        ratings=RATINGS,
        batch=BATCH,
        noise=NOISE,
        ax=METHODS["ax"].ratings,
        regrets=regrets(comparison, None),
        ours=ours,
        families="\n\n".join(f"`{family}`\n\n{regrets(comparison, family)}" for family in comparison.families),
        cpu=_cpu(comparison),
        growth=growth,
        people="" if people is None else people_section.render(people, comparison),
        versions="\n\n".join(versions(one) for one in worlds),
        machines="; ".join(dict.fromkeys(machines)),
    )


def plot(comparison: Comparison, path: Path) -> None:
    """Draws mean regret by ratings, over all families with its standard error, and for each family, as SVG."""
    panels = [*comparison.families, *["."] * (len(comparison.families) % 2)]
    half = len(panels) // 2
    layout = [["all", "all", *panels[:half]], ["all", "all", *panels[half:]]]
    figure, axes = new_figure("tuning", layout, (11.0, 5.0))
    rows_of_ours = [name for name, row in comparison.world.rows.items() if row.is_ours]
    for panel, family in (("all", None), *((family, family) for family in comparison.families)):
        axis = axes[panel]
        for method in comparison.methods_in(family):
            sizes = comparison.sizes(method, family)
            estimates = [comparison.regret(method, size, family) for size in sizes]
            means = [one.mean for one in estimates]
            row, ours = comparison.world.rows[method], method == OURS
            colour = "black" if ours else f"C{list(METHODS).index(row.method.name)}"
            style = _STYLES[rows_of_ours.index(method)] if row.is_ours else "-"
            width = 2.2 if ours else 1.2
            axis.plot(sizes, means, linestyle=style, color=colour, linewidth=width, label=row.title)
            if family is None:
                low, high = ([one.mean + sign * one.error for one in estimates] for sign in (-1, 1))
                axis.fill_between(sizes, low, high, color=colour, alpha=0.15, linewidth=0)
        axis.set(title=family or "all families", xlim=(0, RATINGS), ylim=(0, None))
    axes["all"].set(xlabel="ratings", ylabel="mean regret, rating points")
    axes["all"].legend(frameon=False, fontsize=8)
    save(figure, path)


def _targets(comparison: Comparison, timings: Sequence[Timing]) -> str:
    targets = Targets()
    _add_regrets(targets, comparison)
    _add_times(targets, timings)
    return targets.render()


def _add_regrets(targets: Targets, comparison: Comparison) -> None:
    add = targets.add
    for size, target in _SHARES.items():
        peer = comparison.best_peer(size)
        share = comparison.pairing(OURS, peer, size).share.mean
        figure = f"mean regret as a share of the best peer's at n = {size}"
        add(figure, f"≤ {target:.2f}", f"{share:.2f} ({comparison.title(peer)})", share <= target)
    if _RANDOM in comparison.peers:
        difference = comparison.pairing(OURS, _RANDOM, COLUMNS[0]).difference
        figure = f"regret less random's at n = {COLUMNS[0]}, paired"
        add(figure, "≤ 0", plus_minus(difference), difference.mean <= 0)
    for size in (30, 50):
        peer = comparison.best_peer(size)
        errors = comparison.pairing(OURS, peer, size).errors
        figure = f"standard errors better than the best peer at n = {size}, paired"
        add(figure, f"> {_ERRORS:.0f}", f"{errors:.1f} ({comparison.title(peer)})", errors > _ERRORS)
    before = {size: comparison.since(OURS, _BEFORE, size) for size in COLUMNS}
    for size, pairing in before.items():
        if pairing is not None and comparison.versions[OURS] != _BEFORE:
            figure = f"regret less that of ours before it knew of people at n = {size}, paired"
            difference = pairing.difference
            add(figure, "≤ 1 standard error", plus_minus(difference), difference.mean <= difference.error)


def _add_times(targets: Targets, timings: Sequence[Timing]) -> None:
    add = targets.add
    for method, whose, ask_ms, learn_ms in (
        (OURS, "", _ASK_MS, _LEARN_MS),
        (TOLD, ", told who rated and of what picture", _TOLD_ASK_MS, _TOLD_LEARN_MS),
    ):
        ages = {one.ratings: one for one in timings if one.method == method}
        if _YOUNG not in ages:
            continue
        young = ages[_YOUNG]
        ask = f"CPU ms of ask({BATCH}) at {_YOUNG}{whose}"
        add(ask, f"≤ {ask_ms:.0f}", f"{young.ask_ms:.1f}", young.ask_ms <= ask_ms)
        both = young.ask_ms + young.tell_ms
        learn = f"CPU ms of ask({BATCH}) and tell({BATCH}) with the fit at {_YOUNG}{whose}"
        add(learn, f"≤ {learn_ms:.0f}", f"{both:.1f}", both <= learn_ms)
        for one in timings:
            if method == OURS and (one.method, one.ratings) == (_ORIGINAL, _YOUNG):
                times = (one.ask_ms + one.tell_ms) / both
                add("times less than the original", f"≥ {_TIMES_LESS:.0f}", f"{times:.0f}", times >= _TIMES_LESS)
        for age in (1_000, 10_000):
            if age in ages:
                growth = ages[age].ask_ms / young.ask_ms
                figure = f"CPU of a warm ask({BATCH}) at {age:,}, times that at {_YOUNG}{whose}"
                add(figure, f"≤ {_GROWTH:.0f}", f"{growth:.1f}", growth <= _GROWTH)


def _cpu(comparison: Comparison) -> str:
    rows = (
        [comparison.title(method), *(f"{1_000 * comparison.seconds(method, size):,.1f}" for size in COLUMNS)]
        for method in comparison.methods
    )
    return table(["CPU ms of the batch up to", *AT], rows)


def _growth(timings: Sequence[Timing]) -> str:
    rows = (
        [
            _TOLD_TITLE if one.method == TOLD else METHODS[one.method].title,
            f"{one.ratings:,}",
            f"{one.ask_ms:,.1f}",
            f"{one.tell_ms:,.1f}",
            f"{one.ask_ms + one.tell_ms:,.1f}",
        ]
        for one in timings
    )
    return table(["method", "ratings", f"ask({BATCH})", f"tell({BATCH})", "both"], rows)
