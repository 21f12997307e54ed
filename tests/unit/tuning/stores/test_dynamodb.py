"""What is particular to DynamoDB: URLs, faults of the service and of the way there, what is read, what damage does."""

import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber

from storage import deadline as storage_deadline
from tests.support.stack import ROOT
from tests.support.stores import store_url, table_client
from tuning.errors import StoreCorruptError, StoreRefusedError, StoreUnavailableError, StoreUrlError
from tuning.observations import MAX_POSITION, Observation, Setting, Suggestion
from tuning.stores import dynamodb as store_dynamodb
from tuning.stores import open_store
from tuning.stores.port import MAX_BATCH, MAX_CLAIM, IdempotencyKey, ObservationStore
from tuning.studies import Hyperparameters

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
ATTEMPTS = store_dynamodb.LIMITS.attempts
UNREACHABLE = "dynamodb://observations?region=eu-west-1&endpoint=http://127.0.0.1:9"


def observation(step: int = 0, suggestion_id: str | None = None) -> Observation:
    return Observation("structure", Setting("leonardo", (("guidance_scale", 5 + step / 8),)), 3.0, NOW, suggestion_id)


def suggestion(identity: str, step: int = 0) -> Suggestion:
    return Suggestion(identity, "structure", observation(step).setting, NOW, NOW + timedelta(days=1))


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return store_url(request, "dynamodb")


@pytest.fixture
def store(url: str) -> Iterator[ObservationStore]:
    store = open_store(url)
    yield store
    store.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short pauses; the number of attempts is what it is."""
    monkeypatch.setattr(storage_deadline, "_BASE_PAUSE", 0.001)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, quick: None) -> None:
    monkeypatch.setattr(store_dynamodb, "RACING_PATIENCE", 0.2)


def client_of(store: ObservationStore) -> Any:
    return store._table.connect()  # type: ignore[attr-defined]


@pytest.fixture
def stubbed(quick: None) -> Iterator[tuple[ObservationStore, Stubber]]:
    """A store whose service gives the answers that a test puts into the stubber, and no others."""
    store = open_store(UNREACHABLE)
    with Stubber(client_of(store)) as stubber:
        yield store, stubber
    store.close()


def calls_of(store: ObservationStore) -> list[tuple[str, int]]:
    """The calls that the store makes from now on, with the number of items that each returned."""
    made: list[tuple[str, int]] = []

    def note(parsed: dict[str, Any], model: Any, **_: Any) -> None:
        made.append((model.name, parsed.get("Count", 1 if "Item" in parsed else 0)))

    client_of(store).meta.events.register("after-call.dynamodb", note)
    return made


@pytest.mark.parametrize(
    "url",
    [
        "dynamodb://",
        "dynamodb://ab",
        "dynamodb://table/path",
        "dynamodb://user@table",
        "dynamodb://table#part",
        "dynamodb://table?regoin=eu-west-1",
        "dynamodb://table?region=a&region=b",
        "dynamodb://table?region=",
        "dynamodb://table?endpoint=localhost:8000",
        "dynamodb://table?endpoint=http://",
        "dynamodb://table?endpoint=ftp://localhost",
    ],
)
def test_a_wrong_url_is_refused_by_the_name_of_its_setting(url: str) -> None:
    with pytest.raises(StoreUrlError, match=r"^OBSERVATION_STORE: .*(dynamodb://table|http://127|nothing else)"):
        open_store(url)


def test_opening_speaks_to_nobody() -> None:
    open_store(UNREACHABLE).close()


@pytest.mark.parametrize(
    "code",
    [
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "InternalServerError",
        "ServiceUnavailable",
        "TransactionInProgressException",
    ],
)
def test_a_fault_that_passes_is_tried_again_and_no_more_than_a_few_times(
    code: str, stubbed: tuple[ObservationStore, Stubber]
) -> None:
    store, stubber = stubbed
    stubber.add_client_error("get_item", code)
    stubber.add_response("get_item", {})
    assert store.count() == 0
    for _ in range(ATTEMPTS):
        stubber.add_client_error("get_item", code)
    with pytest.raises(StoreUnavailableError, match=code) as caught:
        store.count()
    assert caught.value.retry_after == store_dynamodb.LIMITS.retry_after
    stubber.assert_no_pending_responses()


def test_an_unheard_of_fault_of_the_servers_own_is_a_fault_that_passes(
    stubbed: tuple[ObservationStore, Stubber],
) -> None:
    store, stubber = stubbed
    stubber.add_client_error("get_item", "NewFault", http_status_code=503)
    stubber.add_response("get_item", {})
    assert store.count() == 0


@pytest.mark.parametrize(
    "code",
    [
        "ResourceNotFoundException",
        "AccessDeniedException",
        "UnrecognizedClientException",
        "ExpiredTokenException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "ValidationException",
    ],
)
def test_a_fault_that_stays_is_not_tried_again(code: str, stubbed: tuple[ObservationStore, Stubber]) -> None:
    store, stubber = stubbed
    stubber.add_client_error("get_item", code)
    with pytest.raises(StoreRefusedError, match=code):
        store.count()
    stubber.assert_no_pending_responses()


def cancel(stubber: Stubber, *codes: str) -> None:
    """The head is read and is not there yet; then the transaction is cancelled for these reasons."""
    stubber.add_response("get_item", {})
    cancel_once(stubber, *codes)


def cancel_once(stubber: Stubber, *codes: str) -> None:
    reasons = [{"Code": code} for code in codes]
    stubber.add_client_error(
        "transact_write_items",
        "TransactionCanceledException",
        http_status_code=400,
        modeled_fields={"CancellationReasons": reasons},
    )


@pytest.mark.parametrize("reason", ["ConditionalCheckFailed", "TransactionConflict"])
def test_a_lost_race_is_run_again_on_the_head_as_it_is_then(
    reason: str, stubbed: tuple[ObservationStore, Stubber]
) -> None:
    store, stubber = stubbed
    cancel(stubber, "None", reason, "None")
    cancel(stubber, "None", reason, "None")
    stubber.add_response("get_item", {})
    stubber.add_response("transact_write_items", {})
    assert store.record([observation()], idempotency_key=None).samples_seen == 1
    stubber.assert_no_pending_responses()


def test_a_race_lost_too_often_is_given_up(impatient: None, stubbed: tuple[ObservationStore, Stubber]) -> None:
    store, stubber = stubbed
    for _ in range(400):
        cancel(stubber, "None", "TransactionConflict", "None")
    begun = time.monotonic()
    with pytest.raises(StoreUnavailableError, match="too many write") as caught:
        store.record([observation()], idempotency_key=None)
    assert time.monotonic() - begun < 1
    assert caught.value.retry_after == 1


@pytest.mark.parametrize("reason", ["ThrottlingError", "ProvisionedThroughputExceeded"])
def test_a_throttled_transaction_is_tried_again_a_few_times(
    reason: str, stubbed: tuple[ObservationStore, Stubber]
) -> None:
    store, stubber = stubbed
    stubber.add_response("get_item", {})
    for _ in range(ATTEMPTS):
        cancel_once(stubber, "None", "ConditionalCheckFailed", reason)
    with pytest.raises(StoreUnavailableError, match=reason):
        store.record([observation()], idempotency_key=None)
    stubber.assert_no_pending_responses()


@pytest.mark.parametrize("reason", ["ValidationError", "ItemCollectionSizeLimitExceeded", "AccessDenied"])
def test_a_transaction_refused_for_good_is_not_tried_again(
    reason: str, stubbed: tuple[ObservationStore, Stubber]
) -> None:
    store, stubber = stubbed
    cancel(stubber, "None", "None", reason)
    with pytest.raises(StoreRefusedError):
        store.record([observation()], idempotency_key=None)
    stubber.assert_no_pending_responses()


def test_attempts_of_a_transaction_carry_one_token(stubbed: tuple[ObservationStore, Stubber]) -> None:
    store, stubber = stubbed
    tokens = []
    client_of(store).meta.events.register_first(
        "provide-client-params.dynamodb.TransactWriteItems",
        lambda params, **_: tokens.append(params["ClientRequestToken"]),
    )
    stubber.add_response("get_item", {})
    stubber.add_client_error("transact_write_items", "InternalServerError", http_status_code=500)
    stubber.add_response("transact_write_items", {})
    store.record([observation()], idempotency_key=None)
    assert len(tokens) == 2
    assert len(set(tokens)) == 1


@contextmanager
def silent_server() -> Iterator[int]:
    """Takes every connection and answers none."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


@contextmanager
def full_server() -> Iterator[int]:
    """Takes no connection any more: its queue is full and nobody serves it."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        waiting = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(server.getsockname())
            waiting.append(client)
        yield server.getsockname()[1]
        for client in waiting:
            client.close()


@contextmanager
def closed_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    yield port


@pytest.mark.parametrize("server", [silent_server, full_server, closed_port])
def test_a_service_that_does_not_answer_is_unavailable_within_the_time_outs(
    server: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    short = replace(store_dynamodb.LIMITS, connect_seconds=0.2, read_seconds=0.2)
    monkeypatch.setattr(store_dynamodb, "LIMITS", short)
    with server() as port:
        store = open_store(f"dynamodb://observations?region=eu-west-1&endpoint=http://127.0.0.1:{port}")
        store._table.connect()  # type: ignore[attr-defined]
        begun = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="cannot be reached") as caught:
            store.record([observation()], idempotency_key=None)
        elapsed = time.monotonic() - begun
        store.close()
    assert caught.value.retry_after == store_dynamodb.LIMITS.retry_after
    # A busy machine adds to it; the product's own time-outs would add up to 3 s at least.
    assert elapsed < ATTEMPTS * 0.2 + 2
    if server is not closed_port:
        assert elapsed > ATTEMPTS * 0.2


def test_the_calls_that_an_update_cannot_do_without_end_before_the_gateway_gives_up() -> None:
    attempt = store_dynamodb.LIMITS.connect_seconds + store_dynamodb.LIMITS.read_seconds
    read, record = store_dynamodb.PATIENCE + attempt, store_dynamodb.RACING_PATIENCE + attempt
    assert read + record < 29
    page = (ROOT / "docs/operations.md").read_text().replace("\n", " ")
    assert (
        f"{store_dynamodb.LIMITS.connect_seconds:g} s to connect and "
        f"{store_dynamodb.LIMITS.read_seconds:g} s for an answer, "
        f"with {ATTEMPTS} attempts of a call. Reading gives up within {read:g} s and recording within {record:g} s"
        in page
    )
    assert f"remembered | {store_dynamodb.KEPT_FOR // 86_400} days in DynamoDB" in page


@pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION"])
def test_an_incomplete_deployment_is_refused_at_first_use(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(missing)
    store = open_store("dynamodb://observations?endpoint=http://127.0.0.1:9")
    with pytest.raises(StoreRefusedError, match="dynamodb://observations cannot be used"):
        store.count()


def test_a_table_that_is_not_there_is_refused(dynamodb_endpoint: str) -> None:
    store = open_store(f"dynamodb://nobody-made-it?endpoint={dynamodb_endpoint}")
    with pytest.raises(StoreRefusedError, match="ResourceNotFoundException"):
        store.count()
    store.close()


def test_batches_and_claims_beyond_the_limits_are_refused() -> None:
    store = open_store(UNREACHABLE)
    with pytest.raises(ValueError, match="up to 1,000 observations, not 1,001"):
        store.record([observation()] * (MAX_BATCH + 1), idempotency_key=None)
    with pytest.raises(ValueError, match="up to 33 suggestions"):
        store.claim([suggestion(str(step), step) for step in range(MAX_CLAIM + 1)], now=NOW)


def test_a_warm_store_reads_what_is_new_and_nothing_else(store: ObservationStore, url: str) -> None:
    for step in range(5):
        store.record([observation(step)], idempotency_key=None)
    assert len(store.study("structure", now=NOW).observations) == 5
    made = calls_of(store)
    assert len(store.study("structure", now=NOW).observations) == 5
    assert made == [("Query", 0), ("GetItem", 1), ("GetItem", 0)]  # suggestions, head, hyperparameters
    other = open_store(url)
    other.record([observation(7), observation(8)], idempotency_key=None)
    other.close()
    made.clear()
    assert len(store.study("structure", now=NOW).observations) == 7
    assert made == [("Query", 0), ("GetItem", 1), ("Query", 1), ("GetItem", 0)]


def test_every_read_is_strongly_consistent(store: ObservationStore) -> None:
    asked: list[dict[str, Any]] = []
    for operation in ("GetItem", "Query"):
        client_of(store).meta.events.register(
            f"provide-client-params.dynamodb.{operation}", lambda params, **_: asked.append(params)
        )
    store.record([observation(0, "s")], idempotency_key=None)
    store.study("structure", now=NOW)
    store.history(mode=None, limit=1)
    assert len(asked) == 8
    assert all(params["ConsistentRead"] is True for params in asked)


def test_a_large_batch_is_few_items(store: ObservationStore) -> None:
    store.record([observation(step) for step in range(1_000)], idempotency_key=None)
    made = calls_of(store)
    assert len(store.study("structure", now=NOW).observations) == 1_000
    assert ("Query", 1_000 // store_dynamodb.CHUNK) in made


def test_a_study_of_several_megabytes_is_read_page_by_page_and_whole(store: ObservationStore, url: str) -> None:
    """Names drawn at random do not compress, so that what is stored is longer than a query's page of a megabyte."""
    draw = random.Random(7)  # noqa: S311 - no secret
    batches = [
        [observation(step, "".join(chr(draw.randrange(0x4E00, 0x9FA5)) for _ in range(64))) for step in range(1_000)]
        for _ in range(12)
    ]
    for batch in batches:
        store.record(batch, idempotency_key=None)
    expected = [observation for batch in batches for observation in batch]
    cold = open_store(url)
    made = calls_of(cold)
    assert list(cold.study("structure", now=NOW).observations) == expected
    assert len([name for name, items in made if name == "Query" and items]) > 1

    made.clear()
    before: int | None = MAX_POSITION
    seen: list[Observation] = []
    while before is not None:
        page = cold.history(mode=None, limit=200, before=before)
        before = page.earliest
        seen += page.observations
    assert seen == expected[::-1]
    # A page reads what it shows and little more.
    assert sum(items for name, items in made if name == "Query") * store_dynamodb.CHUNK < 4 * len(expected)
    cold.close()


def test_a_key_is_remembered_for_thirty_days(store: ObservationStore, monkeypatch: pytest.MonkeyPatch) -> None:
    key = IdempotencyKey("key", "body")
    store.record([observation()], idempotency_key=key)
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + 30 * 86_400 - 60)
    assert store.record([observation()], idempotency_key=key).replayed
    monkeypatch.setattr(time, "time", lambda: clock() + 30 * 86_400 + 60)
    assert not store.record([observation()], idempotency_key=IdempotencyKey("key", "other")).replayed
    assert store.count() == 2


def test_what_expires_carries_its_end_for_the_tables_time_to_live(
    store: ObservationStore, url: str, dynamodb_endpoint: str
) -> None:
    store.claim([suggestion("s")], now=NOW)
    store.record([observation(1)], idempotency_key=IdempotencyKey("key", "body"))
    items = items_of(url, dynamodb_endpoint)
    ends = {pk: int(item["expires_at"]["N"]) for (pk, _), item in items.items() if "expires_at" in item}
    assert ends.keys() == {"outstanding", "suggestion#s", "receipt#key#key"}
    assert ends["outstanding"] == ends["suggestion#s"] == (NOW + timedelta(days=1)).timestamp()
    assert abs(ends["receipt#key#key"] - time.time() - 30 * 86_400) < 60


def items_of(url: str, endpoint: str) -> dict[tuple[str, str], dict[str, Any]]:
    client = table_client(endpoint)
    found = client.scan(TableName=url[len("dynamodb://") :].partition("?")[0], ConsistentRead=True)["Items"]
    client.close()
    return {(item["pk"]["S"], item["sk"]["S"]): item for item in found}


def replace_item(url: str, endpoint: str, item: dict[str, Any] | None, key: tuple[str, str]) -> None:
    client = table_client(endpoint)
    table = url[len("dynamodb://") :].partition("?")[0]
    if item is None:
        client.delete_item(TableName=table, Key={"pk": {"S": key[0]}, "sk": {"S": key[1]}})
    else:
        client.put_item(TableName=table, Item=item)
    client.close()


def test_a_table_of_an_earlier_release_is_read_and_gone_on_with(
    store: ObservationStore, url: str, dynamodb_endpoint: str
) -> None:
    store.record([observation(0), observation(1)], idempotency_key=None)
    head = items_of(url, dynamodb_endpoint)["store", "head"]
    study = json.loads(head["studies"]["S"])["structure"]
    # It kept the best observation, and of each API the exact sum of its ratings.
    best = [json.dumps(observation(1).setting.to_plain()), 1.5, "2030-01-02T03:04:05.678901+00:00", None]
    earlier = {"structure": study | {"best": best, "apis": {"leonardo": [2, "5/2"]}}}
    replace_item(url, dynamodb_endpoint, head | {"studies": {"S": json.dumps(earlier)}}, ("store", "head"))
    for _ in range(2):
        other = open_store(url)
        assert other.study("structure", now=NOW).observations == (observation(0), observation(1))
        other.close()
    assert store.record([observation(2)], idempotency_key=None).samples_seen == 3
    now = json.loads(items_of(url, dynamodb_endpoint)["store", "head"]["studies"]["S"])["structure"]
    # What that release cannot do without, and nothing that grows.
    assert now == {"seed": study["seed"], "end": 3, "count": 3, "best": None, "apis": {}}


def test_observations_that_are_missing_are_noticed(
    store: ObservationStore, url: str, dynamodb_endpoint: str, quick: None
) -> None:
    store.record([observation(0), observation(1)], idempotency_key=None)
    store.record([observation(2)], idempotency_key=None)
    key = next(key for key in items_of(url, dynamodb_endpoint) if key[1].startswith("observation#"))
    replace_item(url, dynamodb_endpoint, None, key)
    with pytest.raises(StoreCorruptError, match="of 3 observations of mode structure"):
        store.study("structure", now=NOW)


@pytest.mark.parametrize(
    ("sort_key", "attribute", "value"),
    [
        ("observation#", "content", {"B": b"damaged"}),
        ("observation#", "content", {"S": "text"}),
        ("head", "studies", {"S": "{"}),
        ("head", "version", {"S": "one"}),
        ("head", "schema", {"N": "2"}),
        ("hyperparameters", "learned", {"S": "{}"}),
        ("structure#", "suggested_at", {"S": "yesterday"}),
    ],
)
def test_an_item_that_is_no_stores_is_noticed(
    sort_key: str, attribute: str, value: dict[str, Any], url: str, dynamodb_endpoint: str
) -> None:
    store = open_store(url)
    store.record([observation()], idempotency_key=None)
    store.claim([suggestion("s", 1)], now=NOW)
    store.save_hyperparameters("structure", Hyperparameters((("guidance", 0.3),), 1.0, 0.2, 0.5, 1))
    assert len(store.study("structure", now=NOW).outstanding) == 1
    items = items_of(url, dynamodb_endpoint)
    key = next(key for key in items if key[1].startswith(sort_key))
    replace_item(url, dynamodb_endpoint, {**items[key], attribute: value}, key)
    store.close()
    cold = open_store(url)
    with pytest.raises(StoreCorruptError):
        cold.study("structure", now=NOW)
    cold.close()


def test_a_table_emptied_under_a_warm_store_is_read_anew(
    store: ObservationStore, url: str, dynamodb_endpoint: str
) -> None:
    store.record([observation(step) for step in range(3)], idempotency_key=None)
    assert len(store.study("structure", now=NOW).observations) == 3
    for key in items_of(url, dynamodb_endpoint):
        replace_item(url, dynamodb_endpoint, None, key)
    assert store.study("structure", now=NOW).observations == ()
    store.record([observation(9)], idempotency_key=None)
    assert store.study("structure", now=NOW).observations == (observation(9),)


def test_threads_share_a_warm_store(store: ObservationStore) -> None:
    """What one thread has read must not be taken for what another sees at its own moment."""
    failures = []

    def read() -> None:
        seen = 0
        for _ in range(20):
            found = store.study("structure", now=NOW).observations
            if [o.setting for o in found] != [observation(step).setting for step in range(len(found))]:
                failures.append("out of order")
            if len(found) < seen:
                failures.append("went back")
            seen = len(found)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for step in range(20):
        store.record([observation(step)], idempotency_key=None)
    for reader in readers:
        reader.join()
    assert failures == []


def meanwhile(store: ObservationStore, event: str, call: int, act: Callable[[], object]) -> list[int]:
    """Acts, once, at the store's so-manieth call from now. Gives the calls so far."""
    calls: list[int] = []

    def interrupt(**_: Any) -> None:
        calls.append(len(calls) + 1)
        if len(calls) == call:
            act()

    client_of(store).meta.events.register(event, interrupt)
    return calls


@pytest.mark.parametrize("call", range(1, 5))
def test_a_study_is_one_view_whatever_is_recorded_while_it_is_read(
    call: int, store: ObservationStore, url: str
) -> None:
    other = open_store(url)
    other.claim([suggestion("s", 5)], now=NOW)
    other.record([observation(0)], idempotency_key=None)
    batch = [observation(5, "s"), observation(6)]
    calls = meanwhile(store, "after-call.dynamodb", call, lambda: other.record(batch, idempotency_key=None))
    study = store.study("structure", now=NOW)
    assert len(calls) == 4
    assert list(study.observations) in ([observation(0)], [observation(0), *batch])
    # A suggestion is with a rater or rated: never neither, never both.
    assert (len(study.outstanding) == 1) == (len(study.observations) == 1)
    assert store.study("structure", now=NOW).observations == (observation(0), *batch)
    other.close()


def test_a_late_rating_does_not_free_a_setting_that_another_was_given_meanwhile(
    store: ObservationStore, url: str
) -> None:
    other = open_store(url)
    other.claim([suggestion("expired", 1), suggestion("rated", 2)], now=NOW)
    later = NOW + timedelta(days=2)
    taken = Suggestion("taken", "structure", observation(1).setting, later, later + timedelta(days=1))
    calls = meanwhile(
        store,
        "before-call.dynamodb.TransactWriteItems",
        1,
        lambda: other.claim([taken], now=later),
    )
    ratings = [observation(1, "expired"), observation(2, "rated")]
    assert store.record(ratings, idempotency_key=None).samples_seen == 2
    assert len(calls) == 2
    assert store.outstanding(now=later) == (taken,)
    assert store.outstanding(now=NOW) == (taken,)
    other.close()


def test_many_requests_with_one_key_lose_to_the_first_and_give_its_answer(store: ObservationStore, url: str) -> None:
    other, key = open_store(url), IdempotencyKey("key", "body")
    other.record([observation()], idempotency_key=None)
    meanwhile(
        store,
        "before-call.dynamodb.TransactWriteItems",
        1,
        lambda: other.record([observation(1)], idempotency_key=key),
    )
    recorded = store.record([observation(1)], idempotency_key=key)
    assert (recorded.samples_seen, recorded.replayed) == (2, True)
    assert store.count() == 2
    other.close()
