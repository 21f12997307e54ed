"""The observation store in memory, for one process: scripts, notebooks and tests, where nothing is read or written.

Whatever is random of a store is derived from its seed here: the same seed and the same calls give the same answers.
Receipts of idempotency keys stay for as long as the store. Threads wait for each other at one lock.
"""

import threading
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import blake2b

from storage.deadline import Deadline
from tuning.errors import (
    AlreadyPendingError,
    EntryMissingError,
    IdempotencyMismatchError,
    RevisionMismatchError,
    StoreUnavailableError,
    StudyArchivedError,
    StudyExistsError,
)
from tuning.observations import (
    DEFAULT_STUDY,
    MAX_POSITION,
    Correction,
    Entry,
    Observation,
    Setting,
    Suggestion,
    Told,
    entry_id,
)
from tuning.stores.log import Amendment, Log, Record, best_of, correct, counts, last_change, plan
from tuning.stores.port import HistoryPage, IdempotencyKey, ObservationStore, Recorded, Revised, StudiesPage
from tuning.study import Hyperparameters, ModeStudy, Study, StudySummary

_ANCESTOR = "ancestor-"
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_SEED_BYTES = 6
_RETRY_AFTER = 1  # seconds


@dataclass(frozen=True, slots=True)
class Learned:
    """A mode of a study beside its log: its seed, and what was learned of the log up to a position."""

    mode: str
    seed: int
    hyperparameters: Hyperparameters | None = None
    as_of: int = 0


@dataclass(frozen=True, slots=True)
class Inherited:
    """One mode of a study that DEFAULT_STUDY is based on: its ratings, and what was learned of them."""

    mode: str
    observations: tuple[Observation, ...]
    hyperparameters: Hyperparameters | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A store that holds DEFAULT_STUDY alone and what it is based on, without receipts, as of one moment.

    `records` has the study's log from position 1 on, each with its mode; `suggestions` all that were ever made, in the
    order claimed, each with whether it has not been ended. `ancestors` are those of DEFAULT_STUDY, the nearest first.
    """

    seed: int
    modes: tuple[Learned, ...]
    records: tuple[tuple[str, Record], ...]
    suggestions: tuple[tuple[Suggestion, bool], ...]
    ancestors: tuple[Inherited, ...] = ()


@dataclass(slots=True)
class _Study:
    """A study, its log's records by position less one, and what they come to in each mode that has begun."""

    study: Study
    records: list[tuple[str, Record]] = field(default_factory=list)
    logs: dict[str, Log] = field(default_factory=dict)
    learned: dict[str, Learned] = field(default_factory=dict)
    # Positions of the entries that answer a suggestion in a mode.
    answers: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """The position of the last record."""
        return len(self.records)

    @property
    def count(self) -> int:
        """The number of ratings that count."""
        return sum(len(log.observations) for log in self.logs.values())

    def entries(self, before: int = MAX_POSITION) -> Iterable[Entry]:
        """Yield the entries before a position, the newest first."""
        for position in range(min(before - 1, self.end), 0, -1):
            mode, record = self.records[position - 1]
            if not isinstance(record, Amendment):
                yield self.logs[mode].entries[position]

    def entry(self, position: int) -> Entry | None:
        """Return the entry at a position, if there is one."""
        if not 1 <= position <= self.end:
            return None
        mode, _ = self.records[position - 1]
        return self.logs[mode].entries.get(position)

    def rated_by(self, mode: str, suggestion_id: str, rater: str) -> Sequence[Entry]:
        """Return the entries in which that rater answers that suggestion."""
        at = self.answers.get((mode, suggestion_id), ())
        return [entry for entry in (self.logs[mode].entries[one] for one in at) if entry.told.rater == rater]

    def append(self, records: Sequence[tuple[int, str, Record]]) -> None:
        """Append records, which follow, to the logs of modes that have begun; all of them or none.

        Raises:
            ValueError: a revision is of no entry or not its next.
        """
        logs = {
            name: self.logs[name].extended([(position, record) for position, mode, record in records if mode == name])
            for name in {mode for _, mode, _ in records}
        }
        self.logs.update(logs)
        for position, mode, record in records:
            self.records.append((mode, record))
            if not isinstance(record, Amendment) and record.suggestion_id is not None:
                self.answers.setdefault((mode, record.suggestion_id), []).append(position)


@dataclass(frozen=True, slots=True)
class _Receipt:
    """What was acknowledged with an idempotency key, and the fingerprint of its request."""

    fingerprint: str
    acknowledged: Recorded | Revised


class MemoryObservationStore(ObservationStore):
    """An empty store. The first mode of DEFAULT_STUDY that begins has `seed` itself, others seeds derived from it.

    DEFAULT_STUDY is based on the first of the `ancestors`, each of them on the next; they are archived.
    """

    def __init__(self, seed: int, ancestors: Sequence[Inherited] = ()) -> None:
        self._seed = seed
        self._lock = threading.RLock()
        self._ancestors = tuple(ancestors)
        names = [DEFAULT_STUDY, *(f"{_ANCESTOR}{generation}" for generation in range(1, len(ancestors) + 1))]
        bases = dict(zip(names, [*names[1:], None], strict=True))
        self._studies = {DEFAULT_STUDY: _Study(Study(DEFAULT_STUDY, based_on=bases[DEFAULT_STUDY]))}
        for name, one in zip(names[1:], ancestors, strict=True):
            kept = _Study(Study(name, _LONG_AGO, bases[name], archived_at=_LONG_AGO))
            self._studies[name] = kept
            self._begin_mode(kept, one.mode)
            kept.append([(position, one.mode, told) for position, told in enumerate(one.observations, 1)])
            learned = kept.learned[one.mode]
            kept.learned[one.mode] = replace(learned, hyperparameters=one.hyperparameters, as_of=kept.end)
        # Every suggestion by its id in the order claimed; which of them have not ended; by place, the latest of each.
        self._suggestions: dict[str, Suggestion] = {}
        self._outstanding: dict[str, None] = {}
        self._latest: dict[tuple[str, str, Setting], str] = {}
        self._receipts: dict[str, _Receipt] = {}

    @classmethod
    def restored(cls, snapshot: Snapshot) -> "MemoryObservationStore":
        """Return the store that the snapshot was taken of.

        Raises:
            ValueError: what it holds does not belong together.
        """
        store = cls(snapshot.seed, snapshot.ancestors)
        kept = store._studies[DEFAULT_STUDY]
        for one in snapshot.modes:
            if one.mode in kept.logs:
                raise ValueError(f"mode {one.mode} is there twice")
            if one.as_of > len(snapshot.records):
                raise ValueError(f"mode {one.mode} has learned of more than there is")
            kept.learned[one.mode], kept.logs[one.mode] = one, Log(DEFAULT_STUDY)
        if unknown := {mode for mode, _ in snapshot.records} - kept.logs.keys():
            raise ValueError(f"mode {min(unknown)} has records and has not begun")
        kept.append([(position, mode, record) for position, (mode, record) in enumerate(snapshot.records, 1)])
        for suggestion, outstanding in snapshot.suggestions:
            place = _place(suggestion)
            held = store._latest.get(place)
            if suggestion.id in store._suggestions or suggestion.study != DEFAULT_STUDY:
                raise ValueError(f"suggestion {suggestion.id} is there twice, or is of another study")
            if outstanding and held in store._outstanding:
                raise ValueError(f"suggestions {held} and {suggestion.id} hold the same setting")
            store._suggestions[suggestion.id], store._latest[place] = suggestion, suggestion.id
            if outstanding:
                store._outstanding[suggestion.id] = None
        return store

    def snapshot(self) -> Snapshot:
        """Return what there is of DEFAULT_STUDY."""
        with self._lock:
            kept = self._studies[DEFAULT_STUDY]
            suggestions = tuple(
                (one, one.id in self._outstanding) for one in self._suggestions.values() if one.study == DEFAULT_STUDY
            )
            return Snapshot(self._seed, tuple(kept.learned.values()), tuple(kept.records), suggestions, self._ancestors)

    def begin(self, study: Study) -> None:
        """See ObservationStore."""
        with self._lock:
            if study.name in self._studies:
                raise StudyExistsError(f"there is a study {study.name} already")
            self._studies[study.name] = _Study(study)

    def summary(self, study: str) -> StudySummary:
        """See ObservationStore."""
        with self._lock:
            return self._summary(study)

    def studies(self, *, limit: int, after: str = "") -> StudiesPage:
        """See ObservationStore."""
        with self._lock:
            names = sorted(name for name in self._studies if name > after)
            summaries = tuple(self._summary(name) for name in names[:limit])
        return StudiesPage(summaries, summaries[-1].study.name if len(names) > limit else None)

    def study_names(self) -> tuple[str, ...]:
        """See ObservationStore."""
        with self._lock:
            return tuple(sorted(self._studies))

    def names_beside(self, name: str, *, limit: int) -> tuple[str, ...]:
        """See ObservationStore."""
        names = self.study_names()
        at = bisect_right(names, name)
        return names[max(at - limit, 0) : at + limit]

    def archive(self, study: str, *, archived_at: datetime | None) -> StudySummary:
        """See ObservationStore."""
        with self._lock:
            kept = self._study(study)
            if (kept.study.archived_at is None) != (archived_at is None):
                kept.study = replace(kept.study, archived_at=archived_at)
            return self._summary(study)

    def record(
        self,
        told: Sequence[Told],
        *,
        study: str = DEFAULT_STUDY,
        idempotency_key: IdempotencyKey | None,
        deadline: Deadline | None = None,
    ) -> Recorded:
        """See ObservationStore."""
        told = [replace(one, recorded_at=one.recorded_at.astimezone(UTC)) for one in told]
        with self._holding(deadline):
            if idempotency_key and (found := self._receipt(idempotency_key)):
                return _recorded(found)
            kept = self._open_study(study)
            batch = plan(study, told, kept.rated_by, end=kept.end)
            for mode in sorted({mode for _, mode, _ in batch.records}):
                self._begin_mode(kept, mode)
            kept.append(batch.records)
            for one in told:
                if one.suggestion_id is not None and self._is_of(study, one.suggestion_id):
                    self._outstanding.pop(one.suggestion_id, None)
            recorded = Recorded(
                kept.count, replayed=False, positions=batch.positions, replaced=batch.replaced, study=study
            )
            self._keep_receipt(idempotency_key, recorded)
            return recorded

    def find_receipt(self, idempotency_key: IdempotencyKey, *, deadline: Deadline | None = None) -> Recorded | None:
        """See ObservationStore."""
        with self._holding(deadline):
            found = self._receipt(idempotency_key)
            return _recorded(found) if found else None

    def revise(
        self,
        study: str,
        position: int,
        correction: Correction,
        *,
        seen: int | None,
        idempotency_key: IdempotencyKey | None,
        deadline: Deadline | None = None,
    ) -> Revised:
        """See ObservationStore."""
        correction = replace(correction, made_at=correction.made_at.astimezone(UTC))
        with self._holding(deadline):
            if idempotency_key and (found := self._receipt(idempotency_key)):
                return _revised(found)
            kept = self._open_study(study)
            entry = kept.entry(position)
            if entry is None:
                raise EntryMissingError(f"there is no entry {entry_id(study, position)}")
            if seen is not None and seen != entry.revision.number:
                raise RevisionMismatchError(entry.id, entry.revision.number)
            mode, revision = entry.told.mode, correct(entry, correction)
            if revision is not None:
                kept.append([(kept.end + 1, mode, Amendment(position, revision))])
            revised = Revised(kept.logs[mode].entries[position], kept.count, replayed=False)
            self._keep_receipt(idempotency_key, revised)
            return revised

    def claim(
        self,
        suggestions: Sequence[Suggestion],
        *,
        giving_way: Sequence[Suggestion] = (),
        now: datetime,
        deadline: Deadline | None = None,
    ) -> None:
        """See ObservationStore."""
        with self._holding(deadline):
            for study in {one.study for one in suggestions}:
                self._open_study(study)
            ending = {one.id for one in giving_way}
            ending |= {name for name in self._outstanding if self._suggestions[name].expires_at <= now}
            taken = {_place(self._suggestions[name]) for name in self._outstanding if name not in ending}
            for one in suggestions:
                if _place(one) in taken or one.id in self._suggestions:
                    raise AlreadyPendingError(f"{one.setting.key} is outstanding in mode {one.mode}")
                taken.add(_place(one))
            for name in ending:
                self._outstanding.pop(name, None)
            for one in suggestions:
                self._suggestions[one.id], self._latest[_place(one)] = one, one.id
                self._outstanding[one.id] = None

    def give_back(self, suggestion_id: str, *, now: datetime) -> Suggestion | None:
        """See ObservationStore."""
        with self._lock:
            if suggestion_id not in self._outstanding:
                return None
            del self._outstanding[suggestion_id]
            found = self._suggestions[suggestion_id]
            return found if found.expires_at > now else None

    def outstanding(
        self, *, study: str = DEFAULT_STUDY, mode: str | None = None, now: datetime
    ) -> tuple[Suggestion, ...]:
        """See ObservationStore."""
        with self._lock:
            self._study(study)
            return self._standing(study, mode, now)

    def find_suggestions(self, ids: Collection[str], *, deadline: Deadline | None = None) -> tuple[Suggestion, ...]:
        """See ObservationStore."""
        with self._holding(deadline):
            return tuple(self._suggestions[name] for name in ids if name in self._suggestions)

    def find_suggested(
        self,
        places: Collection[tuple[str, Setting]],
        *,
        study: str = DEFAULT_STUDY,
        now: datetime,
        deadline: Deadline | None = None,
    ) -> tuple[tuple[Suggestion, bool], ...]:
        """See ObservationStore."""
        with self._holding(deadline):
            self._study(study)
            names = [self._latest.get((study, mode, setting)) for mode, setting in places]
            return tuple(
                (self._suggestions[name], name in self._outstanding and self._suggestions[name].expires_at > now)
                for name in names
                if name is not None
            )

    def mode_study(
        self, mode: str, *, study: str = DEFAULT_STUDY, now: datetime | None, deadline: Deadline | None = None
    ) -> ModeStudy:
        """See ObservationStore."""
        with self._holding(deadline):
            kept = self._study(study)
            self._begin_mode(kept, mode)
            log, learned = kept.logs[mode], kept.learned[mode]
            return ModeStudy(
                mode,
                learned.seed,
                learned.hyperparameters,
                log.observations,
                self._standing(study, mode, now) if now else (),
                log.failed,
                study=kept.study,
                as_of=kept.end,
            )

    def verify(self, *, now: datetime) -> int:  # noqa: ARG002 - nothing is read that could be damaged
        """See ObservationStore."""
        return self.count()

    def save_hyperparameters(
        self,
        mode: str,
        hyperparameters: Hyperparameters,
        *,
        study: str = DEFAULT_STUDY,
        as_of: int,
        deadline: Deadline | None = None,
    ) -> None:
        """See ObservationStore."""
        with self._holding(deadline):
            kept = self._study(study)
            self._begin_mode(kept, mode)
            if kept.learned[mode].as_of <= as_of:
                kept.learned[mode] = replace(kept.learned[mode], hyperparameters=hyperparameters, as_of=as_of)

    def count(self, study: str = DEFAULT_STUDY) -> int:
        """See ObservationStore."""
        with self._lock:
            return self._study(study).count

    def history(
        self,
        *,
        study: str = DEFAULT_STUDY,
        mode: str | None = None,
        rater: str | None = None,
        picture: str | None = None,
        withdrawn: bool = False,
        limit: int,
        before: int = MAX_POSITION,
    ) -> HistoryPage:
        """See ObservationStore."""
        found: list[Entry] = []
        with self._lock:
            for entry in self._study(study).entries(before):
                told = entry.told
                if (
                    mode in {None, told.mode}
                    and rater in {None, told.rater}
                    and picture in {None, told.picture}
                    and (withdrawn or not entry.revision.withdrawn)
                ):
                    found.append(entry)
                if len(found) > limit:
                    return HistoryPage(tuple(found[:limit]), found[limit - 1].position)
        return HistoryPage(tuple(found), None)

    def records(self, study: str, *, after: int = 0, limit: int) -> tuple[tuple[int, str, Record], ...]:
        """See ObservationStore."""
        with self._lock:
            found = self._study(study).records[after : after + limit]
        return tuple((position, mode, record) for position, (mode, record) in enumerate(found, after + 1))

    def close(self) -> None:
        """See ObservationStore."""

    @contextmanager
    def _holding(self, deadline: Deadline | None) -> Iterator[None]:
        """Hold the lock, if there is time left."""
        if deadline is not None and deadline.is_over:
            raise StoreUnavailableError("the store was not used: no time is left", retry_after=_RETRY_AFTER)
        with self._lock:
            yield

    def _study(self, name: str) -> _Study:
        if name not in self._studies:
            raise self.missing(name)
        return self._studies[name]

    def _open_study(self, name: str) -> _Study:
        """Return a study, which is not archived."""
        kept = self._study(name)
        if kept.study.archived_at is not None:
            raise StudyArchivedError(name)
        return kept

    def _begin_mode(self, kept: _Study, mode: str) -> None:
        if mode not in kept.logs:
            name = kept.study.name
            first = name == DEFAULT_STUDY and not kept.logs
            seed = self._seed if first else _derived(self._seed, name, mode)
            kept.learned[mode], kept.logs[mode] = Learned(mode, seed), Log(name)

    def _summary(self, name: str) -> StudySummary:
        kept = self._study(name)
        rated = [entry.told for entry in kept.entries() if isinstance(entry.told, Observation) and counts(entry)]
        return StudySummary(
            kept.study,
            tuple((mode, len(log.observations)) for mode, log in sorted(kept.logs.items())),
            best_of((one.mode, one) for one in reversed(rated)),
            last_change(record for _, record in kept.records),
        )

    def _standing(self, study: str, mode: str | None, now: datetime) -> tuple[Suggestion, ...]:
        """Return what is outstanding, the oldest first, and of one moment in the order claimed."""
        held = [self._suggestions[name] for name in self._outstanding]
        standing = [one for one in held if one.study == study and mode in {None, one.mode} and one.expires_at > now]
        return tuple(sorted(standing, key=lambda one: one.suggested_at))

    def _is_of(self, study: str, suggestion_id: str) -> bool:
        suggestion = self._suggestions.get(suggestion_id)
        return suggestion is not None and suggestion.study == study

    def _receipt(self, idempotency_key: IdempotencyKey) -> _Receipt | None:
        found = self._receipts.get(idempotency_key.key)
        if found is not None and found.fingerprint != idempotency_key.fingerprint:
            raise _used_before()
        return found

    def _keep_receipt(self, idempotency_key: IdempotencyKey | None, acknowledged: Recorded | Revised) -> None:
        if idempotency_key is not None:
            self._receipts[idempotency_key.key] = _Receipt(idempotency_key.fingerprint, acknowledged)


def _place(suggestion: Suggestion) -> tuple[str, str, Setting]:
    """Return where a suggestion is: what two that are outstanding may not share."""
    return suggestion.study, suggestion.mode, suggestion.setting


def _derived(seed: int, study: str, mode: str) -> int:
    """Return the seed of a mode, from 0 on: another for each seed, study and mode."""
    digest = blake2b(f"{seed}:{study}:{mode}".encode(), digest_size=_SEED_BYTES).digest()
    return int.from_bytes(digest)


def _recorded(receipt: _Receipt) -> Recorded:
    """Return what was acknowledged, once again."""
    if not isinstance(receipt.acknowledged, Recorded):
        raise _used_before()
    return replace(receipt.acknowledged, replayed=True)


def _revised(receipt: _Receipt) -> Revised:
    """Return what was acknowledged, once again."""
    if not isinstance(receipt.acknowledged, Revised):
        raise _used_before()
    return replace(receipt.acknowledged, replayed=True)


def _used_before() -> IdempotencyMismatchError:
    return IdempotencyMismatchError(
        "this idempotency key was used before for another request; send what is new with a new key"
    )
