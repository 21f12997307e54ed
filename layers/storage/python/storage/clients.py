"""Clients of AWS's services, and what their errors mean.

botocore without boto3 makes the same client and saves 0.1 s of a cold start (decision 0016). All errors are classed
here, by code and never by message, so that an error that is temporary at one service is temporary at the others.
"""

from typing import Any, TypeAlias

import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's name for every connection error
    HTTPClientError,
    IncompleteReadError,
)

from storage.errors import PermanentError
from storage.urls import S3Place, TablePlace

AWS_ERRORS = (ClientError, BotoCoreError)
"""What a client raises: the service answered with an error, or did not answer."""

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
    """AWS's own settings do not suffice for a client: no region, or a profile that does not exist."""


def open_session() -> Any:
    """Open a session: it has AWS's settings, such as the region, and looks credentials up when they are needed."""
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
    """Make a client of `service` for `place`, without sending anything yet.

    `attempts` counts the first one. `session` is a new one if None. `options` go to botocore's Config.

    Raises:
        ClientSettingsError: AWS's settings are not enough, or botocore refuses them; the message names the place.
    """
    session = session or open_session()
    # Without a region botocore uses S3's global host, which does not serve every bucket.
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
    """Return the code of the error that the service answered with; None if it did not answer."""
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else None


def codes_of(error: AwsError) -> frozenset[str]:
    """Return the codes of an error: of a cancelled transaction those of all its reasons, else the one, or none."""
    if not isinstance(error, ClientError):
        return frozenset()
    if code_of(error) != _CANCELLED:
        return frozenset({error.response["Error"]["Code"]})
    return frozenset(reason["Code"] for reason in reasons_of(error)) - {"None"}


def reasons_of(error: AwsError) -> list[Any]:
    """Return why a transaction was cancelled: per change, in their order, a `Code` and with some the stored `Item`."""
    return list(error.response.get("CancellationReasons", [])) if isinstance(error, ClientError) else []


def is_unanswered(error: AwsError) -> bool:
    """Tell whether the service was not reached, or its answer was cut off."""
    return isinstance(error, ConnectionError | HTTPClientError | IncompleteReadError)


def is_passing(error: AwsError) -> bool:
    """Tell whether the error is temporary.

    All others need a person, who corrects credentials, permissions or the name of what does not exist.
    """
    if not isinstance(error, ClientError):
        return is_unanswered(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return bool(codes_of(error) & _PASSING) or status >= _SERVER_ERROR or status == _TOO_MANY_REQUESTS
