"""The caption store: captions that were made before, by what they were made from.

A cache and no more: what it loses is made again. The port is `CaptionStore`; `open_caption_store` picks the adapter by
the URL's scheme.
"""

import re
from abc import ABC, abstractmethod
from urllib.parse import parse_qsl, urlsplit

from captioning.captioner import Caption
from captioning.errors import CaptionStoreUrlError

_TABLE = re.compile(r"[a-zA-Z0-9_.-]{3,255}")


class CaptionStore(ABC):
    """Captions by key. An adapter serves any number of threads and processes at once.

    Both methods raise CaptionStoreUnavailableError, CaptionStoreDamagedError or CaptionStoreRefusedError.
    """

    @abstractmethod
    def get(self, key: str) -> Caption | None:
        """The caption stored under `key`, or None."""

    @abstractmethod
    def put(self, key: str, caption: Caption) -> None:
        """Store a caption under `key`; the first one stays."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the storage. A closed store opens it again when it is next used."""


def open_caption_store(url: str) -> CaptionStore:
    """Give the store that `url` names, without touching the storage yet.

    `sqlite:///data/captions.db` is relative to the working directory, `sqlite:////var/captions.db` is absolute.
    `dynamodb://captions?region=eu-west-1` is a table; `region` may be left to AWS's settings, and
    `endpoint=http://127.0.0.1:8001` speaks to another place than the region's own.

    Raises CaptionStoreUrlError if the URL names no store.
    """
    scheme, separator, path = url.partition(":///")
    if scheme == "sqlite" and separator and path.strip("/"):
        from captioning.store_sqlite import SqliteCaptionStore  # noqa: PLC0415 - only the adapter in use is imported

        return SqliteCaptionStore(path)
    if url.startswith("dynamodb://"):
        table, options = _parse_dynamodb(url)
        from captioning.store_dynamodb import DynamoDbCaptionStore  # noqa: PLC0415 - as above

        return DynamoDbCaptionStore(table, **options)
    raise CaptionStoreUrlError(f"{url}: a caption store is named by a URL such as sqlite:///data/captions.db")


def _parse_dynamodb(url: str) -> tuple[str, dict[str, str]]:
    """The table, and `region` and `endpoint` where they are given."""
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise CaptionStoreUrlError(f"{url}: {error}") from error
    options = dict(pairs)
    if not _TABLE.fullmatch(parts.netloc) or parts.path or parts.fragment:
        raise CaptionStoreUrlError(f"{url}: must be dynamodb://table, with a name that DynamoDB allows")
    if len(options) < len(pairs) or not options.keys() <= {"region", "endpoint"} or not all(options.values()):
        raise CaptionStoreUrlError(f"{url}: takes region=... and endpoint=..., each once, and nothing else")
    if not re.match(r"https?://[^/]", options.get("endpoint", "http://x")):
        raise CaptionStoreUrlError(f"{url}: the endpoint must be a URL such as http://127.0.0.1:8001")
    return parts.netloc, options
