"""The publication: `current.json`, which says which of the published bundles is the one to serve.

    {"format_version": 1,
     "current": {"model_version": "flickr8k-1-68e8487263a4", "manifest_sha256": "..."},
     "previous": [...]}                     earlier releases, newest first, for a rollback

It is the only file of a published folder that changes, and it is replaced in one write: a reader sees the old version
or the new one. It has the manifest's hash, and the manifest has those of all other files, so that every file is
checked. This module refuses, with a BundleError, a file that is not exactly of this form.
"""

import json
import re
from dataclasses import asdict, dataclass

from captioning.errors import BundleError
from storage.documents import DocumentError, Node, parse

CURRENT = "current.json"
FORMAT_VERSION = 1
MAX_BYTES = 1 << 16
MAX_PREVIOUS = 50
"""How many earlier releases are listed; older ones stay in the bucket without being listed."""

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Release:
    """One published bundle: the version in its manifest, and the manifest's sha256."""

    model_version: str
    manifest_sha256: str


@dataclass(frozen=True, slots=True)
class Publication:
    """The current release and the earlier ones, newest first; no release occurs twice."""

    current: Release
    previous: tuple[Release, ...] = ()

    def moved_to(self, release: Release) -> "Publication":
        """Return the publication with `release` current; the present one becomes the first of the earlier ones."""
        before = (self.current, *self.previous)
        return Publication(release, tuple(one for one in before if one != release)[:MAX_PREVIOUS])

    def moved_back_to(self, release: Release) -> "Publication":
        """Return the publication with an earlier `release` current again, and all later ones dropped."""
        return Publication(release, self.previous[self.previous.index(release) + 1 :])

    def to_json(self) -> str:
        """Return the content of `current.json`."""
        return json.dumps({"format_version": FORMAT_VERSION, **asdict(self)}, indent=1) + "\n"


def parse_publication(content: bytes, *, file: str) -> Publication:
    """Read a `current.json`.

    Raises:
        BundleError: it is not exactly of this form; the message names `file` and what is wrong with it.
    """
    try:
        document = parse(content, most=MAX_BYTES)
        document.get("format_version").version(FORMAT_VERSION)
        publication = document.members({"format_version", "current", "previous"})
        return Publication(_release(publication["current"]), tuple(map(_release, publication["previous"].entries())))
    except DocumentError as error:
        raise BundleError(file, str(error)) from error


def _release(node: Node) -> Release:
    release = node.members({"model_version", "manifest_sha256"})
    return Release(release["model_version"].text(_VERSION), release["manifest_sha256"].text(_SHA256))
