"""The caption store: captions that were made before, by what they were made from; and the outcomes of uploads, by key.

Captions are a cache and no more: what is lost is made again. An outcome lost is a picture whose caption nobody finds,
so an upload is not done before its outcome is stored. The port is `CaptionStore`; `open_caption_store` picks the
adapter by the URL's scheme.
"""

import re
from abc import ABC, abstractmethod

from captioning.captioner import Caption
from captioning.errors import CaptionStoreUrlError
from captioning.outcomes import Outcome
from captioning.service_urls import parse_service_url

_TABLE = re.compile(r"[a-zA-Z0-9_.-]{3,255}")


class CaptionStore(ABC):
    """Captions and outcomes by key. An adapter serves any number of threads and processes at once.

    Those that read or write raise CaptionStoreUnavailableError, CaptionStoreDamagedError or CaptionStoreRefusedError.
    What is not as it was written is a CaptionStoreDamagedError that names its key, and never a wrong answer.
    """

    @abstractmethod
    def get(self, key: str) -> Caption | None:
        """The caption stored under `key`, or None."""

    @abstractmethod
    def put(self, key: str, caption: Caption) -> None:
        """Store a caption under `key`; the first one stays."""

    @abstractmethod
    def outcome(self, key: str) -> Outcome | None:
        """What became of the newest version of the upload `key` that is known, or None."""

    @abstractmethod
    def record(self, outcome: Outcome) -> Outcome:
        """Store an outcome unless one of the same or a newer version of its upload is there; give the one that is."""

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
        try:
            table, options = parse_service_url(url, name=_TABLE, form="dynamodb://table")
        except ValueError as error:
            raise CaptionStoreUrlError(str(error)) from error
        from captioning.store_dynamodb import DynamoDbCaptionStore  # noqa: PLC0415 - as above

        return DynamoDbCaptionStore(table, **options)
    raise CaptionStoreUrlError(f"{url}: a caption store is named by a URL such as sqlite:///data/captions.db")
