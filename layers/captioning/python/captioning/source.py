"""Where a bundle comes from: which one is current there, and the bundle itself, on this machine's disk.

    file://models/flickr8k                    a folder that holds one bundle
    s3://bucket/prefix?region=&endpoint=      what `python -m tools.captioner publish` put there

The port is `BundleSource`; `open_source` picks the adapter by the URL's scheme. A source promises that what it gives
was checked file by file, and that it stays as it was while somebody uses it.
"""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from captioning.bundle import Bundle, parse_folder, parse_manifest, read_bundle, read_manifest
from captioning.errors import BundleError
from captioning.publication import Release

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# The characters that S3 calls safe, in parts that no path can be led astray by.
_PREFIX = re.compile(r"(?:[A-Za-z0-9!_'()*-][A-Za-z0-9!_.'()*-]{0,99}/)*[A-Za-z0-9!_'()*-][A-Za-z0-9!_.'()*-]{0,99}")


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
        """See BundleSource: the folder is its owner's."""


@dataclass(frozen=True, slots=True)
class S3Place:
    """A prefix in a bucket; region and endpoint are left to AWS's own settings where they are None."""

    bucket: str
    prefix: str
    region: str | None = None
    endpoint: str | None = None

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


def open_source(url: str) -> BundleSource:
    """The source that `url` names, without asking it anything yet. Raises BundleError if it names none."""
    if not url.startswith("s3://"):
        return FolderSource(parse_folder(url))
    place = parse_s3(url)
    from captioning.source_s3 import S3Source  # noqa: PLC0415 - only the adapter in use is imported

    return S3Source(place)


def parse_s3(url: str) -> S3Place:
    """Read `s3://bucket/prefix?region=eu-west-1&endpoint=http://127.0.0.1:9000`. Raises BundleError if it is none."""
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise BundleError(url, str(error)) from error
    prefix = parts.path.removeprefix("/").removesuffix("/")
    if parts.scheme != "s3" or not _BUCKET.fullmatch(parts.netloc) or not _PREFIX.fullmatch(prefix) or parts.fragment:
        raise BundleError(url, "must be s3://bucket/prefix, with names that S3 calls safe")
    options = dict(pairs)
    if len(options) < len(pairs) or not options.keys() <= {"region", "endpoint"} or not all(options.values()):
        raise BundleError(url, "takes region=... and endpoint=..., each once, and nothing else")
    if not re.match(r"https?://[^/]", options.get("endpoint", "http://x")):
        raise BundleError(url, "the endpoint must be a URL such as http://127.0.0.1:9000")
    return S3Place(parts.netloc, prefix, **options)
