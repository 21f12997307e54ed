"""The port to where bundles come from: which one is current there, and the bundle itself, on this machine's disk.

A source promises that what it gives was checked file by file, and that it stays as it was while somebody uses it.
`captioning.sources` chooses an adapter; this module knows of none.
"""

from abc import ABC, abstractmethod

from captioning.model.bundle import Bundle
from captioning.sources.publication import Release


class BundleSource(ABC):
    """A place that has a current bundle.

    Every method raises BundleError if a person must mend the place, or BundleUnavailableError if it is out of reach.
    """

    @abstractmethod
    def current(self) -> Release:
        """Which bundle is current. Cheap enough to ask often."""

    @abstractmethod
    def fetch(self, release: Release) -> Bundle:
        """That bundle, every file of it checked. It may take a while."""

    @abstractmethod
    def discard(self, release: Release) -> None:
        """Give up the room that a release takes which is no longer served. Never raises."""
