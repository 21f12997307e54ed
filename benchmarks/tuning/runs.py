"""One run: a method tunes for the raters of a row, and after every batch its recommendation is weighed.

As a program it is a row's worker (`benchmarks.tuning.alone`). It keeps nothing; that is `benchmarks.tuning.results`.
"""

import csv
import io
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.machine import describe
from benchmarks.tuning.alone import serve
from benchmarks.tuning.families import Truth, draw
from benchmarks.tuning.methods import InformedMethod, Method
from benchmarks.tuning.raters import PER_PICTURE, Raters
from benchmarks.tuning.settings import snap
from benchmarks.tuning.worlds import WORLDS, TableRow

RATINGS, BATCH = 50, PER_PICTURE
SIZES = tuple(range(BATCH, RATINGS + 1, BATCH))  # ratings after each batch
COLUMNS = (
    *("method", "version", "family", "seed", "machine"),
    *(f"regret_{size}" for size in SIZES),
    *(f"cpu_ms_{size}" for size in SIZES),
    *(f"low_{size}" for size in SIZES),
    *(f"high_{size}" for size in SIZES),
)


@dataclass(frozen=True, slots=True)
class Run:
    """What a row's method made of one truth's ratings: a value for each of SIZES, or for the first of them.

    `regrets` are rating points lost by taking the recommendation; `seconds` are the CPU seconds of the process in
    `ask` and `tell` of the batch. `lows` and `highs` are the ends of the recommendation's 90 % interval, less its true
    value: it holds where the one is at most 0 and the other at least. Methods that give none have none.
    """

    method: str
    version: str
    family: str
    seed: int
    machine: str
    regrets: tuple[float, ...]
    seconds: tuple[float, ...]
    lows: tuple[float, ...] = ()
    highs: tuple[float, ...] = ()

    def to_line(self) -> str:
        """Return the run, a line of CSV under COLUMNS, without its end: rating points to 1e-4, times to 1 µs."""
        milliseconds = _padded(f"{1_000 * second:.3f}" for second in self.seconds)
        regrets, lows, highs = (
            _padded(f"{value:.4f}" for value in column) for column in (self.regrets, self.lows, self.highs)
        )
        about = (self.method, self.version, self.family, self.seed, self.machine)
        return to_line((*about, *regrets, *milliseconds, *lows, *highs))

    @classmethod
    def from_cells(cls, cells: Sequence[str]) -> "Run":
        """Return the inverse, of a line already cut into cells. Raises ValueError."""
        if len(cells) != len(COLUMNS):
            raise ValueError(f"{len(cells)} cells, not {len(COLUMNS)}")
        method, version, family, seed, machine, *figures = cells
        columns = (figures[first : first + len(SIZES)] for first in range(0, len(figures), len(SIZES)))
        regrets, milliseconds, lows, highs = (_read(column) for column in columns)
        if not regrets or len(regrets) != len(milliseconds) or {len(lows), len(highs)} - {0, len(regrets)}:
            raise ValueError("the columns end after different numbers of ratings")
        seconds = tuple(ms / 1_000 for ms in milliseconds)
        return cls(method, version, family, int(seed), machine, regrets, seconds, lows, highs)

    @property
    def ratings(self) -> int:
        """After how many ratings the run ended."""
        return SIZES[len(self.regrets) - 1]


def run(row: TableRow, family: str, seed: int) -> Run:
    """Tune for the truth of that family and seed. The method's own seed is the truth's."""
    truth = draw(family, seed)
    raters = row.raters(truth)
    method = _start(row, truth)
    regrets, seconds, intervals = [], [], []
    for size in SIZES:
        if size > (row.method.ratings or RATINGS):
            break
        seconds.append(sum(rate_batch(method, raters, size - BATCH, informed=row.informed)))
        recommended = snap(truth.mode, method.recommend())
        regrets.append(truth.regret(recommended))
        if isinstance(method, InformedMethod):
            value = truth.value(recommended)
            intervals.append(tuple(end - value for end in method.interval()))
    lows, highs = zip(*intervals, strict=True) if intervals else ((), ())
    return Run(row.name, row.version, family, seed, describe(), tuple(regrets), tuple(seconds), lows, highs)


def rate_batch(method: Method, raters: Raters, rated: int, *, informed: bool = False) -> tuple[float, float]:
    """Have a batch rated after `rated` ratings; return the CPU seconds of asking for it and of telling it.

    The method is told who rated if it is to be `informed` and the raters are told apart.

    Raises:
        ValueError: the method gives more or fewer settings than it was asked for.
        TypeError: it cannot be told who rated.
    """
    began = time.process_time()
    asked = method.ask(BATCH)
    asking = time.process_time() - began
    if len(asked) != BATCH:
        raise ValueError(f"asked for {BATCH} settings, {type(method).__name__} gave {len(asked)}")
    settings = [snap(raters.truth.mode, parameters) for parameters in asked]
    ratings = [(setting, raters.rate(setting, rated + index)) for index, setting in enumerate(settings)]
    sitting = raters.sitting(rated) if informed else None
    if sitting is not None and not isinstance(method, InformedMethod):
        raise TypeError(f"{type(method).__name__} cannot be told who rated")
    began = time.process_time()
    if sitting is not None and isinstance(method, InformedMethod):
        method.tell_of(ratings, sitting)
    else:
        method.tell(ratings)
    return asking, time.process_time() - began


def to_line(cells: Sequence[object]) -> str:
    """Return the cells as a line of CSV, without its end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


def _padded(column: Iterable[str]) -> list[str]:
    cells = list(column)
    return [*cells, *[""] * (len(SIZES) - len(cells))]


def _read(column: Sequence[str]) -> tuple[float, ...]:
    """Return a column's figures, up to where the run ended. Raises ValueError for one with a hole."""
    figures = list(column)
    while figures and not figures[-1]:
        figures.pop()
    return tuple(map(float, figures))


def _start(row: TableRow, truth: Truth) -> Method:
    """Return the row's method before its first rating; if it is based on another study, after that one's last."""
    method = row.method.load()(truth.mode, truth.seed)
    if row.base is None:
        return method
    if not isinstance(method, InformedMethod):
        raise TypeError(f"{type(method).__name__} cannot be based on another study")
    others = row.base(truth)
    for size in SIZES:
        rate_batch(method, others, size - BATCH, informed=row.informed)
    return method.successor(truth.seed)


if __name__ == "__main__":
    row = WORLDS[sys.argv[1]].rows[sys.argv[2]]
    row.method.load()
    serve(lambda family, seed: run(row, family, int(seed)).to_line())
