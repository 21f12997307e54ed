"""The caption store: a cache of captions, by what they were made from; and the outcomes of uploads, by key.

A caption that is lost is made again. An outcome that is lost is a picture whose caption cannot be found, so an upload
is not done before its outcome is stored. `captioning.stores` chooses an adapter; this module knows none.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from captioning.caption import Caption
from captioning.outcomes import Outcome


class CaptionStore(ABC):
    """Captions and outcomes by key. An adapter serves any number of threads and processes at once.

    Methods that read or write raise CaptionStoreUnavailableError, CaptionStoreDamagedError or CaptionStoreRefusedError.
    An entry that is not as it was written raises CaptionStoreDamagedError with its key; it is never returned.
    """

    @abstractmethod
    def get(self, key: str) -> Caption | None:
        """Return the caption stored under `key`, or None."""

    @abstractmethod
    def put(self, key: str, caption: Caption) -> None:
        """Store a caption under `key`, unless there is one."""

    @abstractmethod
    def outcome(self, key: str) -> Outcome | None:
        """Return the outcome of the newest known version of the upload `key`, or None."""

    @abstractmethod
    def outcomes(self, keys: Sequence[str]) -> Mapping[str, Outcome]:
        """Return the outcomes of the uploads `keys`, by key; without those that have none. The keys must differ.

        They cost one request per 100 keys at most.
        """

    @abstractmethod
    def record(self, outcome: Outcome) -> Outcome:
        """Store an outcome, unless there is one of the same or a newer version; return the stored one."""

    @abstractmethod
    def close(self) -> None:
        """Close the storage. A closed store opens it again at its next use."""
