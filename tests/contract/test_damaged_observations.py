"""Rows that are not as they were written: a StoreCorruptError that names them, over both adapters, and never a crash.

SQLite's rows are damaged in the file, DynamoDB's in the service's answers, which stay well-formed.
"""

import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.stores import store_url
from tuning.errors import StoreCorruptError, TuningError
from tuning.observations import Observation, Setting, Suggestion
from tuning.space_file import load_spaces
from tuning.stores import open_store
from tuning.stores.port import IdempotencyKey, ObservationStore
from tuning.studies import Hyperparameters
from tuning.update import update

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
SPACES = load_spaces()
KEY = IdempotencyKey("key", "body")
VALUES = {"init_strength": 0.28, "guidance_scale": 7.2, "controlnet_weight": 0.89}
SETTING = Setting("leonardo", tuple(VALUES.items()))
PENDING = Suggestion("s", "structure", SETTING, NOW, NOW + timedelta(days=1))
LEARNED = Hyperparameters((("strength", 0.3),), 1.0, 0.2, 0.5, 1)

USES: dict[str, Callable[[ObservationStore], object]] = {
    "study": lambda store: store.study("structure", now=NOW),
    "progress": lambda store: store.study("structure", now=None),
    "outstanding": lambda store: store.outstanding(now=NOW),
    "find": lambda store: store.find_outstanding(ids={"s"}, places={("structure", SETTING)}, now=NOW),
    "receipt": lambda store: store.find_receipt(KEY),
    "retry": lambda store: store.record([Observation("structure", SETTING, 4.0, NOW)], idempotency_key=KEY),
    "claim": lambda store: store.claim([Suggestion("t", "structure", SETTING, NOW, PENDING.expires_at)], now=NOW),
    "history": lambda store: store.history(mode=None, limit=10),
    "learned": lambda store: store.save_hyperparameters("structure", LEARNED),
    "count": lambda store: store.count(),
    "verify": lambda store: store.verify(now=NOW),
}


def fill(store: ObservationStore) -> None:
    store.study("structure", now=NOW)
    store.record([Observation("structure", SETTING, 4.0, NOW, "answered")], idempotency_key=KEY)
    store.save_hyperparameters("structure", LEARNED)
    store.claim([PENDING], now=NOW)


def raised(url: str, use: Callable[[ObservationStore], object]) -> TuningError | None:
    """The error of a store that has read nothing yet; whatever is not one of tuning's passes through."""
    store = open_store(url)
    try:
        use(store)
    except TuningError as error:
        return error
    finally:
        store.close()
    return None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    store = open_store(f"sqlite:///{tmp_path}/o.db")
    fill(store)
    store.close()
    return tmp_path / "o.db"


@contextmanager
def damaged(path: Path, table: str, column: str, value: object) -> Iterator[bool]:
    """Within, that column of the table's one row has the value; False if the table itself does not let it in."""
    connection = sqlite3.connect(path, isolation_level=None)
    (before,) = connection.execute(f"SELECT {column} FROM {table}").fetchone()  # noqa: S608 - names of this module
    expression = "CAST(? AS TEXT)" if isinstance(value, bytes) and value == NO_UTF8 else "?"
    try:
        connection.execute(f"UPDATE {table} SET {column} = {expression}", (value,))  # noqa: S608
    except (sqlite3.IntegrityError, OverflowError):
        yield False
    else:
        yield True
        connection.execute(f"UPDATE {table} SET {column} = ?", (before,))  # noqa: S608
    finally:
        connection.close()


NO_UTF8 = b"\xff\xfe"
ROWS = [
    ("studies", "seed", "x", "study structure"),
    ("studies", "hyperparameters", "{}", "study structure"),
    ("studies", "hyperparameters", '{"lengthscales": 1}', "study structure"),
    ("observations", "setting", "no JSON", "observation 1"),
    ("observations", "setting", "[]", "observation 1"),
    ("observations", "setting", '{"api": 7}', "observation 1"),
    ("observations", "setting", '{"api": "leonardo", "p": NaN}', "observation 1"),
    ("observations", "setting", '{"api": "leonardo", "p": null}', "observation 1"),
    ("observations", "setting", "[" * 100_000, "observation 1"),
    ("observations", "setting", b"{}", "observation 1"),
    ("observations", "setting", NO_UTF8, "not a readable"),
    ("observations", "rating", "good", "observation 1"),
    ("observations", "rating", 5.1, "observation 1"),
    ("observations", "rating", 0.0, "observation 1"),
    ("observations", "rating", float("inf"), "observation 1"),
    ("observations", "recorded_at", "yesterday", "observation 1"),
    ("observations", "recorded_at", "2030-01-02T03:04:05", "observation 1"),
    ("observations", "recorded_at", "0001-01-01T00:00:00+14:00", "observation 1"),
    ("observations", "suggestion_id", b"s", "observation 1"),
    ("suggestions", "setting", "null", "suggestion 's'"),
    ("suggestions", "suggested_at", "0", "suggestion 's'"),
    ("suggestions", "expires_at", "0", "suggestion 's'"),
    ("suggestions", "expires_at", "tomorrow", "suggestion 's'"),
    ("idempotency_keys", "samples_seen", "many", "Idempotency-Key 'key'"),
    ("idempotency_keys", "samples_seen", -1, "Idempotency-Key 'key'"),
    ("idempotency_keys", "fingerprint", b"body", "Idempotency-Key 'key'"),
]
READ_BY = {
    "studies": ("study", "progress"),
    "observations": ("study", "progress", "history"),
    "suggestions": ("study", "outstanding", "find"),
    "idempotency_keys": ("receipt", "retry"),
}


@pytest.mark.parametrize(("table", "column", "value", "name"), ROWS)
def test_a_damaged_row_of_a_file_is_corrupt_by_name_for_all_who_read_it_and_found_by_verifying(
    path: Path, table: str, column: str, value: object, name: str
) -> None:
    url = f"sqlite:///{path}"
    warm = open_store(url)
    assert warm.verify(now=NOW) == 1
    with damaged(path, table, column, value) as done:
        assert done
        for use in (*READ_BY[table], "verify"):
            error = raised(url, USES[use])
            assert isinstance(error, StoreCorruptError), use
            assert name in str(error)
            assert column in str(error)
            assert "o.db" in str(error)
        warm._verified_until = 0.0  # type: ignore[attr-defined]  # a moment later
        with pytest.raises(StoreCorruptError, match=r"o\.db"):
            warm.verify(now=NOW)
    # As soon as it is mended it is found sound.
    assert warm.verify(now=NOW) == 1
    assert raised(url, USES["study"]) is None
    warm.close()


COLUMNS = {
    "studies": ("seed", "hyperparameters", "fitted_on"),
    "observations": ("setting", "rating", "recorded_at", "suggestion_id", "mode"),
    "suggestions": ("setting", "suggested_at", "expires_at", "setting_key", "mode"),
    "idempotency_keys": ("samples_seen", "fingerprint"),
}
JSONS = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["api", "init_strength", "lengthscales"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_value_in_any_column_is_more_than_an_error_of_ours(path: Path, data: st.DataObject) -> None:
    table = data.draw(st.sampled_from(sorted(COLUMNS)))
    column = data.draw(st.sampled_from(COLUMNS[table]))
    value = data.draw(
        st.none()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats()
        | st.text(max_size=40)
        | st.binary(max_size=8)
        | JSONS.map(json.dumps)
    )
    with damaged(path, table, column, value):
        for name in data.draw(
            st.lists(st.sampled_from(sorted(USES.keys() - {"claim", "learned", "retry"})), max_size=4)
        ):
            raised(f"sqlite:///{path}", USES[name])


ATTRIBUTES = st.one_of(
    st.sampled_from([{"NULL": True}, {"BOOL": False}, {"L": []}, {"M": {}}, {"SS": ["a"]}, {}]),
    st.text(max_size=20).map(lambda text: {"S": text}),
    st.binary(max_size=20).map(lambda content: {"B": content}),
    st.sampled_from(["1.5", "-1", "1E+30", "0", "99999999999999999999"]).map(lambda number: {"N": number}),
    JSONS.map(lambda value: {"S": json.dumps(value)}),
)
ITEMS = {
    "head": ("schema", "version", "count", "studies"),
    "observation#": ("sk", "content"),
    "hyperparameters": ("learned", "fitted_on"),
    "structure#": ("id", "mode", "setting", "suggested_at", "claimed_at", "place", "ends_at", "sk"),
    "receipt": ("fingerprint", "batch", "samples_seen", "expires_at"),
}


class Garbler:
    """Puts an attribute into, or takes it from, the items of a kind in whatever the service answers."""

    def __init__(self, store: ObservationStore) -> None:
        self.kind, self.name = "", ""
        self.value: object = None
        store._table.connect().meta.events.register("after-call.dynamodb", self._garble)  # type: ignore[attr-defined]

    def _garble(self, parsed: dict[str, Any], **_: Any) -> None:
        found = [parsed.get("Item"), *parsed.get("Items", ())]
        found += [reason.get("Item") for reason in parsed.get("CancellationReasons", ())]
        found += [item for items in parsed.get("Responses", {}).values() for item in items]
        for item in found:
            if self.kind and item and item.get("sk", {}).get("S", "").startswith(self.kind):
                if self.value is None:
                    item.pop(self.name, None)
                else:
                    item[self.name] = self.value


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> str:
    url = store_url(request, "dynamodb")
    store = open_store(url)
    fill(store)
    store.close()
    return url


def garbled(url: str, kind: str, name: str, value: object, use: str) -> TuningError | None:
    store = open_store(url)
    garbler = Garbler(store)
    garbler.kind, garbler.name, garbler.value = kind, name, value
    try:
        USES[use](store)
    except TuningError as error:
        return error
    finally:
        store.close()
    return None


@pytest.mark.parametrize(
    ("kind", "name", "value", "use"),
    [
        ("head", "studies", {"S": "[]"}, "study"),
        (
            "head",
            "studies",
            {"S": '{"structure": {"seed": 1, "end": 1, "count": "1", "best": null, "apis": {}}}'},
            "study",
        ),
        ("head", "count", {"N": "1.5"}, "count"),
        ("head", "count", None, "verify"),
        ("observation#", "content", {"B": b"no batch"}, "study"),
        ("observation#", "content", None, "history"),
        ("hyperparameters", "learned", {"S": "{}"}, "study"),
        ("hyperparameters", "fitted_on", {"S": "x"}, "study"),
        ("structure#", "setting", {"S": "null"}, "outstanding"),
        ("structure#", "ends_at", {"S": "x"}, "find"),
        ("structure#", "place", None, "study"),
        ("structure#", "id", None, "claim"),
        ("receipt", "samples_seen", {"S": "1"}, "receipt"),
        ("receipt", "fingerprint", None, "receipt"),
        ("receipt", "expires_at", None, "receipt"),
        ("receipt", "batch", {"N": "1"}, "retry"),
    ],
)
def test_a_garbled_item_of_a_table_is_corrupt_by_name(
    table: str, kind: str, name: str, value: object, use: str
) -> None:
    error = garbled(table, kind, name, value, use)
    if (kind, name) == ("hyperparameters", "fitted_on"):
        assert error is None  # it only orders the fits, and the hyperparameters themselves say it too
        return
    assert isinstance(error, StoreCorruptError)
    assert kind in str(error)


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_no_attribute_of_any_item_is_more_than_an_error_of_ours(table: str, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(ITEMS)))
    name = data.draw(st.sampled_from(ITEMS[kind]))
    garbled(
        table,
        kind,
        name,
        data.draw(st.none() | ATTRIBUTES),
        data.draw(st.sampled_from(sorted(USES.keys() - {"retry"}))),
    )


def test_a_store_that_met_damage_says_so_when_it_is_verified(table: str) -> None:
    store = open_store(table)
    assert store.verify(now=NOW) == 1
    garbler = Garbler(store)
    garbler.kind, garbler.name, garbler.value = "observation#", "content", {"B": b""}
    assert store.verify(now=NOW) == 1  # what it has read it has
    with pytest.raises(StoreCorruptError, match="observation#"):
        store.history(mode=None, limit=1)
    with pytest.raises(StoreCorruptError, match="observation#"):
        store.verify(now=NOW)
    store.close()


def test_damage_in_what_is_outstanding_keeps_no_rating_out(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = open_store(f"sqlite:///{path}")
    with damaged(path, "suggestions", "setting", "null"), caplog.at_level(logging.ERROR):
        other = {**VALUES, "guidance_scale": 9.9}
        receipt = update(store, SPACES, results=[{"parameters": {"api": "leonardo", **other}, "rating": 3}], now=NOW)
    assert receipt.samples_seen == 2
    store.close()
