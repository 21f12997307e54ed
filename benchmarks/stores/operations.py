"""What one call of the port takes, as a store grows: its time, and the capacity that it consumes."""

import os
import random
import statistics
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tqdm import tqdm

from benchmarks.stores.capacity import Cost, Meter, metered
from tuning.observations import DEFAULT_STUDY, Correction, Observation, Setting, Suggestion
from tuning.stores import open_store
from tuning.stores.port import MAX_CLAIM, IdempotencyKey, ObservationStore
from tuning.study import Study

UPDATES = (1, 100, 1_000)
READS = (100, 1_000, 10_000)
CROWDS = (0, 1_000, 20_000)  # suggestions outstanding: more than a mode may have, as ten modes or an older release have
REPEATS = 15
PAGE = 50  # entries, or studies
RATINGS_AT_ONCE = 4  # in each of the updates by which a study grows here

_CHANCE = random.Random(1)  # noqa: S311 - the same settings and ratings each time; no secret
_NAMES = {"sqlite": "SQLite", "dynamodb": "DynamoDB"}


@dataclass(frozen=True, slots=True)
class Measurement:
    """The median cost of an operation at a size: results sent, or observations that the study holds."""

    store: str
    operation: str
    size: int
    cost: Cost


def name_of(url: str) -> str:
    """Return the name of the adapter that the URL is of."""
    return _NAMES[url.partition(":")[0]]


def measure(
    url: str,
    *,
    updates: Sequence[int] = UPDATES,
    reads: Sequence[int] = READS,
    crowds: Sequence[int] = CROWDS,
    repeats: int = REPEATS,
) -> list[Measurement]:
    """Fill an empty store and measure it as it grows. Raises ValueError if it is not empty, or the store's errors."""
    name = name_of(url)
    found: list[Measurement] = []
    with metered() as meter, closing(open_store(url)) as store:
        if store.count() or store.study_names() != (DEFAULT_STUDY,):
            raise ValueError(f"{url} is not empty")

        def note(operation: str, size: int, costs: Sequence[Cost]) -> None:
            columns = zip(*((cost.seconds, cost.read_units, cost.write_units) for cost in costs), strict=True)
            found.append(Measurement(name, operation, size, Cost(*(statistics.median(column) for column in columns))))

        def cold() -> Cost:
            with closing(open_store(url)) as another:
                return meter.measure(lambda: another.mode_study("structure", now=_now()))

        def warm() -> Cost:
            store.record(_observations("structure", 1), idempotency_key=None)
            return meter.measure(lambda: store.mode_study("structure", now=_now()))

        for size in tqdm(reads, f"{name}, reads", disable=None, leave=False):
            _fill(store, "structure", size)
            note("cold read", size, [cold() for _ in range(repeats)])
            store.mode_study("structure", now=_now())
            note("warm read", size, [warm() for _ in range(repeats)])
            note("revise", size, [_revise(store, meter) for _ in range(repeats)])
        for size in tqdm(updates, f"{name}, updates", disable=None, leave=False):
            note("update", size, [_update(store, meter, _observations("surfaces", size)) for _ in range(repeats)])
        note("answer", 1, [_answer(store, meter) for _ in range(repeats)])
        note("replace", 1, [_replace(store, meter) for _ in range(repeats)])
        note("claim", 2, [_claim(store, meter, _suggestions(2)) for _ in range(repeats)])
        note("give back", 1, [_give_back(store, meter) for _ in range(repeats)])
        note("history", PAGE, [_history(store, meter) for _ in range(repeats)])
        note("count", 0, [meter.measure(store.count) for _ in range(repeats)])
        note("begin", 1, [_begin(store, meter) for _ in range(max(PAGE, repeats))])
        note("studies", PAGE, [meter.measure(lambda: store.studies(limit=PAGE)) for _ in range(repeats)])
        # Last, for nothing ends these suggestions but time.
        for size in tqdm(crowds, f"{name}, outstanding", disable=None, leave=False):
            _crowd(store, size)
            note("crowded", size, [_update_in_a_crowd(store, meter) for _ in range(repeats)])
    return found


def _key() -> IdempotencyKey:
    identity = os.urandom(16).hex()
    return IdempotencyKey(identity, identity)


def _update(store: ObservationStore, meter: Meter, observations: Sequence[Observation]) -> Cost:
    return meter.measure(lambda: store.record(observations, idempotency_key=_key()))


def _revise(store: ObservationStore, meter: Meter) -> Cost:
    """Correct the first rating of the study, as a process does that has just read it."""
    store.mode_study("structure", now=None)
    correction = Correction(_now(), comment=_identity())
    return meter.measure(
        lambda: store.revise(DEFAULT_STUDY, 1, correction, seen=None, idempotency_key=_key()),
    )


def _crowd(store: ObservationStore, size: int) -> None:
    """Bring the store to that many pending suggestions."""
    lacking = size - len(store.outstanding(now=_now()))
    for start in range(0, lacking, MAX_CLAIM):
        store.claim(_suggestions(min(MAX_CLAIM, lacking - start)), now=_now())


def _update_in_a_crowd(store: ObservationStore, meter: Meter) -> Cost:
    """Look results up as an update does if they name no suggestion and no mode: each may be of either mode."""
    batch = _observations("surfaces", 1_000)
    places = {(mode, observation.setting) for observation in batch for mode in ("structure", "surfaces")}

    def update() -> None:
        store.find_suggested(places, now=_now())
        store.record(batch, idempotency_key=None)

    return meter.measure(update)


def _answer(store: ObservationStore, meter: Meter) -> Cost:
    (suggestion,) = _suggestions(1)
    store.claim([suggestion], now=_now())
    return _update(store, meter, [Observation("surfaces", suggestion.setting, 4.0, _now(), suggestion.id)])


def _replace(store: ObservationStore, meter: Meter) -> Cost:
    """Rate a suggestion anew, as the rater who has rated it."""
    (suggestion,) = _suggestions(1)
    store.claim([suggestion], now=_now())
    first, again = (
        Observation("surfaces", suggestion.setting, rating, _now(), suggestion.id, "ana") for rating in (1.0, 5.0)
    )
    store.record([first], idempotency_key=None)
    store.mode_study("surfaces", now=None)
    return _update(store, meter, [again])


def _claim(store: ObservationStore, meter: Meter, suggestions: Sequence[Suggestion]) -> Cost:
    cost = meter.measure(lambda: store.claim(suggestions, now=_now()))
    store.record([Observation(s.mode, s.setting, 4.0, _now(), s.id) for s in suggestions], idempotency_key=None)
    return cost


def _give_back(store: ObservationStore, meter: Meter) -> Cost:
    (suggestion,) = _suggestions(1)
    store.claim([suggestion], now=_now())
    store.mode_study("surfaces", now=None)
    return meter.measure(lambda: store.give_back(suggestion.id, now=_now()))


def _history(store: ObservationStore, meter: Meter) -> Cost:
    return meter.measure(lambda: store.history(mode=None, limit=PAGE))


def _begin(store: ObservationStore, meter: Meter) -> Cost:
    study = Study(f"study-{_identity()}", _now())
    return meter.measure(lambda: store.begin(study))


def _fill(store: ObservationStore, mode: str, size: int) -> None:
    """Brings the mode's study to that many observations, by updates of a few ratings each, as people send them."""
    lacking = size - len(store.mode_study(mode, now=_now()).observations)
    for start in range(0, lacking, RATINGS_AT_ONCE):
        batch = min(RATINGS_AT_ONCE, lacking - start)
        store.record(_observations(mode, batch, answering=True), idempotency_key=None)


def _now() -> datetime:
    return datetime.now(UTC)


def _setting() -> Setting:
    chance = _CHANCE.uniform
    values = {"init_strength": (0.1, 0.5, 2), "guidance_scale": (5, 12, 1), "controlnet_weight": (0.7, 0.99, 2)}
    return Setting(
        "leonardo", tuple((name, round(chance(low, high), digits)) for name, (low, high, digits) in values.items())
    )


def _observations(mode: str, count: int, *, answering: bool = False) -> list[Observation]:
    ratings = [_CHANCE.randint(2, 10) / 2 for _ in range(count)]
    return [Observation(mode, _setting(), rating, _now(), _identity() if answering else None) for rating in ratings]


def _suggestions(count: int) -> list[Suggestion]:
    end = _now() + timedelta(days=1)
    # Values that no rater would choose, so that no two of them are alike.
    settings = [Setting("leonardo", (("init_strength", _CHANCE.random()),)) for _ in range(count)]
    return [Suggestion(_identity(), "surfaces", setting, _now(), end) for setting in settings]


def _identity() -> str:
    return f"{_CHANCE.getrandbits(96):024x}"
