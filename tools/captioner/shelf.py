"""A shelf: a prefix in S3 with published bundles, read and written by boto3 and its transfer manager.

Files go up several at once, those of 8 MiB and more in parts, each request with the sha256 of its bytes. S3 keeps
these: of an object sent whole its sha256, of one sent in parts the sha256 of the parts' sha256s, followed by
how many there are. This record tells whether a file is there already, and whether it arrived intact.

Refuses to send a file that is not what its manifest says.
"""

import base64
import hashlib
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from captioning.errors import BundleError
from captioning.model.bundle import MANIFEST, MAX_MANIFEST_BYTES, BundleFile, parse_manifest
from captioning.sources.publication import CURRENT, MAX_BYTES, Publication, Release, parse_publication
from storage.errors import UrlError
from storage.urls import S3Place, parse_source
from tools.captioner.errors import PublicationError
from tools.captioner.progress import byte_bar
from tools.captioner.toolchain import require

__all__ = ["PART_BYTES", "Found", "Shelf", "connect"]

PART_BYTES: Final = 8 << 20
"""Files of this size and more are sent in parts of it. S3 takes no parts under 5 MiB."""

_AT_ONCE: Final = 8  # requests under way
_CONNECT_SECONDS: Final = 5.0
_READ_SECONDS: Final = 60.0
_ATTEMPTS: Final = 3
_CHUNK: Final = 1 << 20
_MISSING: Final = {"NoSuchKey", "404", "NotFound"}
_MOVED_MEANWHILE: Final = {"PreconditionFailed", "ConditionalRequestConflict"}


def connect(place: S3Place) -> Any:
    """Make boto3's client for the place's bucket; S3 is not asked yet.

    Raises:
        ToolchainError: boto3 is not installed.
        BundleError: AWS's settings cannot be used.
    """
    boto3, config, errors = require("boto3"), require("botocore.config"), require("botocore.exceptions")
    settings = config.Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        max_pool_connections=_AT_ONCE,
        # What is read is checked against the manifest's sha256.
        response_checksum_validation="when_required",
        # Endpoints other than AWS's seldom have a host name per bucket.
        s3={"addressing_style": "path"} if place.endpoint else None,
    )
    try:
        return boto3.Session().client("s3", region_name=place.region, endpoint_url=place.endpoint, config=settings)
    except (errors.BotoCoreError, ValueError) as error:
        raise BundleError(str(place), f"{error}") from error


@dataclass(frozen=True, slots=True)
class Found:
    """What `current.json` said, and its ETag; None where there is none."""

    publication: Publication | None
    tag: str | None


class Shelf:
    """A place in S3 with published bundles.

    Every method raises BundleError if a person must correct the place, or BundleUnavailableError if it is not reached.
    """

    def __init__(self, place: S3Place) -> None:
        self.place = place
        self._client = connect(place)
        from captioning.sources.s3 import classed  # noqa: PLC0415 - it imports botocore, which `connect` asks for kindly

        self._classed = classed
        errors = require("botocore.exceptions")
        self._errors = (errors.ClientError, errors.BotoCoreError)

    @classmethod
    def at(cls, url: str) -> "Shelf":
        """Return the shelf at `s3://bucket/prefix?region=&endpoint=`. Raises ToolchainError or BundleError."""
        if not url.startswith("s3://"):
            raise BundleError(url, "must be s3://bucket/prefix")
        try:
            place = parse_source(url)
        except UrlError as error:
            raise BundleError(url, error.reason) from error
        assert isinstance(place, S3Place)  # noqa: S101 - by its scheme
        return cls(place)

    def read_publication(self) -> Found:
        """Read what is current here."""
        answer = self._ask("get_object", CURRENT)
        if answer is None:
            return Found(None, None)
        with closing(answer["Body"]) as body:
            content = body.read(MAX_BYTES + 1)
        return Found(parse_publication(content, file=f"{self.place}/{CURRENT}"), answer["ETag"])

    def move(self, found: Found, publication: Publication) -> None:
        """Write `current.json`, in one request.

        Raises:
            PublicationError: it is no longer as it was found.
        """
        condition = {"IfMatch": found.tag} if found.tag else {"IfNoneMatch": "*"}
        try:
            self._write(CURRENT, publication.to_json().encode(), **condition)
        except BundleError as error:
            if _code(error.__cause__) in _MOVED_MEANWHILE:
                raise PublicationError(
                    f"{self.place}/{CURRENT} was changed by somebody else meanwhile: check it, and run this again"
                ) from error
            raise

    def read_manifest(self, release: Release) -> bytes | None:
        """Read a release's manifest, no more than one byte over what one may hold; None if it is not there."""
        answer = self._ask("get_object", f"{release.model_version}/{MANIFEST}")
        if answer is None:
            return None
        with closing(answer["Body"]) as body:
            content: bytes = body.read(MAX_MANIFEST_BYTES + 1)
        return content

    def write_manifest(self, release: Release, content: bytes) -> None:
        """Write a release's manifest, in one request."""
        self._write(f"{release.model_version}/{MANIFEST}", content)

    def check(self, release: Release) -> None:
        """See that every file of a release is there, whole; those sent in parts are read for it, under a bar.

        Raises:
            PublicationError: a file is missing or was altered.
        """
        place = f"{self.place}/{release.model_version}"
        content = self.read_manifest(release)
        if content is None or hashlib.sha256(content).hexdigest() != release.manifest_sha256:
            raise PublicationError(f"{place}/{MANIFEST} is missing or was altered: this version cannot be served")
        for file in parse_manifest(content, file=f"{place}/{MANIFEST}").files:
            record = self._record(release, file)
            in_parts = record is not None and "-" in record
            if (self._hash(release, file) if in_parts else record) != _encoded(bytes.fromhex(file.sha256)):
                raise PublicationError(f"{place}/{file.name} is missing or was altered: this version cannot be served")

    def holds(self, release: Release, file: BundleFile, folder: Path) -> bool:
        """Whether S3 has, by its own record, the file as it lies in `folder`.

        Raises:
            PublicationError: the file in `folder` is not what the manifest says.
        """
        record = self._record(release, file)
        whole = _encoded(bytes.fromhex(file.sha256))
        return record is not None and record in {whole, _in_parts(folder / file.name, file)}

    def send(self, release: Release, folder: Path, files: list[BundleFile]) -> None:
        """Send the files of `folder`, several at once, under a bar that counts their bytes.

        The first that fails, and an interruption too, ends the others; what they had sent in parts is taken back.
        """
        transfer = require("boto3.s3.transfer")
        config = transfer.TransferConfig(
            multipart_threshold=PART_BYTES,
            multipart_chunksize=PART_BYTES,
            max_concurrency=_AT_ONCE,
            preferred_transfer_client="classic",
        )
        counting = threading.Lock()
        total = sum(file.size for file in files)
        with (
            byte_bar(total, f"uploading {release.model_version}") as bar,
            transfer.create_transfer_manager(self._client, config) as manager,
        ):

            def count(sent: int) -> None:
                with counting:
                    bar.update(sent)

            under_way = [
                manager.upload(
                    str(folder / file.name),
                    self.place.bucket,
                    self._key(release, file),
                    extra_args={"ChecksumAlgorithm": "SHA256", "ContentType": _content_type(file.name)},
                    subscribers=[transfer.ProgressCallbackInvoker(count)],
                )
                for file in files
            ]
            for file, upload in zip(files, under_way, strict=True):
                try:
                    upload.result()
                except self._errors as error:
                    raise self._classed(f"{self.place}/{release.model_version}/{file.name}", error) from error

    def _record(self, release: Release, file: BundleFile) -> str | None:
        """S3's record of the file's sha256; None if it has none, or if the size is another."""
        head = self._ask("head_object", f"{release.model_version}/{file.name}", ChecksumMode="ENABLED")
        if head is None or head["ContentLength"] != file.size:
            return None
        record: str | None = head.get("ChecksumSHA256")
        return record

    def _hash(self, release: Release, file: BundleFile) -> str | None:
        """Return the sha256 of what S3 gives for the file, as S3 writes it; None if it is gone."""
        answer = self._ask("get_object", f"{release.model_version}/{file.name}")
        if answer is None:
            return None
        digest = hashlib.sha256()
        with byte_bar(file.size, f"checking {file.name}") as bar, closing(answer["Body"]) as body:
            try:
                while chunk := body.read(_CHUNK):
                    digest.update(chunk)
                    bar.update(len(chunk))
            except self._errors as error:
                raise self._classed(f"{self.place}/{release.model_version}/{file.name}", error) from error
        return _encoded(digest.digest())

    def _key(self, release: Release, file: BundleFile) -> str:
        return f"{self.place.prefix}/{release.model_version}/{file.name}"

    def _write(self, key: str, content: bytes, **options: str) -> None:
        self._call(
            "put_object", key, Body=content, ContentType=_content_type(key), ChecksumAlgorithm="SHA256", **options
        )

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
        except self._errors as error:
            raise self._classed(f"{self.place}/{key}", error) from error


def _in_parts(path: Path, file: BundleFile) -> str:
    """Return the record of a file that was sent in parts: the sha256 of their sha256s, and how many they are."""
    whole, parts = hashlib.sha256(), []
    with path.open("rb") as content:
        while part := content.read(PART_BYTES):
            whole.update(part)
            parts.append(hashlib.sha256(part).digest())
    if whole.hexdigest() != file.sha256:
        raise PublicationError(f"{path} has changed while it was published: build the bundle again")
    return f"{_encoded(hashlib.sha256(b''.join(parts)).digest())}-{len(parts)}"


def _encoded(digest: bytes) -> str:
    """Return a sha256 as S3 writes it."""
    return base64.b64encode(digest).decode()


def _content_type(key: str) -> str:
    return "application/json" if key.endswith(".json") else "application/octet-stream"


def _code(error: BaseException | None) -> str | None:
    found: str | None = getattr(error, "response", {}).get("Error", {}).get("Code")
    return found
