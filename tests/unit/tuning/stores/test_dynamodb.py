"""What is particular to DynamoDB: URLs, faults of the service and of the way there, what is read, what damage does."""

import itertools
import math
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.stub import Stubber

from storage import deadline as storage_deadline
from tests.support.observations import DAY, NOW, observation, setting, suggestion
from tests.support.stack import ROOT
from tests.support.stores import calls_of, client_of, delete_item, items_of, meanwhile, put_item, store_url
from tuning.errors import (
    RevisionMismatchError,
    StoreCorruptError,
    StoreRefusedError,
    StoreUnavailableError,
    StoreUrlError,
    StudyArchivedError,
)
from tuning.observations import Correction
from tuning.stores import dynamodb as store_dynamodb
from tuning.stores import dynamodb_items as items
from tuning.stores import open_store
from tuning.stores.port import MAX_BATCH, MAX_CLAIM, IdempotencyKey, ObservationStore, Recorded
from tuning.study import Best, Hyperparameters, Study, StudySummary

LEARNED = Hyperparameters((("guidance", 0.3),), 1.0, 0.2, 0.5, 1)
ATTEMPTS = store_dynamodb.LIMITS.attempts
UNREACHABLE = "dynamodb://observations?region=eu-west-1&endpoint=http://127.0.0.1:9"


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


@pytest.fixture
def stubbed(quick: None) -> Iterator[tuple[ObservationStore, Stubber]]:
    """A store whose service gives the answers that a test puts into the stubber, and no others."""
    store = open_store(UNREACHABLE)
    with Stubber(client_of(store)) as stubber:
        yield store, stubber
    store.close()


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
        client_of(store)
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
    assert f"remembered | {items.KEPT_FOR // 86_400} days in DynamoDB" in page


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
    with pytest.raises(ValueError, match="up to 1,000 ratings and failures, not 1,001"):
        store.record([observation()] * (MAX_BATCH + 1), idempotency_key=None)
    with pytest.raises(ValueError, match="up to 24 suggestions"):
        store.claim([suggestion(str(step), step) for step in range(MAX_CLAIM + 1)], now=NOW)


def test_every_read_is_strongly_consistent(store: ObservationStore) -> None:
    asked: dict[str, list[bool]] = {"GetItem": [], "Query": [], "BatchGetItem": []}

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        for request in params.get("RequestItems", {"": params}).values():
            asked[model.name].append(request["ConsistentRead"])

    for operation in asked:
        client_of(store).meta.events.register(f"provide-client-params.dynamodb.{operation}", note)
    store.record([observation(0, suggestion_id="s")], idempotency_key=None)
    store.mode_study("structure", now=NOW)
    store.history(limit=1)
    store.find_suggestions(["s"])
    store.studies(limit=1)
    assert {name: len(asked) for name, asked in asked.items()} == {"GetItem": 5, "Query": 4, "BatchGetItem": 2}
    assert all(all(each) for each in asked.values())


def test_a_key_is_remembered_for_thirty_days(store: ObservationStore, monkeypatch: pytest.MonkeyPatch) -> None:
    key = IdempotencyKey("key", "body")
    store.record([observation()], idempotency_key=key)
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + 30 * 86_400 - 60)
    assert store.record([observation()], idempotency_key=key).replayed
    monkeypatch.setattr(time, "time", lambda: clock() + 30 * 86_400 + 60)
    assert not store.record([observation()], idempotency_key=IdempotencyKey("key", "other")).replayed
    assert store.count() == 2


def test_what_expires_carries_its_end_for_the_tables_time_to_live(store: ObservationStore, url: str) -> None:
    store.claim([suggestion("s")], now=NOW)
    store.record([observation(1)], idempotency_key=IdempotencyKey("key", "body"))
    written = items_of(url)
    ends = {pk: int(item["expires_at"]["N"]) for (pk, _), item in written.items() if "expires_at" in item}
    assert ends.keys() == {"outstanding", "receipt#key#key"}
    assert ends["outstanding"] == math.ceil((NOW + DAY).timestamp())
    assert abs(ends["receipt#key#key"] - time.time() - 30 * 86_400) < 60
    # What a suggestion was is known for ever.
    assert {pk for pk, _ in written} > {"suggestion#s", "suggested#default"}


@pytest.mark.parametrize(
    ("sort_key", "attribute", "value"),
    [
        ("observation#", "content", {"B": b"damaged"}),
        ("observation#", "content", {"S": "text"}),
        ("head", "modes", {"S": "{"}),
        ("head", "modes", {"S": '{"structure": {}}'}),
        ("head", "version", {"S": "one"}),
        ("head", "schema", {"N": "3"}),
        ("head", "last_activity", {"S": "lately"}),
        ("hyperparameters", "learned", {"S": "{}"}),
        ("structure#", "suggested_at", {"S": "yesterday"}),
    ],
)
def test_an_item_that_is_no_stores_is_noticed(sort_key: str, attribute: str, value: dict[str, Any], url: str) -> None:
    store = open_store(url)
    store.record([observation()], idempotency_key=None)
    store.claim([suggestion("s", 1)], now=NOW)
    store.save_hyperparameters("structure", LEARNED, as_of=1)
    assert len(store.mode_study("structure", now=NOW).outstanding) == 1
    written = items_of(url)
    key = next(key for key in written if key[1].startswith(sort_key))
    put_item(url, {**written[key], attribute: value})
    store.close()
    cold = open_store(url)
    with pytest.raises(StoreCorruptError):
        cold.mode_study("structure", now=NOW)
    cold.close()


def test_a_late_rating_does_not_free_a_setting_that_another_was_given_meanwhile(
    store: ObservationStore, url: str
) -> None:
    other = open_store(url)
    other.claim([suggestion("expired", 1), suggestion("rated", 2)], now=NOW)
    later = NOW + timedelta(days=2)
    taken = suggestion("taken", 1, now=later)
    calls = meanwhile(
        store,
        "before-call.dynamodb.TransactWriteItems",
        1,
        lambda: other.claim([taken], now=later),
    )
    ratings = [observation(1, suggestion_id="expired"), observation(2, suggestion_id="rated")]
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


def test_two_suggestions_of_one_setting_are_answered_in_one_batch(store: ObservationStore) -> None:
    store.claim([suggestion("early", lasting=DAY / 24)], now=NOW)
    later = NOW + DAY / 12
    store.claim([suggestion("late", now=later), suggestion("other", 1, now=later)], now=later)
    told = [observation(0, suggestion_id=name) for name in ("early", "late", "early", "unheard of")]
    made = calls_of(store)
    assert store.record(told, idempotency_key=None).samples_seen == 4
    assert [name for name, _ in made] == ["GetItem", "TransactWriteItems"]
    assert [one.id for one in store.outstanding(now=later)] == ["other"]
    store.claim([suggestion("next", now=later)], now=later)


def test_a_rating_that_answers_a_suggestion_costs_no_look_at_what_is_outstanding(store: ObservationStore) -> None:
    store.claim([suggestion("s")], now=NOW)
    made = calls_of(store)
    store.record([observation(0, suggestion_id="s", rater="ana")], idempotency_key=None)
    assert made == [("GetItem", 0), ("TransactWriteItems", 0)]
    made.clear()
    # Only what the same rater may have rated before is looked up in the log.
    store.record([observation(1, suggestion_id="t")], idempotency_key=None)
    store.record([observation(2, rater="ana")], idempotency_key=None)
    assert made == [("GetItem", 1), ("TransactWriteItems", 0)] * 2
    made.clear()
    store.record([observation(0, suggestion_id="s", rater="ana")], idempotency_key=None)
    assert made == [("GetItem", 1), ("Query", 3), ("TransactWriteItems", 0)]


WRITES: dict[str, Callable[[ObservationStore], object]] = {
    "record": lambda store: store.record([observation(1)], study="garden", idempotency_key=None),
    "revise": lambda store: store.revise("garden", 1, Correction(NOW, rating=5.0), seen=None, idempotency_key=None),
}


@pytest.mark.parametrize("use", WRITES)
def test_what_is_on_its_way_when_a_study_is_archived_is_refused(use: str, store: ObservationStore, url: str) -> None:
    store.begin(Study("garden", NOW))
    store.record([observation()], study="garden", idempotency_key=None)
    other = open_store(url)
    meanwhile(store, "before-call.dynamodb.TransactWriteItems", 1, lambda: other.archive("garden", archived_at=NOW))
    with pytest.raises(StudyArchivedError):
        WRITES[use](store)
    assert [entry.told for entry in other.history(study="garden", limit=5).entries] == [observation()]
    other.close()


def test_of_two_revisions_the_last_wins_unless_it_says_what_it_has_seen(store: ObservationStore, url: str) -> None:
    store.record([observation()], idempotency_key=None)
    other = open_store(url)

    def interfere() -> None:
        other.revise("default", 1, Correction(NOW, rating=2.0, comment="theirs"), seen=None, idempotency_key=None)

    calls = meanwhile(store, "before-call.dynamodb.TransactWriteItems", 1, interfere)
    revised = store.revise("default", 1, Correction(NOW, rating=3.0), seen=None, idempotency_key=None)
    assert len(calls) == 2
    assert (revised.entry.told, revised.entry.revision.number) == (observation(rating=3.0, comment="theirs"), 3)

    def withdraw() -> None:
        other.revise("default", 1, Correction(NOW, withdrawn=True), seen=3, idempotency_key=None)

    meanwhile(store, "before-call.dynamodb.TransactWriteItems", 1, withdraw)
    with pytest.raises(RevisionMismatchError) as caught:
        store.revise("default", 1, Correction(NOW, rating=5.0), seen=3, idempotency_key=None)
    assert caught.value.revision == 4
    assert other.count() == 0
    other.close()


def test_a_rating_and_a_revision_at_once_are_both_counted(store: ObservationStore, url: str) -> None:
    store.record([observation(rating=5.0), observation(1, rating=3.0)], idempotency_key=None)
    other = open_store(url)
    meanwhile(
        store,
        "before-call.dynamodb.TransactWriteItems",
        1,
        lambda: other.revise("default", 1, Correction(NOW, withdrawn=True), seen=None, idempotency_key=None),
    )
    assert store.record([observation(2, rating=4.0)], idempotency_key=None) == Recorded(2, False, (4,))
    assert store.summary("default") == StudySummary(
        Study("default"), (("structure", 2),), Best("structure", setting(2), 4.0, NOW), NOW
    )
    other.close()


HEADS: dict[str, Callable[[ObservationStore], object]] = {
    "record": lambda store: store.record([observation(1, mode="surfaces")], idempotency_key=None),
    "begin a mode": lambda store: store.mode_study("surfaces", now=None),
    "archive": lambda store: store.archive("default", archived_at=NOW),
}


@pytest.mark.parametrize("use", HEADS)
def test_whoever_moves_a_head_on_moves_on_the_one_that_is_there(use: str, store: ObservationStore, url: str) -> None:
    store.mode_study("structure", now=None)
    other = open_store(url)
    event = f"before-call.dynamodb.{'TransactWriteItems' if use == 'record' else 'PutItem'}"
    meanwhile(store, event, 1, lambda: other.record([observation()], idempotency_key=None))
    HEADS[use](store)
    assert other.count() == 1 + (use == "record")
    assert other.mode_study("structure", now=None).observations == (observation(),)
    assert [entry.position for entry in other.history(limit=5).entries] == ([2, 1] if use == "record" else [1])
    other.close()


def test_a_claim_in_an_archived_study_is_refused_and_leaves_nothing(store: ObservationStore, url: str) -> None:
    store.begin(Study("garden", NOW))
    store.archive("garden", archived_at=NOW)
    before = items_of(url)
    with pytest.raises(StudyArchivedError):
        store.claim([suggestion("s", study="garden")], now=NOW)
    assert items_of(url) == before


def test_suggestions_of_one_study_are_claimed_at_once(store: ObservationStore) -> None:
    store.begin(Study("garden", NOW))
    with pytest.raises(ValueError, match="too many values"):
        store.claim([suggestion("a"), suggestion("b", study="garden")], now=NOW)
    with pytest.raises(ValueError, match="too many values"):
        store.claim([suggestion("a")], giving_way=[suggestion("b", study="garden")], now=NOW)


def test_a_full_claim_fits_into_one_transaction(store: ObservationStore) -> None:
    held = [suggestion(f"held{step}", step) for step in range(MAX_CLAIM)]
    store.claim(held, now=NOW)
    made = calls_of(store)
    fresh = [suggestion(f"fresh{step}", 100 + step) for step in range(MAX_CLAIM)]
    store.claim(fresh, giving_way=held, now=NOW)
    assert [name for name, _ in made] == ["GetItem", "TransactWriteItems"]
    assert {one.id for one in store.outstanding(now=NOW)} == {one.id for one in fresh}


@pytest.mark.parametrize("study", ["default", "garden"])
def test_a_setting_that_is_claimed_while_it_is_looked_up_is_not_taken_for_given_back(
    study: str, store: ObservationStore, url: str
) -> None:
    store.begin(Study("garden", NOW))
    other, names = open_store(url), ("first", "second", "third")
    store.claim([suggestion("first", study=study)], now=NOW)
    store.give_back("first", now=NOW)
    for call, (before, after) in enumerate(itertools.pairwise(names), start=1):
        new = suggestion(after, study=study)
        calls = meanwhile(store, "after-call.dynamodb", call, lambda new=new: other.claim([new], now=NOW))  # type: ignore[misc]
        found = store.find_suggested([("structure", setting())], study=study, now=NOW)
        assert len(calls) >= 2
        assert [(one.id, outstanding) for one, outstanding in found] in ([(before, False)], [(after, True)])
        assert other.give_back(after, now=NOW) == new
    other.close()


def test_many_studies_are_listed_by_a_few_reads(store: ObservationStore) -> None:
    names = [f"s{index:03}" for index in range(150)]
    for name in names:
        store.begin(Study(name, NOW))
    made = calls_of(store)
    page = store.studies(limit=120)
    assert [one.study.name for one in page.summaries] == ["default", *names[:119]]
    assert [name for name, _ in made] == ["Query", "BatchGetItem", "BatchGetItem"]
    assert page.next_after == names[118]
    rest = store.studies(limit=120, after=names[118])
    assert ([one.study.name for one in rest.summaries], rest.next_after) == (names[119:], None)
    made.clear()
    assert store.study_names() == ("default", *names)
    assert [name for name, _ in made] == ["Query"]


def test_a_study_whose_item_is_missing_is_noticed(store: ObservationStore, url: str) -> None:
    store.begin(Study("garden", NOW))
    delete_item(url, ("head#garden", "head"))
    with pytest.raises(StoreCorruptError, match="head#garden"):
        store.studies(limit=5)


def test_damage_of_another_study_is_not_that_of_the_default_one(store: ObservationStore, url: str) -> None:
    store.begin(Study("garden", NOW))
    store.record([observation()], idempotency_key=None)
    head = items_of(url)["head#garden", "head"]
    put_item(url, {**head, "modes": {"S": "{"}})
    with pytest.raises(StoreCorruptError, match="head#garden"):
        store.count("garden")
    assert store.verify(now=NOW) == 1
