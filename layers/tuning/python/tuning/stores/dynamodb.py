"""The observation store in one DynamoDB table: any number of functions and machines.

    pk               sk                       one item for
    store            head                     the whole store: version, count, and of each mode seed, end and count
    study#<mode>     observation#<position>   up to 100 observations of one batch, by the position of the first
    study#<mode>     hyperparameters          what was learned
    outstanding      <mode>#<setting's hash>  a claimed suggestion                                               (TTL)
    suggestion#<id>  suggestion               where the suggestion of that id is                                 (TTL)
    receipt#<key>    receipt                  a batch that was recorded                                          (TTL)

A position counts the observations of all modes from 1. A batch of any size becomes visible by one transaction, which
puts its observations where the head says that the store ends, and moves the head on; it succeeds only if the head is
still the one that was read. Readers read the head first and nothing beyond it, and count what they read against it.

A claimed suggestion is outstanding until it expires or an observation has its id. Deleting items, by this module or by
the table's TTL, only tidies up (docs/decisions/0004 says why). An update looks the suggestions that it answers up by
their keys, so that it does not read all that are outstanding (docs/decisions/0013).

Every item that is not as this module writes it becomes a StoreCorruptError that names it, in `_reading_row`.
"""

import hashlib
import json
import math
import secrets
import time
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from storage.deadline import Deadline
from storage.documents import Node
from storage.table import MAX_CHANGES, CallLimits, Delete, LostRaceError, Put, Row, Table
from storage.urls import TablePlace
from tuning.errors import (
    STORE_ERRORS,
    AlreadyPendingError,
    IdempotencyMismatchError,
    StoreCorruptError,
    StoreUnavailableError,
)
from tuning.observations import MAX_POSITION, Observation, Setting, Suggestion
from tuning.stores.port import MAX_BATCH, MAX_CLAIM, HistoryPage, IdempotencyKey, ObservationStore, Recorded
from tuning.stores.records import (
    dump_hyperparameters,
    dump_setting,
    load_hyperparameters,
    load_observation,
    load_suggestion,
    timestamp,
)
from tuning.studies import Hyperparameters, Study

LIMITS = CallLimits(connect_seconds=1.0, read_seconds=2.0, attempts=3, pause_seconds=0.4, retry_after=2)
# Seconds after which no further attempt begins, unless the caller's deadline is sooner: of an operation, and of one
# that may lose races.
PATIENCE, RACING_PATIENCE = 4.0, 10.0
KEPT_FOR = 30 * 24 * 3600  # seconds for which a recorded batch is remembered by its key
CHUNK = 100  # observations in an item: 170 kB of the service's 400 kB at their longest, before compression

_SCHEMA = 1
_RETRY_AFTER = 1  # seconds; of a race lost too often
_READINGS = 4  # of a study's observations that are not all there
_FEW = 250  # suggestions, of a tenth of a megabyte, up to which all are read rather than some looked up
_VERIFIED_FOR = 60.0  # seconds for which an answer of `verify` stands
_TOP = "\U0010ffff"  # sorts after every other text
# What is raised by reading an item that this module has not written.
_DAMAGED = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError, zlib.error)


@dataclass(frozen=True, slots=True)
class _Begun:
    """What the head says of a study: its seed, the position where its last chunk ends, and how many observations."""

    seed: int
    end: int
    count: int


@dataclass(frozen=True, slots=True)
class _Head:
    """The state of the store: a version for each change of it, the observations of all modes, and every study."""

    version: int
    count: int
    studies: Mapping[str, _Begun]

    def including(self, observations: Sequence[Observation]) -> "_Head":
        """Return the head after this batch."""
        count = self.count + len(observations)
        studies = dict(self.studies)
        for mode, ratings in _by_mode(observations).items():
            begun = studies.get(mode) or _begin()
            end = self.count + ratings[-1][0] + 1
            studies[mode] = replace(begun, end=end, count=begun.count + len(ratings))
        return _Head(self.version + 1, count, studies)


@dataclass(frozen=True, slots=True)
class _Prefix:
    """The observations of a study read so far: they are only ever added to, so that the next read begins after them."""

    seed: int
    end: int = 0
    observations: tuple[Observation, ...] = ()
    answered: frozenset[str] = frozenset()


class DynamoDbObservationStore(ObservationStore):
    """An observation store in the table at `place`, which must be there."""

    def __init__(self, place: TablePlace) -> None:
        self._table = Table(place, errors=STORE_ERRORS, limits=LIMITS)
        self._prefixes: dict[str, _Prefix] = {}
        self._verified_until = 0.0
        self._damage: tuple[float, str] | None = None

    def record(
        self,
        observations: Sequence[Observation],
        *,
        idempotency_key: IdempotencyKey | None,
        deadline: Deadline | None = None,
    ) -> Recorded:
        """See ObservationStore."""
        if len(observations) > MAX_BATCH:
            raise ValueError(f"a batch holds up to {MAX_BATCH:,} observations, not {len(observations):,}")
        chunks = [_Chunk.of(mode, ratings) for mode, ratings in _packed(observations)]
        deadline = Deadline(RACING_PATIENCE, within=deadline)
        # A batch without a key gets one of its own: by its receipt a lost answer can be told from a lost race.
        batch = secrets.token_hex(16)
        receipt = f"receipt#key#{idempotency_key.key}" if idempotency_key else f"receipt#batch#{batch}"
        fingerprint = idempotency_key.fingerprint if idempotency_key else ""
        answered = self._named(observations, deadline)
        for _ in deadline.attempts():
            head = self._head(deadline)
            after = head.including(observations)
            changes: list[Put | Delete] = [
                _put_receipt(receipt, fingerprint, batch, after.count),
                _put_head(after, head.version),
                *(chunk.put(head.count) for chunk in chunks),
            ]
            fixed = len(changes)
            changes += [_free(suggestion) for suggestion in answered[: MAX_CHANGES - fixed]]
            try:
                self._table.transact(changes, deadline)
            except LostRaceError as lost:
                if 0 in lost.rows:
                    samples_seen, first = self._receipt(lost.rows[0], fingerprint)
                    return Recorded(samples_seen, replayed=first != batch)
                # Suggestions that expired meanwhile, and whose settings are others' now, are not ours to free.
                gone = {place - fixed for place in lost.rows}
                answered = [suggestion for place, suggestion in enumerate(answered) if place not in gone]
            else:
                self._tidy(answered[MAX_CHANGES - fixed :], deadline)
                return Recorded(after.count, replayed=False)
        raise _crowded()

    def find_receipt(self, idempotency_key: IdempotencyKey, *, deadline: Deadline | None = None) -> Recorded | None:
        """See ObservationStore."""
        row = self._table.get(f"receipt#key#{idempotency_key.key}", "receipt", Deadline(PATIENCE, within=deadline))
        if row is None:
            return None
        with self._reading_row(row):
            # The service deletes expired items when it comes to it.
            if _number(row, "expires_at") <= time.time():
                return None
        samples_seen, _ = self._receipt(row, idempotency_key.fingerprint)
        return Recorded(samples_seen, replayed=True)

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
        deadline = Deadline(RACING_PATIENCE, within=deadline)
        leaving = {_suggestion_key(one.mode, one.setting): one for one in giving_way}
        puts = [_put_suggestion(suggestion, place, now, leaving) for place, suggestion in enumerate(suggestions)]
        taken = {put.row["sk"] for put in puts}
        if len(taken) < len(puts):
            raise AlreadyPendingError("a setting cannot be claimed twice at once")
        fixed = [*puts, *map(_put_place, suggestions)]
        freed = [one for sk, one in leaving.items() if sk not in taken]
        if not fixed and not freed:
            return
        for _ in deadline.attempts():
            try:
                self._table.transact([*fixed, *map(_free, freed)], deadline)
            except LostRaceError as lost:
                others = [self._suggestion(row) for place, row in lost.rows.items() if place < len(puts)]
                # One that gave way already, and whose setting another suggestion has by now, need not end.
                freed = [one for place, one in enumerate(freed, len(fixed)) if place not in lost.rows]
            else:
                return
            ours = {suggestion.id for suggestion in suggestions}
            if any(other.id in ours for other in others):
                return  # an attempt succeeded whose answer was lost
            pending = self._unanswered(others, deadline)
            if pending:
                raise AlreadyPendingError(f"{pending[0].setting.key} is outstanding in mode {pending[0].mode}")
            self._tidy(others, deadline)
        raise _crowded()

    def study(self, mode: str, *, now: datetime | None, deadline: Deadline | None = None) -> Study:
        """See ObservationStore."""
        deadline = Deadline(PATIENCE, within=deadline)
        # Before the observations: a suggestion rated between the two reads must not be missing from both.
        claimed = self._claimed(deadline, mode) if now else ()
        begun = self._begun(mode, deadline)
        prefix = self._read(mode, begun, deadline)
        hyperparameters = None
        if learned := self._table.get(_partition(mode), "hyperparameters", deadline):
            with self._reading_row(learned):
                hyperparameters = load_hyperparameters(learned["learned"])
        outstanding = tuple(s for s in claimed if now and s.expires_at > now and s.id not in prefix.answered)
        return Study(mode, begun.seed, hyperparameters, prefix.observations, outstanding)

    def outstanding(self, *, now: datetime) -> tuple[Suggestion, ...]:
        """See ObservationStore."""
        deadline = Deadline(PATIENCE)
        claimed = [suggestion for suggestion in self._claimed(deadline) if suggestion.expires_at > now]
        return tuple(self._unanswered(claimed, deadline))

    def find_outstanding(
        self,
        *,
        ids: Collection[str],
        places: Collection[tuple[str, Setting]],
        now: datetime,
        deadline: Deadline | None = None,
    ) -> tuple[Suggestion, ...]:
        """See ObservationStore."""
        deadline = Deadline(PATIENCE, within=deadline)
        rows = self._look_up({_suggestion_key(*place) for place in places}, set(ids), deadline)
        found = [suggestion for suggestion in self._in_order(rows) if suggestion.expires_at > now]
        return tuple(self._unanswered(found, deadline))

    def verify(self, *, now: datetime) -> int:
        """See ObservationStore."""
        head = self._head(Deadline(PATIENCE))
        if self._damage and time.monotonic() < self._damage[0]:
            raise StoreCorruptError(self._damage[1])
        if time.monotonic() >= self._verified_until:
            # What this process has read before it does not read again: what is damaged later is met by others.
            for mode in head.studies:
                self.study(mode, now=now)
            self._verified_until = time.monotonic() + _VERIFIED_FOR
        return head.count

    def save_hyperparameters(
        self, mode: str, hyperparameters: Hyperparameters, *, deadline: Deadline | None = None
    ) -> None:
        """See ObservationStore."""
        fitted_on = hyperparameters.fitted_on
        row: Row = {
            "pk": _partition(mode),
            "sk": "hyperparameters",
            "learned": dump_hyperparameters(hyperparameters),
            "fitted_on": fitted_on,
        }
        deadline = Deadline(PATIENCE, within=deadline)
        condition = "attribute_not_exists(pk) OR fitted_on <= :fitted_on"
        for _ in deadline.attempts():
            try:
                self._table.put(Put(row, condition, {":fitted_on": fitted_on}), deadline)
            except LostRaceError:
                there = self._table.get(_partition(mode), "hyperparameters", deadline)
                if there:
                    with self._reading_row(there):
                        newer = _number(there, "fitted_on") > fitted_on
                    if newer:
                        return
            else:
                return
        raise _crowded()

    def count(self) -> int:
        """See ObservationStore."""
        return self._head(Deadline(PATIENCE)).count

    def history(self, *, mode: str | None, limit: int, before: int = MAX_POSITION) -> HistoryPage:
        """See ObservationStore."""
        deadline = Deadline(PATIENCE)
        studies = self._head(deadline).studies
        found: list[tuple[int, Observation]] = []
        for name in [mode] if mode is not None else studies:
            if begun := studies.get(name):
                newest_first = self._newest_first(name, min(before - 1, begun.end), deadline)
                found += islice(newest_first, limit + 1)
        found.sort(key=lambda entry: -entry[0])
        page = found[:limit]
        earliest = page[-1][0] if len(found) > limit else None
        return HistoryPage(tuple(observation for _, observation in page), earliest)

    def close(self) -> None:
        """See ObservationStore."""
        self._table.close()

    def _head(self, deadline: Deadline) -> _Head:
        row = self._table.get("store", "head", deadline)
        if row is None:
            return _Head(0, 0, {})
        if row.get("schema") != _SCHEMA:
            raise StoreCorruptError(
                f"the table has schema {row.get('schema')!r}, written by another release; this one reads {_SCHEMA}"
            )
        with self._reading_row(row):
            studies = {mode: _load_begun(one) for mode, one in Node(row["studies"], "studies").json().members().items()}
            return _Head(_number(row, "version"), _number(row, "count"), studies)

    def _begun(self, mode: str, deadline: Deadline) -> _Begun:
        """Return what the head says of the study, which begins if it has not.

        Raises:
            StoreUnavailableError: others changed the head each time.
        """
        for _ in deadline.attempts():
            head = self._head(deadline)
            if begun := head.studies.get(mode):
                return begun
            after = replace(head, version=head.version + 1, studies={**head.studies, mode: _begin()})
            try:
                self._table.put(_put_head(after, head.version), deadline)
            except LostRaceError:
                continue
            return after.studies[mode]
        raise _crowded()

    def _read(self, mode: str, begun: _Begun, deadline: Deadline) -> _Prefix:
        """Return the study's observations as far as the head goes; only those that this process lacks are read.

        Raises:
            StoreCorruptError: there are not as many as the head says.
        """
        known = self._prefixes.get(mode)
        if known is None or known.seed != begun.seed or known.end > begun.end:
            known = _Prefix(begun.seed)
        if known.end == begun.end:
            return known
        # A transaction's items are not promised to appear to a query at one moment: what is short is read again.
        for _, _ in zip(range(_READINGS), deadline.attempts(), strict=False):
            rows = self._table.query(_partition(mode), _sort_key(known.end + 1), _sort_key(begun.end), deadline)
            new = [observation for row in rows for _, observation in self._chunk(mode, row)]
            found = len(known.observations) + len(new)
            if found == begun.count:
                answered = known.answered.union(o.suggestion_id for o in new if o.suggestion_id)
                read = _Prefix(begun.seed, begun.end, (*known.observations, *new), answered)
                self._prefixes[mode] = read
                return read
        raise StoreCorruptError(f"the table holds {found:,} of {begun.count:,} observations of mode {mode}")

    def _newest_first(self, mode: str, end: int, deadline: Deadline) -> Iterator[tuple[int, Observation]]:
        # A chunk holds one observation or a hundred: as few are read as may do, then ever more.
        page = 4
        rows = self._table.query(_partition(mode), _sort_key(1), _sort_key(end), deadline, newest_first=True, page=page)
        for row in rows:
            yield from ((position, o) for position, o in reversed(self._chunk(mode, row)) if position <= end)

    def _claimed(self, deadline: Deadline, mode: str | None = None) -> tuple[Suggestion, ...]:
        """Return the claimed suggestions in the table, oldest first, those expired and those answered included."""
        low, high = (" ", _TOP) if mode is None else (f"{mode}#", f"{mode}#{_TOP}")
        claimed = self._in_order(self._table.query("outstanding", low, high, deadline))
        return claimed if mode is None else tuple(suggestion for suggestion in claimed if suggestion.mode == mode)

    def _look_up(self, keys: set[str], ids: set[str], deadline: Deadline) -> list[Row]:
        """Return the claimed suggestions that have one of the sort keys or one of the ids.

        If the table has more than _FEW they are looked up one by one: the cost grows with how many are looked for.
        """
        if not keys and not ids:
            return []
        everything = self._table.query("outstanding", " ", _TOP, deadline, page=_FEW + 1)
        first = list(islice(everything, _FEW + 1))
        if len(first) <= _FEW:
            return [row for row in first if self._place(row) in keys or str(row.get("id")) in ids]
        found = list(self._table.get_many((("outstanding", sk) for sk in sorted(keys)), deadline))
        elsewhere = set()
        # As a rule it is the parameters suggested that are rated, and the id is found with them.
        unknown = ids.difference(str(row.get("id")) for row in found)
        for row in self._table.get_many(((_by_id(one), "suggestion") for one in sorted(unknown)), deadline):
            with self._reading_row(row):
                elsewhere.add(_text(row, "place"))
        named = self._table.get_many((("outstanding", sk) for sk in sorted(elsewhere - keys)), deadline)
        return [*found, *(row for row in named if str(row.get("id")) in unknown)]

    def _place(self, row: Row) -> str:
        with self._reading_row(row):
            return _text(row, "sk")

    def _in_order(self, rows: Iterable[Row]) -> tuple[Suggestion, ...]:
        """Return the suggestions of the rows, oldest first."""
        found = []
        for row in rows:
            suggestion = self._suggestion(row)
            with self._reading_row(row):
                claimed_at, place = _text(row, "claimed_at"), _number(row, "place")
            found.append(((timestamp(suggestion.suggested_at), claimed_at, place, suggestion.id), suggestion))
        return tuple(suggestion for _, suggestion in sorted(found, key=lambda entry: entry[0]))

    def _unanswered(self, suggestions: Sequence[Suggestion], deadline: Deadline) -> list[Suggestion]:
        """Return those of the suggestions that no observation answers."""
        if not suggestions:
            return []
        studies = self._head(deadline).studies
        modes = {suggestion.mode for suggestion in suggestions} & studies.keys()
        answered = {identity for mode in modes for identity in self._read(mode, studies[mode], deadline).answered}
        return [suggestion for suggestion in suggestions if suggestion.id not in answered]

    def _named(self, observations: Sequence[Observation], deadline: Deadline) -> list[Suggestion]:
        """Return the claimed suggestions that the observations answer."""
        answers = {_suggestion_key(o.mode, o.setting): o.suggestion_id for o in observations if o.suggestion_id}
        rows = self._look_up(set(answers), set(), deadline)
        named = {observation.suggestion_id for observation in observations}
        return [suggestion for suggestion in map(self._suggestion, rows) if suggestion.id in named]

    def _tidy(self, suggestions: Sequence[Suggestion], deadline: Deadline) -> None:
        """Delete suggestions that are answered. If that fails nothing is lost: readers pass over them."""
        for start in range(0, len(suggestions), MAX_CHANGES):
            changes = [_free(suggestion) for suggestion in suggestions[start : start + MAX_CHANGES]]
            try:
                self._table.transact(changes, deadline)
            except (LostRaceError, StoreUnavailableError):
                return

    def _receipt(self, row: Row, fingerprint: str) -> tuple[int, str]:
        """Return what a receipt says: `samples_seen`, and the batch that it is of.

        Raises:
            IdempotencyMismatchError: the batch had another body.
        """
        with self._reading_row(row):
            known, batch = _text(row, "fingerprint"), _text(row, "batch")
            samples_seen = _number(row, "samples_seen")
        if known != fingerprint:
            raise IdempotencyMismatchError(
                "this idempotency key was used before with another body; send new results with a new key"
            )
        return samples_seen, batch

    def _suggestion(self, row: Row) -> Suggestion:
        with self._reading_row(row):
            return load_suggestion(*(row[name] for name in ("id", "mode", "setting", "suggested_at", "ends_at")))

    def _chunk(self, mode: str, row: Row) -> list[tuple[int, Observation]]:
        """Return the observations of an item, each with its position."""
        with self._reading_row(row):
            first = int(_text(row, "sk").partition("#")[2])
            content = row["content"]
            if not isinstance(content, bytes):
                raise TypeError("content")
            return [
                (first + Node(place, "place").integer(), load_observation(mode, *plain))
                for place, *plain in json.loads(zlib.decompress(content))
            ]

    @contextmanager
    def _reading_row(self, row: Row) -> Iterator[None]:
        """Turn what reading a row that this module has not written raises into an error that names the row.

        Raises:
            StoreCorruptError: the row is not as this module writes it.
        """
        try:
            yield
        except _DAMAGED as error:
            place = f"{row.get('pk')!r}, {row.get('sk')!r}"
            message = f"the table's item {place} is not as an observation store writes it: {error!r}"
            self._damage = (time.monotonic() + _VERIFIED_FOR, message)
            raise StoreCorruptError(message) from error


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some of the observations of a batch, packed; `first` is the place in the batch of the first of them."""

    mode: str
    first: int
    content: bytes

    @classmethod
    def of(cls, mode: str, ratings: Sequence[tuple[int, Observation]]) -> "_Chunk":
        first = ratings[0][0]
        plain = [[place - first, *_dump_observation(observation)] for place, observation in ratings]
        # A tenth of the size, and so of the price, of a large batch.
        return cls(mode, first, zlib.compress(json.dumps(plain, ensure_ascii=False).encode()))

    def put(self, count: int) -> Put:
        """Return the item of the chunk after the store's first `count` observations."""
        row: Row = {
            "pk": _partition(self.mode),
            "sk": _sort_key(count + self.first + 1),
            "content": self.content,
        }
        return Put(row, "attribute_not_exists(pk)")


def _dump_observation(observation: Observation) -> list[object]:
    setting, moment = dump_setting(observation.setting), timestamp(observation.recorded_at)
    return [setting, observation.rating, moment, observation.suggestion_id]


def _by_mode(observations: Iterable[Observation]) -> dict[str, list[tuple[int, Observation]]]:
    """Return the observations of each mode, with their places in the batch."""
    found: dict[str, list[tuple[int, Observation]]] = {}
    for place, observation in enumerate(observations):
        found.setdefault(observation.mode, []).append((place, observation))
    return found


def _packed(observations: Sequence[Observation]) -> Iterator[tuple[str, list[tuple[int, Observation]]]]:
    for mode, ratings in _by_mode(observations).items():
        for start in range(0, len(ratings), CHUNK):
            yield mode, ratings[start : start + CHUNK]


def _begin() -> _Begun:
    return _Begun(secrets.randbits(48), 0, 0)


def _put_head(head: _Head, seen: int) -> Put:
    row: Row = {
        "pk": "store",
        "sk": "head",
        "schema": _SCHEMA,
        "version": head.version,
        "count": head.count,
        "studies": json.dumps({mode: _dump_begun(begun) for mode, begun in head.studies.items()}),
    }
    return Put(row, "version = :seen", {":seen": seen}) if seen else Put(row, "attribute_not_exists(pk)")


def _put_receipt(pk: str, fingerprint: str, batch: str, samples_seen: int) -> Put:
    now = int(time.time())
    row: Row = {
        "pk": pk,
        "sk": "receipt",
        "fingerprint": fingerprint,
        "batch": batch,
        "samples_seen": samples_seen,
        "expires_at": now + KEPT_FOR,
    }
    # The service deletes expired items when it comes to it.
    return Put(row, "attribute_not_exists(pk) OR expires_at <= :now", {":now": now})


def _put_suggestion(suggestion: Suggestion, place: int, now: datetime, leaving: Mapping[str, Suggestion]) -> Put:
    sk = _suggestion_key(suggestion.mode, suggestion.setting)
    row: Row = {
        "pk": "outstanding",
        "sk": sk,
        "id": suggestion.id,
        "mode": suggestion.mode,
        "setting": dump_setting(suggestion.setting),
        "suggested_at": timestamp(suggestion.suggested_at),
        "claimed_at": timestamp(now),
        "place": place,
        "ends_at": timestamp(suggestion.expires_at),
        "expires_at": math.ceil(suggestion.expires_at.timestamp()),
    }
    condition, values = "attribute_not_exists(pk) OR ends_at <= :now", {":now": timestamp(now)}
    if gone := leaving.get(sk):
        condition, values = f"{condition} OR id = :gone", {**values, ":gone": gone.id}
    return Put(row, condition, values)


def _put_place(suggestion: Suggestion) -> Put:
    row: Row = {
        "pk": _by_id(suggestion.id),
        "sk": "suggestion",
        "place": _suggestion_key(suggestion.mode, suggestion.setting),
        "expires_at": math.ceil(suggestion.expires_at.timestamp()),
    }
    # It goes when it expires and not with the suggestion: whoever follows it finds another there, or none.
    return Put(row)


def _by_id(identity: str) -> str:
    return f"suggestion#{identity}"


def _free(suggestion: Suggestion) -> Delete:
    """Return the change that frees the suggestion's setting, unless another suggestion has it by now."""
    sk = _suggestion_key(suggestion.mode, suggestion.setting)
    return Delete("outstanding", sk, "attribute_not_exists(pk) OR id = :id", {":id": suggestion.id})


def _suggestion_key(mode: str, setting: Setting) -> str:
    # Hashed: a setting's text may be longer than a sort key.
    return f"{mode}#{hashlib.sha256(setting.key.encode()).hexdigest()}"


def _partition(mode: str) -> str:
    return f"study#{mode}"


def _sort_key(position: int) -> str:
    """Return a text of fixed width, so that the order of texts is the order of positions."""
    return f"observation#{position:019d}"


def _text(row: Row, name: str) -> str:
    return Node(row[name], name).text()


def _number(row: Row, name: str) -> int:
    return Node(row[name], name).integer()


def _dump_begun(begun: _Begun) -> dict[str, object]:
    # Earlier releases kept the best observation and sums here, and do not read a head without them.
    return {"seed": begun.seed, "end": begun.end, "count": begun.count, "best": None, "apis": {}}


def _load_begun(node: Node) -> _Begun:
    return _Begun(node.get("seed").integer(), node.get("end").integer(), node.get("count").integer())


def _crowded() -> StoreUnavailableError:
    return StoreUnavailableError("too many write to the store at this moment", retry_after=_RETRY_AFTER)
