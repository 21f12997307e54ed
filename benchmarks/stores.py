"""How an observation store grows: the time and the consumed capacity of updates and reads, by size.

`make bench-stores` measures a new SQLite file and DynamoDB Local, and writes docs/benchmarks/stores.md and stores.svg.
Every operation is one call of the port; times are medians. Capacity is taken from the service's answers, by a
hook on botocore's events. The times of DynamoDB Local are those of an emulator on
this machine: they show how an operation grows, and nothing of the service's latency.
"""

import argparse
import math
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.session
from tqdm import tqdm

from benchmarks.drawing import new_figure, save
from benchmarks.machine import describe
from tests.support.dynamodb import DynamoDBMissingError, dynamodb_local, make_table, nobodys_account
from tuning.errors import TuningError
from tuning.observations import Observation, Setting, Suggestion
from tuning.stores import open_store
from tuning.stores.port import MAX_CLAIM, IdempotencyKey, ObservationStore

UPDATES = (1, 100, 1_000)
READS = (100, 1_000, 10_000)
CROWDS = (0, 1_000, 20_000)  # suggestions outstanding: more than a mode may have, as ten modes or an older release have
REPEATS = 15
ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "benchmarks"

SQLITE, DYNAMODB_LOCAL = "sqlite", "dynamodb-local"
RATINGS_AT_ONCE = 4  # in each of the updates by which a study grows here

_CHANCE = random.Random(1)  # noqa: S311 - the same settings and ratings each time; no secret
_COLOURS = {
    "SQLite": "tab:blue",
    "DynamoDB": "tab:orange",
    "update": "tab:green",
    "cold read": "tab:purple",
    "warm read": "tab:brown",
}
_TITLES = {
    "cold read": "cold read of a study of {size:,}",
    "warm read": "warm read of a study of {size:,}, one rating being new",
    "update": "update of {size:,}",
    "crowded": "update of 1,000 whose answers are looked up among {size:,} outstanding suggestions",
    "answer": "update of 1 that answers a suggestion",
    "claim": "claim of {size} suggestions",
    "history": "page of history of {size}",
    "count": "count",
}
_READING = {"GetItem", "Query"}
_BATCH = "BatchGetItem"
_TRANSACTION = "TransactWriteItems"
_NAMES = {"sqlite": "SQLite", "dynamodb": "DynamoDB"}


_PAGE = """\
# The stores, by size

What one call of the store takes: medians of {repeats}, written by `make bench-stores`. DynamoDB is DynamoDB Local, an
emulator, unless another was named; its times show how an operation grows, and nothing of the service's latency.

{table}

![Time and capacity by size](stores.svg)

- The studies grew by updates of {at_once} ratings. A cold read is a new store's first, with the making of its client; a
  warm one reads what is new.
- An update has an idempotency key. What it costs does not depend on how many ratings there are already.
- Read units are of 4 kB read consistently, as the service's answers count them. Write units are of 1 kB, twice that in
  a transaction, and counted by the service's rules: DynamoDB Local tells only of one item of a transaction.
- Measured with {machine}.
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """One operation's seconds, and the units that it consumed: of 4 kB read consistently, of 1 kB written."""

    seconds: float
    read_units: float
    write_units: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """The median cost of an operation at a size: results sent, or observations that the study holds."""

    store: str
    operation: str
    size: int
    cost: Cost


class Meter:
    """Adds up the capacity that is consumed: of transactions and batches by the service's rules, else by its answers.

    DynamoDB Local says of a transaction only what one of its items took.
    """

    def __init__(self) -> None:
        self.read_units = 0.0
        self.write_units = 0.0

    def ask(self, params: dict[str, Any], model: Any, **_: object) -> None:
        """Before a request: ask for the figures, or work them out."""
        if model.name == _TRANSACTION:
            self.write_units += sum(_transacted_units(change) for change in params["TransactItems"])
        elif model.name == _BATCH:
            # A unit for each key, of an item of up to 4 kB or of none: DynamoDB Local forgets those of none.
            self.read_units += sum(len(wanted["Keys"]) for wanted in params["RequestItems"].values())
        else:
            params["ReturnConsumedCapacity"] = "TOTAL"

    def add(self, parsed: dict[str, Any], model: Any, **_: object) -> None:
        """After an answer: add them."""
        if model.name in {_TRANSACTION, _BATCH}:
            return
        units = parsed.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0)
        if model.name in _READING:
            self.read_units += units
        else:
            self.write_units += units


def _transacted_units(change: dict[str, Any]) -> int:
    """Two units for each kB begun, of an item with its attributes' names; a deleted one is taken to be within 1 kB.

    Amazon DynamoDB Developer Guide, "Managing complex workflows with transactions" and "Item sizes and formats".
    """
    size = sum(len(name.encode()) + _size(value) for name, value in change.get("Put", {}).get("Item", {}).items())
    return 2 * max(1, math.ceil(size / 1_024))


def _size(value: dict[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind == "N":
        return len(content) // 2 + 2
    return len(content.encode() if isinstance(content, str) else content)


@contextmanager
def metered() -> Iterator[Meter]:
    """Return a meter on every DynamoDB client that is made meanwhile, by whatever adapter."""
    meter, make = Meter(), botocore.session.get_session

    def session() -> Any:
        made = make()
        made.register("before-parameter-build.dynamodb.*", meter.ask)
        made.register("after-call.dynamodb.*", meter.add)
        return made

    botocore.session.get_session = session
    try:
        yield meter
    finally:
        botocore.session.get_session = make


def measure(
    url: str,
    *,
    updates: Sequence[int] = UPDATES,
    reads: Sequence[int] = READS,
    crowds: Sequence[int] = CROWDS,
    repeats: int = REPEATS,
) -> list[Measurement]:
    """Fill an empty store and measure it as it grows. Raises ValueError if it is not empty, or the store's errors."""
    name = _NAMES[url.partition(":")[0]]
    found: list[Measurement] = []
    with metered() as meter, closing(open_store(url)) as store:
        if store.count():
            raise ValueError(f"{url} is not empty")

        def note(operation: str, size: int, costs: Sequence[Cost]) -> None:
            columns = zip(*((cost.seconds, cost.read_units, cost.write_units) for cost in costs), strict=True)
            found.append(Measurement(name, operation, size, Cost(*(statistics.median(column) for column in columns))))

        def cold() -> Cost:
            with closing(open_store(url)) as another:
                return _cost(meter, lambda: another.mode_study("structure", now=_now()))

        def warm() -> Cost:
            store.record(_observations("structure", 1), idempotency_key=None)
            return _cost(meter, lambda: store.mode_study("structure", now=_now()))

        for size in tqdm(reads, f"{name}, reads", disable=None, leave=False):
            _fill(store, "structure", size)
            note("cold read", size, [cold() for _ in range(repeats)])
            store.mode_study("structure", now=_now())
            note("warm read", size, [warm() for _ in range(repeats)])
        for size in tqdm(updates, f"{name}, updates", disable=None, leave=False):
            note("update", size, [_update(store, meter, _observations("surfaces", size)) for _ in range(repeats)])
        note("answer", 1, [_answer(store, meter) for _ in range(repeats)])
        note("claim", 2, [_claim(store, meter, _suggestions(2)) for _ in range(repeats)])
        note("history", 50, [_history(store, meter) for _ in range(repeats)])
        note("count", 0, [_cost(meter, store.count) for _ in range(repeats)])
        # Last, for nothing ends these suggestions but time.
        for size in tqdm(crowds, f"{name}, outstanding", disable=None, leave=False):
            _crowd(store, size)
            note("crowded", size, [_update_in_a_crowd(store, meter) for _ in range(repeats)])
    return found


def _cost(meter: Meter, call: Callable[[], object]) -> Cost:
    read, written, began = meter.read_units, meter.write_units, time.perf_counter()
    call()
    seconds = time.perf_counter() - began
    return Cost(seconds, meter.read_units - read, meter.write_units - written)


def _update(store: ObservationStore, meter: Meter, observations: Sequence[Observation]) -> Cost:
    identity = os.urandom(16).hex()
    key = IdempotencyKey(identity, identity)
    return _cost(meter, lambda: store.record(observations, idempotency_key=key))


def _crowd(store: ObservationStore, size: int) -> None:
    """Bring the store to that many pending suggestions."""
    lacking = size - len(store.outstanding(now=_now()))
    for start in range(0, lacking, MAX_CLAIM):
        store.claim(_suggestions(min(MAX_CLAIM, lacking - start)), now=_now())


def _update_in_a_crowd(store: ObservationStore, meter: Meter) -> Cost:
    """Look results up as an update does if they name no suggestion and no mode: each may be of either mode."""
    batch = _observations("surfaces", 1_000)
    places = {(mode, observation.setting) for observation in batch for mode in ("structure", "surfaces")}

    def update() -> None:
        store.find_outstanding(ids=(), places=places, now=_now())
        store.record(batch, idempotency_key=None)

    return _cost(meter, update)


def _answer(store: ObservationStore, meter: Meter) -> Cost:
    (suggestion,) = _suggestions(1)
    store.claim([suggestion], now=_now())
    return _update(store, meter, [Observation("surfaces", suggestion.setting, 4.0, _now(), suggestion.id)])


def _claim(store: ObservationStore, meter: Meter, suggestions: Sequence[Suggestion]) -> Cost:
    cost = _cost(meter, lambda: store.claim(suggestions, now=_now()))
    store.record([Observation(s.mode, s.setting, 4.0, _now(), s.id) for s in suggestions], idempotency_key=None)
    return cost


def _history(store: ObservationStore, meter: Meter) -> Cost:
    return _cost(meter, lambda: store.history(mode=None, limit=50))


def _fill(store: ObservationStore, mode: str, size: int) -> None:
    """Brings the mode's study to that many observations, by updates of a few ratings each, as people send them."""
    lacking = size - len(store.mode_study(mode, now=_now()).observations)
    for start in range(0, lacking, RATINGS_AT_ONCE):
        batch = min(RATINGS_AT_ONCE, lacking - start)
        store.record(_observations(mode, batch, answering=True), idempotency_key=None)


def _now() -> datetime:
    return datetime.now(UTC)


def _setting() -> Setting:
    chance = _CHANCE.uniform
    values = {"init_strength": (0.1, 0.5, 2), "guidance_scale": (5, 12, 1), "controlnet_weight": (0.7, 0.99, 2)}
    return Setting(
        "leonardo", tuple((name, round(chance(low, high), digits)) for name, (low, high, digits) in values.items())
    )


def _observations(mode: str, count: int, *, answering: bool = False) -> list[Observation]:
    ratings = [_CHANCE.randint(2, 10) / 2 for _ in range(count)]
    return [Observation(mode, _setting(), rating, _now(), _identity() if answering else None) for rating in ratings]


def _suggestions(count: int) -> list[Suggestion]:
    end = _now() + timedelta(days=1)
    # Values that no rater would choose, so that no two of them are alike.
    settings = [Setting("leonardo", (("init_strength", _CHANCE.random()),)) for _ in range(count)]
    return [Suggestion(_identity(), "surfaces", setting, _now(), end) for setting in settings]


def _identity() -> str:
    return f"{_CHANCE.getrandbits(96):024x}"


def render(measurements: Sequence[Measurement]) -> str:
    """Return the page: what was measured, where, and a table of it."""
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
    return _PAGE.format(
        table="\n".join(lines),
        repeats=REPEATS,
        at_once=RATINGS_AT_ONCE,
        machine=describe(),
    )


def plot(measurements: Sequence[Measurement], path: Path) -> None:
    """Draws time by size, and capacity by size where there is any, as SVG."""
    figure, axes = new_figure("stores", [["update", "read", "capacity"]], (11, 3.8))
    reads = ("cold read", "warm read")
    panels = (
        (axes["update"], ("update",), "An update", "results in it", "ms", _milliseconds),
        (axes["read"], reads, "A read of a study", "observations in it", "ms", _milliseconds),
        (axes["capacity"], ("update", *reads), "Capacity", "results or observations", "units", _units),
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures the stores named; the exit status is 1 if one cannot be measured."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stores", description=(__doc__ or "").partition("\n\n")[0]
    )
    parser.add_argument(
        "stores",
        nargs="*",
        metavar="STORE",
        default=[SQLITE, DYNAMODB_LOCAL],
        help=f"{SQLITE} (a new file), {DYNAMODB_LOCAL} (a new one; needs Java and Maven), or the URL of an empty store",
    )
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder to write to (docs/benchmarks)")
    options = parser.parse_args(arguments)
    measurements: list[Measurement] = []
    try:
        for name in options.stores:
            with ExitStack() as stack:
                measurements += measure(_open(name, stack))
    except (DynamoDBMissingError, TuningError, ValueError) as error:
        print(f"benchmarks.stores: {name}: {error}", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "stores.md").write_text(render(measurements), encoding="utf-8")
    plot(measurements, options.out / "stores.svg")
    print(render(measurements))
    return 0


def _open(name: str, stack: ExitStack) -> str:
    """Return the URL of the empty store that is meant; the stack holds what is made for it."""
    if name == SQLITE:
        # Not in the system's folder for temporary files, which may be in memory, where durability costs nothing.
        (ROOT / "build").mkdir(exist_ok=True)
        return f"sqlite:///{stack.enter_context(tempfile.TemporaryDirectory(dir=ROOT / 'build'))}/observations.db"
    if name == DYNAMODB_LOCAL:
        stack.enter_context(nobodys_account())
        endpoint = stack.enter_context(dynamodb_local())
        return f"dynamodb://{make_table(endpoint, 'ObservationsTable')}?endpoint={endpoint}"
    return name


if __name__ == "__main__":
    sys.exit(main())
