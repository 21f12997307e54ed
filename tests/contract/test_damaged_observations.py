"""Rows that are not as they were written: a StoreCorruptError that names them, over both adapters, and never a crash.

SQLite's rows are damaged in the file, DynamoDB's in the service's answers, which stay well-formed.
"""

import json
import logging
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.stores import client_of, store_url
from tests.support.thorough import examples
from tuning.errors import StoreCorruptError, TuningError
from tuning.observations import Correction, Observation, Setting, Suggestion
from tuning.stores import open_store
from tuning.stores.port import IdempotencyKey, ObservationStore
from tuning.study import Hyperparameters, Study
from tuning.update import update
from tuning.validation.space_file import load_spaces

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
SPACES = load_spaces()
KEY, REVISED = IdempotencyKey("key", "body"), IdempotencyKey("revised", "body")
VALUES = {"init_strength": 0.28, "guidance_scale": 7.2, "controlnet_weight": 0.89}
SETTING = Setting("leonardo", tuple(VALUES.items()))
PENDING = Suggestion("s", "structure", SETTING, NOW, NOW + timedelta(days=1))
RATING = Observation("structure", SETTING, 4.0, NOW, "answered", "ana", "p1", "so")
CORRECTION = Correction(NOW, comment="better said", reviser="bo")
LEARNED = Hyperparameters((("strength", 0.3),), 1.0, 0.2, 0.5, 1)

USES: dict[str, Callable[[ObservationStore], object]] = {
    "study": lambda store: store.mode_study("structure", now=NOW),
    "progress": lambda store: store.mode_study("structure", now=None),
    "outstanding": lambda store: store.outstanding(now=NOW),
    "find": lambda store: store.find_suggestions({"s"}),
    "place": lambda store: store.find_suggested({("structure", SETTING)}, now=NOW),
    "receipt": lambda store: store.find_receipt(KEY),
    "retry": lambda store: store.record([RATING], idempotency_key=KEY),
    "rate again": lambda store: store.record([RATING], idempotency_key=None),
    "revise": lambda store: store.revise("default", 1, CORRECTION, seen=None, idempotency_key=None),
    "revise again": lambda store: store.revise("default", 1, CORRECTION, seen=None, idempotency_key=REVISED),
    "claim": lambda store: store.claim([Suggestion("t", "structure", SETTING, NOW, PENDING.expires_at)], now=NOW),
    "give back": lambda store: store.give_back("s", now=NOW),
    "history": lambda store: store.history(limit=10),
    "all of it": lambda store: store.history(withdrawn=True, limit=10),
    "glance": lambda store: store.summary("default"),
    "studies": lambda store: store.studies(limit=10),
    "learned": lambda store: store.save_hyperparameters("structure", LEARNED, as_of=1),
    "count": lambda store: store.count(),
    "verify": lambda store: store.verify(now=NOW),
}
WRITES = {"claim", "learned", "retry", "rate again", "revise", "revise again", "give back"}


def fill(store: ObservationStore) -> None:
    store.mode_study("structure", now=NOW)
    store.record([RATING], idempotency_key=KEY)
    store.revise("default", 1, CORRECTION, seen=None, idempotency_key=REVISED)
    store.save_hyperparameters("structure", LEARNED, as_of=1)
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
    (before,) = connection.execute(f"SELECT {column} FROM {table} {ROW[table]}").fetchone()  # noqa: S608
    expression = "CAST(? AS TEXT)" if isinstance(value, bytes) and value == NO_UTF8 else "?"
    try:
        connection.execute(f"UPDATE {table} SET {column} = {expression} {ROW[table]}", (value,))  # noqa: S608
    except (sqlite3.IntegrityError, OverflowError):
        yield False
    else:
        try:
            yield True
        finally:
            connection.execute(f"UPDATE {table} SET {column} = ? {ROW[table]}", (before,))  # noqa: S608
    finally:
        connection.close()


# Which row of a table that is, by what is not damaged of it.
ROW = {
    **dict.fromkeys(("studies", "modes", "entries", "revisions", "suggestions"), ""),
    "receipts": "WHERE key = 'key'",
}
NO_UTF8 = b"\xff\xfe"
ROWS = [
    ("studies", "created_at", "yesterday", "study default"),
    ("studies", "archived_at", "0", "study default"),
    ("studies", "based_on", b"x", "study default"),
    ("studies", "note", b"x", "study default"),
    ("studies", "last_position", "x", "study default"),
    ("studies", "last_position", -1, "study default"),
    ("modes", "seed", "x", "mode structure of study default"),
    ("modes", "hyperparameters", "{}", "mode structure of study default"),
    ("modes", "hyperparameters", '{"lengthscales": 1}', "mode structure of study default"),
    ("modes", "ratings", "x", "mode structure of study default"),
    ("modes", "ratings", -1, "mode structure of study default"),
    ("modes", "ratings", 2, "mode structure of study default"),
    ("entries", "setting", "no JSON", "entry default-1"),
    ("entries", "setting", "[]", "entry default-1"),
    ("entries", "setting", '{"api": 7}', "entry default-1"),
    ("entries", "setting", '{"api": "leonardo", "p": NaN}', "entry default-1"),
    ("entries", "setting", '{"api": "leonardo", "p": null}', "entry default-1"),
    ("entries", "setting", "[" * 100_000, "entry default-1"),
    ("entries", "setting", b"{}", "entry default-1"),
    ("entries", "setting", NO_UTF8, "not a readable"),
    ("entries", "rating", "good", "entry default-1"),
    ("entries", "rating", 5.1, "entry default-1"),
    ("entries", "rating", 0.0, "entry default-1"),
    ("entries", "rating", float("inf"), "entry default-1"),
    ("entries", "rating", None, "entry default-1"),
    ("entries", "reason", "refused", "entry default-1"),
    ("entries", "recorded_at", "yesterday", "entry default-1"),
    ("entries", "recorded_at", "2030-01-02T03:04:05", "entry default-1"),
    ("entries", "recorded_at", "0001-01-01T00:00:00+14:00", "entry default-1"),
    ("entries", "suggestion_id", b"s", "entry default-1"),
    ("entries", "rater", b"s", "entry default-1"),
    ("entries", "picture", b"s", "entry default-1"),
    ("entries", "comment", b"s", "entry default-1"),
    ("entries", "counted", 3.0, "entry default-1"),
    ("entries", "counted", None, "entry default-1"),
    ("entries", "withdrawn", "x", "entry default-1"),
    ("revisions", "rating", 5.1, "the revision at default-2"),
    ("revisions", "rating", "good", "the revision at default-2"),
    ("revisions", "rating", 3.0, "entry default-1"),
    ("revisions", "comment", b"x", "the revision at default-2"),
    ("revisions", "withdrawn", 7, "the revision at default-2"),
    ("revisions", "made_at", "yesterday", "the revision at default-2"),
    ("revisions", "reviser", b"x", "the revision at default-2"),
    ("revisions", "number", 3, "the log of study default"),
    ("revisions", "number", "x", "the revision at default-2"),
    ("suggestions", "setting", "null", "suggestion 's'"),
    ("suggestions", "suggested_at", "0", "suggestion 's'"),
    ("suggestions", "expires_at", "0", "suggestion 's'"),
    ("suggestions", "expires_at", "tomorrow", "suggestion 's'"),
    ("receipts", "samples_seen", "many", "Idempotency-Key 'key'"),
    ("receipts", "samples_seen", -1, "Idempotency-Key 'key'"),
    ("receipts", "fingerprint", b"body", "Idempotency-Key 'key'"),
    ("receipts", "study", b"default", "Idempotency-Key 'key'"),
    ("receipts", "positions", "1", "Idempotency-Key 'key'"),
    ("receipts", "positions", "[-1]", "Idempotency-Key 'key'"),
    ("receipts", "replaced", "[true]", "Idempotency-Key 'key'"),
    ("receipts", "number", 1, "Idempotency-Key 'key'"),
]
IN_KEEPING = (2,)  # with its own row, and at odds with others
READ_BY = {
    "studies": ("study", "progress", "history", "outstanding", "place", "count", "glance", "studies", "rate again"),
    "modes.ratings": ("count", "glance", "studies", "rate again", "revise"),
    "modes": ("study", "progress"),
    "entries": ("study", "progress", "all of it", "revise"),
    "revisions": ("study", "progress", "history", "all of it", "revise"),
    "suggestions": ("study", "outstanding", "find", "place", "give back"),
    "receipts": ("receipt", "retry"),
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
        readers = () if value in IN_KEEPING else READ_BY.get(f"{table}.{column}", READ_BY[table])
        for use in (*readers, "verify"):
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
    "studies": ("created_at", "based_on", "note", "archived_at", "last_position", "last_activity"),
    "modes": ("seed", "hyperparameters", "learned_as_of", "ratings"),
    "entries": (
        *("position", "mode", "setting", "rating", "reason", "recorded_at", "suggestion_id", "rater", "picture"),
        *("comment", "counted", "withdrawn"),
    ),
    "revisions": (*("position", "mode", "target", "number", "rating", "comment", "withdrawn", "made_at", "reviser"),),
    "suggestions": ("setting", "suggested_at", "expires_at", "setting_key", "mode", "study", "outstanding"),
    "receipts": ("samples_seen", "fingerprint", "study", "positions", "replaced", "corrected", "number"),
}
JSONS = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["api", "init_strength", "lengthscales"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
        for name in data.draw(st.lists(st.sampled_from(sorted(USES.keys() - WRITES)), max_size=4)):
            raised(f"sqlite:///{path}", USES[name])


ATTRIBUTES = st.one_of(
    st.sampled_from([{"NULL": True}, {"BOOL": False}, {"L": []}, {"M": {}}, {"SS": ["a"]}, {}]),
    st.text(max_size=20).map(lambda text: {"S": text}),
    st.binary(max_size=20).map(lambda content: {"B": content}),
    st.sampled_from(["1.5", "-1", "1E+30", "0", "99999999999999999999"]).map(lambda number: {"N": number}),
    JSONS.map(lambda value: {"S": json.dumps(value)}),
)
SUGGESTED = ("id", "mode", "setting", "suggested_at", "ends_at", "study")
ITEMS = {
    "head": ("schema", "version", "modes", "last_activity", "created_at", "archived_at", "based_on", "note", "early"),
    "garden": ("sk",),  # the name of a study
    "observation#": ("sk", "content"),
    "hyperparameters": ("learned", "as_of"),
    "structure#": (*SUGGESTED, "claimed_at", "place", "sk"),
    "suggestion": (*SUGGESTED, "place", "sk"),
    "receipt": (
        *("fingerprint", "batch", "samples_seen", "expires_at", "kind", "study", "positions"),
        "replaced",
        "number",
    ),
}


class Garbler:
    """Puts an attribute into, or takes it from, the items of a kind in whatever the service answers."""

    def __init__(self, store: ObservationStore) -> None:
        self.kind, self.name = "", ""
        self.value: object = None
        client_of(store).meta.events.register("after-call.dynamodb", self._garble)

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
    store.begin(Study("garden", NOW, "default", "for Bo"))
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


MODE = {"seed": 1, "end": 2, "size": 2, "rated": 1, "amended": 2, "best": None}
TOLD = ["told", json.dumps(SETTING.to_plain()), 4.0, None, NOW.isoformat(), "answered", "ana", "p1", "so"]
REVISION = ["revision", 1, 2, 4.0, "better said", 0, NOW.isoformat(), "bo"]
CHUNKS: list[list[object]] = [
    [0],
    [0, "gossip", *TOLD[1:]],
    [0, *TOLD[:-1]],
    [0, *TOLD, "more"],
    [0, *TOLD[:2], 4.0, "a failure with a rating", *TOLD[4:]],
    [0, *TOLD[:3], 7, *TOLD[4:]],
    [-1, *TOLD],
    [0, *REVISION],
    [0, *REVISION[:-1]],
    [0, TOLD[1], 6.0, NOW.isoformat(), None],
]


def chunk(columns: list[object]) -> dict[str, bytes]:
    """The content of an item with one record of these columns."""
    return {"B": zlib.compress(json.dumps([columns]).encode())}


@pytest.mark.parametrize(
    ("kind", "name", "value", "use"),
    [
        *(
            ("head", "modes", {"S": "[]"}, use)
            for use in ("study", "count", "glance", "studies", "rate again", "claim")
        ),
        ("head", "modes", {"S": json.dumps({"structure": {**MODE, "rated": "1"}})}, "study"),
        ("head", "modes", {"S": json.dumps({"structure": {**MODE, "best": [1]}})}, "glance"),
        ("head", "modes", {"S": json.dumps({"structure": {**MODE, "best": ["{}", 4.0, "2030", 1]}})}, "studies"),
        ("head", "version", {"N": "1.5"}, "count"),
        ("head", "version", None, "verify"),
        ("head", "last_activity", {"S": "lately"}, "glance"),
        ("head", "archived_at", {"N": "1"}, "revise"),
        ("head", "based_on", {"N": "1"}, "studies"),
        ("head", "note", {"B": b"x"}, "studies"),
        ("garden", "sk", {"B": b"x"}, "studies"),
        *(("observation#", "content", {"B": b"no batch"}, use) for use in ("study", "history", "revise", "place")),
        *[("observation#", "content", chunk(columns), "study") for columns in CHUNKS],
        ("observation#", "content", None, "history"),
        ("observation#", "content", None, "all of it"),
        ("hyperparameters", "learned", {"S": "{}"}, "study"),
        ("structure#", "setting", {"S": "null"}, "outstanding"),
        ("structure#", "setting", {"S": '{"api": "another"}'}, "outstanding"),
        ("structure#", "mode", {"S": "surfaces"}, "place"),
        ("structure#", "ends_at", {"S": "x"}, "place"),
        ("structure#", "study", {"N": "1"}, "place"),
        ("structure#", "place", None, "study"),
        ("structure#", "id", None, "claim"),
        ("structure#", "ends_at", None, "give back"),
        ("suggestion", "id", {"S": "t"}, "find"),
        ("suggestion", "setting", None, "find"),
        ("suggestion", "study", None, "give back"),
        ("receipt", "samples_seen", {"S": "1"}, "receipt"),
        ("receipt", "fingerprint", None, "receipt"),
        ("receipt", "expires_at", None, "receipt"),
        ("receipt", "kind", {"S": "another"}, "receipt"),
        ("receipt", "positions", {"S": "[[1, 1000000000]]"}, "receipt"),
        ("receipt", "positions", {"S": "[1]"}, "receipt"),
        ("receipt", "replaced", None, "receipt"),
        ("receipt", "batch", {"N": "1"}, "retry"),
        ("receipt", "number", {"N": "7"}, "revise again"),
        ("receipt", "positions", {"S": "[[7, 1]]"}, "revise again"),
        ("receipt", "positions", {"S": "[]"}, "revise again"),
        ("receipt", "study", {"S": "gardne"}, "revise again"),
    ],
)
def test_a_garbled_item_of_a_table_is_corrupt_by_name(
    table: str, kind: str, name: str, value: object, use: str
) -> None:
    error = garbled(table, kind, name, value, use)
    assert isinstance(error, StoreCorruptError)
    assert kind in str(error) or name == "sk"


@settings(max_examples=examples(60), deadline=None)
@given(data=st.data())
def test_no_attribute_of_any_item_is_more_than_an_error_of_ours(table: str, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(ITEMS)))
    name = data.draw(st.sampled_from(ITEMS[kind]))
    garbled(
        table,
        kind,
        name,
        data.draw(st.none() | ATTRIBUTES),
        # What is garbled on its way must not be written back into what the other examples read.
        data.draw(st.sampled_from(sorted(USES.keys() - {"rate again", "revise", "give back"}))),
    )


def test_a_store_that_met_damage_says_so_when_it_is_verified(table: str) -> None:
    store = open_store(table)
    assert store.verify(now=NOW) == 1
    garbler = Garbler(store)
    garbler.kind, garbler.name, garbler.value = "observation#", "content", {"B": b""}
    assert store.verify(now=NOW) == 1  # what it has read it has
    with pytest.raises(StoreCorruptError, match="observation#"):
        store.history(limit=1)
    with pytest.raises(StoreCorruptError, match="observation#"):
        store.verify(now=NOW)
    store.close()


def test_damage_in_what_is_outstanding_keeps_no_rating_out(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = open_store(f"sqlite:///{path}")
    with damaged(path, "suggestions", "setting", "null"), caplog.at_level(logging.ERROR):
        other = {**VALUES, "guidance_scale": 9.9}
        receipt = update(
            store, SPACES, request={"results": [{"parameters": {"api": "leonardo", **other}, "rating": 3}]}, now=NOW
        )
    assert receipt.samples_seen == 2
    store.close()
