"""The caption store: captions that were made before, by what they were made from.

A cache and no more: what it loses is made again. The port is `CaptionStore`; `open_caption_store` picks the adapter by
the URL's scheme.
"""

from abc import ABC, abstractmethod

from captioning.captioner import Caption
from captioning.errors import CaptionStoreUrlError


class CaptionStore(ABC):
    """Captions by key. An adapter serves any number of threads and processes at once.

    Both methods raise CaptionStoreUnavailableError or CaptionStoreDamagedError.
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

    Raises CaptionStoreUrlError if the URL names no store.
    """
    scheme, separator, path = url.partition(":///")
    if scheme == "sqlite" and separator and path.strip("/"):
        from captioning.store_sqlite import SqliteCaptionStore  # noqa: PLC0415 - only the adapter in use is imported

        return SqliteCaptionStore(path)
    if url.startswith("dynamodb://"):
        raise CaptionStoreUrlError(f"{url}: caption stores in DynamoDB are not supported yet")
    raise CaptionStoreUrlError(f"{url}: a caption store is named by a URL such as sqlite:///data/captions.db")
