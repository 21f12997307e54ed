"""The cache of results: one line of CSV per run, appended whole or not at all, so that a killed benchmark goes on.

A run is known by method, version, family and seed. Whoever writes holds the file's lock and first cuts off what a
killed writer left of a line. Nothing is ever overwritten: when a method changes, its new version's lines stand beside
the old one's.
"""

import csv
import fcntl
import os
from pathlib import Path

from benchmarks.tuning.runs import COLUMNS, Run, to_line


class ResultsError(Exception):
    """A file of results that cannot be read; says which line is wrong and how."""


def read(path: Path) -> list[Run]:
    """Every run in the file, in its order; none if there is no file. A last line without its end does not count.

    Raises ResultsError.
    """
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    lines = list(csv.reader(text[: text.rfind("\n") + 1].splitlines()))
    if lines and tuple(lines[0]) != COLUMNS:
        raise ResultsError(f"{path}, line 1: these are not the columns of this benchmark's results")
    return [_parse(path, number, cells) for number, cells in enumerate(lines[1:], 2)]


def append(path: Path, run: Run) -> None:
    """Add a run; when this returns it is on the disk. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        whole = file.read().rfind(b"\n") + 1
        file.truncate(whole)
        lines = [run.to_line()] if whole else [to_line(COLUMNS), run.to_line()]
        # One write: an interrupted one leaves a line without its end, which nobody reads.
        file.write("".join(f"{line}\n" for line in lines).encode())
        file.flush()
        os.fsync(file.fileno())


def _parse(path: Path, number: int, cells: list[str]) -> Run:
    try:
        return Run.from_cells(cells)
    except ValueError as error:
        raise ResultsError(f"{path}, line {number}: {error}") from error
