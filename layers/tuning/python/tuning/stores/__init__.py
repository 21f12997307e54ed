"""Where observations are kept: the port, its adapters, and the one place that chooses among them by a URL."""

from storage.errors import UrlError
from storage.urls import DatabaseFile, parse_store
from tuning.errors import StoreUrlError
from tuning.stores.port import ObservationStore

URL_SETTING = "OBSERVATION_STORE"


def open_store(url: str) -> ObservationStore:
    """Open the store that a URL of `storage.urls` names; nothing is read or written until it is first used.

    `sqlite:///data/observations.db` is relative to the working directory, `sqlite:////var/lib/observations.db`
    absolute. `dynamodb://observations?region=eu-west-1&endpoint=http://localhost:8000` is a table, which must be there;
    region and endpoint default to what the environment says.

    Raises:
        StoreUrlError: the URL names no store; the message names the setting.
    """
    try:
        place = parse_store(url)
    except UrlError as error:
        raise StoreUrlError(f"{URL_SETTING}: {error}") from error
    if isinstance(place, DatabaseFile):
        from tuning.stores.sqlite import SqliteObservationStore  # noqa: PLC0415 - only the adapter in use is loaded

        return SqliteObservationStore(place.path)
    from tuning.stores.dynamodb import DynamoDbObservationStore  # noqa: PLC0415 - only the adapter in use is loaded

    return DynamoDbObservationStore(place)
