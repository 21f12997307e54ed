"""Move studies between observation stores: `python -m tools.observations export | import | copy`.

It moves every observation in the order recorded, over all modes, with its numbers, time and suggestion; the learned
hyperparameters; and the pending suggestions. It does not move a study's seed, which the new store draws itself, and the
receipts of idempotency keys.

An archive is JSON Lines: first one header per study, then one observation per line, oldest first.

    {"study": "structure", "format": 1, "observations": 2, "hyperparameters": {...} or null, "outstanding": [...]}
    {"mode": "structure", "parameters": {"api": ...}, "rating": 4.0, "recorded_at": "...", "suggestion_id": null}

Observations are added only to a store that has, of each mode, the first observations of the archive, or none. So an
interrupted import goes on where it ended. The idempotency key of a batch is made of its place and content, so that two
imports of the same archive may run at once. It refuses to merge different studies, and keeps all observations in
memory: some 2 kB per observation.
"""

import argparse
import hashlib
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn, ParamSpec, TypeVar

from tqdm import tqdm

from tuning.errors import AlreadyPendingError, StoreUnavailableError, TuningError
from tuning.observations import MAX_POSITION, MAX_RATING, MIN_RATING, Observation, Setting, Suggestion
from tuning.spaces import Value
from tuning.stores import open_store
from tuning.stores.port import IdempotencyKey, ObservationStore
from tuning.stores.records import timestamp
from tuning.study import Hyperparameters
from tuning.validation.settings import parse_number, quote

FORMAT = 1  # of archives; an archive of a later format is refused
BATCH = 200  # observations recorded per batch; an interruption repeats at most one
ATTEMPTS = 8  # of a call to a store that is not available

_PAGE = 500  # observations read at once
_Parameters = ParamSpec("_Parameters")
_Answer = TypeVar("_Answer")


class MoveError(Exception):
    """Studies cannot be moved; the message says why."""


class ArchiveError(MoveError):
    """A file is not an archive; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class MovedStudy:
    """The part of a study that is moved beside its observations."""

    mode: str
    hyperparameters: Hyperparameters | None
    outstanding: tuple[Suggestion, ...]


@dataclass(frozen=True, slots=True)
class Archive:
    """Studies to move, each once, and the observations of all of them in the order recorded."""

    studies: tuple[MovedStudy, ...]
    observations: tuple[Observation, ...]

    def count(self, mode: str) -> int:
        """Return how many of the observations are of that mode."""
        return sum(observation.mode == mode for observation in self.observations)


def collect(store: ObservationStore, *, now: datetime) -> Archive:
    """Read all that can be moved from a store.

    Observations that are recorded meanwhile may be missing; those acknowledged before are not.

    Raises:
        MoveError: the store is empty.
        StoreError: the store's own errors.
    """
    promised = _patiently(store.count)
    if not promised:
        raise MoveError("the store that is read holds no observations; is its URL right?")
    observations = _recorded(store, promised, "reading")
    if len(observations) < promised:
        raise MoveError(f"the store says that it holds {promised:,} observations, and gave {len(observations):,}")
    modes = {observation.mode for observation in observations}
    modes |= {suggestion.mode for suggestion in _patiently(store.outstanding, now=now)}
    held = [_patiently(store.study, mode, now=now) for mode in sorted(modes)]
    return Archive(tuple(MovedStudy(s.mode, s.hyperparameters, s.outstanding) for s in held), tuple(observations))


def record(archive: Archive, store: ObservationStore, *, now: datetime) -> int:
    """Add the archive to a store, verify the result, and return the observations that were added.

    After an error, a second call goes on from there.

    Raises:
        MoveError: the store has other observations.
        StoreError: the store's own errors.
    """
    missing = _missing(archive, _recorded(store, _patiently(store.count), "comparing"))
    with _bar(len(archive.observations), "recording") as bar:
        bar.update(len(archive.observations) - len(missing))
        for batch in _batches(missing):
            observations, key = [observation for _, observation in batch], _key(batch)
            _patiently(store.record, observations, idempotency_key=key)
            bar.update(len(batch))
    for study in archive.studies:
        if learned := study.hyperparameters:
            _patiently(store.save_hyperparameters, study.mode, learned)
        for suggestion in study.outstanding:
            if suggestion.expires_at > now:
                _claim(store, suggestion, now)
    if lost := _missing(archive, _recorded(store, len(archive.observations), "verifying")):
        raise MoveError(f"{len(lost):,} observations are not in the store although it acknowledged them")
    return len(missing)


def write_archive(archive: Archive, path: Path) -> None:
    """Write a new file, whole or not at all.

    Raises:
        MoveError: the file exists already.
        OSError: it cannot be written.
    """
    if path.exists():
        raise MoveError(f"{path} exists already; name a new file")
    partial = path.with_name(f"{path.name}.partial")
    with partial.open("w", encoding="utf-8") as file:
        for study in archive.studies:
            file.write(json.dumps(_plain_study(study, archive.count(study.mode))) + "\n")
        for observation in archive.observations:
            file.write(_line(observation) + "\n")
        file.flush()
        os.fsync(file.fileno())
    if read_archive(partial) != archive:
        raise MoveError(f"{partial} does not hold what was written to it")
    partial.rename(path)


def read_archive(path: Path) -> Archive:
    """Read a file that `write_archive` wrote, in this release or an earlier one.

    Raises:
        ArchiveError: it is not an archive, or one of a later format.
        OSError: it cannot be read.
    """
    studies: dict[str, MovedStudy] = {}
    announced: dict[str, int] = {}
    observations: list[Observation] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            entry = _Entry.parse(path, number, line)
            if "study" in entry.plain:
                study, count = entry.study()
                if study.mode in studies:
                    entry.refuse(f"study {quote(study.mode)} has a header already")
                studies[study.mode], announced[study.mode] = study, count
            else:
                observation = entry.observation()
                if observation.mode not in studies:
                    entry.refuse(f"study {quote(observation.mode)} has no header before this line")
                observations.append(observation)
    archive = Archive(tuple(studies.values()), tuple(observations))
    if not studies:
        raise ArchiveError(f"{path}: is empty")
    for mode, count in announced.items():
        if (found := archive.count(mode)) != count:
            raise ArchiveError(f"{path}: holds {found:,} observations of study {mode}, and its header says {count:,}")
    return archive


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line of an archive, and where it is."""

    path: Path
    number: int
    plain: Mapping[str, object]

    @classmethod
    def parse(cls, path: Path, number: int, line: bytes) -> "_Entry":
        entry = cls(path, number, {})
        try:
            return replace(entry, plain=entry._object(json.loads(line, parse_constant=_no_number), "the line"))
        except ValueError as error:
            entry.refuse(f"is not JSON: {error}")

    def refuse(self, complaint: str) -> NoReturn:
        raise ArchiveError(f"{self.path}:{self.number}: {complaint}")

    def study(self) -> tuple[MovedStudy, int]:
        """Return the study of a header, and how many observations it announces."""
        plain = self.plain
        if plain.get("format") != FORMAT:
            self.refuse(f"has format {quote(plain.get('format'))}; this release reads {FORMAT}")
        mode, count = self._text(plain, "study"), self._number(plain, "observations")
        learned, outstanding = plain.get("hyperparameters"), plain.get("outstanding")
        if not isinstance(outstanding, list) or not all(isinstance(one, dict) for one in outstanding):
            self.refuse("outstanding must be a list of objects")
        hyperparameters = None if learned is None else self._hyperparameters(learned)
        return MovedStudy(mode, hyperparameters, tuple(self._suggestion(mode, one) for one in outstanding)), int(count)

    def observation(self) -> Observation:
        plain = self.plain
        rating = self._number(plain, "rating")
        if not MIN_RATING <= rating <= MAX_RATING:
            self.refuse(f"rating must lie within {MIN_RATING:g} to {MAX_RATING:g}, not {rating:g}")
        identity = None if plain.get("suggestion_id") is None else self._text(plain, "suggestion_id")
        mode, moment = self._text(plain, "mode"), self._moment(plain, "recorded_at")
        return Observation(mode, self._setting(plain), rating, moment, identity)

    def _suggestion(self, mode: str, plain: Mapping[str, object]) -> Suggestion:
        start, end = self._moment(plain, "suggested_at"), self._moment(plain, "expires_at")
        return Suggestion(self._text(plain, "id"), mode, self._setting(plain), start, end)

    def _setting(self, plain: Mapping[str, object]) -> Setting:
        parameters = self._object(plain.get("parameters"), "parameters")
        names = [name for name in parameters if name != "api"]
        return Setting(self._text(parameters, "api"), tuple((name, self._value(parameters, name)) for name in names))

    def _hyperparameters(self, learned: object) -> Hyperparameters:
        plain = self._object(learned, "hyperparameters")
        lengthscales = self._object(plain.get("lengthscales"), "lengthscales")
        return Hyperparameters(
            lengthscales=tuple((name, self._number(lengthscales, name)) for name in lengthscales),
            signal_variance=self._number(plain, "signal_variance"),
            noise_variance=self._number(plain, "noise_variance"),
            similarity=self._number(plain, "similarity"),
            fitted_on=int(self._number(plain, "fitted_on")),
        )

    def _object(self, value: object, name: str) -> Mapping[str, object]:
        if not isinstance(value, dict):
            self.refuse(f"{name} must be an object, not {quote(value)}")
        return value

    def _text(self, plain: Mapping[str, object], name: str) -> str:
        value = plain.get(name)
        if not isinstance(value, str) or not value:
            self.refuse(f"{name} must be a text, not {quote(value)}")
        return value

    def _value(self, plain: Mapping[str, object], name: str) -> Value:
        value = plain.get(name)
        # A choice and a whole number stay what they are.
        return value if isinstance(value, str) or type(value) is int else self._number(plain, name)

    def _number(self, plain: Mapping[str, object], name: str) -> float:
        try:
            return parse_number(plain.get(name))
        except ValueError as error:
            self.refuse(f"{name} {error}")

    def _moment(self, plain: Mapping[str, object], name: str) -> datetime:
        text = self._text(plain, name)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.refuse(f"{name} must be a moment in ISO 8601, not {quote(text)}")
        if moment.tzinfo is None:
            self.refuse(f"{name} must say its offset from UTC, as in {text}+00:00")
        return moment


def _recorded(store: ObservationStore, expected: int, doing: str) -> list[Observation]:
    """Return the store's observations in the order recorded."""
    newest_first: list[Observation] = []
    before: int | None = MAX_POSITION
    with _bar(expected, doing) as bar:
        while before is not None:
            page = _patiently(store.history, mode=None, limit=_PAGE, before=before)
            newest_first += page.observations
            bar.update(len(page.observations))
            before = page.earliest
    return newest_first[::-1]


def _missing(archive: Archive, held: Sequence[Observation]) -> list[tuple[int, Observation]]:
    """Return the archive's observations that the store lacks, with their places in the archive.

    Raises:
        MoveError: the store has observations that are not in the archive.
    """
    of_mode: dict[str, list[Observation]] = defaultdict(list)
    for observation in reversed(held):
        of_mode[observation.mode].append(observation)
    missing = []
    for place, observation in enumerate(archive.observations):
        # The store's observations of a mode must be the first ones that the archive has of it.
        beginning = of_mode[observation.mode]
        if not beginning:
            missing.append((place, observation))
        elif beginning.pop() != observation:
            raise _others(observation.mode)
    for mode, others in of_mode.items():
        if others:
            raise _others(mode)
    return missing


def _others(mode: str) -> MoveError:
    return MoveError(
        f"the store that is written holds other observations of study {mode} than those to be moved;"
        " move into an empty store, and let nobody rate there before it is done"
    )


def _batches(missing: Sequence[tuple[int, Observation]]) -> Iterator[list[tuple[int, Observation]]]:
    """Return the observations in batches whose ends do not depend on what was recorded before."""
    batches: dict[int, list[tuple[int, Observation]]] = defaultdict(list)
    for place, observation in missing:
        batches[place // BATCH].append((place, observation))
    yield from batches.values()


def _key(batch: Sequence[tuple[int, Observation]]) -> IdempotencyKey:
    digest = hashlib.sha256("\n".join(f"{place} {_line(o)}" for place, o in batch).encode()).hexdigest()
    return IdempotencyKey(f"move-{digest}", digest)


def _claim(store: ObservationStore, suggestion: Suggestion, now: datetime) -> None:
    try:
        _patiently(store.claim, [suggestion], now=now)
    except AlreadyPendingError:
        # It was moved before, or the same setting was suggested again since: a rating is accepted in both cases.
        return


def _patiently(
    call: Callable[_Parameters, _Answer], *arguments: _Parameters.args, **named: _Parameters.kwargs
) -> _Answer:
    for _ in range(ATTEMPTS - 1):
        try:
            return call(*arguments, **named)
        except StoreUnavailableError as error:
            tqdm.write(f"waiting: {error}", file=sys.stderr)
            time.sleep(error.retry_after)
    return call(*arguments, **named)


def _plain_study(study: MovedStudy, count: int) -> dict[str, object]:
    learned = study.hyperparameters
    return {
        "study": study.mode,
        "format": FORMAT,
        "observations": count,
        "hyperparameters": learned
        and {
            "lengthscales": dict(learned.lengthscales),
            "signal_variance": learned.signal_variance,
            "noise_variance": learned.noise_variance,
            "similarity": learned.similarity,
            "fitted_on": learned.fitted_on,
        },
        "outstanding": [
            {
                "id": suggestion.id,
                "parameters": suggestion.setting.to_plain(),
                "suggested_at": timestamp(suggestion.suggested_at),
                "expires_at": timestamp(suggestion.expires_at),
            }
            for suggestion in study.outstanding
        ],
    }


def _line(observation: Observation) -> str:
    # JSON has the shortest exact text of a float, so that it is read back bit for bit.
    return json.dumps(
        {
            "mode": observation.mode,
            "parameters": observation.setting.to_plain(),
            "rating": observation.rating,
            "recorded_at": timestamp(observation.recorded_at),
            "suggestion_id": observation.suggestion_id,
        }
    )


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _bar(total: int, doing: str) -> "tqdm[NoReturn]":
    """Return a progress bar, which is shown if standard error is a terminal."""
    return tqdm(total=total, desc=doing, unit=" observations", disable=None, leave=False, dynamic_ncols=True)


_DESCRIPTION = """\
Move studies (ratings, learned hyperparameters, pending suggestions) from one observation store to another, directly or
through a file. A store is named as in OBSERVATION_STORE:

  sqlite:///data/observations.db                relative to the working directory (four slashes: absolute)
  dynamodb://TABLE?region=REGION&endpoint=URL   without region and endpoint, AWS's own settings apply"""

_EPILOG = """\
examples:
  python -m tools.observations copy --from sqlite:///data/observations.db --to dynamodb://observations?region=eu-west-1
  python -m tools.observations export --from dynamodb://observations --to ratings.jsonl
  python -m tools.observations import --from ratings.jsonl --to sqlite:///data/observations.db

Stop the functions that write to either store first. The store that is written must be empty, or hold the first of the
observations to move: after an interruption, run the same command again."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, or 1 with a line on standard error that says what is wrong."""
    options = _parser().parse_args(arguments)
    now = datetime.now(UTC)
    try:
        if options.command == "import":
            archive = read_archive(Path(options.source))
        else:
            with closing(open_store(options.source)) as source:
                archive = collect(source, now=now)
        if options.command == "export":
            write_archive(archive, Path(options.target))
            moved = len(archive.observations)
        else:
            with closing(open_store(options.target)) as target:
                moved = record(archive, target, now=now)
    except (MoveError, TuningError, OSError) as error:
        print(f"tools.observations: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tools.observations: interrupted; run the command again to go on", file=sys.stderr)
        return 130
    for study in archive.studies:
        print(f"{study.mode}: {archive.count(study.mode):,} observations")
    there = len(archive.observations) - moved
    print(f"{moved:,} moved{f', {there:,} were there already' if there else ''}; all verified")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.observations",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True, dest="command")
    for name, source, target, summary in (
        ("export", "URL", "FILE", "a store to a new file of JSON Lines"),
        ("import", "FILE", "URL", "such a file to a store"),
        ("copy", "URL", "URL", "a store to another store"),
    ):
        command = commands.add_parser(name, help=summary, description=f"Move {summary}.")
        command.add_argument("--from", dest="source", metavar=source, required=True, help="where the studies are")
        command.add_argument("--to", dest="target", metavar=target, required=True, help="where they shall be")
    return parser


if __name__ == "__main__":
    sys.exit(main())
