"""What AWS's errors mean is one thing, whichever storage meets them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
)
from botocore.stub import Stubber

from captioning.buckets.s3 import S3Bucket
from captioning.sources.s3 import S3Source
from captioning.stores.dynamodb import DynamoDbCaptionStore
from storage.clients import is_passing
from storage.errors import PermanentError, TransientError, UnavailableError
from storage.urls import S3Place, TablePlace
from tuning.stores.dynamodb import DynamoDbObservationStore

Meet = Callable[[Callable[[Any, str], None]], None]


def observations(answer: Callable[[Any, str], None]) -> None:
    store = DynamoDbObservationStore(TablePlace("observations", "eu-west-1"))
    answer(store._table.connect(), "get_item")
    store.count()


def captions(answer: Callable[[Any, str], None]) -> None:
    store = DynamoDbCaptionStore(TablePlace("captions", "eu-west-1"))
    answer(store._table.connect(), "get_item")
    store.get("a")


def bucket(answer: Callable[[Any, str], None]) -> None:
    there = S3Bucket(S3Place("uploads", region="eu-west-1"))
    answer(there._client, "head_object")
    there.uploaded_at("uploads/a")


def bundles(answer: Callable[[Any, str], None]) -> None:
    source = S3Source(S3Place("models", "captions", "eu-west-1"), cache=Path("/nowhere"))
    answer(source._client, "get_object")
    source.current()


EVERYWHERE = pytest.mark.parametrize("meet", [observations, captions, bucket, bundles])


def answering(code: str, status: int) -> Callable[[Any, str], None]:
    def answer(client: Any, operation: str) -> None:
        stubber = Stubber(client)
        for _ in range(3):
            stubber.add_client_error(operation, code, "it says", status)
        stubber.activate()

    return answer


@EVERYWHERE
@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("Throttling", 400),
        ("ThrottlingException", 400),
        ("SlowDown", 400),
        ("RequestTimeout", 400),
        ("RequestLimitExceeded", 400),
        ("TooManyRequestsException", 400),
        ("NobodyKnowsIt", 429),
        ("NobodyKnowsIt", 503),
    ],
)
def test_what_passes_at_one_service_passes_at_every_other(meet: Meet, code: str, status: int) -> None:
    with pytest.raises(TransientError, match=code) as caught:
        meet(answering(code, status))
    assert isinstance(caught.value, UnavailableError)
    assert caught.value.retry_after >= 1


@EVERYWHERE
@pytest.mark.parametrize(("code", "status"), [("AccessDenied", 403), ("ExpiredToken", 400), ("NobodyKnowsIt", 400)])
def test_what_a_person_must_repair_is_so_everywhere(meet: Meet, code: str, status: int) -> None:
    with pytest.raises(PermanentError, match=code):
        meet(answering(code, status))


def test_without_an_answer_waiting_may_help_and_without_settings_it_does_not() -> None:
    unanswered = [
        EndpointConnectionError(endpoint_url="http://x", error="refused"),
        ReadTimeoutError(endpoint_url="http://x"),
        IncompleteReadError(actual_bytes=1, expected_bytes=2),
    ]
    assert all(map(is_passing, unanswered))
    assert not any(map(is_passing, [NoCredentialsError(), ProfileNotFound(profile="x")]))


def test_a_cancelled_transaction_is_judged_by_its_reasons() -> None:
    def cancelled(*codes: str) -> ClientError:
        answer = {
            "Error": {"Code": "TransactionCanceledException", "Message": ""},
            "ResponseMetadata": {"HTTPStatusCode": 400},
            "CancellationReasons": [{"Code": code} for code in codes],
        }
        return ClientError(answer, "TransactWriteItems")

    assert is_passing(cancelled("None", "ThrottlingError"))
    assert not is_passing(cancelled("None", "ValidationError"))
