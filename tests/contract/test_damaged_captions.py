"""Captions and outcomes that are not as they were stored: damaged by name, over both adapters, and no caption lost.

SQLite's rows are damaged in the file, DynamoDB's in the service's answers, which stay well-formed.
"""

import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captioning.caption import Alternative, Caption
from captioning.captioner import Captioner
from captioning.captions import caption_key, caption_picture
from captioning.errors import CaptioningError, CaptionStoreDamagedError
from captioning.model.bundle import open_bundle
from captioning.outcomes import Outcome
from captioning.stores import open_caption_store
from captioning.stores.dynamodb import DynamoDbCaptionStore
from captioning.stores.port import CaptionStore
from tests.support.dynamodb import make_table
from tests.support.pictures import speckled
from tests.support.thorough import examples

DOG = Caption("a dog", 0.5, "v1", (Alternative("a cat", 0.25),))
CAPTIONED = Outcome("uploads/a", "A1", caption=Caption("a dog", 0.5, "v1"), sure=True)
FAILED = Outcome("uploads/b", "A1", reason="it is damaged")
USES: dict[str, Callable[[CaptionStore], object]] = {
    "caption": lambda store: store.get("a"),
    "outcome": lambda store: store.outcome("uploads/a"),
    "reason": lambda store: store.outcome("uploads/b"),
    "outcomes": lambda store: store.outcomes(["uploads/a", "uploads/b"]),
    "record": lambda store: store.record(Outcome("uploads/a", "A")),
}
NO_UTF8 = b"\xff\xfe"


def fill(store: CaptionStore) -> None:
    store.put("a", DOG)
    store.record(CAPTIONED)
    store.record(FAILED)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    store = open_caption_store(f"sqlite:///{tmp_path}/c.db")
    fill(store)
    store.close()
    return tmp_path / "c.db"


@contextmanager
def damaged(path: Path, table: str, key: str, column: str, value: object) -> Iterator[None]:
    """Within, that column of the row has the value, if the table itself lets it in."""
    connection = sqlite3.connect(path, isolation_level=None)
    where = (key,)
    (before,) = connection.execute(f"SELECT {column} FROM {table} WHERE key = ?", where).fetchone()  # noqa: S608
    expression = "CAST(? AS TEXT)" if value == NO_UTF8 else "?"
    with suppress(sqlite3.IntegrityError, OverflowError):
        connection.execute(f"UPDATE {table} SET {column} = {expression} WHERE key = ?", (value, key))  # noqa: S608
    yield
    connection.execute(f"UPDATE {table} SET {column} = ? WHERE key = ?", (before, key))  # noqa: S608
    connection.close()


def raised(store: CaptionStore, use: Callable[[CaptionStore], object]) -> CaptioningError | None:
    """The error; whatever is not one of captioning's passes through."""
    try:
        use(store)
    except CaptioningError as error:
        return error
    finally:
        store.close()
    return None


@pytest.mark.parametrize(
    ("table", "key", "column", "value", "use"),
    [
        ("ranked_captions", "a", "alternatives", "not JSON", "caption"),
        ("ranked_captions", "a", "alternatives", "7", "caption"),
        ("ranked_captions", "a", "alternatives", "[[1, 2, 3]]", "caption"),
        ("ranked_captions", "a", "alternatives", '[["a", "b"]]', "caption"),
        ("ranked_captions", "a", "alternatives", '[["a", NaN]]', "caption"),
        ("ranked_captions", "a", "alternatives", "[" * 100_000, "caption"),
        ("ranked_captions", "a", "confidence", 7.0, "caption"),
        ("ranked_captions", "a", "confidence", -0.5, "caption"),
        ("outcomes", "uploads/a", "confidence", None, "outcome"),
        ("outcomes", "uploads/a", "confidence", float("inf"), "outcome"),
        ("outcomes", "uploads/a", "text", None, "outcome"),
        ("outcomes", "uploads/a", "model_version", None, "record"),
        ("outcomes", "uploads/a", "reason", "and a reason", "outcome"),
        ("outcomes", "uploads/a", "sequencer", "yesterday", "outcome"),
        ("outcomes", "uploads/b", "sequencer", "", "reason"),
        ("sureness", "uploads/a", "sure", 7, "outcome"),
        ("outcomes", "uploads/b", "sequencer", "", "outcomes"),
    ],
)
def test_a_damaged_row_of_a_file_is_damaged_by_name(
    path: Path, table: str, key: str, column: str, value: object, use: str
) -> None:
    url = f"sqlite:///{path}"
    with damaged(path, table, key, column, value):
        error = raised(open_caption_store(url), USES[use])
        assert isinstance(error, CaptionStoreDamagedError)
        assert key in str(error)
        assert "c.db" in str(error)
    assert raised(open_caption_store(url), USES[use]) is None


VALUES = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=30),
    st.binary(max_size=8),
    st.just(NO_UTF8),
    st.recursive(st.floats() | st.text(max_size=3) | st.none(), lambda inner: st.lists(inner, max_size=3)).map(
        json.dumps
    ),
)
COLUMNS = {
    ("ranked_captions", "a"): ("text", "confidence", "model_version", "alternatives"),
    ("outcomes", "uploads/a"): ("sequencer", "text", "confidence", "model_version", "reason"),
    ("outcomes", "uploads/b"): ("sequencer", "text", "reason"),
    ("sureness", "uploads/a"): ("sequencer", "sure"),
}


@settings(max_examples=examples(50), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_value_in_any_column_is_more_than_an_error_of_ours(path: Path, data: st.DataObject) -> None:
    table, key = data.draw(st.sampled_from(sorted(COLUMNS)))
    column = data.draw(st.sampled_from(COLUMNS[table, key]))
    with damaged(path, table, key, column, data.draw(VALUES)):
        for use in ("caption", "outcome", "reason", "outcomes"):
            raised(open_caption_store(f"sqlite:///{path}"), USES[use])


def test_a_damaged_caption_costs_no_caption(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    captioner = Captioner(open_bundle("file://tests/bundles/tiny"))
    store = open_caption_store(f"sqlite:///{tmp_path}/c.db")
    made = caption_picture(captioner, store, speckled(1))
    key = caption_key(speckled(1), captioner.model_version, captioner.decoding)
    with damaged(tmp_path / "c.db", "ranked_captions", key, "alternatives", "no"), caplog.at_level(logging.WARNING):
        again = caption_picture(captioner, store, speckled(1))
    assert (again.caption, again.cached) == (made.caption, False)
    assert key in caplog.text
    store.close()


@pytest.fixture(scope="module")
def table(dynamodb_endpoint: str) -> str:
    url = f"dynamodb://{make_table(dynamodb_endpoint, 'CaptionsTable')}?endpoint={dynamodb_endpoint}"
    store = open_caption_store(url)
    fill(store)
    store.close()
    return url


def garbled(url: str, name: str, value: object, use: str) -> CaptioningError | None:
    """What is raised when the service answers with that attribute in the item, or without it."""
    store = open_caption_store(url)
    assert isinstance(store, DynamoDbCaptionStore)

    def garble(parsed: dict[str, Any], **_: Any) -> None:
        several = [item for items in parsed.get("Responses", {}).values() for item in items]
        for item in (parsed.get("Item"), *several):
            if item:
                item[name] = value
                if value is None:
                    del item[name]

    store._table.connect().meta.events.register("after-call.dynamodb", garble)
    return raised(store, USES[use])


@pytest.mark.parametrize(
    ("name", "value", "use"),
    [
        ("text", None, "caption"),
        ("text", {"N": "5"}, "caption"),
        ("confidence", {"S": "much"}, "caption"),
        ("confidence", {"S": "nan"}, "caption"),
        ("alternatives", {"L": [{"S": "a"}]}, "caption"),
        ("alternatives", {"S": "[]"}, "caption"),
        ("model_version", {"NULL": True}, "outcome"),
        ("text", None, "outcome"),
        ("sequencer", {"S": "yesterday"}, "outcome"),
        ("sequencer", None, "record"),
        ("reason", {"S": "and a reason"}, "outcome"),
        ("reason", {"N": "1"}, "reason"),
        ("sequencer", None, "outcomes"),
        ("reason", {"N": "1"}, "outcomes"),
    ],
)
def test_a_garbled_item_of_a_table_is_damaged_by_name(table: str, name: str, value: object, use: str) -> None:
    error = garbled(table, name, value, use)
    assert isinstance(error, CaptionStoreDamagedError)
    assert "the item of 'uploads/" in str(error) or "the item of 'a'" in str(error)


ATTRIBUTES = st.one_of(
    st.sampled_from([{"NULL": True}, {"BOOL": False}, {"L": []}, {"L": [{"M": {}}]}, {"M": {}}, {"N": "1.5"}, {}]),
    st.text(max_size=20).map(lambda text: {"S": text}),
    st.binary(max_size=8).map(lambda content: {"B": content}),
)


@settings(max_examples=examples(50), deadline=None)
@given(
    name=st.sampled_from(["pk", "sequencer", "text", "confidence", "model_version", "alternatives", "reason"]),
    value=st.none() | ATTRIBUTES,
    use=st.sampled_from(sorted(USES)),
)
def test_no_attribute_of_any_item_is_more_than_an_error_of_ours(table: str, name: str, value: object, use: str) -> None:
    if name in {"alternatives", "reason"} and value is None:
        value = {"N": "0"}
    garbled(table, name, value, use)
