"""The port to the storage of observations. `tuning.stores` chooses an adapter; this module knows of none.

Promises of every adapter, held by one contract suite: an acknowledged observation is never lost; a batch is recorded
whole or not at all; an idempotency key never records twice; counts are exact under concurrent writers; a reader sees
every observation acknowledged before it began to read; no two outstanding suggestions of a mode are of one setting;
numbers come back exactly as they went in; a crash leaves the state before or after, never between; a row that is not as
it was written is a StoreCorruptError that names it, and never a wrong answer.

After a `deadline` nothing further begins; what has begun takes at most 3 s more in DynamoDB, and 5 s where SQLite waits
for its lock. With None an adapter has its own patience alone.

Every method may raise StoreUnavailableError (retry later, or no time is left), StoreCorruptError and StoreRefusedError
(give up). Values go in and come out by value. The port draws no conclusions: it neither validates settings nor judges
ratings.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.deadline import Deadline
from tuning.observations import MAX_POSITION, Observation, Setting, Suggestion
from tuning.studies import Hyperparameters, Study

MAX_BATCH = 1_000  # observations that every adapter records at once
MAX_CLAIM = 33  # suggestions that every adapter claims at once, and as many that it ends to make room


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's key, and a fingerprint of the body that it came with."""

    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """The acknowledgement of a batch.

    `samples_seen` counts the observations of all modes once the batch was in; `replayed` says that it had been in
    before.
    """

    samples_seen: int
    replayed: bool


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Observations, newest first; `earliest` is the position before which the next page begins, None at the end."""

    observations: tuple[Observation, ...]
    earliest: int | None


class ObservationStore(ABC):
    """Observations, outstanding suggestions and learned hyperparameters of every mode."""

    @abstractmethod
    def record(
        self,
        observations: Sequence[Observation],
        *,
        idempotency_key: IdempotencyKey | None,
        deadline: Deadline | None = None,
    ) -> Recorded:
        """Record a batch of up to MAX_BATCH and end the suggestions that it answers, or find it recorded.

        After a StoreUnavailableError the batch may have been recorded. The same idempotency key, remembered for at
        least 30 days, makes trying again harmless.

        Raises:
            IdempotencyMismatchError: the key was used before with another body.
        """

    @abstractmethod
    def find_receipt(self, idempotency_key: IdempotencyKey, *, deadline: Deadline | None = None) -> Recorded | None:
        """Return the acknowledgement of the batch that was recorded with this key; None if none was.

        Raises:
            IdempotencyMismatchError: the key was used with another body.
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
        """Make up to MAX_CLAIM suggestions outstanding: all of them, or none.

        In the same step up to MAX_CLAIM others, those `giving_way`, end if they are still outstanding. `tuning.suggest`
        decides how many may be outstanding.

        Raises:
            AlreadyPendingError: an outstanding suggestion has the setting of one of them.
        """

    @abstractmethod
    def study(self, mode: str, *, now: datetime | None, deadline: Deadline | None = None) -> Study:
        """Return the mode's study in one consistent view; it begins, with a fresh seed, when first asked for.

        With None as `now` it is without the outstanding suggestions, which then cost nothing.
        """

    @abstractmethod
    def outstanding(self, *, now: datetime) -> tuple[Suggestion, ...]:
        """Return the suggestions of every mode that are neither rated nor expired, oldest first."""

    @abstractmethod
    def find_outstanding(
        self,
        *,
        ids: Collection[str],
        places: Collection[tuple[str, Setting]],
        now: datetime,
        deadline: Deadline | None = None,
    ) -> tuple[Suggestion, ...]:
        """Return the outstanding suggestions that have one of the ids or are in one of the places, oldest first.

        A place is a mode and a setting. The cost grows with how many are looked for, and hardly with how many there
        are.
        """

    @abstractmethod
    def verify(self, *, now: datetime) -> int:
        """Return how many observations all modes have together, if everything that requests read can be read.

        What was found readable may count as readable for at most a minute.
        """

    @abstractmethod
    def save_hyperparameters(
        self, mode: str, hyperparameters: Hyperparameters, *, deadline: Deadline | None = None
    ) -> None:
        """Keep what was learned, unless hyperparameters fitted on more ratings are there already."""

    @abstractmethod
    def count(self) -> int:
        """Return how many observations all modes have together."""

    @abstractmethod
    def history(self, *, mode: str | None, limit: int, before: int = MAX_POSITION) -> HistoryPage:
        """Return up to `limit` observations, of one mode or all (None), that were recorded before that position."""

    @abstractmethod
    def close(self) -> None:
        """Release what the store holds open; it may be used again afterwards."""
