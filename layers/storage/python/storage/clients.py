"""Clients of AWS's services, and what their errors mean.

botocore alone, without boto3 on top: the same client, a tenth of a second of a cold start cheaper (decision 0016).
All errors are judged here, by code and never by message, so that what passes at one service passes at another.
"""

from typing import Any, TypeAlias

import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's name for all that can go wrong on the way
    HTTPClientError,
    IncompleteReadError,
)

from storage.errors import PermanentError
from storage.urls import S3Place, TablePlace

AWS_ERRORS = (ClientError, BotoCoreError)
"""What a client raises: a service's answer that is an error, or no answer."""

AwsError: TypeAlias = ClientError | BotoCoreError

_PASSING = frozenset(
    {
        "BandwidthLimitExceeded",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "LimitExceededException",
        "OperationAborted",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500  # the first HTTP status by which a service says that the fault is its own
_CANCELLED = "TransactionCanceledException"


class ClientSettingsError(PermanentError):
    """AWS's own settings do not make a client: no region, a profile that is not there."""


def open_session() -> Any:
    """What AWS's settings say here: the region, and the credentials once they are asked for."""
    return botocore.session.get_session()


def connect(
    service: str,
    place: S3Place | TablePlace,
    *,
    connect_seconds: float,
    read_seconds: float,
    attempts: int = 1,
    session: Any = None,
    needs_region: bool = True,
    **options: Any,
) -> Any:
    """A client of the service for the place; nobody is spoken to yet. `options` are further ones of botocore's Config.

    Raises ClientSettingsError, which names the place.
    """
    session = session or open_session()
    # Without one botocore speaks to S3's global host, and not with every bucket.
    if needs_region and place.region is None and session.get_config_variable("region") is None:
        raise ClientSettingsError(f"{place}: no region is known; name it, as in {place}?region=eu-west-1")
    config = Config(
        connect_timeout=connect_seconds,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts},
        **options,
    )
    try:
        return session.create_client(service, region_name=place.region, endpoint_url=place.endpoint, config=config)
    except (BotoCoreError, ValueError) as error:
        raise ClientSettingsError(f"{place}: {error}") from error


def code_of(error: AwsError) -> str | None:
    """The code of the service's answer; None if there was no answer."""
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else None


def codes_of(error: AwsError) -> frozenset[str]:
    """As `code_of`, but of a cancelled transaction the codes of all its reasons."""
    if not isinstance(error, ClientError):
        return frozenset()
    if code_of(error) != _CANCELLED:
        return frozenset({error.response["Error"]["Code"]})
    return frozenset(reason["Code"] for reason in reasons_of(error)) - {"None"}


def reasons_of(error: AwsError) -> list[Any]:
    """Why a transaction was cancelled: for each of its changes a `Code`, and with some the `Item` in its place."""
    return list(error.response.get("CancellationReasons", [])) if isinstance(error, ClientError) else []


def is_unanswered(error: AwsError) -> bool:
    """Whether the service was not reached, or what it said was cut short."""
    return isinstance(error, ConnectionError | HTTPClientError | IncompleteReadError)


def is_passing(error: AwsError) -> bool:
    """Whether waiting cures it. All else needs a person: credentials, permissions, a place that is not there."""
    if not isinstance(error, ClientError):
        return is_unanswered(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return bool(codes_of(error) & _PASSING) or status >= _SERVER_ERROR or status == _TOO_MANY_REQUESTS
