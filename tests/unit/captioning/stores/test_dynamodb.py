"""What the caption store in DynamoDB does when the service is in trouble, and what it writes when it is not.

Codes come from botocore's Stubber; time-outs, refusals and cut connections from real sockets of the loopback.
"""

import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.session
import pytest
from botocore.stub import ANY, Stubber

from captioning.caption import Caption
from captioning.captioner import Captioner
from captioning.captions import caption_picture
from captioning.errors import (
    CaptionStoreDamagedError,
    CaptionStoreError,
    CaptionStoreRefusedError,
    CaptionStoreUnavailableError,
    CaptionStoreUrlError,
)
from captioning.model.bundle import open_bundle
from captioning.stores import dynamodb as store_dynamodb
from captioning.stores import open_caption_store
from captioning.stores.dynamodb import LIFETIME_SECONDS, DynamoDbCaptionStore
from captioning.stores.port import CaptionStore
from storage.errors import PermanentError, TransientError
from storage.urls import TablePlace
from tests.support.dynamodb import make_table

DOG = Caption("a dog runs through the grass", 0.1 + 0.2, "v1")
KEY = {"pk": {"S": "a"}}
# A BMP of one yellow pixel.
PICTURE = struct.pack("<2sIII IiiHH6I 4B", b"BM", 58, 0, 54, 40, 1, 1, 1, 24, 0, 4, 0, 0, 0, 0, 0, 220, 255, 0)

PASSING = [
    ("ThrottlingException", 400),
    ("ProvisionedThroughputExceededException", 400),
    ("RequestLimitExceeded", 400),
    ("LimitExceededException", 400),
    ("InternalServerError", 500),
    ("ServiceUnavailable", 503),
    ("SomethingNobodyHasHeardOf", 502),
]
LASTING = [
    ("ExpiredTokenException", 400),
    ("UnrecognizedClientException", 400),
    ("InvalidSignatureException", 400),
    ("AccessDeniedException", 400),
    ("ResourceNotFoundException", 400),
    ("ValidationException", 400),
]


@pytest.fixture
def store() -> Iterator[DynamoDbCaptionStore]:
    store = DynamoDbCaptionStore(TablePlace("captions", region="eu-west-1"))
    yield store
    store.close()


@pytest.fixture
def service(store: DynamoDbCaptionStore) -> Iterator[Stubber]:
    """The service, which answers as it is told; a call more or less than it was told of is an error."""
    with Stubber(store._table.connect()) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture(scope="module")
def captioner() -> Captioner:
    return Captioner(open_bundle("file://tests/bundles/tiny"))


def get(store: CaptionStore) -> object:
    return store.get("a")


def put(store: CaptionStore) -> object:
    return store.put("a", DOG)


CALLS = {"get_item": get, "put_item": put}
Call = Callable[[CaptionStore], object]


@pytest.fixture
def at_leisure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take longer for the first attempt than what a caller would wait for two."""
    monkeypatch.setattr(store_dynamodb, "RETRY_WITHIN_SECONDS", 60)


@pytest.mark.usefixtures("at_leisure")
@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize(("code", "status"), PASSING)
def test_what_waiting_cures_is_tried_twice_and_then_unavailable(
    store: DynamoDbCaptionStore, service: Stubber, operation: str, code: str, status: int
) -> None:
    for _ in range(2):
        service.add_client_error(operation, code, "not now", status)
    with pytest.raises(CaptionStoreUnavailableError, match=f"dynamodb://captions cannot be used.*: .*{code}") as caught:
        CALLS[operation](store)
    assert isinstance(caught.value, TransientError)
    assert caught.value.retry_after >= 1


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize(("code", "status"), LASTING)
def test_what_a_person_must_repair_is_refused_at_the_first_attempt(
    store: DynamoDbCaptionStore, service: Stubber, operation: str, code: str, status: int
) -> None:
    service.add_client_error(operation, code, "no", status)
    with pytest.raises(CaptionStoreRefusedError, match=f"dynamodb://captions cannot be used.*: .*{code}") as caught:
        CALLS[operation](store)
    assert isinstance(caught.value, PermanentError)


@pytest.mark.usefixtures("at_leisure")
def test_a_second_attempt_that_succeeds_is_an_answer(store: DynamoDbCaptionStore, service: Stubber) -> None:
    service.add_client_error("get_item", "ThrottlingException", "not now")
    item = {"text": {"S": DOG.text}, "confidence": {"S": repr(DOG.confidence)}, "model_version": {"S": "v1"}}
    service.add_response("get_item", {"Item": {**KEY, **item, "alternatives": {"L": []}}})
    assert store.get("a") == DOG


def test_a_put_whose_acknowledgement_was_lost_is_done(store: DynamoDbCaptionStore, service: Stubber) -> None:
    service.add_client_error("put_item", "InternalServerError", "after all", 500)
    service.add_client_error("put_item", "ConditionalCheckFailedException", "it is there")
    store.put("a", DOG)


def test_an_item_that_is_no_caption_is_damaged(store: DynamoDbCaptionStore, service: Stubber) -> None:
    service.add_response("get_item", {"Item": {**KEY, "text": {"N": "5"}, "alternatives": {"L": []}}})
    with pytest.raises(CaptionStoreDamagedError, match="the item of 'a' lacks 'confidence'"):
        store.get("a")


def test_reads_are_consistent_and_writes_keep_the_first(store: DynamoDbCaptionStore, service: Stubber) -> None:
    service.add_response("get_item", {}, {"TableName": "captions", "Key": KEY, "ConsistentRead": True})
    service.add_response(
        "put_item", {}, {"TableName": "captions", "Item": ANY, "ConditionExpression": "attribute_not_exists(pk)"}
    )
    assert store.get("a") is None
    store.put("a", DOG)


@pytest.mark.parametrize("code", ["ThrottlingException", "ExpiredTokenException", "ResourceNotFoundException"])
def test_trouble_with_the_service_costs_a_log_line_and_not_the_caption(
    store: DynamoDbCaptionStore, service: Stubber, captioner: Captioner, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    for _ in range(2 if code == "ThrottlingException" else 1):
        service.add_client_error("get_item", code, "no")
    with caplog.at_level(logging.WARNING, "captioning"):
        answer = caption_picture(captioner, store, PICTURE)
    assert answer.caption == captioner.caption(PICTURE).text
    assert not answer.cached
    assert code in caplog.text


def over(endpoint: str) -> CaptionStore:
    return open_caption_store(f"dynamodb://captions?region=eu-west-1&endpoint={endpoint}")


@contextmanager
def silence(*, accepting: bool) -> Iterator[str]:
    """The endpoint of a server that says nothing; one that is not accepting does not even shake hands."""
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(16 if accepting else 0)
        if not accepting:
            for waiting in (first, second):
                waiting.setblocking(False)
                waiting.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("call", [get, put])
@pytest.mark.parametrize(("accepting", "complaint"), [(True, "[Rr]ead timeout"), (False, "[Cc]onnect timeout")])
def test_a_time_out_is_short_and_not_tried_again(call: Call, accepting: bool, complaint: str) -> None:
    with silence(accepting=accepting) as endpoint:
        store = over(endpoint)
        began = time.monotonic()
        with pytest.raises(CaptionStoreUnavailableError, match=complaint):
            call(store)
        assert 0.25 < time.monotonic() - began < 0.9
        store.close()


def test_an_outage_costs_a_caption_less_than_a_second(captioner: Captioner) -> None:
    with silence(accepting=True) as endpoint:
        store = over(endpoint)
        began = time.monotonic()
        alone = captioner.caption(PICTURE)
        for_the_models = time.monotonic() - began
        began = time.monotonic()
        answer = caption_picture(captioner, store, PICTURE)
        assert time.monotonic() - began < for_the_models + 1
        assert answer.caption == alone.text
        store.close()


def test_nobody_at_the_endpoint_is_unavailable() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        store = over(f"http://127.0.0.1:{unheard.getsockname()[1]}")
        with pytest.raises(CaptionStoreUnavailableError, match="Could not connect"):
            store.get("a")
        store.close()


@contextmanager
def server_of(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[tuple[str, list[str]]]:
    """A real HTTP server; gives its endpoint and the operations asked for so far."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.headers["X-Amz-Target"])
            self.rfile.read(int(self.headers["Content-Length"]))
            answer(self)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def unwell(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(500)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


def slowly_unwell(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(0.25)
    unwell(handler)


@pytest.mark.parametrize(("answer", "attempts"), [(unwell, 2), (hang_up, 2), (slowly_unwell, 1)])
def test_botocore_adds_no_attempts_of_its_own(
    answer: Callable[[BaseHTTPRequestHandler], None], attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if attempts > 1:  # what is answered at once may still come late on a busy machine
        monkeypatch.setattr(store_dynamodb, "RETRY_WITHIN_SECONDS", 10.0)
    with server_of(answer) as (endpoint, asked):
        store = over(endpoint)
        with pytest.raises(CaptionStoreUnavailableError):
            store.get("a")
        assert asked == ["DynamoDB_20120810.GetItem"] * attempts
        store.close()


def test_without_credentials_the_store_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    store = open_caption_store("dynamodb://captions?region=eu-west-1")
    with pytest.raises(CaptionStoreRefusedError, match=r"[Cc]redentials"):
        store.get("a")
    store.close()


def test_without_a_region_the_url_is_refused_with_an_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(CaptionStoreUrlError, match=r"region=eu-west-1"):
        open_caption_store("dynamodb://captions")


def test_a_caption_is_marked_to_be_deleted_when_the_template_says_and_not_before_its_time(
    dynamodb_endpoint: str,
) -> None:
    table = make_table(dynamodb_endpoint, "CaptionsTable")
    store = open_caption_store(f"dynamodb://{table}?endpoint={dynamodb_endpoint}")
    before = int(time.time())
    store.put("a", DOG)
    client: Any = botocore.session.get_session().create_client("dynamodb", endpoint_url=dynamodb_endpoint)
    item = client.get_item(TableName=table, Key=KEY)["Item"]
    assert before <= int(item["expires_at"]["N"]) - LIFETIME_SECONDS <= time.time()
    assert set(item) == {"pk", "text", "confidence", "model_version", "alternatives", "expires_at"}
    client.close()
    store.close()


def test_a_table_that_is_not_there_is_refused_and_not_made(dynamodb_endpoint: str) -> None:
    store = open_caption_store(f"dynamodb://nowhere?region=eu-west-1&endpoint={dynamodb_endpoint}")
    for call in (get, put, get):
        with pytest.raises(CaptionStoreError, match="ResourceNotFoundException") as caught:
            call(store)
        assert isinstance(caught.value, CaptionStoreRefusedError)
    store.close()
