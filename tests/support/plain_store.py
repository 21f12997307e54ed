"""An observation store of a few lists: what the port promises, without a file, a table, threads or damage.

The stores are compared with it call by call (tests/contract/test_observation_store_machine.py). It is an
`ObservationStore`, so that a new method of the port fails the comparison until it is here too.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from tuning.errors import IdempotencyMismatchError, SettingTakenError
from tuning.observations import Observation, Setting, Suggestion
from tuning.stores.port import HistoryPage, IdempotencyKey, ObservationStore, Recorded
from tuning.studies import Hyperparameters, Study


class PlainStore(ObservationStore):
    """Keeps everything in memory; every study has the seed 0, and a cursor is a number of observations."""

    def __init__(self) -> None:
        self.observations: list[Observation] = []
        self.suggestions: list[Suggestion] = []
        """Those that were claimed and have neither been rated nor given way, expired ones included."""
        self.receipts: dict[str, tuple[str, int]] = {}
        self.hyperparameters: dict[str, Hyperparameters] = {}

    def record(self, observations: Sequence[Observation], *, idempotency_key: IdempotencyKey | None) -> Recorded:
        if idempotency_key and (recorded := self.find_receipt(idempotency_key)):
            return recorded
        self.observations += observations
        answered = {observation.suggestion_id for observation in observations}
        self.suggestions = [suggestion for suggestion in self.suggestions if suggestion.id not in answered]
        samples_seen = len(self.observations)
        if idempotency_key:
            self.receipts[idempotency_key.key] = idempotency_key.fingerprint, samples_seen
        return Recorded(samples_seen, replayed=False)

    def find_receipt(self, idempotency_key: IdempotencyKey) -> Recorded | None:
        if idempotency_key.key not in self.receipts:
            return None
        fingerprint, samples_seen = self.receipts[idempotency_key.key]
        if fingerprint != idempotency_key.fingerprint:
            raise IdempotencyMismatchError(idempotency_key.key)
        return Recorded(samples_seen, replayed=True)

    def claim(self, suggestions: Sequence[Suggestion], *, giving_way: Sequence[Suggestion] = (), now: datetime) -> None:
        ending = {suggestion.id for suggestion in giving_way}
        after = [suggestion for suggestion in self.outstanding(now=now) if suggestion.id not in ending]
        for suggestion in suggestions:
            if any((one.mode, one.setting) == (suggestion.mode, suggestion.setting) for one in after):
                raise SettingTakenError(suggestion.setting.key)
            after.append(suggestion)
        self.suggestions = after

    def study(self, mode: str, *, now: datetime | None) -> Study:
        observations = tuple(observation for observation in self.observations if observation.mode == mode)
        held = self.outstanding(now=now) if now else ()
        outstanding = tuple(suggestion for suggestion in held if suggestion.mode == mode)
        return Study(mode, 0, self.hyperparameters.get(mode), observations, outstanding)

    def outstanding(self, *, now: datetime) -> tuple[Suggestion, ...]:
        held = [suggestion for suggestion in self.suggestions if suggestion.expires_at > now]
        return tuple(sorted(held, key=lambda suggestion: suggestion.suggested_at))

    def find_outstanding(
        self, *, ids: Collection[str], places: Collection[tuple[str, Setting]], now: datetime
    ) -> tuple[Suggestion, ...]:
        return tuple(one for one in self.outstanding(now=now) if one.id in ids or (one.mode, one.setting) in places)

    def verify(self, *, now: datetime) -> int:  # noqa: ARG002 - the port's
        return self.count()

    def save_hyperparameters(self, mode: str, hyperparameters: Hyperparameters) -> None:
        kept = self.hyperparameters.get(mode)
        if kept is None or hyperparameters.fitted_on >= kept.fitted_on:
            self.hyperparameters[mode] = hyperparameters

    def count(self) -> int:
        return len(self.observations)

    def history(self, *, mode: str | None, limit: int, cursor: str | None) -> HistoryPage:
        before = len(self.observations) if cursor is None else int(cursor)
        found = [place for place in reversed(range(before)) if mode in {None, self.observations[place].mode}]
        page = found[:limit]
        next_cursor = str(page[-1]) if len(found) > limit else None
        return HistoryPage(tuple(self.observations[place] for place in page), next_cursor)

    def close(self) -> None:
        """Nothing is held open."""
