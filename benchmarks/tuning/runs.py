"""One run: a method tunes for one rater, and after every batch its recommendation is weighed.

As a program it is a method's worker (`benchmarks.tuning.alone`). It keeps nothing; that is `benchmarks.tuning.results`.
"""

import csv
import io
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.machine import describe
from benchmarks.tuning.alone import serve
from benchmarks.tuning.methods import METHODS, Method
from benchmarks.tuning.raters import Rater, draw
from benchmarks.tuning.settings import snap

RATINGS, BATCH = 50, 2
SIZES = tuple(range(BATCH, RATINGS + 1, BATCH))  # ratings after each batch
COLUMNS = (
    *("method", "version", "family", "seed", "machine"),
    *(f"regret_{size}" for size in SIZES),
    *(f"cpu_ms_{size}" for size in SIZES),
)


@dataclass(frozen=True, slots=True)
class Run:
    """What a method made of one rater's ratings: a value for each of SIZES.

    `regrets` are rating points lost by taking the recommendation; `seconds` are the CPU seconds of the process in
    `ask` and `tell` of the batch.
    """

    method: str
    version: str
    family: str
    seed: int
    machine: str
    regrets: tuple[float, ...]
    seconds: tuple[float, ...]

    def to_line(self) -> str:
        """Return the run, a line of CSV under COLUMNS, without its end: regrets to 1e-4 points, times to 1 µs."""
        regrets = (f"{regret:.4f}" for regret in self.regrets)
        milliseconds = (f"{1_000 * second:.3f}" for second in self.seconds)
        return to_line((self.method, self.version, self.family, self.seed, self.machine, *regrets, *milliseconds))

    @classmethod
    def from_cells(cls, cells: Sequence[str]) -> "Run":
        """Return the inverse, of a line already cut into cells. Raises ValueError."""
        if len(cells) != len(COLUMNS):
            raise ValueError(f"{len(cells)} cells, not {len(COLUMNS)}")
        method, version, family, seed, machine, *figures = cells
        numbers = [float(figure) for figure in figures]
        regrets, milliseconds = numbers[: len(SIZES)], numbers[len(SIZES) :]
        return cls(
            method, version, family, int(seed), machine, tuple(regrets), tuple(ms / 1_000 for ms in milliseconds)
        )


def run(name: str, family: str, seed: int) -> Run:
    """Tunes for the rater of that family and seed. The method's own seed is the rater's."""
    rater = draw(family, seed)
    entry = METHODS[name]
    method = entry.load()(rater.mode, seed)
    regrets, seconds = [], []
    for size in SIZES:
        seconds.append(sum(rate_batch(method, rater, size - BATCH)))
        regrets.append(rater.regret(snap(rater.mode, method.recommend())))
    return Run(name, entry.version, family, seed, describe(), tuple(regrets), tuple(seconds))


def rate_batch(method: Method, rater: Rater, rated: int) -> tuple[float, float]:
    """Has the rater, after `rated` ratings, rate a batch; the CPU seconds of asking for it and of telling it.

    Raises ValueError if the method gives more or fewer settings than it was asked for.
    """
    began = time.process_time()
    asked = method.ask(BATCH)
    asking = time.process_time() - began
    if len(asked) != BATCH:
        raise ValueError(f"asked for {BATCH} settings, {type(method).__name__} gave {len(asked)}")
    settings = [snap(rater.mode, parameters) for parameters in asked]
    ratings = [(setting, rater.rate(setting, rated + index)) for index, setting in enumerate(settings)]
    began = time.process_time()
    method.tell(ratings)
    return asking, time.process_time() - began


def to_line(cells: Sequence[object]) -> str:
    """Return the cells as a line of CSV, without its end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


if __name__ == "__main__":
    method = METHODS[sys.argv[1]]
    method.load()
    serve(lambda family, seed: run(method.name, family, int(seed)).to_line())
