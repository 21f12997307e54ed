"""The publication: `current.json`, which says which of the published bundles is the one to serve.

    {"format_version": 1,
     "current": {"model_version": "flickr8k-1-68e8487263a4", "manifest_sha256": "..."},
     "previous": [...]}                     what was current before, newest first; the way back

It is all of a published folder that ever changes, and it is replaced in one write: a reader sees the version before or
the version after. The manifest's hash makes a chain of it: this file vouches for the manifest, the manifest for the
rest. Refuses, with a BundleError, whatever is not exactly of this form.
"""

import json
import re
from dataclasses import asdict, dataclass

from captioning.errors import BundleError

CURRENT = "current.json"
FORMAT_VERSION = 1
MAX_BYTES = 1 << 16
MAX_PREVIOUS = 50
"""Versions that can be gone back to; older ones stay where they are, unnamed."""

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Release:
    """One bundle out of all: the version that it calls itself, and the sha256 of its manifest."""

    model_version: str
    manifest_sha256: str


@dataclass(frozen=True, slots=True)
class Publication:
    """What is current, and what was before, newest first; no version occurs twice."""

    current: Release
    previous: tuple[Release, ...] = ()

    def moved_to(self, release: Release) -> "Publication":
        """With another release current; what was current till now is the first to go back to."""
        before = (self.current, *self.previous)
        return Publication(release, tuple(one for one in before if one != release)[:MAX_PREVIOUS])

    def moved_back_to(self, release: Release) -> "Publication":
        """With an earlier release current again, as if nothing after it had been published."""
        return Publication(release, self.previous[self.previous.index(release) + 1 :])

    def to_json(self) -> str:
        """The content of `current.json`."""
        return json.dumps({"format_version": FORMAT_VERSION, **asdict(self)}, indent=1) + "\n"


def parse_publication(content: bytes, *, file: str) -> Publication:
    """Read a `current.json`. Raises BundleError, naming `file` and what is wrong with it."""
    if len(content) > MAX_BYTES:
        raise BundleError(file, f"larger than {MAX_BYTES} bytes")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BundleError(file, f"not JSON: {error}") from error
    version = document.get("format_version") if isinstance(document, dict) else None
    if type(version) is not int or version != FORMAT_VERSION:
        raise BundleError(file, f"format_version {version!r} is not supported, only {FORMAT_VERSION}")
    if set(document) != {"format_version", "current", "previous"} or not isinstance(document["previous"], list):
        raise BundleError(file, "must have format_version, current and a list of previous releases, and nothing else")
    return Publication(
        _release(document["current"], file=file), tuple(_release(one, file=file) for one in document["previous"])
    )


def _release(document: object, *, file: str) -> Release:
    if not isinstance(document, dict) or set(document) != {"model_version", "manifest_sha256"}:
        raise BundleError(file, f"a release has a model_version and a manifest_sha256, not {document!r}")
    for name, pattern in (("model_version", _VERSION), ("manifest_sha256", _SHA256)):
        if not isinstance(document[name], str) or not pattern.fullmatch(document[name]):
            raise BundleError(file, f"{name} must match {pattern.pattern}, not {document[name]!r}")
    return Release(**document)
