"""The page and the plot of what was measured of the stores: docs/benchmarks/stores.md and stores.svg."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.drawing import new_figure, save
from benchmarks.machine import describe
from benchmarks.stores.capacity import Cost
from benchmarks.stores.operations import RATINGS_AT_ONCE, REPEATS, Measurement
from benchmarks.stores.race import ROUNDS, SECONDS, WRITERS, Race

_COLOURS = {
    "SQLite": "tab:blue",
    "DynamoDB": "tab:orange",
    "update": "tab:green",
    "cold read": "tab:purple",
    "warm read": "tab:brown",
    "revise": "tab:red",
}
_TITLES = {
    "cold read": "cold read of a study of {size:,}",
    "warm read": "warm read of a study of {size:,}, one rating being new",
    "revise": "revision of a rating of a study of {size:,}",
    "update": "update of {size:,}",
    "crowded": "update of 1,000 whose answers are looked up among {size:,} outstanding suggestions",
    "answer": "update of 1 that answers a suggestion",
    "replace": "update of 1 that replaces a rating of the same rater",
    "claim": "claim of {size} suggestions",
    "give back": "a suggestion given back",
    "history": "page of history of {size}",
    "count": "count",
    "begin": "beginning of a study",
    "studies": "page of {size} studies",
}

_PAGE = """\
# The stores, by size

What one call of the store takes: medians of {repeats}, written by `make bench-stores`. DynamoDB is DynamoDB Local, an
emulator, unless another was named; its times show how an operation grows, and nothing of the service's latency.

{table}

![Time and capacity by size](stores.svg)

- The studies grew by updates of {at_once} ratings. A cold read is a new store's first, with the making of its client; a
  warm one reads what is new.
- An update and a revision have an idempotency key. What an update costs does not depend on how many ratings there are
  already; one that replaces a rating, and a revision, compute the mode's best and count anew.
- Read units are of 4 kB read consistently, as the service's answers count them. Write units are of 1 kB, twice that in
  a transaction, and counted by the service's rules: DynamoDB Local tells only of one item of a transaction.
- What requests of the API cost, and what a study, a table and an account can take, is in [Scale](../scale.md).
- Measured with {machine}, load average {load}.
"""
_RACE = """
## {writers} writers at once

{writers} processes record one rating after the other, all in one study, or each in a study of its own: medians of
{rounds} runs of {seconds:g} s each, in turns. What others made vain is tried again, and counted.

{table}

- Updates of one study queue for its head. A transaction that loses is counted as if it had won, which is the most that
  the service bills. Studies have heads of their own, and lose nothing.
- A database file has one lock for all studies, which a writer holds for a millisecond.
"""


def render(measurements: Sequence[Measurement], races: Sequence[Race] = (), *, load: float = 0.0) -> str:
    """Return the page: what was measured, where, and tables of it; `load` is the machine's average meanwhile."""
    stores = list(dict.fromkeys(measurement.store for measurement in measurements))
    rows = list(dict.fromkeys((measurement.operation, measurement.size) for measurement in measurements))
    costs = {(m.store, m.operation, m.size): m.cost for m in measurements}
    units = "DynamoDB" in stores
    heads = ["operation", *(f"{store}, ms" for store in stores), *(("read units", "write units") if units else ())]
    lines = [f"| {' | '.join(heads)} |", f"| --- |{' ---: |' * (len(heads) - 1)}"]
    for operation, size in rows:
        cells = [_TITLES[operation].format(size=size)]
        cells += [f"{costs[store, operation, size].seconds * 1_000:,.1f}" for store in stores]
        if units:
            cost = costs["DynamoDB", operation, size]
            cells += [f"{cost.read_units:,.1f}", f"{cost.write_units:,.1f}"]
        lines.append(f"| {' | '.join(cells)} |")
    page = _PAGE.format(
        table="\n".join(lines),
        repeats=REPEATS,
        at_once=RATINGS_AT_ONCE,
        machine=describe(),
        load=f"{load:.1f}",
    )
    return page + (_render_races(races) if races else "")


def _render_races(races: Sequence[Race]) -> str:
    heads = ["updates per second", "transactions per update", "write units per update", "503s per update"]
    lines = [f"| store | writers in | {' | '.join(heads)} |", f"| --- | --- |{' ---: |' * len(heads)}"]
    for one in races:
        for place, pace in (("one study", one.together), ("a study each", one.apart)):
            billed = [f"{pace.transactions:.2f}", f"{pace.write_units:,.1f}"] if pace.transactions else ["", ""]
            cells = [one.store, place, f"{pace.updates:,.1f}", *billed, f"{pace.refused:.2f}"]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append(f"| {one.store} | **a study each : one study** | **{one.gain:.1f}** | | | |")
    return _RACE.format(writers=WRITERS, rounds=ROUNDS, seconds=SECONDS, table="\n".join(lines))


def plot(measurements: Sequence[Measurement], path: Path) -> None:
    """Draws time by size, and capacity by size where there is any, as SVG."""
    figure, axes = new_figure("stores", [["update", "read", "capacity"]], (11, 3.8))
    reads = ("cold read", "warm read")
    panels = (
        (axes["update"], ("update",), "An update", "results in it", "ms", _milliseconds),
        (axes["read"], reads, "A read of a study", "observations in it", "ms", _milliseconds),
        (axes["capacity"], ("update", *reads, "revise"), "Capacity", "results or observations", "units", _units),
    )
    for axis, operations, title, size, unit, value in panels:
        for store, operation in dict.fromkeys((m.store, m.operation) for m in measurements):
            chosen = [m for m in measurements if (m.store, m.operation) == (store, operation) and value(m.cost)]
            if chosen and operation in operations:
                axis.plot(
                    [m.size for m in chosen],
                    [value(m.cost) for m in chosen],
                    color=_COLOURS[store if value is _milliseconds else operation],
                    linestyle="--" if operation == "warm read" else "-",
                    marker="o",
                    label=f"{store}, {operation}",
                )
        axis.set(title=title, xlabel=size, ylabel=unit, xscale="log", yscale="log")
        axis.set_visible(bool(axis.lines))
        if axis.lines:
            axis.xaxis.set_major_formatter("{x:,.0f}")
            axis.yaxis.set_major_formatter("{x:,g}")
            axis.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
    save(figure, path)


def _milliseconds(cost: Cost) -> float:
    return cost.seconds * 1_000


def _units(cost: Cost) -> float:
    return cost.read_units + cost.write_units
