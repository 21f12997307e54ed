"""The runs that are to be done, each in a process of its own with one thread, and what becomes of them.

A run that is in the results already is skipped. One that fails is reported and leaves no result, so that the next
call tries it again. Cheap methods are to be named first: the order given is kept.
"""

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from queue import SimpleQueue

from tqdm import tqdm

from benchmarks.tuning.alone import MeasurementError, Worker
from benchmarks.tuning.results import append, read
from benchmarks.tuning.runs import Run
from benchmarks.tuning.worlds import WORLDS


@dataclass(frozen=True, slots=True)
class Task:
    """A run to be done: a row of a world, for one truth."""

    world: str
    method: str
    family: str
    seed: int

    def __str__(self) -> str:
        return f"{self.method}, {self.family}, seed {self.seed}"


@dataclass(frozen=True, slots=True)
class FailedRun:
    """A run that ended without a result, and how."""

    task: Task
    message: str


def missing(tasks: Sequence[Task], path: Path) -> list[Task]:
    """Return the tasks, of one world, of which its file has no result by the version that is installed.

    Raises ResultsError, or PackageNotFoundError for a method that is not installed.
    """
    done = {(run.method, run.version, run.family, run.seed) for run in read(path)}
    rows = {(task.world, task.method) for task in tasks}
    versions = {(world, name): WORLDS[world].rows[name].version for world, name in rows}
    return [
        task for task in tasks if (task.method, versions[task.world, task.method], task.family, task.seed) not in done
    ]


def work(tasks: Sequence[Task], path: Path, *, jobs: int = 1) -> list[FailedRun]:
    """Do the tasks, `jobs` at a time, and add each result to the file as it comes."""
    return do(tasks, lambda run: append(path, run), jobs=jobs)


def do(tasks: Sequence[Task], keep: Callable[[Run], None], *, jobs: int = 1) -> list[FailedRun]:
    """Do the tasks, `jobs` at a time, and give each result away as it comes."""
    failures = []
    with tqdm(total=len(tasks), unit="run", disable=None, smoothing=0.05) as bar:
        for task, result in _results(tasks, jobs):
            if isinstance(result, Run):
                keep(result)
            else:
                failures.append(result)
                bar.write(f"{task} {result.message}", file=sys.stderr)
            bar.set_postfix_str(str(task), refresh=False)
            bar.update()
    return failures


def _results(tasks: Sequence[Task], jobs: int) -> Iterator[tuple[Task, Run | FailedRun]]:
    for (world, method), group in groupby(tasks, key=lambda task: (task.world, task.method)):
        with ThreadPoolExecutor(jobs) as pool, ExitStack() as stack:
            idle: SimpleQueue[Worker] = SimpleQueue()
            waiting = list(group)
            for _ in range(min(jobs, len(waiting))):
                idle.put(stack.enter_context(Worker("benchmarks.tuning.runs", world, method)))
            futures = {pool.submit(_run, task, idle): task for task in waiting}
            try:
                for future in as_completed(futures):
                    yield futures[future], future.result()
            finally:
                # Interrupted: what has not begun is left for the next time.
                pool.shutdown(wait=False, cancel_futures=True)


def _run(task: Task, idle: "SimpleQueue[Worker]") -> Run | FailedRun:
    worker = idle.get()
    try:
        return Run.from_cells(next(csv.reader([worker.measure(task.family, str(task.seed))])))
    except (MeasurementError, ValueError) as error:
        return FailedRun(task, str(error))
    finally:
        idle.put(worker)
