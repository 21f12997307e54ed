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
        BundleError: it is not of the documented form; the message names `file` and what is wrong.
    """
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
