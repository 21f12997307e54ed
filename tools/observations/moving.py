"""Moving studies: read from a store record by record, and written to another in the same order.

It moves a study's name, note and dates; its log of ratings, failures and revisions; the learned hyperparameters; the
pending suggestions, and those that the log answers. It does not move the seeds of modes, which the new store draws
itself, the receipts of idempotency keys, and suggestions that ended unanswered, which no store lists.

The log is recorded and revised again in its order. So every entry has the same position and id as before, and every
revision the same number. Records are added only to a study that has the first records of the log, or none: an
interrupted move goes on where it ended. The idempotency key of each step is made of its place and content, so that two
moves of the same study may run at once. It refuses to merge different studies, and keeps everything in memory: some
2 kB per record.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches

from tools.observations.errors import MoveError
from tools.observations.lines import dump_record
from tools.observations.patience import bar, patiently
from tuning.errors import AlreadyPendingError, StudyExistsError, StudyMissingError
from tuning.observations import Correction, Entry, Setting, Suggestion
from tuning.stores.log import Amendment, Log, Record, amended, correct, counts, entered
from tuning.stores.port import MAX_CLAIM, IdempotencyKey, ObservationStore
from tuning.study import Hyperparameters, Study

BATCH = 200  # records told at once: what an interruption can leave to be sent again

_PAGE = 1_000  # records read at once
_ASKED = 500  # suggestions looked for at once
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class MovedStudy:
    """A study with everything of it that is moved.

    `log` has the records from position 1 on, each with its mode; `learned` has the modes with hyperparameters.
    `suggestions` are in the order suggested; `outstanding` are the ids of those that are pending.
    """

    study: Study
    log: tuple[tuple[str, Record], ...] = ()
    learned: tuple[tuple[str, Hyperparameters], ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    outstanding: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The study's name."""
        return self.study.name

    def entries(self) -> tuple[Entry, ...]:
        """Return the entries as they stand, by position.

        Raises:
            MoveError: a record revises what is not there.
        """
        return tuple(folded(self.name, self.log).entries.values())


@dataclass(frozen=True, slots=True)
class Brought:
    """What a move did: the number of records that it wrote, and of those that the store already had.

    `left` are the suggestions that were not moved, because others with the same settings are pending there.
    """

    written: int
    there: int
    left: tuple[Suggestion, ...]


def collect(store: ObservationStore, *, names: Collection[str] = (), now: datetime) -> tuple[MovedStudy, ...]:
    """Read all studies of a store, or only those of these names.

    Records that others append meanwhile may be missing; those acknowledged before are not.

    Raises:
        MoveError: the store is empty, or a record of a log is missing.
        StudyMissingError: there is no study of one of the names.
        TuningError: the store cannot be read.
    """
    there = patiently(store.study_names)
    for name in names:
        if name not in there:
            raise StudyMissingError(name, next(iter(get_close_matches(name, there)), None))
    found = [_collect(store, name, now) for name in there if not names or name in names]
    # Every store has a default study; an empty one is not worth moving.
    moved = [one for one in found if names or one.study.created_at or one.log or one.suggestions]
    if not moved:
        raise MoveError("the store that is read holds neither ratings nor studies; is its URL right?")
    return tuple(in_order(moved))


def without_base(studies: Iterable[MovedStudy]) -> list[tuple[str, str]]:
    """Return the studies that are based on one that is not among them, each with the name of that one."""
    given = list(studies)
    names = {one.name for one in given}
    return [(one.name, base) for one in given if (base := one.study.based_on) is not None and base not in names]


def in_order(studies: Iterable[MovedStudy]) -> list[MovedStudy]:
    """Return the studies in the order in which they began: each comes after the one that it is based on."""
    return sorted(studies, key=lambda one: (one.study.created_at or _LONG_AGO, one.name))


def bring(studies: Sequence[MovedStudy], store: ObservationStore, *, now: datetime) -> Brought:
    """Write the studies to a store, and verify the result. After an error, a second call goes on from there.

    Raises:
        MoveError: the store has another study of one of the names, or lacks a study that one is based on.
        TuningError: the store cannot be used.
    """
    for moved in studies:
        moved.entries()  # raises before anything is written
    names = patiently(store.study_names)
    for name, base in without_base(studies):
        if base not in names:
            raise MoveError(
                f"study {name} is based on {base}, which is not there: move it too (--study {base}), or import"
                " it first; nothing was written"
            )
    held = {moved.name: _held(store, moved) if moved.name in names else 0 for moved in studies}
    left: list[Suggestion] = []
    total = sum(len(moved.log) for moved in studies)
    with bar(total, "recording") as shown:
        shown.update(sum(held.values()))
        for moved in studies:
            unknown = _begin(store, moved, held[moved.name])
            left += _claim(store, moved, unknown, now)
            for done in _record(store, moved, held[moved.name]):
                shown.update(done)
            for mode, hyperparameters in moved.learned:
                patiently(store.save_hyperparameters, mode, hyperparameters, study=moved.name, as_of=len(moved.log))
            if moved.study.archived_at is not None:
                patiently(store.archive, moved.name, archived_at=moved.study.archived_at)
    for moved in studies:
        _verify(store, moved, left)
    return Brought(total - sum(held.values()), sum(held.values()), tuple(left))


def read_log(store: ObservationStore, study: str, doing: str) -> tuple[tuple[str, Record], ...]:
    """Return the study's log from position 1 on, each record with its mode.

    Raises:
        MoveError: a record is missing.
        TuningError: the store cannot be read.
    """
    log: list[tuple[str, Record]] = []
    with bar(0, doing) as shown:
        while page := patiently(store.records, study, after=len(log), limit=_PAGE):
            for position, mode, record in page:
                if position != len(log) + 1:
                    raise MoveError(
                        f"the log of study {study} is damaged: it lacks what was at position {len(log) + 1:,}"
                    )
                log.append((mode, record))
            shown.update(len(page))
    return tuple(log)


def _collect(store: ObservationStore, name: str, now: datetime) -> MovedStudy:
    summary = patiently(store.summary, name)
    log = read_log(store, name, "reading")
    rated, promised = len(folded(name, log).observations), patiently(store.count, name)
    # The two may differ if somebody recorded meanwhile.
    if rated != promised and not patiently(store.records, name, after=len(log), limit=1):
        raise MoveError(f"the store says that {promised:,} ratings of study {name} count, and gave {rated:,}")
    learned = [
        (mode, patiently(store.mode_study, mode, study=name, now=None).hyperparameters) for mode, _ in summary.counts
    ]
    outstanding = patiently(store.outstanding, study=name, now=now)
    # The id of an answer may also be of another study's suggestion, or unknown.
    answered = {record.suggestion_id for _, record in log if not isinstance(record, Amendment)}
    known = {one.id: one for one in find_suggestions(store, answered) if one.study == name}
    known |= {one.id: one for one in outstanding}
    return MovedStudy(
        summary.study,
        log,
        tuple((mode, one) for mode, one in learned if one is not None),
        tuple(sorted(known.values(), key=lambda one: one.suggested_at)),
        frozenset(one.id for one in outstanding),
    )


def find_suggestions(store: ObservationStore, ids: Iterable[str | None]) -> list[Suggestion]:
    """Return the suggestions of those ids, however many, of any study; None is nobody's id.

    Raises:
        TuningError: the store cannot be read.
    """
    wanted = sorted({one for one in ids if one is not None})
    return [
        suggestion
        for start in range(0, len(wanted), _ASKED)
        for suggestion in patiently(store.find_suggestions, wanted[start : start + _ASKED])
    ]


def folded(study: str, log: Sequence[tuple[str, Record]]) -> Log:
    """Return what a study's log comes to, of all its modes.

    Raises:
        MoveError: a record revises what is not there.
    """
    try:
        return Log(study).extended([(position, record) for position, (_, record) in enumerate(log, 1)])
    except ValueError as error:
        raise MoveError(f"the log of study {study} is damaged: {error}") from error


def _held(store: ObservationStore, moved: MovedStudy) -> int:
    """Return the number of the log's records that the store already has.

    Raises:
        MoveError: it has other records.
    """
    _compare(patiently(store.summary, moved.name).study, moved.study)
    log = read_log(store, moved.name, "comparing")
    if log != moved.log[: len(log)]:
        raise _others(moved.name)
    return len(log)


def _compare(there: Study, study: Study) -> None:
    if replace(there, archived_at=None) != replace(study, archived_at=None):
        raise MoveError(
            f"the store that is written has another study {study.name}: when it began, its note or what it is based on"
            " differ"
        )


def _others(study: str) -> MoveError:
    return MoveError(
        f"the store that is written holds other records of study {study} than those to be moved;"
        " move into an empty store, and let nobody rate there before it is done"
    )


def _begin(store: ObservationStore, moved: MovedStudy, held: int) -> list[Suggestion]:
    """Begin the study, or restore it if it lacks something; return its suggestions that the store does not know."""
    if moved.study.created_at is not None:
        try:
            patiently(store.begin, replace(moved.study, archived_at=None))
        except StudyExistsError:
            _compare(patiently(store.summary, moved.name).study, moved.study)
    known = {one.id: one for one in find_suggestions(store, (one.id for one in moved.suggestions))}
    for one in moved.suggestions:
        there = known.get(one.id, one)
        if (there.study, there.mode, there.setting) != (one.study, one.mode, one.setting):
            raise MoveError(f"the store that is written knows another suggestion {one.id}, of study {there.study}")
    unknown = [one for one in moved.suggestions if one.id not in known]
    archived_at = patiently(store.summary, moved.name).study.archived_at
    if archived_at is not None and (archived_at != moved.study.archived_at or held < len(moved.log) or unknown):
        patiently(store.archive, moved.name, archived_at=None)
    return unknown


def _claim(
    store: ObservationStore, moved: MovedStudy, unknown: Sequence[Suggestion], now: datetime
) -> list[Suggestion]:
    """Claim the unknown suggestions in the order suggested, so that the last of a place is its latest.

    Return those whose settings are pending under other ids.
    """
    latest: dict[tuple[str, Setting], Suggestion] = {}
    lacking = {one.id for one in unknown}
    left = []
    for group in _groups(moved.suggestions):
        claimed = [one for one in group if one.id in lacking]
        before = [latest[_place(one)] for one in claimed if _place(one) in latest]
        try:
            if claimed:
                patiently(store.claim, claimed, giving_way=before, now=now)
        except AlreadyPendingError:
            for one in claimed:
                left += _claim_alone(store, one, latest.get(_place(one)), now)
        latest |= {_place(one): one for one in group}
    return left


def _claim_alone(
    store: ObservationStore, suggestion: Suggestion, before: Suggestion | None, now: datetime
) -> list[Suggestion]:
    """Claim the suggestion unless another move has; return it if its setting is pending under another id."""
    if find_suggestions(store, [suggestion.id]):
        return []
    try:
        patiently(store.claim, [suggestion], giving_way=[before] if before else [], now=now)
    except AlreadyPendingError:
        return [] if find_suggestions(store, [suggestion.id]) else [suggestion]
    return []


def _groups(suggestions: Sequence[Suggestion]) -> Iterator[list[Suggestion]]:
    """Yield the suggestions in their order, in groups that can be claimed at once: no two of one place."""
    group: dict[tuple[str, Setting], Suggestion] = {}
    for one in suggestions:
        if len(group) == MAX_CLAIM or _place(one) in group:
            yield list(group.values())
            group = {}
        group[_place(one)] = one
    if group:
        yield list(group.values())


def _place(suggestion: Suggestion) -> tuple[str, Setting]:
    return suggestion.mode, suggestion.setting


_Step = list[tuple[int, str, Record]]


def _record(store: ObservationStore, moved: MovedStudy, held: int) -> Iterator[int]:
    """Write the records after the first `held`; yield after each step the number of records in it."""
    entries: dict[int, Entry] = {}
    for step in _steps(moved.log):
        if missing := [record for record in step if record[0] > held]:
            _write(store, moved.name, missing, entries)
            yield len(missing)
        for position, _, record in step:
            if isinstance(record, Amendment):
                entries[record.target] = amended(entries[record.target], record.revision)
            else:
                entries[position] = entered(moved.name, position, record)


def _steps(log: Sequence[tuple[str, Record]]) -> Iterator[_Step]:
    """Yield the log in steps: one revision, or a batch. They end at the same positions in every move."""
    step: _Step = []
    for position, (mode, record) in enumerate(log, 1):
        if isinstance(record, Amendment):
            if step:
                yield step
            yield [(position, mode, record)]
            step = []
            continue
        step.append((position, mode, record))
        if position % BATCH == 0:
            yield step
            step = []
    if step:
        yield step


def _write(store: ObservationStore, study: str, step: _Step, entries: dict[int, Entry]) -> None:
    """Append a step to the study's log; `entries` are those before it, by position.

    Raises:
        MoveError: the store appended it at another position, or it cannot follow the log.
    """
    key = _key(study, step)
    position, _, first = step[0]
    told = [record for _, _, record in step if not isinstance(record, Amendment)]
    expected = tuple(place for place, _, _ in step)
    if isinstance(first, Amendment):
        before = entries.get(first.target)
        if before is None or before.revision.number + 1 != first.revision.number:
            raise MoveError(f"the log of study {study} is damaged: what position {position:,} revises is not there")
        made = first.revision
        # An empty comment removes the comment; None would keep it.
        correction = Correction(made.made_at, made.rating, made.comment or "", made.withdrawn, made.reviser)
        if correct(before, correction) is not None:
            revised = patiently(
                store.revise, study, first.target, correction, seen=before.revision.number, idempotency_key=key
            )
            if revised.entry.revision != made:
                raise _others(study)
            return
        # A rater who repeats a rating makes a revision that changes nothing: `record` makes it, `revise` does not.
        if not counts(before) or made.reviser is None or made.reviser != before.told.rater:
            raise MoveError(f"the log of study {study} is damaged: position {position:,} revises nothing")
        # Without a picture, `record` could take another entry of this rater; a picture that no entry has prevents it.
        picture = before.told.picture or f"{key.key}-none"
        told = [replace(before.told, recorded_at=made.made_at, picture=picture)]
        expected = (first.target,)
    recorded = patiently(store.record, told, study=study, idempotency_key=key)
    if recorded.positions != expected:
        raise _others(study)


def _key(study: str, step: _Step) -> IdempotencyKey:
    content = "\n".join(f"{position} {mode} {dump_record(record)}" for position, mode, record in step)
    digest = hashlib.sha256(f"{study}\n{content}".encode()).hexdigest()
    return IdempotencyKey(f"move-{digest}", digest)


def _verify(store: ObservationStore, moved: MovedStudy, left: Collection[Suggestion]) -> None:
    log = read_log(store, moved.name, "verifying")
    if log != moved.log:
        raise _others(moved.name)
    if patiently(store.summary, moved.name).study != moved.study:
        raise MoveError(f"study {moved.name} was changed while it was moved; run the same command again")
    known = {one.id for one in (*find_suggestions(store, (one.id for one in moved.suggestions)), *left)}
    if lost := [one for one in moved.suggestions if one.id not in known]:
        raise MoveError(f"{len(lost):,} suggestions are not in the store although it acknowledged them")
