"""How many suggestions a mode may have outstanding, and who makes way, over every adapter."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

import tuning.suggest
from tests.support.stack import ROOT
from tests.support.stores import ADAPTERS, store_url
from tuning.errors import TooManyOutstandingError
from tuning.observations import Suggestion
from tuning.stores import open_store
from tuning.stores.port import ObservationStore
from tuning.suggest import MAX_OUTSTANDING, OUTSTANDING_FOR, RESERVED_FOR, suggest
from tuning.update import update
from tuning.validation.space_file import load_spaces

SPACES = load_spaces()
NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
LIMIT = 24


@pytest.fixture(params=ADAPTERS)
def url(request: pytest.FixtureRequest) -> str:
    return store_url(request, request.param)


@pytest.fixture(autouse=True)
def limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A limit that is soon reached; the last test checks the product's own."""
    with monkeypatch.context() as patch:
        patch.setattr(tuning.suggest, "MAX_OUTSTANDING", LIMIT)
        yield


def ask(store: ObservationStore, now: datetime = NOW, count: int = 4) -> tuple[Suggestion, ...]:
    return suggest(store, SPACES, mode="structure", count=count, now=now)


def fill(store: ObservationStore, now: datetime = NOW) -> list[Suggestion]:
    return [suggestion for _ in range(LIMIT // 4) for suggestion in ask(store, now)]


def test_past_the_limit_nobody_is_given_a_suggestion_and_nobody_loses_one(store: ObservationStore) -> None:
    pending = fill(store)
    for now in (NOW, NOW + RESERVED_FOR - timedelta(microseconds=1)):
        with pytest.raises(TooManyOutstandingError, match="mode structure has 24 suggestions outstanding, of 24"):
            ask(store, now, count=1)
        assert {s.id for s in store.outstanding(now=now)} == {s.id for s in pending}
    # The other mode has room of its own.
    assert len(suggest(store, SPACES, mode="surfaces", count=4, now=NOW)) == 4


def test_a_rating_makes_room(store: ObservationStore) -> None:
    pending = fill(store)
    update(
        store,
        SPACES,
        request={"results": [{"parameters": s.setting.to_plain(), "rating": 3} for s in pending[:2]]},
        now=NOW,
    )
    assert len(ask(store, count=2)) == 2
    with pytest.raises(TooManyOutstandingError):
        ask(store, count=1)


def test_after_an_hour_the_oldest_make_way_and_no_others(store: ObservationStore) -> None:
    old = fill(store)[:4]
    update(
        store, SPACES, request={"results": [{"parameters": s.setting.to_plain(), "rating": 3} for s in old]}, now=NOW
    )
    young = ask(store, NOW + timedelta(minutes=30))
    later = NOW + RESERVED_FOR
    before = store.outstanding(now=later)
    given = ask(store, later)
    assert store.outstanding(now=later) == (*before[4:], *given)
    assert set(young) <= set(store.outstanding(now=later))
    for _ in range(LIMIT // 4 - 2):
        ask(store, later)
    with pytest.raises(TooManyOutstandingError, match=r"ask again in 30 minutes"):
        ask(store, later)
    assert set(young) <= set(store.outstanding(now=later))


def test_a_suggestion_that_made_way_can_be_rated_all_the_same(store: ObservationStore) -> None:
    first = fill(store)[0]
    ask(store, NOW + RESERVED_FOR)
    result = {"parameters": first.setting.to_plain(), "rating": 5, "suggestion_id": first.id, "mode": "structure"}
    update(store, SPACES, request={"results": [result]}, now=NOW + RESERVED_FOR)
    (recorded,) = store.mode_study("structure", now=None).observations
    assert (recorded.setting, recorded.suggestion_id) == (first.setting, first.id)


def test_those_who_ask_at_once_exceed_the_limit_by_no_more_than_they_ask_for_at_once(
    url: str, store: ObservationStore
) -> None:
    askers = 6

    def ask_on(_: int) -> int:
        own, given = open_store(url), 0
        try:
            for _ in range(LIMIT):
                given += len(ask(own))
        except TooManyOutstandingError:
            return given
        finally:
            own.close()
        return given

    with ThreadPoolExecutor(askers) as pool:
        given = sum(pool.map(ask_on, range(askers)))
    assert len(store.outstanding(now=NOW)) == given
    assert LIMIT <= given <= LIMIT + (askers - 1) * 4
    # And what was too many goes first.
    assert len(ask(store, NOW + RESERVED_FOR)) == 4
    assert len(store.outstanding(now=NOW + RESERVED_FOR)) == LIMIT


def test_a_store_that_holds_many_more_comes_back_to_the_limit(store: ObservationStore, limit: None) -> None:
    tuning.suggest.MAX_OUTSTANDING = 10 * LIMIT
    for _ in range(3 * LIMIT // 4):
        ask(store)
    tuning.suggest.MAX_OUTSTANDING = LIMIT
    later = NOW + RESERVED_FOR
    sizes = []
    for _ in range(4):
        ask(store, later, count=1)
        sizes.append(len(store.outstanding(now=later)))
    assert sizes[-1] == LIMIT
    assert sizes == sorted(sizes, reverse=True)


def test_the_documents_say_what_the_limit_is() -> None:
    assert MAX_OUTSTANDING == 1_000
    assert timedelta(hours=1) == RESERVED_FOR < OUTSTANDING_FOR
    page = (ROOT / "docs/operations.md").read_text()
    assert "| pending suggestions in a mode | 1,000" in page
    section = (ROOT / "docs/api.md").read_text().partition("## POST /ml/suggest_parameters")[2]
    assert "1,000 pending" in section.partition("\n## ")[0]
