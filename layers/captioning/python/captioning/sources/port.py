"""The port for sources of bundles: which bundle is current, and the bundle itself, on this machine's disk.

A source promises that it has checked every file of a bundle that it returns, and that these files do not change while
they are used.
`captioning.sources` chooses an adapter; this module knows of none.
"""

from abc import ABC, abstractmethod

from captioning.model.bundle import Bundle
from captioning.sources.publication import Release


class BundleSource(ABC):
    """A source of bundles, one of which is current.

    `current` and `fetch` raise BundleError if a person must correct the source, and BundleUnavailableError if it cannot
    be reached.
    """

    @abstractmethod
    def current(self) -> Release:
        """Return which bundle is current. Cheap enough to be called often."""

    @abstractmethod
    def fetch(self, release: Release) -> Bundle:
        """Return that bundle, with every file checked. It may take many seconds."""

    @abstractmethod
    def discard(self, release: Release) -> None:
        """Free the disk space of a release that is no longer served. Never raises."""
