"""The file that a tuner is saved to: JSON Lines, one file, written whole or not at all.

    {"tuner": 1, "mode": "structure", "space": {...}, "seed": 0, "modes": 1, "records": 2, "suggestions": 2}
    {"mode": "structure", "seed": 0, "as_of": 2, "hyperparameters": {...} or null}
    {"mode": "structure", "parameters": {"api": ...}, "rating": 4.0, "failed": null, "recorded_at": "...", ...}
    {"mode": "structure", "revises": 1, "number": 2, "rating": 5.0, "withdrawn": false, "made_at": "...", ...}
    {"id": "...", "mode": "structure", "parameters": {...}, "outstanding": true, ...}

First a header, which counts the lines of each kind; then they follow, in this order of kinds. Records are at the
positions 1, 2, 3 and so on of the study's log. Files get damaged and edited: whatever is not as it was written is a
StoreCorruptError that names the line.
"""

import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tuning.errors import SpaceError, StoreCorruptError
from tuning.observations import DEFAULT_STUDY, Observation, Suggestion
from tuning.spaces import Spaces
from tuning.stores.log import Amendment, Record
from tuning.stores.memory import Learned, Snapshot
from tuning.stores.records import (
    dump_hyperparameters,
    load_count,
    load_hyperparameters,
    load_revision,
    load_suggestion,
    load_text,
    load_told,
    timestamp,
)
from tuning.validation.space_file import judge_document, to_document

FORMAT = 1  # a file of a later format is refused

_MAX_HEADER = 2**20  # characters of the first line that are looked at
_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class SavedTuner:
    """What a tuner's file holds: the space, the name of the tuner's mode, and what its store holds."""

    spaces: Spaces
    mode: str
    snapshot: Snapshot


def write(path: str | Path, saved: SavedTuner) -> None:
    """Write the file; one that is there is replaced, if it is a tuner's.

    Raises:
        FileExistsError: there is a file that is not a tuner's, and stays.
        OSError: the file cannot be written.
        SpaceError: the space, made by hand, is none that a file can hold.
    """
    if judge_document(to_document(saved.spaces), Path(path)) != saved.spaces:
        raise SpaceError(Path(path), "apis", "", "two APIs of the space have one name and are not the same")
    # Of a link, what it leads to is replaced, and not the link.
    target = Path(path).resolve()
    if target.exists() and not _is_ours(target):
        raise FileExistsError(f"{path} is there and is not a tuner's file: name another")
    partial = target.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        with partial.open("x", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in _lines(saved))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def read(path: str | Path) -> SavedTuner:
    """Read the file.

    Raises:
        StoreCorruptError: it is not a tuner's, is of a later format, or is not as it was written.
        OSError: it cannot be read.
    """
    # Line by line as they were written; a text in JSON has no other line breaks.
    reader = _Reader(Path(path).name, Path(path).read_bytes().split(b"\n"))
    header = reader.header()
    modes = [reader.next(_learned) for _ in range(header.modes)]
    records = [reader.next(_record) for _ in range(header.records)]
    suggestions = [reader.next(_suggestion) for _ in range(header.suggestions)]
    reader.finish()
    return SavedTuner(
        header.spaces, header.mode, Snapshot(header.seed, tuple(modes), tuple(records), tuple(suggestions))
    )


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        first = file.readline(_MAX_HEADER)
    try:
        plain = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(plain, dict) and type(plain.get("tuner")) is int


def _lines(saved: SavedTuner) -> Iterator[dict[str, object]]:
    """Yield the lines of the file, as JSON has them."""
    snapshot = saved.snapshot
    yield {
        "tuner": FORMAT,
        "mode": saved.mode,
        "space": to_document(saved.spaces),
        "seed": snapshot.seed,
        "modes": len(snapshot.modes),
        "records": len(snapshot.records),
        "suggestions": len(snapshot.suggestions),
    }
    for one in snapshot.modes:
        learned = None if one.hyperparameters is None else json.loads(dump_hyperparameters(one.hyperparameters))
        yield {"mode": one.mode, "seed": one.seed, "as_of": one.as_of, "hyperparameters": learned}
    for mode, record in snapshot.records:
        yield _plain_record(mode, record)
    for suggestion, outstanding in snapshot.suggestions:
        yield {
            "id": suggestion.id,
            "mode": suggestion.mode,
            "parameters": suggestion.setting.to_plain(),
            "suggested_at": timestamp(suggestion.suggested_at),
            "expires_at": timestamp(suggestion.expires_at),
            "outstanding": outstanding,
        }


def _plain_record(mode: str, record: Record) -> dict[str, object]:
    if isinstance(record, Amendment):
        revision = record.revision
        return {
            "mode": mode,
            "revises": record.target,
            "number": revision.number,
            "rating": revision.rating,
            "comment": revision.comment,
            "withdrawn": revision.withdrawn,
            "made_at": timestamp(revision.made_at),
            "reviser": revision.reviser,
        }
    return {
        "mode": mode,
        "parameters": record.setting.to_plain(),
        "rating": record.rating if isinstance(record, Observation) else None,
        "failed": None if isinstance(record, Observation) else record.reason,
        "recorded_at": timestamp(record.recorded_at),
        "suggestion_id": record.suggestion_id,
        "rater": record.rater,
        "picture": record.picture,
        "comment": record.comment,
    }


_Plain = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class _Header:
    """The space and the mode of the tuner, the seed of its store, and how many lines of each kind there are."""

    mode: str
    spaces: Spaces
    seed: int
    modes: int
    records: int
    suggestions: int


class _Reader:
    """The lines of a file, one after another."""

    def __init__(self, name: str, lines: list[bytes]) -> None:
        self._name = name
        self._lines = lines
        self._number = 0

    def header(self) -> _Header:
        """Return what the first line says."""
        plain = self._line()
        found = plain.get("tuner")
        if type(found) is not int:
            raise StoreCorruptError(f"{self._name} is not a tuner's file")
        if found > FORMAT:
            raise StoreCorruptError(f"{self._name} is of format {found}; this release reads {FORMAT}: take a later one")
        return self._read(_header, plain)

    def next(self, load: Callable[[_Plain], _Part]) -> _Part:
        """Return what the next line says."""
        return self._read(load, self._line())

    def finish(self) -> None:
        """See that the last line was the last."""
        if self._lines[self._number :] != [b""]:
            raise StoreCorruptError(f"{self._name}, line {self._number + 1}: there is more than the header counts")

    def _line(self) -> _Plain:
        self._number += 1
        plain: object = None
        try:
            if self._number < len(self._lines):  # each ends with a line break, or was cut short
                plain = json.loads(self._lines[self._number - 1])
        except (ValueError, RecursionError):
            plain = None
        if not isinstance(plain, dict):
            cut = "is cut short or damaged" if self._number > 1 else "is not a tuner's file"
            raise StoreCorruptError(f"{self._name}, line {self._number}: {cut}")
        return plain

    def _read(self, load: Callable[[_Plain], _Part], plain: _Plain) -> _Part:
        try:
            return load(plain)
        except KeyError as error:
            raise StoreCorruptError(f"{self._name}, line {self._number}: {error} is missing") from error
        except (SpaceError, ValueError, TypeError) as error:
            raise StoreCorruptError(f"{self._name}, line {self._number}: {error}") from error


def _header(plain: _Plain) -> _Header:
    space = plain["space"]
    if not isinstance(space, dict):
        raise ValueError("the space is not an object")  # noqa: TRY004 - one error of all
    spaces = judge_document(space, Path("space"))
    mode = load_text(plain["mode"], "a mode")
    if spaces.find_mode(mode) is None:
        raise ValueError(f"mode {mode} is not one of the space's")
    counts = (load_count(plain[name], "a count") for name in ("modes", "records", "suggestions"))
    return _Header(mode, spaces, _load_seed(plain["seed"]), *counts)


def _learned(plain: _Plain) -> Learned:
    learned = plain["hyperparameters"]
    return Learned(
        load_text(plain["mode"], "a mode"),
        _load_seed(plain["seed"]),
        None if learned is None else load_hyperparameters(json.dumps(learned)),
        load_count(plain["as_of"], "a position"),
    )


def _record(plain: _Plain) -> tuple[str, Record]:
    mode = load_text(plain["mode"], "a mode")
    if "revises" in plain:
        revision = load_revision(
            *(plain[name] for name in ("number", "rating", "comment", "withdrawn", "made_at", "reviser"))
        )
        return mode, Amendment(load_count(plain["revises"], "a position"), revision)
    told = load_told(
        mode,
        json.dumps(plain["parameters"]),
        *(plain[name] for name in ("rating", "failed", "recorded_at", "suggestion_id", "rater", "picture", "comment")),
    )
    return mode, told


def _suggestion(plain: _Plain) -> tuple[Suggestion, bool]:
    suggestion = load_suggestion(
        plain["id"],
        plain["mode"],
        json.dumps(plain["parameters"]),
        plain["suggested_at"],
        plain["expires_at"],
        DEFAULT_STUDY,
    )
    outstanding = plain["outstanding"]
    if not isinstance(outstanding, bool):
        raise ValueError(f"{outstanding!r} does not say whether it is outstanding")  # noqa: TRY004 - one error of all
    return suggestion, outstanding


def _load_seed(plain: object) -> int:
    if type(plain) is not int:
        raise ValueError(f"{plain!r} is not a seed")
    return plain
