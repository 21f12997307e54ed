"""Where captions and outcomes are kept: the port, its adapters, and the one place that chooses among them by a URL."""

from captioning.errors import CaptionStoreUrlError
from captioning.stores.port import CaptionStore
from storage.errors import UrlError
from storage.urls import DatabaseFile, parse_store


def open_caption_store(url: str) -> CaptionStore:
    """Return the store that `url` names, without opening the storage yet.

    `sqlite:///data/captions.db` is relative to the working directory, `sqlite:////var/captions.db` is absolute.
    `dynamodb://captions?region=eu-west-1` is a table; without `region`, AWS's settings apply, and
    `endpoint=http://127.0.0.1:8001` names another server than the region's own.

    Raises:
        CaptionStoreUrlError: the URL names no store.
    """
    try:
        place = parse_store(url)
    except UrlError as error:
        raise CaptionStoreUrlError(str(error)) from error
    if isinstance(place, DatabaseFile):
        from captioning.stores.sqlite import SqliteCaptionStore  # noqa: PLC0415 - only the adapter in use is imported

        return SqliteCaptionStore(place.path)
    from captioning.stores.dynamodb import DynamoDbCaptionStore  # noqa: PLC0415 - as above

    return DynamoDbCaptionStore(place)
