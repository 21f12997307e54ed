"""The port to the storage of observations. `tuning.stores` chooses an adapter; this module knows of none.

Promises of every adapter, held by one contract suite: what is acknowledged is never lost; a batch is recorded whole or
not at all; an idempotency key never records twice; counts and the best rating are exact under concurrent writers; a
reader sees everything acknowledged before it began to read, and never half of a revision; no two suggestions of a mode
hold the same setting while both are outstanding; numbers come back exactly as they went in; a crash leaves the state
before or after, never between; studies do not wait for each other; a row that is not as it was written is a
StoreCorruptError that names it, and never a wrong answer.

Every method may raise StoreUnavailableError (retry later), StoreCorruptError and StoreRefusedError (give up), and every
one that is given a study's name StudyMissingError. DEFAULT_STUDY is always there. Values go in and come out by value.
The port draws no conclusions: it neither validates settings nor judges ratings.

After a `deadline` nothing further begins; what has begun takes at most 3 s more in DynamoDB, and 5 s where SQLite waits
for a lock.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.deadline import Deadline
from tuning.errors import StudyMissingError
from tuning.observations import DEFAULT_STUDY, MAX_POSITION, Correction, Entry, Setting, Suggestion, Told
from tuning.stores.log import Record
from tuning.study import Hyperparameters, ModeStudy, Study, StudySummary

MAX_BATCH = 1_000  # ratings and failures that every adapter records at once
_NEAR = 0.6  # the least likeness, 0 to 1, of a name that may have been meant
_COMPARED = 250  # names before one that is missing, and as many after it, that may have been meant: 0.1 s at the most

MAX_CLAIM = 24  # suggestions that every adapter claims at once, and as many that it ends to make room


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's key, and a fingerprint of the request that it came with."""

    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """The acknowledgement of a batch.

    `samples_seen` counts the ratings of the study that count once the batch was in; `replayed` says whether it had been
    in before. `positions` has the position of each of the batch's entries, in its order; None of what a release before
    studies recorded. `replaced` are those of them that were there before, and have a revision more.
    """

    samples_seen: int
    replayed: bool
    positions: tuple[int, ...] | None = None
    replaced: tuple[int, ...] = ()
    study: str = DEFAULT_STUDY


@dataclass(frozen=True, slots=True)
class Revised:
    """The acknowledgement of a correction: the entry as it stood then, and the study's ratings that counted then."""

    entry: Entry
    samples_seen: int
    replayed: bool


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Entries, newest first; the next page is of what is `before` that position, None at the end."""

    entries: tuple[Entry, ...]
    next_before: int | None


@dataclass(frozen=True, slots=True)
class StudiesPage:
    """Studies by name; the next page is of what is `after` that name, None at the end."""

    summaries: tuple[StudySummary, ...]
    next_after: str | None


class ObservationStore(ABC):
    """Studies: what was told in them, their outstanding suggestions, and what was learned of each mode."""

    @abstractmethod
    def begin(self, study: Study) -> None:
        """Begin a study. Nothing is checked of the study that it is based on.

        Raises:
            StudyExistsError: there is one of that name, archived or not.
        """

    @abstractmethod
    def summary(self, study: str) -> StudySummary:
        """Return one study at a glance."""

    @abstractmethod
    def studies(self, *, limit: int, after: str = "") -> StudiesPage:
        """Return a page of all studies, by name, archived ones and DEFAULT_STUDY included."""

    @abstractmethod
    def study_names(self) -> tuple[str, ...]:
        """Return the names of all studies, sorted."""

    @abstractmethod
    def names_beside(self, name: str, *, limit: int) -> tuple[str, ...]:
        """Return the last `limit` names up to this one and the first `limit` after it, sorted.

        The cost depends on the limit and not on how many studies there are.
        """

    @abstractmethod
    def archive(self, study: str, *, archived_at: datetime | None) -> StudySummary:
        """Archive the study, or with None restore it, and return it. What is so already stays as it is.

        Every batch and revision comes before it, or raises StudyArchivedError.
        """

    @abstractmethod
    def record(
        self,
        told: Sequence[Told],
        *,
        study: str = DEFAULT_STUDY,
        idempotency_key: IdempotencyKey | None,
        deadline: Deadline | None = None,
    ) -> Recorded:
        """Record a batch of up to MAX_BATCH, ending the suggestions it answers, or find it recorded.

        A rating of a suggestion that its named rater has rated before is a revision of that rating
        (`tuning.stores.log`). After a StoreUnavailableError the batch may have been recorded; the same idempotency
        key, remembered for 30 days at least, makes trying again harmless.

        Raises:
            IdempotencyMismatchError: the key came with another request before.
            StudyArchivedError: the study takes nothing, unless the batch is in it already.
        """

    @abstractmethod
    def find_receipt(self, idempotency_key: IdempotencyKey, *, deadline: Deadline | None = None) -> Recorded | None:
        """Return the acknowledgement of the batch that was recorded with this key; None if none was.

        Raises:
            IdempotencyMismatchError: the key came with another request before.
        """

    @abstractmethod
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
        """Append a revision to the entry at that position, if the correction changes anything of it.

        With `seen` it is made only if that is the number of the entry's last revision.

        Raises:
            EntryMissingError: the study has no entry there.
            RevisionMismatchError: the entry has another revision.
            EntryStateError: it is withdrawn, or a failure, and cannot be corrected so (`tuning.stores.log.correct`).
            StudyArchivedError: the study takes nothing.
            IdempotencyMismatchError: the key came with another request before.
        """

    @abstractmethod
    def claim(
        self,
        suggestions: Sequence[Suggestion],
        *,
        giving_way: Sequence[Suggestion] = (),
        now: datetime,
        deadline: Deadline | None = None,
    ) -> None:
        """Make all of the up to MAX_CLAIM suggestions of one study outstanding, or none.

        With them, up to MAX_CLAIM others that are `giving_way` end, if they are outstanding still. How many may be
        outstanding is not decided here (`tuning.suggest`).

        Raises:
            AlreadyPendingError: one of the settings is outstanding.
        """

    @abstractmethod
    def give_back(self, suggestion_id: str, *, now: datetime) -> Suggestion | None:
        """End the suggestion and return it; None if none of that id is outstanding."""

    @abstractmethod
    def outstanding(
        self, *, study: str = DEFAULT_STUDY, mode: str | None = None, now: datetime
    ) -> tuple[Suggestion, ...]:
        """Return the suggestions of a mode, or of all, that are neither answered, given back nor expired.

        The oldest is first.
        """

    @abstractmethod
    def find_suggestions(self, ids: Collection[str], *, deadline: Deadline | None = None) -> tuple[Suggestion, ...]:
        """Return the suggestions of those ids, of any study, that were ever claimed, outstanding or not.

        Of what a release before studies suggested, those that are outstanding or were answered at least; of the latter
        `suggested_at` and `expires_at` may be the moment of the answer.
        """

    @abstractmethod
    def find_suggested(
        self,
        places: Collection[tuple[str, Setting]],
        *,
        study: str = DEFAULT_STUDY,
        now: datetime,
        deadline: Deadline | None = None,
    ) -> tuple[tuple[Suggestion, bool], ...]:
        """Return the latest suggestion of each of those places, each a mode and a setting, and if it is outstanding.

        The cost depends on how many are looked for and hardly on how many there are.
        """

    @abstractmethod
    def mode_study(
        self, mode: str, *, study: str = DEFAULT_STUDY, now: datetime | None, deadline: Deadline | None = None
    ) -> ModeStudy:
        """Return a mode of a study in one consistent view; it begins, with a fresh seed, when first asked for.

        With None as `now` it is without the suggestions that are outstanding, which then cost nothing.
        """

    @abstractmethod
    def verify(self, *, now: datetime) -> int:
        """Return how many ratings of DEFAULT_STUDY count, if everything that requests for it read can be read.

        What was found readable may be taken for that for a while, a minute at the most.
        """

    @abstractmethod
    def save_hyperparameters(
        self,
        mode: str,
        hyperparameters: Hyperparameters,
        *,
        study: str = DEFAULT_STUDY,
        as_of: int,
        deadline: Deadline | None = None,
    ) -> None:
        """Keep what was learned of the log up to `as_of`, unless what is there was learned of more of it."""

    @abstractmethod
    def count(self, study: str = DEFAULT_STUDY) -> int:
        """Return how many ratings of the study count."""

    @abstractmethod
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
        """Return a page of entries: of one mode, rater and picture, or of all; with what is withdrawn, or without."""

    def missing(self, study: str) -> StudyMissingError:
        """Return the error that says that there is no such study, and which name is nearest.

        Of very many studies those beside it in the alphabet are compared.
        """
        from difflib import get_close_matches  # noqa: PLC0415 - needed only when something is wrong

        near = get_close_matches(study, self.names_beside(study, limit=_COMPARED), n=1, cutoff=_NEAR)
        return StudyMissingError(study, near[0] if near else None)

    @abstractmethod
    def records(self, study: str, *, after: int = 0, limit: int) -> tuple[tuple[int, str, Record], ...]:
        """Return the up to `limit` records that follow a position in the study's log, each with its position and mode.

        Fewer are returned at the end of the log alone. Given in this order to `record` and `revise` of an empty study,
        they have the same positions there.
        """

    @abstractmethod
    def close(self) -> None:
        """Release what the store holds open; it may be used again afterwards."""
