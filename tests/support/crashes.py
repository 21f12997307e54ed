"""What a writer of a table is killed in the middle of. Its process imports no more than it needs: there are many."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tuning.observations import Correction, Failure, Observation, Setting, Suggestion
from tuning.stores.port import IdempotencyKey, ObservationStore
from tuning.study import Study

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = IdempotencyKey("the key", "body")
SIZE, ANSWERS = 250, 120  # more answers than one transaction can free settings


def setting(step: int) -> Setting:
    return Setting("leonardo", (("init_strength", 0.28), ("guidance_scale", 5 + step / 100)))


def mode(step: int) -> str:
    return ("structure", "surfaces")[step % 3 == 0]


def observations() -> list[Observation]:
    """A batch across both modes, the first of which answer suggestions."""
    named = [f"s{step}" if step < ANSWERS else None for step in range(SIZE)]
    return [Observation(mode(step), setting(step), 1 + step % 9 / 2, NOW, named[step]) for step in range(SIZE)]


def suggestions(prefix: str = "s") -> list[Suggestion]:
    return [
        Suggestion(f"{prefix}{step}", mode(step), setting(step), NOW, NOW + timedelta(days=1))
        for step in range(ANSWERS + 5)
    ]


CORRECTION = Correction(NOW, rating=5.0, comment="better", withdrawn=False, reviser="bo")
RATED = Observation("structure", setting(1), 3.0, NOW, "of ana", "ana", comment="so")
SKIPPED = Failure("structure", setting(7), "the enhancer refused it", NOW, "in the garden")
GIVING_WAY = Suggestion("in the garden", "structure", setting(7), NOW, NOW + timedelta(days=1), "garden")
CLAIMED = Suggestion("another", "structure", setting(8), NOW, NOW + timedelta(days=1), "garden")

ACTS: dict[str, Callable[[ObservationStore], object]] = {
    "record": lambda store: store.record(observations(), idempotency_key=KEY),
    "revise": lambda store: store.revise("garden", 1, CORRECTION, seen=1, idempotency_key=KEY),
    "withdraw": lambda store: store.revise(
        "garden", 1, Correction(NOW, withdrawn=True), seen=None, idempotency_key=KEY
    ),
    "replace": lambda store: store.record(
        [replace(RATED, rating=5.0, comment="better")], study="garden", idempotency_key=KEY
    ),
    "skip": lambda store: store.record([SKIPPED], study="garden", idempotency_key=KEY),
    "begin": lambda store: store.begin(Study("meadow", NOW, "garden", "for Bo")),
    "archive": lambda store: store.archive("garden", archived_at=NOW),
    "claim": lambda store: store.claim([CLAIMED], giving_way=[GIVING_WAY], now=NOW),
    "give back": lambda store: store.give_back("in the garden", now=NOW),
}
