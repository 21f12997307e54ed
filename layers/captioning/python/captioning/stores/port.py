"""The caption store: captions that were made before, by what they were made from; and the outcomes of uploads, by key.

Captions are a cache and no more: what is lost is made again. An outcome lost is a picture whose caption nobody finds,
so an upload is not done before its outcome is stored. `captioning.stores` chooses an adapter; this module knows of
none.
"""

from abc import ABC, abstractmethod

from captioning.caption import Caption
from captioning.outcomes import Outcome


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
