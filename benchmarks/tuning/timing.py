"""How a method grows: the CPU of asking and telling in studies of different ages, each in a process of its own.

A study is brought to its age, then goes on for a few batches that are timed: what was imported stays imported, what
was learned is stored, and nothing is read anew. Kept in a small file of its own, so that the page can be written
without timing again.
"""

import csv
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from tqdm import tqdm

from benchmarks.machine import describe
from benchmarks.tuning.alone import Worker, serve
from benchmarks.tuning.families import draw
from benchmarks.tuning.methods import METHODS, OURS
from benchmarks.tuning.raters import Alike
from benchmarks.tuning.runs import BATCH, RATINGS, rate_batch, to_line

AGES = (50, 200, 1_000, 10_000)
WANTED = (("original", AGES[0]), *((OURS, age) for age in AGES))
REPEATS = 9

_FAMILY, _SEED = "smooth", 0
_AT_ONCE = 1_000  # ratings told, as an update takes them


@dataclass(frozen=True, slots=True)
class Timing:
    """Median CPU milliseconds of one batch in a study of so many ratings."""

    method: str
    version: str
    ratings: int
    ask_ms: float
    tell_ms: float
    machine: str


def time_all(wanted: Sequence[tuple[str, int]] = WANTED) -> list[Timing]:
    """Time each method at each age, one after the other. Raises MeasurementError."""
    found = []
    for name, age in tqdm(wanted, "timing", disable=None):
        with Worker(__name__, name) as worker:
            found.append(_parse(next(csv.reader([worker.measure(str(age))]))))
    return found


def read(path: Path) -> list[Timing]:
    """Return what was timed last; nothing if there is no file. Raises ValueError."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [_parse(cells) for cells in list(csv.reader(file))[1:]]


def write(path: Path, timings: Sequence[Timing]) -> None:
    """Put the timings in the place of those before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(field.name for field in fields(Timing))
        writer.writerows(_cells(one) for one in timings)


def measure(name: str, age: int) -> Timing:
    """Time REPEATS batches of a study of that age.

    Ratings up to those of a run come as they do there. Those beyond are of settings drawn at random, which a method
    of that age must take whether it asked for them or not.
    """
    raters = Alike(draw(_FAMILY, _SEED))
    entry = METHODS[name]
    method = entry.load()(raters.truth.mode, _SEED)
    rated = 0
    while rated < min(age, RATINGS):
        rate_batch(method, raters, rated)
        rated += BATCH
    if rated < age:
        drawn = METHODS["random"].load()(raters.truth.mode, _SEED).ask(age - rated)
        ratings = [(parameters, raters.rate(parameters, rated + index)) for index, parameters in enumerate(drawn)]
        for first in range(0, len(ratings), _AT_ONCE):
            method.tell(ratings[first : first + _AT_ONCE])
    times = [rate_batch(method, raters, age + BATCH * repeat) for repeat in range(REPEATS)]
    asking, telling = (1_000 * statistics.median(column) for column in zip(*times, strict=True))
    return Timing(name, entry.version, age, asking, telling, describe())


def _cells(one: Timing) -> tuple[object, ...]:
    return one.method, one.version, one.ratings, f"{one.ask_ms:.3f}", f"{one.tell_ms:.3f}", one.machine


def _parse(cells: Sequence[str]) -> Timing:
    method, version, ratings, ask_ms, tell_ms, machine = cells
    return Timing(method, version, int(ratings), float(ask_ms), float(tell_ms), machine)


if __name__ == "__main__":
    METHODS[sys.argv[1]].load()
    serve(lambda age: to_line(_cells(measure(sys.argv[1], int(age)))))
