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
from benchmarks.tuning.families import Truth, draw
from benchmarks.tuning.methods import METHODS, OURS, InformedMethod
from benchmarks.tuning.raters import Alike, Sitting
from benchmarks.tuning.runs import BATCH, RATINGS, rate_batch, to_line
from benchmarks.tuning.settings import Parameters

AGES = (50, 200, 1_000, 10_000)
TOLD = "ours-told"  # ours, told who rated and of what picture
WANTED = (("original", AGES[0]), *((OURS, age) for age in AGES), (TOLD, AGES[0]), (TOLD, AGES[-1]))
REPEATS = 9

_FAMILY, _SEED = "smooth", 0
_AT_ONCE = 1_000  # ratings told, as an update takes them
# Of those who are told apart: how many there are in young studies and in old ones, and how many settings one of them
# judges on one picture where ratings are told in bulk.
_FEW, _MANY, _OLD = 10, 100, 1_000
_SETTINGS = 20


@dataclass(frozen=True, slots=True)
class Crowd:
    """Raters who err alike and are told apart: so many of them take turns, and each turn has a new picture."""

    truth: Truth
    people: int

    def rate(self, parameters: Parameters, nth: int) -> float:
        """Return the `nth` rating of a run, as where all are alike."""
        return Alike(self.truth).rate(parameters, nth)

    def sitting(self, nth: int) -> Sitting:
        """Return who has the turn of the `nth` rating, and of which picture."""
        turn = nth // BATCH
        return Sitting(f"rater-{turn % self.people + 1}", f"picture-{turn + 1}")


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
    told = name == TOLD
    truth = draw(_FAMILY, _SEED)
    raters: Crowd | Alike = Crowd(truth, _FEW if age < _OLD else _MANY) if told else Alike(truth)
    entry = METHODS[OURS if told else name]
    method = entry.load()(truth.mode, _SEED)
    rated = 0
    while rated < min(age, RATINGS):
        rate_batch(method, raters, rated, informed=told)
        rated += BATCH
    if rated < age:
        drawn = METHODS["random"].load()(truth.mode, _SEED).ask(age - rated)
        ratings = [(parameters, raters.rate(parameters, rated + index)) for index, parameters in enumerate(drawn)]
        for first in range(0, len(ratings), _SETTINGS if told else _AT_ONCE):
            if isinstance(raters, Crowd) and isinstance(method, InformedMethod):
                # A sitting each, of whoever would have had that turn.
                sitting = raters.sitting(BATCH * (first // _SETTINGS))
                method.tell_of(ratings[first : first + _SETTINGS], sitting)
            else:
                method.tell(ratings[first : first + _AT_ONCE])
    times = [rate_batch(method, raters, age + BATCH * repeat, informed=told) for repeat in range(REPEATS)]
    asking, telling = (1_000 * statistics.median(column) for column in zip(*times, strict=True))
    return Timing(name, entry.version, age, asking, telling, describe())


def _cells(one: Timing) -> tuple[object, ...]:
    return one.method, one.version, one.ratings, f"{one.ask_ms:.3f}", f"{one.tell_ms:.3f}", one.machine


def _parse(cells: Sequence[str]) -> Timing:
    method, version, ratings, ask_ms, tell_ms, machine = cells
    return Timing(method, version, int(ratings), float(ask_ms), float(tell_ms), machine)


if __name__ == "__main__":
    METHODS[OURS if sys.argv[1] == TOLD else sys.argv[1]].load()
    serve(lambda age: to_line(_cells(measure(sys.argv[1], int(age)))))
