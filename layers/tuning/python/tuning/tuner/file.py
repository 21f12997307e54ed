"""The file that a tuner is saved to: JSON Lines, one file, written whole or not at all.

    {"tuner": 1, "mode": "structure", "space": {...}, "seed": 0, "modes": 1, "records": 2, "suggestions": 2}
    {"mode": "structure", "seed": 0, "as_of": 2, "hyperparameters": {...} or null}
    {"mode": "structure", "parameters": {"api": ...}, "rating": 4.0, "failed": null, "recorded_at": "...", ...}
    {"mode": "structure", "revises": 1, "number": 2, "rating": 5.0, "withdrawn": false, "made_at": "...", ...}
    {"id": "...", "mode": "structure", "parameters": {...}, "outstanding": true, ...}

First a header, which counts the lines of each kind; then they follow, in this order of kinds. Records are at the
positions 1, 2, 3 and so on of the study's log. The header of a tuner that is based on another has `ancestors` beside
that: so many ancestors follow, the nearest first, each a line that counts its ratings, and those.

    {"mode": "structure", "hyperparameters": {...} or null, "ratings": 1}
    {"mode": "structure", "parameters": {"api": ...}, "rating": 4.0, "failed": null, "recorded_at": "...", ...}

Releases that know no ancestors refuse such a file and name that field. Files get damaged and edited: whatever is not as
it was written is a StoreCorruptError that names the line.
"""

import json
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from storage.documents import DocumentError, Node, parse, quote
from tuning.errors import SpaceError, StoreCorruptError
from tuning.observations import Observation, Suggestion
from tuning.spaces import Spaces
from tuning.stores.log import Amendment, Record
from tuning.stores.memory import Inherited, Learned, Snapshot
from tuning.stores.records import (
    dump_setting,
    load_revision,
    load_told,
    plain_hyperparameters,
    read_hyperparameters,
    read_setting,
    timestamp,
)
from tuning.study import Hyperparameters
from tuning.validation.space_file import judge_document, to_document

FORMAT = 1  # a file of a later format is refused

_MAX_HEADER = 2**20  # characters of the first line that are looked at
# The fields of what was told and of a revision, as `tuning.stores.records` takes them.
_TOLD = ("rating", "failed", "recorded_at", "suggestion_id", "rater", "picture", "comment")
_REVISION = ("number", "rating", "comment", "withdrawn", "made_at", "reviser")

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
    if not _is_ours(Path(path)):
        raise StoreCorruptError(f"{Path(path).name} is not a tuner's file")
    # Line by line as they were written; a text in JSON has no line breaks.
    reader = _Reader(Path(path).name, Path(path).read_bytes().split(b"\n"))
    header = reader.next(_read_header)
    modes = [reader.next(_read_learned) for _ in range(header.modes)]
    records = [reader.next(_read_record) for _ in range(header.records)]
    suggestions = [reader.next(_read_suggestion) for _ in range(header.suggestions)]
    ancestors = [_read_ancestor(reader) for _ in range(header.ancestors)]
    reader.finish()
    return SavedTuner(
        header.spaces,
        header.mode,
        Snapshot(header.seed, tuple(modes), tuple(records), tuple(suggestions), tuple(ancestors)),
    )


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        first = file.readline(_MAX_HEADER)
    try:
        plain = parse(first).value
    except DocumentError:
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
        **({"ancestors": len(snapshot.ancestors)} if snapshot.ancestors else {}),
    }
    for one in snapshot.modes:
        learned = _plain_learned(one.hyperparameters)
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
    for ancestor in snapshot.ancestors:
        learned = _plain_learned(ancestor.hyperparameters)
        yield {"mode": ancestor.mode, "hyperparameters": learned, "ratings": len(ancestor.observations)}
        for observation in ancestor.observations:
            yield _plain_record(ancestor.mode, observation)


def _plain_learned(hyperparameters: Hyperparameters | None) -> dict[str, object] | None:
    return None if hyperparameters is None else plain_hyperparameters(hyperparameters)


def _plain_record(mode: str, record: Record) -> dict[str, object]:
    if isinstance(record, Amendment):
        revision = record.revision
        made = revision.number, revision.rating, revision.comment, revision.withdrawn, timestamp(revision.made_at)
        return {"mode": mode, "revises": record.target, **_named(_REVISION, (*made, revision.reviser))}
    if isinstance(record, Observation):
        said: tuple[object, object] = record.rating, None
    else:
        said = None, record.reason
    who = record.suggestion_id, record.rater, record.picture, record.comment
    told = *said, timestamp(record.recorded_at), *who
    return {"mode": mode, "parameters": record.setting.to_plain(), **_named(_TOLD, told)}


def _named(names: Sequence[str], values: Sequence[object]) -> dict[str, object]:
    return dict(zip(names, values, strict=True))


@dataclass(frozen=True, slots=True)
class _Header:
    """The space and the mode of the tuner, the seed of its store, and how many lines and ancestors there are."""

    spaces: Spaces
    mode: str
    seed: int
    modes: int
    records: int
    suggestions: int
    ancestors: int


class _Reader:
    """The lines of a file, one after another."""

    def __init__(self, name: str, lines: list[bytes]) -> None:
        self._name = name
        self._lines = lines
        self._number = 0

    def next(self, read: Callable[[Node], _Part]) -> _Part:
        """Return what the next line says.

        Raises:
            StoreCorruptError: there is none, or it is not as it was written.
        """
        self._number += 1
        try:
            # The last line is an empty one; another was cut short.
            if self._number >= len(self._lines):
                Node(None).refuse("is cut short")
            return read(parse(self._lines[self._number - 1]))
        except (DocumentError, SpaceError) as error:
            raise StoreCorruptError(f"{self._name}, line {self._number}: {error}") from error

    def finish(self) -> None:
        """See that there are no more lines.

        Raises:
            StoreCorruptError: there are.
        """
        if self._lines[self._number :] != [b""]:
            raise StoreCorruptError(f"{self._name}, line {self._number + 1}: there is more than the header counts")


def _read_header(node: Node) -> _Header:
    node.get("tuner").version(FORMAT)
    line = node.members({"tuner", "space", "mode", "seed", "modes", "records", "suggestions"}, optional={"ancestors"})
    space = line["space"]
    spaces = judge_document({name: member.value for name, member in space.members().items()}, Path(space.name))
    mode = line["mode"].text()
    if spaces.find_mode(mode) is None:
        line["mode"].refuse(f"is not one of the space's modes: {quote(mode)}")
    modes, records, suggestions = (line[name].integer() for name in ("modes", "records", "suggestions"))
    ancestors = line["ancestors"].integer(1) if "ancestors" in line else 0
    return _Header(spaces, mode, _read_seed(line["seed"]), modes, records, suggestions, ancestors)


def _read_learned(node: Node) -> Learned:
    line = node.members({"mode", "seed", "as_of", "hyperparameters"})
    learned = _read_hyperparameters(line["hyperparameters"])
    return Learned(line["mode"].text(), _read_seed(line["seed"]), learned, line["as_of"].integer())


def _read_ancestor(reader: _Reader) -> Inherited:
    mode, learned, count = reader.next(_read_ancestor_line)
    return Inherited(mode, tuple(reader.next(partial(_read_rating_of, mode)) for _ in range(count)), learned)


def _read_ancestor_line(node: Node) -> tuple[str, Hyperparameters | None, int]:
    line = node.members({"mode", "hyperparameters", "ratings"})
    return line["mode"].text(), _read_hyperparameters(line["hyperparameters"]), line["ratings"].integer()


def _read_rating_of(mode: str, node: Node) -> Observation:
    found, record = _read_record(node)
    if found != mode:
        node.get("mode").refuse(f"must be {mode}, that of the ancestor, not {quote(found)}")
    if not isinstance(record, Observation):
        node.refuse("must be a rating: an ancestor has nothing else")
    return record


def _read_hyperparameters(node: Node) -> Hyperparameters | None:
    return None if node.value is None else read_hyperparameters(node)


def _read_record(node: Node) -> tuple[str, Record]:
    mode = node.get("mode").text()
    if node.get("revises").value is None:
        line = node.members({"mode", "parameters", *_TOLD})
        setting = dump_setting(read_setting(line["parameters"]))
        return mode, load_told(mode, setting, *(line[name].value for name in _TOLD))
    line = node.members({"mode", "revises", *_REVISION})
    line["withdrawn"].boolean()
    return mode, Amendment(line["revises"].integer(1), load_revision(*(line[name].value for name in _REVISION)))


def _read_suggestion(node: Node) -> tuple[Suggestion, bool]:
    line = node.members({"id", "mode", "parameters", "suggested_at", "expires_at", "outstanding"})
    suggestion = Suggestion(
        line["id"].text(),
        line["mode"].text(),
        read_setting(line["parameters"]),
        line["suggested_at"].moment(),
        line["expires_at"].moment(),
    )
    return suggestion, line["outstanding"].boolean()


def _read_seed(node: Node) -> int:
    if type(node.value) is not int:
        node.refuse(f"must be a whole number, not {quote(node.value)}")
    return node.value
