"""Any sequence of calls, held on every adapter against a store of a few lists (`tests.support.plain_store`).

Hypothesis chooses the calls, through two stores of one place as two processes would make them, and shrinks what fails
to a few. A rule is a call of the port: it goes through `_agree`, which makes it of both and compares what comes of it,
be it a value or an error; one that changes something goes through `_change`, which looks at it from elsewhere too. A
call more is a method of `PlainStore` and a rule.

The calls are the same in every run. `STORE_EXAMPLES=500 pytest tests/contract/test_observation_store_machine.py` makes
so many other sequences of every adapter, new ones each time.
"""

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import botocore.session
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, consumes, initialize, multiple, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from storage.deadline import Deadline
from storage.errors import ExpectedError
from tests.support.plain_store import PlainStore
from tests.support.stores import ADAPTERS, store_url
from tuning.observations import MAX_POSITION, Observation, Setting, Suggestion
from tuning.stores import open_store
from tuning.stores.port import IdempotencyKey, ObservationStore
from tuning.studies import Hyperparameters

T = TypeVar("T")

MICROSECOND = timedelta(microseconds=1)
# Sequences of each adapter: DynamoDB Local takes ten times as long over one.
EXAMPLES = {"sqlite": 60, "dynamodb": 20}
STEPS = 40

# Few, so that the same are claimed, rated and asked for again and again.
MODES = st.sampled_from(["structure", "surfaces"])
PLACES = (("leonardo", 20), ("leonardo", 30), ("ñ#&", 20))
SETTINGS = st.sampled_from([Setting(api, (("strength", 0.28), ("steps", steps))) for api, steps in PLACES])
RATINGS = st.sampled_from([1.0, 3.5, 1 + 2 / 3, 5.0])
# Beyond a hundred, what is recorded at once lies in several items of a table.
SIZES = st.one_of(st.integers(0, 3), st.just(2), st.sampled_from([1, 1, 1, 101, 205]))
HOURS = st.sampled_from([1, 24])
DOORS = st.integers(0, 1)


@dataclass(frozen=True, slots=True)
class Batch:
    """What a caller sends, and may send again."""

    observations: tuple[Observation, ...]
    key: IdempotencyKey


@dataclass(frozen=True, slots=True)
class Place:
    """How far somebody has read the history: the next page is at `found` in the store and at `plain` in the lists."""

    mode: str | None
    found: int
    plain: int


class StoreMachine(RuleBasedStateMachine):
    """Two stores of one place, as of two processes, and the lists that say what they must answer."""

    batches: Bundle[Batch] = Bundle("batches")
    places: Bundle[Place] = Bundle("places")

    def __init__(self, new_url: Callable[[], str]) -> None:
        super().__init__()
        self.url = new_url()
        self.stores = [open_store(self.url), open_store(self.url)]
        self.plain = PlainStore()
        self.now = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
        self.claimed: list[Suggestion] = []
        self.seeds: dict[str, int] = {}
        self.names = 0

    def _agree(self, door: int, call: Callable[[ObservationStore], T]) -> T | type[ExpectedError]:
        """Make the call of a store and of the lists; what the store answers, or its error, is what the lists say."""
        expected, found = _outcome(call, self.plain), _outcome(call, self.stores[door])
        assert found == expected
        return found

    def _change(self, door: int, mode: str, call: Callable[[ObservationStore], T]) -> None:
        """As `_agree`; and the other process sees at once what has become of the mode."""
        self._agree(door, call)
        self._read_study(1 - door, mode, self.now)

    def _seen(self) -> list[Suggestion]:
        """Suggestions that somebody remembers, whatever has become of the latest."""
        return [*self.plain.outstanding(now=self.now)[-6:], *self.claimed[-3:]]

    def _name(self, what: str) -> str:
        self.names += 1
        return f"{what} {self.names}"

    @initialize()
    def read_a_new_store(self) -> None:
        for door in range(2):
            self._agree(door, ObservationStore.count)
            self._agree(door, lambda store: store.find_receipt(IdempotencyKey("unused", "body")))

    # Rating

    @rule(target=batches, door=DOORS, keyed=st.booleans(), size=SIZES, data=st.data())
    def record(self, door: int, keyed: bool, size: int, data: st.DataObject) -> Batch | MultipleResults[Batch]:
        drawn = [data.draw(st.tuples(MODES, SETTINGS, RATINGS)) for _ in range(min(size, 4))]
        observations = [Observation(*drawn[place % 4], self.now) for place in range(size)]
        # Somebody's suggestion, whatever has become of it: outstanding, expired, rated, given way; or one of nobody's.
        for place in range(min(size, 4)):
            one = data.draw(st.sampled_from([None, *self._seen()]))
            if one is not None:
                observations[place] = replace(observations[place], mode=one.mode, suggestion_id=one.id)
            elif data.draw(st.booleans()):
                observations[place] = replace(observations[place], suggestion_id="unheard of")
        key = IdempotencyKey(self._name("key"), "body") if keyed else None
        mode = observations[0].mode if observations else "structure"
        self._change(door, mode, lambda store: store.record(observations, idempotency_key=key))
        return Batch(tuple(observations), key) if key else multiple()

    @rule(door=DOORS, batch=batches)
    def send_again(self, door: int, batch: Batch) -> None:
        self._change(door, "structure", lambda store: store.record(batch.observations, idempotency_key=batch.key))

    @rule(door=DOORS, batch=batches, setting=SETTINGS)
    def send_another_body_with_the_same_key(self, door: int, batch: Batch, setting: Setting) -> None:
        other = [Observation("structure", setting, 2.0, self.now)]
        key = replace(batch.key, fingerprint="other")
        self._change(door, "structure", lambda store: store.record(other, idempotency_key=key))

    @rule(door=DOORS, batch=batches, fingerprint=st.sampled_from(["body", "other"]))
    def find_receipt(self, door: int, batch: Batch, fingerprint: str) -> None:
        self._agree(door, lambda store: store.find_receipt(replace(batch.key, fingerprint=fingerprint)))

    @rule(door=DOORS, mode=MODES, setting=SETTINGS)
    def begin_too_late(self, door: int, mode: str, setting: Setting) -> None:
        over, key = Deadline(0), IdempotencyKey(self._name("key"), "body")
        ratings = [Observation(mode, setting, 4.0, self.now)]
        asked = [Suggestion(self._name("suggestion"), mode, setting, self.now, self.now + timedelta(hours=1))]
        self._agree(door, lambda store: store.record(ratings, idempotency_key=key, deadline=over))
        self._agree(door, lambda store: store.find_receipt(key))
        self._change(door, mode, lambda store: store.claim(asked, now=self.now, deadline=over))

    # Suggesting

    @rule(door=DOORS, wanted=st.lists(st.tuples(MODES, SETTINGS), min_size=1, max_size=3), hours=HOURS, data=st.data())
    def claim(self, door: int, wanted: list[tuple[str, Setting]], hours: int, data: st.DataObject) -> None:
        # Each at a moment of its own, so that their order is of one kind only.
        self.now += MICROSECOND
        self._claim(door, wanted, hours, data)

    @rule(door=DOORS, before=st.sampled_from([MICROSECOND, timedelta()]), hours=HOURS, data=st.data())
    def claim_the_setting_of_one_that_ends(self, door: int, before: timedelta, hours: int, data: st.DataObject) -> None:
        if ending := [one for one in self.plain.outstanding(now=self.now) if one.expires_at - before > self.now]:
            other = data.draw(st.sampled_from(ending))
            self.now = other.expires_at - before
            self._agree(1 - door, lambda store: store.outstanding(now=self.now))
            self._agree(door, lambda store: store.find_outstanding(ids={other.id}, places=(), now=self.now))
            self._claim(door, [(other.mode, other.setting)], hours, data)

    def _claim(self, door: int, wanted: list[tuple[str, Setting]], hours: int, data: st.DataObject) -> None:
        ends = self.now + timedelta(hours=hours)
        suggestions = [Suggestion(self._name("suggestion"), *place, self.now, ends) for place in wanted]
        # Who gives way was outstanding when somebody looked, and may have ended since.
        drawn = data.draw(st.lists(st.sampled_from(seen), max_size=3)) if (seen := self._seen()) else []
        giving_way = list({(one.mode, one.setting): one for one in drawn}.values())
        self._change(door, wanted[0][0], lambda store: store.claim(suggestions, giving_way=giving_way, now=self.now))
        self.claimed += suggestions

    @rule(passing=st.sampled_from([timedelta(minutes=30), timedelta(hours=1), timedelta(days=1)]))
    def let_time_pass(self, passing: timedelta) -> None:
        self.now += passing

    # Reading

    @rule(door=DOORS, mode=MODES, with_outstanding=st.booleans())
    def read_a_study(self, door: int, mode: str, with_outstanding: bool) -> None:
        self._read_study(door, mode, self.now if with_outstanding else None)

    def _read_study(self, door: int, mode: str, now: datetime | None) -> None:
        found = self.stores[door].study(mode, now=now)
        # The lists draw no seed; a study keeps the one that it began with.
        assert found.seed == self.seeds.setdefault(mode, found.seed)
        assert found == replace(self.plain.study(mode, now=now), seed=found.seed)

    @rule(door=DOORS)
    def read_what_is_outstanding(self, door: int) -> None:
        self._agree(door, lambda store: store.outstanding(now=self.now))

    @rule(door=DOORS, places=st.sets(st.tuples(MODES, SETTINGS), max_size=2), data=st.data())
    def find_outstanding(self, door: int, places: set[tuple[str, Setting]], data: st.DataObject) -> None:
        ids = data.draw(st.sets(st.sampled_from(["unheard of", *(one.id for one in self._seen())]), max_size=3))
        self._agree(door, lambda store: store.find_outstanding(ids=ids, places=places, now=self.now))

    @rule(door=DOORS)
    def count_and_verify(self, door: int) -> None:
        self._agree(door, ObservationStore.count)
        self._agree(door, lambda store: store.verify(now=self.now))

    @rule(target=places, door=DOORS, mode=st.one_of(st.none(), MODES), limit=st.integers(1, 4))
    def read_the_newest_page(self, door: int, mode: str | None, limit: int) -> Place | MultipleResults[Place]:
        return self._page(door, mode, limit, None)

    @rule(target=places, door=DOORS, place=consumes(places), limit=st.sampled_from([1, 3, 150]))
    def read_the_page_after_it(self, door: int, place: Place, limit: int) -> Place | MultipleResults[Place]:
        return self._page(door, place.mode, limit, place)

    def _page(self, door: int, mode: str | None, limit: int, place: Place | None) -> Place | MultipleResults[Place]:
        # A position is the store's own: it may count what the lists do not.
        found = self.stores[door].history(mode=mode, limit=limit, before=place.found if place else MAX_POSITION)
        plain = self.plain.history(mode=mode, limit=limit, before=place.plain if place else MAX_POSITION)
        assert found.observations == plain.observations
        assert (found.earliest is None) == (plain.earliest is None)
        if found.earliest is None or plain.earliest is None:
            return multiple()
        return Place(mode, found.earliest, plain.earliest)

    # Learning

    @rule(door=DOORS, mode=MODES, fitted_on=st.integers(0, 3), noise=st.sampled_from([0.16, 1 / 3]))
    def save_hyperparameters(self, door: int, mode: str, fitted_on: int, noise: float) -> None:
        learned = Hyperparameters((("strength", 1 / 3), ("steps", 0.1 + 0.2)), 1.1, noise, 2 / 3, fitted_on)
        self._change(door, mode, lambda store: store.save_hyperparameters(mode, learned))

    # Opening

    @rule(door=DOORS, anew=st.booleans())
    def close(self, door: int, anew: bool) -> None:
        self.stores[door].close()
        if anew:
            self.stores[door] = open_store(self.url)

    def teardown(self) -> None:
        for store in self.stores:
            store.close()


def _outcome(call: Callable[[ObservationStore], T], store: ObservationStore) -> T | type[ExpectedError]:
    try:
        return call(store)
    except ExpectedError as error:
        return type(error)


@pytest.fixture
def one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of botocore's sessions for all clients, each of which otherwise reads the service's description anew."""
    session = botocore.session.get_session()
    monkeypatch.setattr(botocore.session, "get_session", lambda: session)


@pytest.mark.timeout(0 if "STORE_EXAMPLES" in os.environ else 600)
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_whatever_is_called_a_store_answers_as_lists_would(
    adapter: str, request: pytest.FixtureRequest, tmp_path: Path, one_session: None
) -> None:
    more = os.environ.get("STORE_EXAMPLES")
    numbers = itertools.count()

    def new_url() -> str:
        if adapter == "sqlite":
            return f"sqlite:///{tmp_path}/{next(numbers)}.db"
        return store_url(request, adapter)

    run_machine(
        lambda: StoreMachine(new_url),  # type: ignore[arg-type] # anything that makes a machine will do
        settings=settings(
            max_examples=int(more) if more else EXAMPLES[adapter],
            stateful_step_count=STEPS,
            derandomize=not more,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
