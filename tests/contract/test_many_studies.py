"""Ten thousand studies in one store: they are listed, a misspelt name is told one nearby, each is used as if alone.

They are written in bulk, as the adapters write them: one by one would take minutes.
"""

import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from storage.urls import DatabaseFile, TablePlace, parse_store
from tests.support.observations import NOW, key, observation, suggestion
from tests.support.stores import ADAPTERS, calls_of, new_store, store_url, table_client
from tuning.errors import StudyExistsError, StudyMissingError
from tuning.observations import Correction
from tuning.stores import dynamodb_items as items
from tuning.stores.port import ObservationStore, Recorded
from tuning.stores.records import timestamp
from tuning.study import Study, StudySummary

COUNT = 10_000
NAMES = [f"spring-campaign-of-customer-{index:05}" for index in range(COUNT)]
PAGE = 200  # studies in a page at the most
WRITTEN = 25  # items in a call that writes many, the service's limit


@pytest.fixture(scope="module", params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def url(adapter: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a store with that many studies, which the tests of an adapter share."""
    if adapter == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('many')}/observations.db"
    else:
        url = store_url(request, adapter)
    with closing(new_store(url)) as store:
        assert store.count() == 0
    place = parse_store(url)
    if isinstance(place, DatabaseFile):
        _fill_file(place)
    else:
        _fill_table(place)
    return url


def _fill_file(place: DatabaseFile) -> None:
    with closing(sqlite3.connect(place.path)) as connection, connection:
        rows = [(name, timestamp(NOW)) for name in NAMES]
        connection.executemany("INSERT INTO studies (name, created_at) VALUES (?, ?)", rows)


def _fill_table(place: TablePlace) -> None:
    assert place.endpoint is not None
    client = table_client(place.endpoint)
    puts = []
    for name in NAMES:
        study = Study(name, NOW)
        puts += [items.put_study(study, "token"), items.put_head(items.Head(study, version=1), seen=0)]
    # Of numbers and texts alone, as a study's items are while nothing is in it.
    wanted = [
        {"PutRequest": {"Item": {name: {"N" if isinstance(value, int) else "S": str(value)} for name, value in row}}}
        for row in (put.row.items() for put in puts)
    ]

    def write(start: int) -> None:
        answer = client.batch_write_item(RequestItems={place.name: wanted[start : start + WRITTEN]})
        assert not answer["UnprocessedItems"]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(0, len(wanted), WRITTEN)))
    client.close()


def test_all_of_them_are_listed_a_page_at_a_time(store: ObservationStore, adapter: str) -> None:
    made = calls_of(store) if adapter == "dynamodb" else []
    seen: list[StudySummary] = []
    pages, after = 0, ""
    while True:
        page = store.studies(limit=PAGE, after=after)
        seen, pages = [*seen, *page.summaries], pages + 1
        if page.next_after is None:
            break
        after = page.next_after
    assert [one.study.name for one in seen] == ["default", *NAMES]
    assert seen[1].study == Study(NAMES[0], NOW)
    assert pages == COUNT // PAGE + 1
    # No page reads the studies that are not on it: one query, and its own heads by their keys.
    assert len(made) <= 3 * pages
    assert store.study_names() == ("default", *NAMES)
    middle = store.studies(limit=3, after=NAMES[4_999])
    assert [one.study.name for one in middle.summaries] == NAMES[5_000:5_003]


def _typos(name: str) -> dict[str, str]:
    return {
        "a letter too many": name.replace("campaign", "campaiggn"),
        "a letter too few": name.replace("customer", "custmer"),
        "two letters in the wrong order": name.replace("spring", "srping"),
        "the number alone": f"{name}x",
    }


@pytest.mark.parametrize("typo", _typos(NAMES[0]))
def test_a_misspelt_name_is_told_one_that_is_near_at_a_bounded_cost(
    store: ObservationStore, adapter: str, typo: str
) -> None:
    meant = NAMES[7_123]
    made = calls_of(store) if adapter == "dynamodb" else []
    began = time.process_time()
    with pytest.raises(StudyMissingError, match="did you mean spring-campaign-of-customer-") as caught:
        store.count(_typos(meant)[typo])
    # All ten thousand would be half a second and more of computing, and on the way to a million a time-out.
    assert time.process_time() - began < 2
    assert [name for name, _ in made] in (["GetItem", "Query", "Query"], [])
    assert sum(found for _, found in made) <= 500
    if typo == "the number alone":
        assert f"did you mean {meant}?" in str(caught.value)


def test_names_beside_one_are_those_next_to_it(store: ObservationStore) -> None:
    assert store.names_beside(NAMES[5_000], limit=3) == tuple(NAMES[4_998:5_004])
    assert store.names_beside(f"{NAMES[5_000]}x", limit=2) == tuple(NAMES[4_999:5_003])
    assert store.names_beside("a", limit=2) == ("default", NAMES[0])
    assert store.names_beside("default", limit=2) == ("default", *NAMES[:2])
    assert store.names_beside("e", limit=1) == ("default", NAMES[0])
    assert store.names_beside("zz", limit=3) == tuple(NAMES[-3:])


def _record(store: ObservationStore, name: str) -> None:
    assert store.record([observation()], study=name, idempotency_key=key(name)) == Recorded(
        1, replayed=False, positions=(1,), study=name
    )


def _revise(store: ObservationStore, name: str) -> None:
    store.record([observation()], study=name, idempotency_key=None)
    revised = store.revise(name, 1, Correction(NOW, rating=5.0), seen=1, idempotency_key=None)
    assert (revised.entry.id, revised.samples_seen) == (f"{name}-1", 1)


def _claim(store: ObservationStore, name: str) -> None:
    store.claim([suggestion(f"of {name}", study=name)], now=NOW)
    assert store.outstanding(study=name, now=NOW) == (suggestion(f"of {name}", study=name),)


def _archive(store: ObservationStore, name: str) -> None:
    assert store.archive(name, archived_at=NOW).study == Study(name, NOW, archived_at=NOW)


def _begin(store: ObservationStore, name: str) -> None:
    with pytest.raises(StudyExistsError):
        store.begin(Study(name, NOW))


@pytest.mark.parametrize("use", [_record, _revise, _claim, _archive, _begin], ids=lambda use: use.__name__[1:])
def test_one_of_them_is_used_as_if_it_were_alone(
    store: ObservationStore, use: Callable[[ObservationStore, str], None], adapter: str, request: pytest.FixtureRequest
) -> None:
    at = 5_000 + 10 * request.node.callspec.indices["use"]
    name = NAMES[at]
    made = calls_of(store) if adapter == "dynamodb" else []
    use(store, name)
    several = len(made)
    # What it costs does not depend on the others: as many calls as in a store that has nothing else.
    if adapter == "dynamodb":
        with closing(new_store(store_url(request, adapter))) as alone:
            alone.begin(Study(name, NOW))
            made = calls_of(alone)
            use(alone, name)
            assert several == len(made)
    for beside in (NAMES[at - 1], NAMES[at + 1]):
        assert store.summary(beside) == StudySummary(Study(beside, NOW), (), None, None)
    assert store.summary("default").samples_seen == 0
