"""An observation store of a few lists: what the port promises, without a file, a table, threads or damage.

The stores are compared with it call by call (tests/contract/test_observation_store_machine.py). It is an
`ObservationStore`, so that a new method of the port fails the comparison until it is here too.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from storage.deadline import Deadline
from tuning.errors import AlreadyPendingError, IdempotencyMismatchError, StoreUnavailableError
from tuning.observations import MAX_POSITION, Observation, Setting, Suggestion
from tuning.stores.port import HistoryPage, IdempotencyKey, ObservationStore, Recorded
from tuning.studies import Hyperparameters, Study


class PlainStore(ObservationStore):
    """Keeps everything in memory; every study has the seed 0, and positions count from 1."""

    def __init__(self) -> None:
        self.observations: list[Observation] = []
        self.suggestions: list[Suggestion] = []
        """Those that were claimed and have neither been rated nor given way, expired ones included."""
        self.receipts: dict[str, tuple[str, int]] = {}
        self.hyperparameters: dict[str, Hyperparameters] = {}

    def record(
        self,
        observations: Sequence[Observation],
        *,
        idempotency_key: IdempotencyKey | None,
        deadline: Deadline | None = None,
    ) -> Recorded:
        _begin(deadline)
        if idempotency_key and (recorded := self.find_receipt(idempotency_key)):
            return recorded
        self.observations += observations
        answered = {observation.suggestion_id for observation in observations}
        self.suggestions = [suggestion for suggestion in self.suggestions if suggestion.id not in answered]
        samples_seen = len(self.observations)
        if idempotency_key:
            self.receipts[idempotency_key.key] = idempotency_key.fingerprint, samples_seen
        return Recorded(samples_seen, replayed=False)

    def find_receipt(self, idempotency_key: IdempotencyKey, *, deadline: Deadline | None = None) -> Recorded | None:
        _begin(deadline)
        if idempotency_key.key not in self.receipts:
            return None
        fingerprint, samples_seen = self.receipts[idempotency_key.key]
        if fingerprint != idempotency_key.fingerprint:
            raise IdempotencyMismatchError(idempotency_key.key)
        return Recorded(samples_seen, replayed=True)

    def claim(
        self,
        suggestions: Sequence[Suggestion],
        *,
        giving_way: Sequence[Suggestion] = (),
        now: datetime,
        deadline: Deadline | None = None,
    ) -> None:
        _begin(deadline)
        ending = {suggestion.id for suggestion in giving_way}
        after = [suggestion for suggestion in self.outstanding(now=now) if suggestion.id not in ending]
        for suggestion in suggestions:
            if any((one.mode, one.setting) == (suggestion.mode, suggestion.setting) for one in after):
                raise AlreadyPendingError(suggestion.setting.key)
            after.append(suggestion)
        self.suggestions = after

    def study(self, mode: str, *, now: datetime | None, deadline: Deadline | None = None) -> Study:
        _begin(deadline)
        observations = tuple(observation for observation in self.observations if observation.mode == mode)
        held = self.outstanding(now=now) if now else ()
        outstanding = tuple(suggestion for suggestion in held if suggestion.mode == mode)
        return Study(mode, 0, self.hyperparameters.get(mode), observations, outstanding)

    def outstanding(self, *, now: datetime) -> tuple[Suggestion, ...]:
        held = [suggestion for suggestion in self.suggestions if suggestion.expires_at > now]
        return tuple(sorted(held, key=lambda suggestion: suggestion.suggested_at))

    def find_outstanding(
        self,
        *,
        ids: Collection[str],
        places: Collection[tuple[str, Setting]],
        now: datetime,
        deadline: Deadline | None = None,
    ) -> tuple[Suggestion, ...]:
        _begin(deadline)
        return tuple(one for one in self.outstanding(now=now) if one.id in ids or (one.mode, one.setting) in places)

    def verify(self, *, now: datetime) -> int:  # noqa: ARG002 - the port's
        return self.count()

    def save_hyperparameters(
        self, mode: str, hyperparameters: Hyperparameters, *, deadline: Deadline | None = None
    ) -> None:
        _begin(deadline)
        kept = self.hyperparameters.get(mode)
        if kept is None or hyperparameters.fitted_on >= kept.fitted_on:
            self.hyperparameters[mode] = hyperparameters

    def count(self) -> int:
        return len(self.observations)

    def history(self, *, mode: str | None, limit: int, before: int = MAX_POSITION) -> HistoryPage:
        numbered = [(place, one) for place, one in enumerate(self.observations, 1) if mode in {None, one.mode}]
        found = [(place, one) for place, one in reversed(numbered) if place < before]
        page = found[:limit]
        return HistoryPage(tuple(one for _, one in page), page[-1][0] if len(found) > limit else None)

    def close(self) -> None:
        """Nothing is held open."""


def _begin(deadline: Deadline | None) -> None:
    if deadline is not None and deadline.is_over:
        raise StoreUnavailableError("no time is left", retry_after=1)
