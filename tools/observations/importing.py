"""Recording rows in studies, which may have other entries. It records each row once, however often a file is imported.

A row with a time is there already if its study has an entry with the same content, or an entry of its `id` and time.
A row without a time is recorded with an idempotency key of its own. The key is made of its content and of the number of
equal rows before it in the file; the store remembers it (SQLite for ever, DynamoDB for 30 days). It corrects nothing
that is there.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path

from tools.observations.errors import MoveError
from tools.observations.lines import dump_record
from tools.observations.moving import BATCH, find_suggestions, folded, read_log
from tools.observations.patience import bar, patiently
from tools.observations.rows import JudgedRow, Problem, RowsError
from tuning.errors import StudyArchivedError, StudyExistsError
from tuning.model.encoding import snap
from tuning.observations import DEFAULT_STUDY, Entry, Failure, Observation, Setting, Suggestion, Told
from tuning.spaces import Mode, Spaces
from tuning.stores.port import IdempotencyKey, ObservationStore
from tuning.study import Study
from tuning.validation.requests import parse_study_request

_NAMED = 10  # lines that a note names


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, by study: the number of rows that it recorded, and of those that were there already.

    `notes` say what else happened to rows; `differing` counts those that differ from the entries of their ids, which
    were left as they are.
    """

    recorded: Mapping[str, int]
    there: Mapping[str, int]
    notes: tuple[str, ...]
    differing: int = 0


@dataclass(frozen=True, slots=True)
class _Planned:
    """A row as it is to be recorded. If it is not `dated`, its time is that of the import."""

    row: JudgedRow
    told: Told
    dated: bool


def import_rows(
    path: Path,
    rows: Sequence[JudgedRow],
    store: ObservationStore,
    spaces: Spaces,
    *,
    study: str | None,
    create: bool,
    mode: str | None,
    now: datetime,
) -> Imported:
    """Record the rows of the file at `path`, and verify the result. After an error, a second call goes on from there.

    With None as `study` each row is recorded in its own study. With `create` missing studies begin. A row without a
    mode has that of its suggestion, else `mode`, else the default one.

    Raises:
        RowsError: a row contradicts the suggestion that it names, or its mode lacks its API; nothing is recorded.
        MoveError: a study is missing.
        StudyArchivedError: a study takes nothing.
        InvalidRequestError: a study to begin cannot have its name.
        TuningError: the store cannot be used.
    """
    attributing = _Attributing(path, store, spaces, study, mode or spaces.default_mode, now)
    planned = attributing.plan(rows)
    names = patiently(store.study_names)
    for name in planned:
        if name not in names:
            _judge_missing(name, names, create=create)
        elif patiently(store.summary, name).study.archived_at is not None:
            raise StudyArchivedError(name)
    recording = _Recording(store, now)
    with bar(len(rows), "recording", "rows") as shown:
        for name, of_study in planned.items():
            if name not in names:
                _begin(store, name, now)
            recording.record(name, of_study, shown.update)
    recording.verify()
    return Imported(
        recording.recorded, recording.there, (*attributing.notes(), *recording.notes()), len(recording.changed)
    )


def _judge_missing(name: str, names: Sequence[str], *, create: bool) -> None:
    if not create:
        near = get_close_matches(name, names, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise MoveError(f"there is no study {name}; {hint}--create begins it")
    parse_study_request({"name": name})


def _begin(store: ObservationStore, name: str, now: datetime) -> None:
    try:
        patiently(store.begin, Study(name, now))
    except StudyExistsError:
        return  # another import has begun it


@dataclass(slots=True)
class _Attributing:
    """Decides the study, the mode and the suggestion of each row; `mode` is that of rows without one."""

    path: Path
    store: ObservationStore
    spaces: Spaces
    study: str | None
    mode: str
    now: datetime
    problems: list[Problem] = field(default_factory=list)
    without_mode: int = 0
    of_others: int = 0

    def plan(self, rows: Sequence[JudgedRow]) -> dict[str, list[_Planned]]:
        """Return the rows of each study, in their order.

        Raises:
            RowsError: rows are wrong.
        """
        known = {one.id: one for one in find_suggestions(self.store, (row.suggestion_id for row in rows))}
        planned: dict[str, list[_Planned]] = defaultdict(list)
        for row in rows:
            named = known.get(row.suggestion_id or "")
            study = self.study or row.study or (named.study if named else DEFAULT_STUDY)
            if named and named.study != study:
                # An id belongs to one study: the suggestion must stay pending there, and can be rated there.
                row, named = replace(row, suggestion_id=None), None  # noqa: PLW2901 - the row as it is from here on
                self.of_others += 1
            planned[study].append(self._planned(row, named))
        if self.problems:
            raise RowsError(self.path, self.problems)
        return planned

    def notes(self) -> list[str]:
        """Return the notes."""
        notes = []
        if self.without_mode:
            notes.append(f"{self.without_mode:,} rows have no mode; they are recorded in {self.mode}")
        if self.of_others:
            notes.append(f"{self.of_others:,} rows have a suggestion_id of another study; they are recorded without it")
        return notes

    def _planned(self, row: JudgedRow, named: Suggestion | None) -> _Planned:
        name = row.mode or (named.mode if named else None)
        if name is None:
            name = self.mode
            self.without_mode += 1
        mode = self.spaces.find_mode(name)
        if mode is None or mode.find_api(row.setting.api) is None:
            self._refuse(row, "api", f"mode {name} has no API {row.setting.api}")
        elif named and named.mode != name:
            self._refuse(row, "mode", f"the suggestion was made in mode {named.mode}")
        elif named and _snapped(mode, row.setting) != _snapped(mode, named.setting):
            plain = json.dumps(named.setting.to_plain())
            self._refuse(row, "suggestion_id", f"was suggested as {plain}; leave it out to rate other parameters")
        moment = row.recorded_at or self.now
        who = row.suggestion_id, row.rater, row.picture, row.comment
        told: Told
        if row.rating is None:
            told = Failure(name, row.setting, row.failed or "", moment, *who)
        else:
            told = Observation(name, row.setting, row.rating, moment, *who)
        return _Planned(row, told, row.recorded_at is not None)

    def _refuse(self, row: JudgedRow, column: str, message: str) -> None:
        self.problems.append(Problem(row.line, column, message))


def _snapped(mode: Mode, setting: Setting) -> Setting:
    """Return the setting's place on the grid; itself if it is of a space that was changed."""
    api = mode.find_api(setting.api)
    try:
        return snap(api, setting) if api else setting
    except (KeyError, ValueError):
        return setting


@dataclass(slots=True)
class _Recording:
    """Records the rows of one study after another."""

    store: ObservationStore
    now: datetime
    recorded: dict[str, int] = field(default_factory=dict)
    there: dict[str, int] = field(default_factory=dict)
    changed: list[int] = field(default_factory=list)
    replaced: int = 0
    acknowledged: dict[str, list[tuple[int, Told]]] = field(default_factory=dict)

    def record(self, study: str, planned: Sequence[_Planned], progress: Callable[[int], object]) -> None:
        """Record the rows that the study does not have."""
        self.recorded[study] = self.there[study] = 0
        self.acknowledged[study] = []
        log = read_log(self.store, study, "comparing")
        history = _History(folded(study, log).entries.values())
        dated = sorted((one for one in planned if one.dated), key=lambda one: one.told.recorded_at)
        batches: dict[int, list[Told]] = defaultdict(list)
        for place, one in enumerate(dated):
            found = history.take(one)
            if found is None:
                batches[place // BATCH].append(one.told)
                continue
            self.there[study] += 1
            if not found:
                self.changed.append(one.row.line)
        progress(self.there[study])
        for place, batch in batches.items():
            self._tell(study, batch, "\n".join([str(place), *map(dump_record, batch)]))
            progress(len(batch))
        equal: Counter[str] = Counter()
        for one in planned:
            if not one.dated:
                content = dump_record(replace(one.told, recorded_at=datetime.min.replace(tzinfo=self.now.tzinfo)))
                equal[content] += 1
                self._tell(study, [one.told], f"{content} {equal[content]}")
                progress(1)

    def verify(self) -> None:
        """Check that the studies have what they acknowledged.

        Raises:
            MoveError: they do not.
        """
        for study, told in self.acknowledged.items():
            entries = folded(study, read_log(self.store, study, "verifying")).entries if told else {}
            lost = [one for position, one in told if not (entry := entries.get(position)) or not _answers(entry, one)]
            if lost:
                raise MoveError(f"{len(lost):,} rows are not in study {study} although it acknowledged them")

    def notes(self) -> list[str]:
        """Return the notes."""
        notes = []
        if self.replaced:
            notes.append(f"{self.replaced:,} rows replaced an earlier rating of the same suggestion by the same rater")
        if self.changed:
            lines = ", ".join(map(str, self.changed[:_NAMED])) + (", …" if len(self.changed) > _NAMED else "")
            notes.append(
                f"{len(self.changed):,} rows differ from the entry of their id, and were not recorded;"
                f" PATCH /ml/history/{{id}} corrects an entry: lines {lines}"
            )
        return notes

    def _tell(self, study: str, told: Sequence[Told], content: str) -> None:
        digest = hashlib.sha256(f"{study}\n{content}".encode()).hexdigest()
        key = IdempotencyKey(f"import-{digest}", digest)
        done = patiently(self.store.record, told, study=study, idempotency_key=key)
        if done.replayed:
            self.there[study] += len(told)
        else:
            self.recorded[study] += len(told)
            self.replaced += len(done.replaced)
        self.acknowledged[study] += zip(done.positions or (), told, strict=True)


def _answers(entry: Entry, told: Told) -> bool:
    """Return whether this entry, or a revision of it, can be what was told."""
    again = told.suggestion_id is not None and told.suggestion_id == entry.told.suggestion_id
    return told.mode == entry.told.mode and (again or told.setting == entry.told.setting)


_Content = tuple[object, ...]


class _History:
    """The entries of a study by their content; each is found once."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._by_id: dict[str, Entry] = {}
        self._places: dict[_Content, list[tuple[int, int]]] = defaultdict(list)
        self._taken: set[tuple[int, int]] = set()
        for entry in entries:
            self._by_id[entry.id] = entry
            for content in dict.fromkeys(_states(entry)):
                self._places[content].append((entry.position, 1))
            for revision in (*entry.earlier, entry.revision)[1:]:
                if revision.reviser is not None and revision.reviser == entry.told.rater:
                    again = _rating_again(entry.told, revision.rating, revision.made_at)
                    self._places[again].append((entry.position, revision.number))

    def take(self, planned: _Planned) -> bool | None:
        """Return True if the row is there, False if the entry of its id differs, and None if it is not there.

        An entry that was found is not found again.
        """
        told = planned.told
        named = self._by_id.get(planned.row.identity or "")
        if named and (named.told.mode, named.told.recorded_at) == (told.mode, told.recorded_at):
            place = named.position, 1
            if place not in self._taken:
                self._taken.add(place)
                return _content(told) in _states(named)
        rating = told.rating if isinstance(told, Observation) else None
        for content in (_content(told), _rating_again(told, rating, told.recorded_at)):
            for place in self._places.get(content, ()):
                if place not in self._taken:
                    self._taken.add(place)
                    return True
        return None


def _states(entry: Entry) -> list[_Content]:
    """Return the content of the entry at each of its revisions."""
    return [_content(entry.told, revision.rating, revision.comment) for revision in (*entry.earlier, entry.revision)]


def _content(told: Told, *state: object) -> _Content:
    """Return the content of what was told, with its own rating and comment or with those given."""
    said = told.rating if isinstance(told, Observation) else told.reason
    rating, comment = state or (said, told.comment)
    if isinstance(told, Failure):
        rating = said
    who = told.suggestion_id, told.rater, told.picture
    return type(told), told.mode, told.setting, told.recorded_at, *who, rating, comment


def _rating_again(told: Told, rating: float | None, moment: datetime) -> _Content:
    """Return the content of a rating that became a revision of its rater's earlier one (`tuning.stores.log.plan`)."""
    return "again", told.mode, told.suggestion_id, told.rater, rating, moment
