"""A study's log: what its records mean, the same in every adapter.

A study's log holds what was told (ratings and failures) and revisions of it, at positions that count from 1 over all
modes. A revision holds the whole of what a correction may change, so that the last one is the present state of its
entry. Adapters keep logs and take care that only one writer appends at a time; this module does no input or output.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from tuning.errors import EntryStateError
from tuning.observations import Correction, Entry, Failure, Observation, Revision, Setting, Told
from tuning.study import Best


@dataclass(frozen=True, slots=True)
class Amendment:
    """A record of the log: a revision of the entry at `target`."""

    target: int
    revision: Revision


Record = Told | Amendment


@dataclass(frozen=True, slots=True)
class Log:
    """The records of one mode of a study up to some position, and what they come to; never changed.

    `size` counts the records, `end` is the position of the last. `observations` are the ratings that count, in the
    order recorded, `answered` the ids of suggestions that were rated or failed, now withdrawn or not.
    """

    study: str
    end: int = 0
    size: int = 0
    entries: Mapping[int, Entry] = field(default_factory=lambda: MappingProxyType({}))
    observations: tuple[Observation, ...] = ()
    failed: tuple[Setting, ...] = ()
    answered: frozenset[str] = frozenset()

    def extended(self, records: Sequence[tuple[int, Record]]) -> "Log":
        """Return the log with these records, which follow its own, each with its position, in order.

        Raises:
            ValueError: they do not follow, or a revision is of no entry or not its next.
        """
        if not records:
            return self
        entries = dict(self.entries)
        end = self.end
        for position, record in records:
            if position <= end:
                raise ValueError(f"the record at position {position} follows that at {end}")
            end = position
            if isinstance(record, Amendment):
                entry = entries.get(record.target)
                if entry is None or record.revision.number != entry.revision.number + 1:
                    raise ValueError(
                        f"the record at position {position} revises what is not there, or not by the next number"
                    )
                entries[record.target] = amended(entry, record.revision)
            else:
                entries[position] = entered(self.study, position, record)
        told = [record for _, record in records if not isinstance(record, Amendment)]
        if len(told) == len(records):  # as a rule nothing is revised
            fresh: Iterable[Told] = told
            observations, failed = self.observations, self.failed
        else:
            fresh = [entry.told for _, entry in sorted(entries.items()) if not entry.revision.withdrawn]
            observations, failed = (), ()
        return Log(
            self.study,
            end,
            self.size + len(records),
            MappingProxyType(entries),
            (*observations, *(one for one in fresh if isinstance(one, Observation))),
            (*failed, *(one.setting for one in fresh if isinstance(one, Failure))),
            self.answered.union(one.suggestion_id for one in told if one.suggestion_id is not None),
        )


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as the log takes it: its records with their modes, from the position after `end` on.

    `positions` has for each of the ratings and failures told the position of its entry, and `replaced` those positions
    that were there before.
    """

    end: int
    records: tuple[tuple[int, str, Record], ...]
    positions: tuple[int, ...]
    replaced: tuple[int, ...]


def plan(study: str, told: Sequence[Told], rated_by: Callable[[str, str, str], Sequence[Entry]], *, end: int) -> Batch:
    """Decide what a batch appends to the log that ends at `end`: an entry each, or a revision of an earlier rating.

    A rating of a suggestion that its named rater has rated before on the same picture, withdrawn ratings aside, revises
    that rating; one that names no picture is of the only picture that the rater has rated it on. Sent again unchanged
    it adds nothing. `rated_by` gives the entries of a mode, a suggestion and a rater.
    """
    # The ratings of a suggestion by a rater: those that are there, and what this batch has made of them.
    present: dict[tuple[str, str, str], dict[int, Entry]] = {}
    records: list[tuple[int, str, Record]] = []
    positions: list[int] = []
    replaced: dict[int, None] = {}
    for one in told:
        position = end + len(records) + 1
        rated: dict[int, Entry] = {}
        if isinstance(one, Observation) and one.suggestion_id is not None and one.rater is not None:
            key = one.mode, one.suggestion_id, one.rater
            if key not in present:
                present[key] = {entry.position: entry for entry in rated_by(*key)}
            rated = present[key]
        before = _rated_before(one, rated)
        if before is None:
            records.append((position, one.mode, one))
            rated[position] = entered(study, position, one)
            positions.append(position)
            continue
        assert isinstance(one, Observation)  # noqa: S101 - a failure replaces nothing
        revision = Revision(
            before.revision.number + 1,
            one.rating,
            one.comment if one.comment is not None else before.revision.comment,
            withdrawn=False,
            made_at=one.recorded_at,
            reviser=one.rater,
        )
        positions.append(before.position)
        if (revision.rating, revision.comment) != (before.revision.rating, before.revision.comment):
            records.append((position, one.mode, Amendment(before.position, revision)))
            rated[before.position] = amended(before, revision)
        if before.position <= end:
            replaced[before.position] = None
    return Batch(end, tuple(records), tuple(positions), tuple(replaced))


def correct(entry: Entry, correction: Correction) -> Revision | None:
    """Return the revision that the correction makes of the entry; None if it changes nothing.

    Raises:
        EntryStateError: the entry is withdrawn and is not restored by it, or it gives a failure a rating.
    """
    now = entry.revision
    withdrawn = now.withdrawn if correction.withdrawn is None else correction.withdrawn
    rating = now.rating if correction.rating is None else correction.rating
    comment = now.comment if correction.comment is None else correction.comment or None
    if correction.rating is not None and isinstance(entry.told, Failure):
        raise EntryStateError(f"{entry.id} failed and has no rating: record a rating of its own")
    if now.withdrawn and withdrawn and (rating, comment) != (now.rating, now.comment):
        raise EntryStateError(f"{entry.id} is withdrawn: restore it (withdrawn: false) to correct it")
    if (withdrawn, rating, comment) == (now.withdrawn, now.rating, now.comment):
        return None
    return Revision(now.number + 1, rating, comment, withdrawn, correction.made_at, correction.reviser)


def entered(study: str, position: int, told: Told) -> Entry:
    """Return the entry of what was told at that position."""
    rating = told.rating if isinstance(told, Observation) else None
    return Entry(study, position, told, Revision(1, rating, told.comment, withdrawn=False, made_at=told.recorded_at))


def amended(entry: Entry, revision: Revision) -> Entry:
    """Return the entry with one revision more."""
    told: Told
    if isinstance(entry.told, Observation) and revision.rating is not None:
        told = replace(entry.told, rating=revision.rating, comment=revision.comment)
    else:
        told = replace(entry.told, comment=revision.comment)
    return Entry(entry.study, entry.position, told, revision, (*entry.earlier, entry.revision))


def as_of(entry: Entry, number: int) -> Entry:
    """Return the entry as it stood at one of its revisions.

    Raises:
        ValueError: it never had that revision.
    """
    history = (*entry.earlier, entry.revision)
    if not 1 <= number <= len(history):
        raise ValueError(f"{entry.id} has no revision {number}")
    first, *rest = history[:number]
    told: Told = replace(entry.told, comment=first.comment)
    if isinstance(told, Observation) and first.rating is not None:
        told = replace(told, rating=first.rating)
    at_first = Entry(entry.study, entry.position, told, first)
    for revision in rest:
        at_first = amended(at_first, revision)
    return at_first


def counts(entry: Entry) -> bool:
    """Return whether the entry is a rating that counts."""
    return isinstance(entry.told, Observation) and not entry.revision.withdrawn


def best_of(rated: Iterable[tuple[str, Observation]]) -> Best | None:
    """Return the best of ratings in the order recorded, each with its mode: of equal ones that which is first."""
    found: Best | None = None
    for mode, one in rated:
        found = better(found, Best(mode, one.setting, one.rating, one.recorded_at))
    return found


def better(one: Best | None, other: Best | None) -> Best | None:
    """Return the better of two, and of equal ones that recorded first."""
    if one is None or other is None:
        return one or other
    return min(one, other, key=lambda best: (-best.rating, best.recorded_at))


def _rated_before(told: Told, rated: Mapping[int, Entry]) -> Entry | None:
    """Return the rating that this one replaces, of those of its suggestion by its rater."""
    # Whoever makes up ids of their own may use one for several settings.
    alike = [entry for entry in rated.values() if counts(entry) and entry.told.setting == told.setting]
    pictures = {entry.told.picture for entry in alike}
    # Whoever has rated one picture alone need not name it again.
    picture = next(iter(pictures)) if told.picture is None and len(pictures) == 1 else told.picture
    found = [entry for entry in alike if entry.told.picture == picture]
    return max(found, key=lambda entry: entry.position, default=None)


def last_change(records: Iterable[Record]) -> datetime | None:
    """Return when the last of the records was made."""
    moments = [one.revision.made_at if isinstance(one, Amendment) else one.recorded_at for one in records]
    return max(moments, default=None)
