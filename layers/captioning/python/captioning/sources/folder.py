"""The source that is a folder with one bundle."""

from hashlib import sha256
from pathlib import Path

from captioning.errors import BundleError
from captioning.model.bundle import Bundle, parse_manifest, read_bundle, read_manifest
from captioning.sources.port import BundleSource
from captioning.sources.publication import Release


class FolderSource(BundleSource):
    """One bundle in a folder, which may be replaced by another: file by file by renaming, the manifest last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def current(self) -> Release:
        """See BundleSource."""
        content = read_manifest(self._folder)
        manifest = parse_manifest(content, file=str(self._folder))
        return Release(manifest.model_version, sha256(content).hexdigest())

    def fetch(self, release: Release) -> Bundle:
        """See BundleSource."""
        bundle = read_bundle(self._folder)
        if self.current() != release:
            raise BundleError(str(self._folder), f"no longer holds {release.model_version}")
        return bundle

    def discard(self, release: Release) -> None:
        """See BundleSource. Deletes nothing: the folder is its owner's."""
