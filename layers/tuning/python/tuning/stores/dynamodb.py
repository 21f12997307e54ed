"""The observation store in one DynamoDB table: any number of functions and machines.

Here studies are written; `tuning.stores.dynamodb_logs` reads them, and `tuning.stores.dynamodb_items` has the items.
Positions count what a study's log holds, over all modes, from 1. A batch of any size, or a revision, becomes visible by
one transaction, which puts it where the study's head says that the log ends, and moves the head on; it succeeds only if
the head is still the one that was read. Studies have heads of their own, and never contend.

A suggestion is outstanding while its item is there, has not expired, and nothing in the log has its id: what deletes
items, be it this module or the table's TTL, only tidies up. See docs/decisions/0004 and 0018 for the reasons.
"""

import secrets
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Literal

from storage.deadline import Deadline
from storage.errors import MissingError
from storage.table import MAX_CHANGES, CallLimits, Delete, LostRaceError, Put, Row, Table
from storage.urls import TablePlace
from tuning.errors import (
    STORE_ERRORS,
    AlreadyPendingError,
    EntryMissingError,
    EntryStateError,
    IdempotencyMismatchError,
    RevisionMismatchError,
    StoreCorruptError,
    StoreUnavailableError,
    StudyArchivedError,
    StudyExistsError,
)
from tuning.observations import (
    DEFAULT_STUDY,
    MAX_POSITION,
    Correction,
    Entry,
    Revision,
    Setting,
    Suggestion,
    Told,
)
from tuning.stores import dynamodb_items as items
from tuning.stores.dynamodb_items import Head, ModeHead, Receipt
from tuning.stores.dynamodb_logs import NotAllThereError, StudyLogs, readings
from tuning.stores.log import Amendment, Record, amended, as_of, correct, plan
from tuning.stores.port import (
    MAX_BATCH,
    MAX_CLAIM,
    HistoryPage,
    IdempotencyKey,
    ObservationStore,
    Recorded,
    Revised,
    StudiesPage,
)
from tuning.stores.records import dump_hyperparameters, load_count, load_hyperparameters, load_text
from tuning.study import Hyperparameters, ModeStudy, Study, StudySummary

LIMITS = CallLimits(connect_seconds=1.0, read_seconds=2.0, attempts=3, pause_seconds=0.4, retry_after=2)
# Seconds after which no further attempt begins: of an operation, and of one that may lose races.
PATIENCE, RACING_PATIENCE = 4.0, 10.0

_RETRY_AFTER = 1  # seconds; of a race lost too often
_VERIFIED_FOR = 60.0  # seconds for which what was verified is taken to be so


class DynamoDbObservationStore(ObservationStore):
    """An observation store in the table at `place`, which must be there."""

    def __init__(self, place: TablePlace) -> None:
        self._table = Table(place, errors=STORE_ERRORS, limits=LIMITS)
        self._logs = StudyLogs(self._table, self.missing)
        self._verified_until = 0.0

    def begin(self, study: Study) -> None:
        """See ObservationStore."""
        if study.name == DEFAULT_STUDY:
            raise StudyExistsError(f"there is a study {study.name} from the start")
        deadline = Deadline(RACING_PATIENCE)
        token = secrets.token_hex(16)
        changes = [items.put_study(study, token), items.put_head(Head(study, version=1), seen=0)]
        for _ in deadline.attempts():
            try:
                self._table.transact(changes, deadline)
            except LostRaceError as lost:
                if not lost.rows:
                    continue
                if lost.rows.get(0, {}).get("token") != token:  # otherwise an attempt succeeded whose answer was lost
                    raise StudyExistsError(f"there is a study {study.name} already") from None
            return
        raise _crowded()

    def summary(self, study: str) -> StudySummary:
        """See ObservationStore."""
        deadline = Deadline(PATIENCE)
        return self._logs.completed(self._logs.head(study, deadline), deadline).summary

    def studies(self, *, limit: int, after: str = "") -> StudiesPage:
        """See ObservationStore."""
        deadline = Deadline(PATIENCE)
        found = list(islice(self._names(deadline, after, page=limit + 1), limit + 1))
        names = found[:limit]
        rows = {str(row["pk"]): row for row in self._table.get_many(map(items.head_key, names), deadline)}
        heads = [self._logs.head_of(name, rows.get(items.head_key(name)[0])) for name in names]
        summaries = tuple(self._logs.completed(head, deadline).summary for head in heads)
        return StudiesPage(summaries, names[-1] if len(found) > limit else None)

    def study_names(self) -> tuple[str, ...]:
        """See ObservationStore."""
        return tuple(self._names(Deadline(PATIENCE)))

    def names_beside(self, name: str, *, limit: int) -> tuple[str, ...]:
        """See ObservationStore."""
        deadline = Deadline(PATIENCE)
        before = [DEFAULT_STUDY] if name >= DEFAULT_STUDY else []
        for row in islice(self._table.query("studies", " ", name, deadline, newest_first=True, page=limit), limit):
            with self._logs.reading(row):
                before.append(load_text(row["sk"], "a study"))
        after = islice(self._names(deadline, name, page=limit), limit)
        return (*sorted(before)[-limit:], *after)

    def archive(self, study: str, *, archived_at: datetime | None) -> StudySummary:
        """See ObservationStore."""
        deadline = Deadline(RACING_PATIENCE)
        for _ in deadline.attempts():
            head = self._logs.completed(self._logs.head(study, deadline), deadline)
            if (head.study.archived_at is None) == (archived_at is None):
                return head.summary
            after = head.changed(study=replace(head.study, archived_at=archived_at))
            try:
                self._table.put(items.put_head(after, head.version), deadline)
            except LostRaceError:
                continue
            return after.summary
        raise _crowded()

    def record(
        self,
        told: Sequence[Told],
        *,
        study: str = DEFAULT_STUDY,
        idempotency_key: IdempotencyKey | None,
        deadline: Deadline | None = None,
    ) -> Recorded:
        """See ObservationStore."""
        if len(told) > MAX_BATCH:
            raise ValueError(f"a batch holds up to {MAX_BATCH:,} ratings and failures, not {len(told):,}")
        deadline = Deadline(RACING_PATIENCE, within=deadline)
        pk, receipt = _receipt_of("batch", study, idempotency_key)
        answered = _answered(told)
        for attempt in deadline.attempts():
            head = self._logs.head(study, deadline)
            if head.study.archived_at is not None:
                if (idempotency_key or attempt) and (found := self._found(pk, deadline)):
                    return self._recorded(found, receipt)
                raise StudyArchivedError(study)
            head = self._logs.completed(head, deadline)
            batch = plan(study, told, self._logs.rated_by(head, deadline), end=head.end)
            appended = items.put_records(study, batch.records)
            after = head.following(batch.records, self._logs.reader(head, deadline))
            receipt = replace(receipt, samples_seen=after.samples, positions=batch.positions, replaced=batch.replaced)
            changes: list[Put | Delete] = [
                receipt.put(pk, int(time.time())),
                items.put_head(after, head.version),
                *appended,
            ]
            fixed = len(changes)
            freed = [items.free(study, place, ids) for place, ids in answered]
            try:
                self._table.transact([*changes, *freed[: MAX_CHANGES - fixed]], deadline)
            except LostRaceError as lost:
                if 0 in lost.rows:
                    return self._recorded(lost.rows[0], receipt)
                # Suggestions that ended before and whose settings others hold now are not ours to free.
                gone = {at - fixed for at in lost.rows}
                answered = [one for at, one in enumerate(answered) if at not in gone]
            else:
                self._tidy(freed[MAX_CHANGES - fixed :], deadline)
                return Recorded(after.samples, False, batch.positions, batch.replaced, study)
        raise _crowded()

    def find_receipt(self, idempotency_key: IdempotencyKey, *, deadline: Deadline | None = None) -> Recorded | None:
        """See ObservationStore."""
        pk, receipt = _receipt_of("batch", DEFAULT_STUDY, idempotency_key)  # a key is that of any study
        row = self._found(pk, Deadline(PATIENCE, within=deadline))
        return None if row is None else self._recorded(row, receipt)

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
        deadline = Deadline(RACING_PATIENCE, within=deadline)
        pk, receipt = _receipt_of("revision", study, idempotency_key)
        for attempt in deadline.attempts():
            head = self._logs.head(study, deadline)
            try:
                entry = self._logs.entry(head, position, deadline)
                revision = _revision(head, entry, correction, seen)
            except (EntryMissingError, StudyArchivedError, RevisionMismatchError, EntryStateError):
                # What is in the way may be the revision itself.
                if (idempotency_key or attempt) and (found := self._found(pk, deadline)):
                    return self._revised(found, receipt, deadline)
                raise
            changes: list[Put] = []
            after = head
            if revision:
                head = self._logs.completed(head, deadline)
                records = [(head.end + 1, entry.told.mode, Amendment(position, revision))]
                after = head.following(records, self._logs.reader(head, deadline))
                changes = [items.put_head(after, head.version), *items.put_records(study, records)]
                entry = amended(entry, revision)
            elif idempotency_key is None:
                return Revised(entry, head.samples, replayed=False)
            number = entry.revision.number
            receipt = replace(receipt, samples_seen=after.samples, positions=(position,), number=number)
            try:
                self._table.transact([receipt.put(pk, int(time.time())), *changes], deadline)
            except LostRaceError as lost:
                if 0 in lost.rows:
                    return self._revised(lost.rows[0], receipt, deadline)
            else:
                return Revised(entry, after.samples, replayed=False)
        raise _crowded()

    def claim(
        self,
        suggestions: Sequence[Suggestion],
        *,
        giving_way: Sequence[Suggestion] = (),
        now: datetime,
        deadline: Deadline | None = None,
    ) -> None:
        """See ObservationStore."""
        if max(len(suggestions), len(giving_way)) > MAX_CLAIM:
            raise ValueError(f"up to {MAX_CLAIM} suggestions are claimed at once, not {len(suggestions):,}")
        studies = {one.study for one in (*suggestions, *giving_way)}
        if not studies:
            return
        (study,) = studies  # raises ValueError if there are several
        fixed, freed = _claims(suggestions, giving_way, now)
        deadline = Deadline(RACING_PATIENCE, within=deadline)
        if self._logs.head(study, deadline).study.archived_at is not None:
            raise StudyArchivedError(study)
        for _ in deadline.attempts():
            try:
                self._table.transact([*fixed, *freed], deadline)
            except LostRaceError as lost:
                holders = [self._held(study, row) for at, row in lost.rows.items() if at < len(suggestions)]
                # Who gave way already, and whose setting is with another by now, need not go.
                freed = [one for at, one in enumerate(freed, len(fixed)) if at not in lost.rows]
            else:
                return
            ours = {suggestion.id for suggestion in suggestions}
            if any(holder.id in ours for holder in holders):
                return  # an attempt succeeded whose answer was lost
            holding = self._unanswered(study, holders, deadline)
            if holding:
                raise AlreadyPendingError(f"{holding[0].setting.key} is outstanding in mode {holding[0].mode}")
            self._tidy([_free(holder) for holder in holders], deadline)
        raise _crowded()

    def give_back(self, suggestion_id: str, *, now: datetime) -> Suggestion | None:
        """See ObservationStore."""
        deadline = Deadline(RACING_PATIENCE)
        row = self._table.get(*items.suggestion_key(suggestion_id), deadline)
        if row is None:
            return None
        with self._logs.reading(row):
            study, place = DEFAULT_STUDY, items.load_early_place(row)
            if place is None:
                known = items.load_suggested(row)
                study, place = known.study, items.place_key(known.mode, known.setting)
        pk = items.outstanding_key(study)
        for _ in deadline.attempts():
            held = self._table.get(pk, place, deadline)
            found = [] if held is None else [self._held(study, held)]
            found = [one for one in found if one.id == suggestion_id and one.expires_at > now]
            if not self._unanswered(study, found, deadline):
                return None
            try:
                self._table.transact([Delete(pk, place, "id = :id", {":id": suggestion_id})], deadline)
            except LostRaceError:
                continue
            return found[0]
        raise _crowded()

    def outstanding(
        self, *, study: str = DEFAULT_STUDY, mode: str | None = None, now: datetime
    ) -> tuple[Suggestion, ...]:
        """See ObservationStore."""
        deadline = Deadline(PATIENCE)
        held = [one for one in self._all_held(study, mode, deadline) if one.expires_at > now]
        return tuple(self._unanswered(study, held, deadline))

    def find_suggestions(self, ids: Collection[str], *, deadline: Deadline | None = None) -> tuple[Suggestion, ...]:
        """See ObservationStore."""
        deadline = Deadline(PATIENCE, within=deadline)
        found: dict[str, Suggestion] = {}
        places = set()
        for row in self._table.get_many(map(items.suggestion_key, sorted(set(ids))), deadline):
            with self._logs.reading(row):
                place = items.load_early_place(row)
                if place is None:
                    known = items.load_suggested(row)
                    found[known.id] = known
                else:
                    places.add(place)
        pk = items.outstanding_key(DEFAULT_STUDY)
        for row in self._table.get_many(((pk, place) for place in sorted(places)), deadline):
            held = self._held(DEFAULT_STUDY, row)
            if held.id in ids:
                found.setdefault(held.id, held)
        if unknown := set(ids).difference(found):
            found |= self._answered_early(unknown, deadline)
        return tuple(found.values())

    def find_suggested(
        self,
        places: Collection[tuple[str, Setting]],
        *,
        study: str = DEFAULT_STUDY,
        now: datetime,
        deadline: Deadline | None = None,
    ) -> tuple[tuple[Suggestion, bool], ...]:
        """See ObservationStore."""
        deadline = Deadline(PATIENCE, within=deadline)
        keys = sorted({items.place_key(*place) for place in places})
        pk = items.suggested_key(study)
        latest: dict[str, Suggestion] = {}
        # Before what is outstanding: what is claimed between the two reads must not be taken for given back.
        for row in self._table.get_many(((pk, key) for key in keys), deadline):
            with self._logs.reading(row, study):
                known = items.load_suggested(row)
            latest[items.place_key(known.mode, known.setting)] = known
        pk = items.outstanding_key(study)
        # Of what releases before studies suggested there is nothing else.
        wanted = keys if study == DEFAULT_STUDY else sorted(latest)
        held = [self._held(study, row) for row in self._table.get_many(((pk, key) for key in wanted), deadline)]
        latest |= {items.place_key(one.mode, one.setting): one for one in held}
        outstanding = {one.id for one in self._unanswered(study, held, deadline) if one.expires_at > now}
        return tuple((one, one.id in outstanding) for _, one in sorted(latest.items()))

    def mode_study(
        self, mode: str, *, study: str = DEFAULT_STUDY, now: datetime | None, deadline: Deadline | None = None
    ) -> ModeStudy:
        """See ObservationStore."""
        deadline = Deadline(PATIENCE, within=deadline)
        # Before the log: a suggestion rated between the two reads must not be missing from both.
        held = self._all_held(study, mode, deadline) if now else ()
        head = self._begun(study, mode, deadline)
        log = self._logs.log(head, mode, deadline)
        hyperparameters = None
        if learned := self._table.get(items.log_key(study, mode), "hyperparameters", deadline):
            with self._logs.reading(learned, study):
                hyperparameters = load_hyperparameters(learned["learned"])
        return ModeStudy(
            mode,
            head.modes[mode].seed,
            hyperparameters,
            log.observations,
            tuple(one for one in held if now and one.expires_at > now and one.id not in log.answered),
            log.failed,
            head.study,
            head.end,
        )

    def verify(self, *, now: datetime) -> int:
        """See ObservationStore."""
        head = self._logs.head(DEFAULT_STUDY, Deadline(PATIENCE))
        if damage := self._logs.damage:
            raise StoreCorruptError(damage)
        if time.monotonic() >= self._verified_until:
            # What this process has read before it does not read again: what is damaged later is met by others.
            for mode in head.modes:
                self.mode_study(mode, now=now)
            self._verified_until = time.monotonic() + _VERIFIED_FOR
        return head.samples

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
        deadline = Deadline(PATIENCE, within=deadline)
        if study != DEFAULT_STUDY:
            self._logs.head(study, deadline)
        pk, sk = items.log_key(study, mode), "hyperparameters"
        row: Row = {"pk": pk, "sk": sk, "learned": dump_hyperparameters(hyperparameters), "as_of": as_of}
        condition = "attribute_not_exists(as_of) OR as_of <= :as_of"
        for _ in deadline.attempts():
            try:
                self._table.put(Put(row, condition, {":as_of": as_of}), deadline)
            except LostRaceError:
                there = self._table.get(pk, sk, deadline)
                if there:
                    with self._logs.reading(there, study):
                        newer = load_count(there["as_of"], "a position") > as_of
                    if newer:
                        return
            else:
                return
        raise _crowded()

    def count(self, study: str = DEFAULT_STUDY) -> int:
        """See ObservationStore."""
        return self._logs.head(study, Deadline(PATIENCE)).samples

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
        deadline = Deadline(PATIENCE)
        for _ in readings(deadline):
            head = self._logs.head(study, deadline)
            found: list[Entry] = []
            try:
                for name in head.modes if mode is None else {mode} & head.modes.keys():
                    wanted = (
                        entry
                        for entry in self._logs.newest_first(head, name, before, deadline)
                        if rater in {None, entry.told.rater}
                        and picture in {None, entry.told.picture}
                        and (withdrawn or not entry.revision.withdrawn)
                    )
                    found += islice(wanted, limit + 1)
            except NotAllThereError:
                continue
            found.sort(key=lambda entry: -entry.position)
            page = found[:limit]
            return HistoryPage(tuple(page), page[-1].position if len(found) > limit else None)
        raise StoreCorruptError(f"the table lacks the last records of study {study}")

    def records(self, study: str, *, after: int = 0, limit: int) -> tuple[tuple[int, str, Record], ...]:
        """See ObservationStore."""
        deadline = Deadline(PATIENCE)
        for _ in readings(deadline):
            head = self._logs.head(study, deadline)
            of_modes = [self._logs.oldest_first(head, mode, after, deadline) for mode in head.modes]
            found = tuple(islice(merge(*of_modes, key=lambda record: record[0]), limit))
            # Positions count without a gap: one that has not appeared yet leaves one.
            if [position for position, _, _ in found] == list(range(after + 1, min(after + limit, head.end) + 1)):
                return found
        raise StoreCorruptError(f"the table lacks records of study {study} after position {after}")

    def close(self) -> None:
        """See ObservationStore."""
        self._table.close()

    def _names(self, deadline: Deadline, after: str = "", page: int | None = None) -> Iterator[str]:
        """Yield the names of all studies that sort after that, sorted."""
        default = [DEFAULT_STUDY] if after < DEFAULT_STUDY else []
        # A space sorts before whatever a name may go on with.
        for row in self._table.query("studies", f"{after} ", items.TOP, deadline, page=page):
            with self._logs.reading(row):
                name = load_text(row["sk"], "a study")
            if default and name > DEFAULT_STUDY:
                yield default.pop()
            yield name
        yield from default

    def _begun(self, study: str, mode: str, deadline: Deadline) -> Head:
        """Return the study's head, in which the mode begins if it has not."""
        for _ in deadline.attempts():
            head = self._logs.head(study, deadline)
            if mode in head.modes:
                return head
            head = self._logs.completed(head, deadline)
            after = head.changed(modes={**head.modes, mode: ModeHead.begin()})
            try:
                self._table.put(items.put_head(after, head.version), deadline)
            except LostRaceError:
                continue
            return after
        raise _crowded()

    def _all_held(self, study: str, mode: str | None, deadline: Deadline) -> tuple[Suggestion, ...]:
        """Return the suggestions in the table, oldest first: outstanding are those not expired and not answered."""
        low, high = (" ", items.TOP) if mode is None else (f"{mode}#", f"{mode}#{items.TOP}")
        held = []
        for row in self._table.query(items.outstanding_key(study), low, high, deadline):
            suggestion = self._held(study, row)
            with self._logs.reading(row, study):
                held.append((items.load_claim_order(row), suggestion))
        held.sort(key=lambda entry: entry[0])
        return tuple(suggestion for _, suggestion in held if mode in {None, suggestion.mode})

    def _held(self, study: str, row: Row) -> Suggestion:
        with self._logs.reading(row, study):
            return items.load_outstanding(study, row)

    def _unanswered(self, study: str, suggestions: Sequence[Suggestion], deadline: Deadline) -> list[Suggestion]:
        """Those of the suggestions that nothing in the log answers."""
        if not suggestions and study == DEFAULT_STUDY:
            return []
        head = self._logs.head(study, deadline)
        logs = {mode: self._logs.log(head, mode, deadline) for mode in {suggestion.mode for suggestion in suggestions}}
        return [suggestion for suggestion in suggestions if suggestion.id not in logs[suggestion.mode].answered]

    def _answered_early(self, ids: Collection[str], deadline: Deadline) -> dict[str, Suggestion]:
        """Return the suggestions that DEFAULT_STUDY's log knows by their answers, in a table older than studies."""
        head = self._logs.head(DEFAULT_STUDY, deadline)
        found: dict[str, Suggestion] = {}
        made_up: set[str] = set()
        for mode in head.modes if head.early else ():
            log = self._logs.log(head, mode, deadline)
            for entry in () if log.answered.isdisjoint(ids) else log.entries.values():
                told = entry.told
                if told.suggestion_id is not None and told.suggestion_id in ids:
                    known = Suggestion(told.suggestion_id, mode, told.setting, told.recorded_at, told.recorded_at)
                    first = found.setdefault(known.id, known)
                    # What was told of several settings is an id of the caller's own, and no suggestion's.
                    if (first.mode, first.setting) != (mode, told.setting):
                        made_up.add(known.id)
        return {identity: known for identity, known in found.items() if identity not in made_up}

    def _tidy(self, freed: Sequence[Delete], deadline: Deadline) -> None:
        """Frees settings that are answered. If that fails nothing is lost: readers pass over them."""
        for start in range(0, len(freed), MAX_CHANGES):
            try:
                self._table.transact(freed[start : start + MAX_CHANGES], deadline)
            except (LostRaceError, StoreUnavailableError):
                return

    def _found(self, pk: str, deadline: Deadline) -> Row | None:
        """Return the receipt if it is still good."""
        row = self._table.get(pk, "receipt", deadline)
        if row is None:
            return None
        with self._logs.reading(row):
            return None if items.is_expired(row, time.time()) else row

    def _receipt(self, row: Row, ours: Receipt) -> Receipt:
        """Return what a receipt says.

        Raises:
            IdempotencyMismatchError: it is of another request than ours.
        """
        with self._logs.reading(row):
            found = items.load_receipt(row)
        if (found.kind, found.fingerprint) != (ours.kind, ours.fingerprint):
            raise IdempotencyMismatchError(
                "this idempotency key was used before for another request; send what is new with a new key"
            )
        return found

    def _recorded(self, row: Row, ours: Receipt) -> Recorded:
        found = self._receipt(row, ours)
        return Recorded(found.samples_seen, found.token != ours.token, found.positions, found.replaced, found.study)

    def _revised(self, row: Row, ours: Receipt, deadline: Deadline) -> Revised:
        found = self._receipt(row, ours)
        with self._logs.reading(row):
            (position,) = found.positions or ()
            try:
                # Another head than before: that may have been read before the revision was made.
                entry = self._logs.entry(self._logs.head(found.study, deadline), position, deadline)
            except MissingError as error:
                raise ValueError(str(error)) from error
            return Revised(as_of(entry, found.number), found.samples_seen, found.token != ours.token)


def _receipt_of(kind: Literal["batch", "revision"], study: str, key: IdempotencyKey | None) -> tuple[str, Receipt]:
    """Return the key of the receipt of what is to be recorded, and the receipt as far as it is known."""
    # What comes without a key gets one of its own: by its receipt a lost answer can be told from a lost race.
    token = secrets.token_hex(16)
    pk = f"receipt#key#{key.key}" if key else f"receipt#batch#{token}"
    return pk, Receipt(kind, study, key.fingerprint if key else "", token)


def _answered(told: Sequence[Told]) -> list[tuple[str, list[str]]]:
    """Return the places of which something is told, each with the ids of the suggestions that it says it answers."""
    found: dict[str, dict[str, None]] = {}
    for one in told:
        if one.suggestion_id is not None:
            found.setdefault(items.place_key(one.mode, one.setting), {})[one.suggestion_id] = None
    return [(place, list(ids)) for place, ids in found.items()]


def _claims(
    suggestions: Sequence[Suggestion], giving_way: Sequence[Suggestion], now: datetime
) -> tuple[list[Put], list[Delete]]:
    """Return what a claim writes, first what is outstanding by then, and what it frees.

    Raises:
        AlreadyPendingError: two of the suggestions are of one place.
    """
    leaving = {items.place_key(one.mode, one.setting): one for one in giving_way}
    places = [items.place_key(one.mode, one.setting) for one in suggestions]
    if len(set(places)) < len(places):
        raise AlreadyPendingError("a setting cannot be claimed twice at once")
    outstanding = [
        items.put_outstanding(one, at, now, leaving.get(place))
        for at, (place, one) in enumerate(zip(places, suggestions, strict=True))
    ]
    known = [put for one in suggestions for put in items.put_suggested(one)]
    return [*outstanding, *known], [_free(one) for place, one in leaving.items() if place not in places]


def _free(suggestion: Suggestion) -> Delete:
    """Return what frees the suggestion's setting, unless somebody else holds it by now."""
    return items.free(suggestion.study, items.place_key(suggestion.mode, suggestion.setting), [suggestion.id])


def _revision(head: Head, entry: Entry, correction: Correction, seen: int | None) -> Revision | None:
    """Return what the correction makes of the entry.

    Raises:
        TuningError: as `ObservationStore.revise` says.
    """
    if head.study.archived_at is not None:
        raise StudyArchivedError(head.study.name)
    if seen is not None and seen != entry.revision.number:
        raise RevisionMismatchError(entry.id, entry.revision.number)
    return correct(entry, correction)


def _crowded() -> StoreUnavailableError:
    return StoreUnavailableError("too many write to the store at this moment", retry_after=_RETRY_AFTER)
