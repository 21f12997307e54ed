"""Publishes bundles in S3, where the functions find them (`CAPTION_MODEL=s3://bucket/prefix`).

    prefix/current.json         which version is current, and which ones were before
    prefix/<version>/...        a bundle's four files, never altered once they are there

The files go up first, each with its sha256, which S3 checks; `current.json` is replaced last, in one write, so that a
reader gets the old bundle or the new one and nothing between. What was interrupted is given again and goes on.

Refuses: a bundle that is incomplete, altered, or that the serving layer cannot run; another bundle under a version that
was published before; to undo what somebody else published meanwhile; to go back to a version that is not whole.
"""

import base64
import io
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from captioning.bundle import MANIFEST, MAX_MANIFEST_BYTES, BundleFile, parse_manifest, read_bundle, read_manifest
from captioning.captioner import Captioner
from captioning.errors import BundleError
from captioning.publication import CURRENT, MAX_BYTES, Publication, Release, parse_publication
from captioning.source import S3Place, parse_s3
from tools.captioner.errors import PublicationError
from tools.captioner.progress import announce
from tools.captioner.toolchain import require

__all__ = ["publish_bundle", "roll_back"]

_CONNECT_SECONDS: Final = 5.0
_READ_SECONDS: Final = 60.0
_ATTEMPTS: Final = 3
_MISSING: Final = {"NoSuchKey", "404", "NotFound"}
_MOVED_MEANWHILE: Final = {"PreconditionFailed", "ConditionalRequestConflict"}


def publish_bundle(folder: Path, url: str) -> str:
    """Upload the bundle in `folder` to the place that `url` names, make it current, and give back its version.

    Raises PublicationError, ToolchainError without botocore, or the serving layer's CaptioningError.
    """
    bundle = read_bundle(folder)
    content = read_manifest(folder)
    Captioner(bundle)
    release = Release(bundle.manifest.model_version, sha256(content).hexdigest())
    shelf = _Shelf(parse_s3(url))
    found = shelf.read_publication()
    if (theirs := shelf.read(f"{release.model_version}/{MANIFEST}", MAX_MANIFEST_BYTES)) not in {None, content}:
        raise PublicationError(
            f"{shelf.place}/{release.model_version} is published with another manifest, and is not altered: "
            "give this bundle's manifest a model_version of its own"
        )
    missing = [file for file in bundle.manifest.files if not shelf.holds(release, file)]
    shelf.upload(release, folder, missing)
    if theirs is None:
        shelf.write(f"{release.model_version}/{MANIFEST}", content)
    if found.publication and found.publication.current == release:
        announce(f"{shelf.place}: {release.model_version} is current already")
    else:
        shelf.move(found, found.publication.moved_to(release) if found.publication else Publication(release))
        announce(f"{shelf.place}: {release.model_version} is current")
    return release.model_version


def roll_back(url: str, version: str | None = None) -> str:
    """Make the version current again that was so before, or the one named; give back which it is.

    It is checked first: each file's size and sha256, by S3's own record. Raises PublicationError, ToolchainError
    without botocore, or the serving layer's CaptioningError.
    """
    shelf = _Shelf(parse_s3(url))
    found = shelf.read_publication()
    if found.publication is None:
        raise PublicationError(f"{shelf.place}: nothing was published here yet")
    previous = {release.model_version: release for release in reversed(found.publication.previous)}
    wanted = version or next((release.model_version for release in found.publication.previous), None)
    if wanted is None:
        raise PublicationError(f"{shelf.place}: nothing was current before {found.publication.current.model_version}")
    if wanted not in previous:
        raise PublicationError(
            f"{shelf.place}: {wanted} was not current before; these were, the latest first: "
            f"{', '.join(release.model_version for release in found.publication.previous) or 'none'}"
        )
    shelf.check(previous[wanted])
    shelf.move(found, found.publication.moved_back_to(previous[wanted]))
    announce(f"{shelf.place}: {wanted} is current again")
    return wanted


@dataclass(frozen=True, slots=True)
class _Found:
    """What `current.json` said, and its ETag; None where there is none."""

    publication: Publication | None
    tag: str | None


class _Shelf:
    """A place in S3 with published bundles."""

    def __init__(self, place: S3Place) -> None:
        require("botocore")
        from captioning.source_s3 import classed, connect  # noqa: PLC0415 - it imports botocore, which may be missing

        self.place = place
        self._classed = classed
        self._errors = require("botocore.exceptions")
        self._client = connect(place, connect_seconds=_CONNECT_SECONDS, read_seconds=_READ_SECONDS, attempts=_ATTEMPTS)

    def read_publication(self) -> _Found:
        """What is current here."""
        answer = self._ask("get_object", CURRENT)
        if answer is None:
            return _Found(None, None)
        content = answer["Body"].read(MAX_BYTES + 1)
        return _Found(parse_publication(content, file=f"{self.place}/{CURRENT}"), answer["ETag"])

    def move(self, found: _Found, publication: Publication) -> None:
        """Write `current.json`, if it is still as it was found."""
        condition = {"IfMatch": found.tag} if found.tag else {"IfNoneMatch": "*"}
        try:
            self.write(CURRENT, publication.to_json().encode(), **condition)
        except BundleError as error:
            if _code(error.__cause__) in _MOVED_MEANWHILE:
                raise PublicationError(
                    f"{self.place}/{CURRENT} was moved by somebody else meanwhile: see to what, and run this again"
                ) from error
            raise

    def check(self, release: Release) -> None:
        """Raise PublicationError unless every file of the release is there, whole."""
        place = f"{self.place}/{release.model_version}"
        content = self.read(f"{release.model_version}/{MANIFEST}", MAX_MANIFEST_BYTES)
        if content is None or sha256(content).hexdigest() != release.manifest_sha256:
            raise PublicationError(f"{place}/{MANIFEST} is missing or was altered: this version cannot be served")
        for file in parse_manifest(content, file=f"{place}/{MANIFEST}").files:
            if not self.holds(release, file):
                raise PublicationError(f"{place}/{file.name} is missing or was altered: this version cannot be served")

    def holds(self, release: Release, file: BundleFile) -> bool:
        """Whether the file is there with the size and the sha256 that the manifest says."""
        head = self._ask("head_object", f"{release.model_version}/{file.name}", ChecksumMode="ENABLED")
        return head is not None and (head["ContentLength"], head.get("ChecksumSHA256")) == (file.size, _encoded(file))

    def upload(self, release: Release, folder: Path, files: list[BundleFile]) -> None:
        """Send the files, under a bar that counts their bytes."""
        total = sum(file.size for file in files)
        with require("tqdm").tqdm(
            total=total, desc=f"uploading {release.model_version}", unit="B", unit_scale=True, leave=False
        ) as bar:
            for file in files:
                with _Watched(folder / file.name, bar) as stream:
                    self.write(f"{release.model_version}/{file.name}", stream, ChecksumSHA256=_encoded(file))

    def read(self, key: str, most: int) -> bytes | None:
        """An object's bytes, no more than one over `most`; None if it is not there."""
        answer = self._ask("get_object", key)
        return None if answer is None else answer["Body"].read(most + 1)

    def write(self, key: str, content: bytes | io.FileIO, **options: str) -> None:
        """Put an object, whole or not at all. Raises BundleError or BundleUnavailableError."""
        kind = "application/json" if key.endswith(".json") else "application/octet-stream"
        self._call("put_object", key, Body=content, ContentType=kind, **options)

    def _ask(self, operation: str, key: str, **options: str) -> Any:
        try:
            return self._call(operation, key, **options)
        except BundleError as error:
            if _code(error.__cause__) in _MISSING:
                return None
            raise

    def _call(self, operation: str, key: str, **options: object) -> Any:
        try:
            return getattr(self._client, operation)(
                Bucket=self.place.bucket, Key=f"{self.place.prefix}/{key}", **options
            )
        except (self._errors.ClientError, self._errors.BotoCoreError) as error:
            raise self._classed(f"{self.place}/{key}", error) from error


class _Watched(io.FileIO):
    """A file that tells a bar how far it was read, and how far it was wound back to be sent again."""

    def __init__(self, path: Path, bar: Any) -> None:
        super().__init__(path)
        self._bar = bar

    def read(self, size: int | None = -1, /) -> bytes:
        chunk = super().read(-1 if size is None else size) or b""
        self._bar.update(len(chunk))
        return chunk

    def seek(self, offset: int, whence: int = 0, /) -> int:
        before = self.tell()
        after = super().seek(offset, whence)
        self._bar.update(after - before)
        return after


def _encoded(file: BundleFile) -> str:
    """The sha256 as S3 writes it."""
    return base64.b64encode(bytes.fromhex(file.sha256)).decode()


def _code(error: BaseException | None) -> str | None:
    found: str | None = getattr(error, "response", {}).get("Error", {}).get("Code")
    return found
