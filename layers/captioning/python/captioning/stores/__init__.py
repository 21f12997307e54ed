"""Where captions and outcomes are kept: the port, its adapters, and the one place that chooses among them by a URL."""

import re

from captioning.errors import CaptionStoreUrlError
from captioning.stores.port import CaptionStore
from storage.urls import parse_service_url

_TABLE = re.compile(r"[a-zA-Z0-9_.-]{3,255}")


def open_caption_store(url: str) -> CaptionStore:
    """Give the store that `url` names, without touching the storage yet.

    `sqlite:///data/captions.db` is relative to the working directory, `sqlite:////var/captions.db` is absolute.
    `dynamodb://captions?region=eu-west-1` is a table; `region` may be left to AWS's settings, and
    `endpoint=http://127.0.0.1:8001` speaks to another place than the region's own.

    Raises CaptionStoreUrlError if the URL names no store.
    """
    scheme, separator, path = url.partition(":///")
    if scheme == "sqlite" and separator and path.strip("/"):
        from captioning.stores.sqlite import SqliteCaptionStore  # noqa: PLC0415 - only the adapter in use is imported

        return SqliteCaptionStore(path)
    if url.startswith("dynamodb://"):
        try:
            table, options = parse_service_url(url, name=_TABLE, form="dynamodb://table")
        except ValueError as error:
            raise CaptionStoreUrlError(str(error)) from error
        from captioning.stores.dynamodb import DynamoDbCaptionStore  # noqa: PLC0415 - as above

        return DynamoDbCaptionStore(table, **options)
    raise CaptionStoreUrlError(f"{url}: a caption store is named by a URL such as sqlite:///data/captions.db")
