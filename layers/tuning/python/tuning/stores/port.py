"""The port to the storage of observations. `tuning.stores` chooses an adapter; this module knows of none.

Promises of every adapter, held by one contract suite: an acknowledged observation is never lost; a batch is recorded
whole or not at all; an idempotency key never records twice; counts are exact under concurrent writers; a reader sees
every observation acknowledged before it began to read; no two suggestions of a mode hold the same setting while both
are outstanding; numbers come back exactly as they went in; a crash leaves the state before or after, never between; a
row that is not as it was written is a StoreCorruptError that names it, and never a wrong answer.

Every method may raise StoreUnavailableError (retry later), StoreCorruptError and StoreRefusedError (give up). Values
go in and come out by value. The port draws no conclusions: it neither validates settings nor judges ratings.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

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
    """The acknowledgement of a batch: observations of all modes once it was in; whether it had been in before."""

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
    def record(self, observations: Sequence[Observation], *, idempotency_key: IdempotencyKey | None) -> Recorded:
        """Records a batch of up to MAX_BATCH, ending the suggestions it answers, or finds it recorded.

        Raises IdempotencyMismatchError. After a StoreUnavailableError the batch may have been recorded; the same
        idempotency key, remembered for 30 days at least, makes trying again harmless.
        """

    @abstractmethod
    def find_receipt(self, idempotency_key: IdempotencyKey) -> Recorded | None:
        """The acknowledgement of the batch that was recorded with this key; None if none was.

        Raises IdempotencyMismatchError.
        """

    @abstractmethod
    def claim(self, suggestions: Sequence[Suggestion], *, giving_way: Sequence[Suggestion] = (), now: datetime) -> None:
        """Makes all of the up to MAX_CLAIM suggestions outstanding, or none. Raises AlreadyPendingError.

        With them, up to MAX_CLAIM others that are `giving_way` end, if they are outstanding still. How many may be
        outstanding is not decided here (`tuning.suggest`).
        """

    @abstractmethod
    def study(self, mode: str, *, now: datetime | None) -> Study:
        """The mode's study in one consistent view; it begins, with a fresh seed, when first asked for.

        With None as `now` it is without the suggestions that are outstanding, which then cost nothing.
        """

    @abstractmethod
    def outstanding(self, *, now: datetime) -> tuple[Suggestion, ...]:
        """The suggestions of every mode that are neither rated nor expired, oldest first."""

    @abstractmethod
    def find_outstanding(
        self, *, ids: Collection[str], places: Collection[tuple[str, Setting]], now: datetime
    ) -> tuple[Suggestion, ...]:
        """Of what is outstanding, oldest first, that which has one of the ids or is in one of the places.

        A place is a mode and a setting. The cost depends on how many are looked for and hardly on how many there are.
        """

    @abstractmethod
    def verify(self, *, now: datetime) -> int:
        """How many observations all modes have together, if everything that requests read can be read.

        What was found readable may be taken for that for a while, a minute at the most.
        """

    @abstractmethod
    def save_hyperparameters(self, mode: str, hyperparameters: Hyperparameters) -> None:
        """Keeps what was learned, unless hyperparameters fitted on more ratings are there already."""

    @abstractmethod
    def count(self) -> int:
        """How many observations all modes have together."""

    @abstractmethod
    def history(self, *, mode: str | None, limit: int, before: int = MAX_POSITION) -> HistoryPage:
        """Return up to `limit` observations, of one mode or all (None), that were recorded before that position."""

    @abstractmethod
    def close(self) -> None:
        """Releases what the store holds open; it may be used again afterwards."""
