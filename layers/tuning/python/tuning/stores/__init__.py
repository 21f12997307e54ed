"""Where observations are kept: the port, its adapters, and the one place that chooses among them by a URL."""

import re
from urllib.parse import SplitResult, parse_qsl, urlsplit

from tuning.errors import StoreUrlError
from tuning.stores.port import ObservationStore

URL_SETTING = "OBSERVATION_STORE"

_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?")


def open_store(url: str) -> ObservationStore:
    """The store that a URL names; nothing is read or written until it is first used.

    `sqlite:///data/observations.db` is relative to the working directory, `sqlite:////var/lib/observations.db`
    absolute. `dynamodb://observations?region=eu-west-1&endpoint=http://localhost:8000` is a table, which must be there;
    region and endpoint default to what the environment says.

    Raises StoreUrlError, which names the setting.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise StoreUrlError(f"{URL_SETTING}: {url!r} is not a URL: {error}") from error
    if parts.scheme == "sqlite":
        path = parts.path.removeprefix("/")
        if parts.netloc or parts.query or parts.fragment or not path or path.endswith("/"):
            raise StoreUrlError(
                f"{URL_SETTING}: {url!r} must be sqlite:///relative/path.db or sqlite:////absolute/path.db"
            )
        from tuning.stores.sqlite import SqliteObservationStore  # noqa: PLC0415 - only the adapter in use is loaded

        return SqliteObservationStore(path)
    if parts.scheme == "dynamodb":
        return _open_table(url, parts)
    raise StoreUrlError(f"{URL_SETTING}: {url!r}: unknown scheme {parts.scheme!r}; use sqlite:///... or dynamodb://...")


def _open_table(url: str, parts: SplitResult) -> ObservationStore:
    options = parse_qsl(parts.query, keep_blank_values=True)
    given = dict(options)
    endpoint = given.get("endpoint")
    form = "dynamodb://table, and after it ?region=, ?endpoint= or both"
    if not _TABLE.fullmatch(parts.netloc) or parts.path or parts.fragment:
        raise StoreUrlError(f"{URL_SETTING}: {url!r} must be {form}; a table's name has 3 to 255 of A-Z a-z 0-9 _ . -")
    if len(given) < len(options) or not given.keys() <= {"region", "endpoint"} or not all(given.values()):
        raise StoreUrlError(f"{URL_SETTING}: {url!r} must be {form}")
    if endpoint is not None and not _ENDPOINT.fullmatch(endpoint):
        raise StoreUrlError(f"{URL_SETTING}: {url!r}: the endpoint must be http://host:port or https://host:port")
    from tuning.stores.dynamodb import DynamoDbObservationStore  # noqa: PLC0415 - only the adapter in use is loaded
    from tuning.stores.table_dynamodb import Table  # noqa: PLC0415 - likewise

    return DynamoDbObservationStore(Table(parts.netloc, region=given.get("region"), endpoint=endpoint))
