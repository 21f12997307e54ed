"""Published bundles in S3: `<prefix>/current.json` names a version, `<prefix>/<version>/` holds its files.

A bundle is fetched in parallel into a folder with a temporary name, checked there against the hashes, and renamed to
its own name under the system's folder for temporary files; so what has that name is whole. It is checked again before
it is used by another process, or by this one after a restart. What killed processes left behind is swept up.

It only ever reads objects (`s3:GetObject`). Each call waits 1 s to connect and 2 s for bytes, and is made twice at the
most; a bundle that has not come within 20 s is given up. What an error means `storage.clients` says. Refuses a folder
for temporary files that belongs to somebody else, and one without room for the bundle.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from captioning.errors import BundleError, BundleUnavailableError
from captioning.model.bundle import (
    DECODER,
    ENCODER,
    MANIFEST,
    MAX_MANIFEST_BYTES,
    Bundle,
    BundleFile,
    parse_manifest,
    read_bundle,
)
from captioning.sources.port import BundleSource
from captioning.sources.publication import CURRENT, MAX_BYTES, Release, parse_publication
from storage.clients import AWS_ERRORS, AwsError, ClientSettingsError, code_of, connect, is_passing
from storage.deadline import Deadline
from storage.urls import S3Place

CONNECT_SECONDS = 1.0
READ_SECONDS = 2.0
ATTEMPTS = 2
DOWNLOAD_SECONDS = 20.0
# Beside the bundle itself: what else a function may want to write.
SPARE_BYTES = 1 << 20

_CHUNK = 1 << 18
_EXPLAINED = {
    "NoSuchKey": "is not there; `python -m tools.captioner publish` puts bundles here",
    "AccessDenied": "access is denied, which is also what S3 says of a missing object where listing is not allowed",
    "NoSuchBucket": "there is no such bucket",
    "ExpiredToken": "the AWS credentials have expired",
    "InvalidAccessKeyId": "the AWS credentials are not known",
    "SignatureDoesNotMatch": "the AWS credentials are wrong",
    "PermanentRedirect": "the bucket is in another region; name it with ?region=",
}

_Answer = TypeVar("_Answer")


class S3Source(BundleSource):
    """The bundles published at `place`; what is fetched is kept under `cache`."""

    def __init__(self, place: S3Place, *, cache: Path | None = None) -> None:
        """Prepare a client; S3 is not asked yet. Raises BundleError if AWS's settings cannot be used."""
        self._place = place
        self._cache = cache or Path(tempfile.gettempdir()) / f"caption-bundles-{os.getuid()}"
        self._fetching = threading.Lock()
        try:
            self._client: Any = connect(
                "s3",
                place,
                connect_seconds=CONNECT_SECONDS,
                read_seconds=READ_SECONDS,
                # S3 finds a bucket's region by itself, at the price of a redirect.
                needs_region=False,
                # The manifest's sha256 is the check, over the file as it lies on the disk.
                response_checksum_validation="when_required",
                # Another endpoint than AWS's seldom has a name for each bucket.
                s3={"addressing_style": "path"} if place.endpoint else None,
            )
        except ClientSettingsError as error:
            raise BundleError(str(place), f"{error}") from error

    def current(self) -> Release:
        """See BundleSource."""
        return parse_publication(self._read(CURRENT, most=MAX_BYTES), file=f"{self._place}/{CURRENT}").current

    def fetch(self, release: Release) -> Bundle:
        """See BundleSource."""
        folder = self._folder(release)
        with self._fetching:
            if (folder / MANIFEST).is_file():
                try:
                    return _opened(folder, release, str(folder))
                except BundleError:
                    # Somebody has been at it; S3 has it whole.
                    shutil.rmtree(folder, ignore_errors=True)
            return self._download(release, folder)

    def discard(self, release: Release) -> None:
        """See BundleSource. Who has it mapped into memory keeps it until then."""
        shutil.rmtree(self._folder(release), ignore_errors=True)

    def _folder(self, release: Release) -> Path:
        return self._cache / f"{release.model_version}-{release.manifest_sha256[:12]}"

    def _download(self, release: Release, folder: Path) -> Bundle:
        place = f"{self._place}/{release.model_version}"
        content = self._read(f"{release.model_version}/{MANIFEST}", most=MAX_MANIFEST_BYTES)
        if (digest := sha256(content).hexdigest()) != release.manifest_sha256:
            raise BundleError(
                f"{place}/{MANIFEST}", f"has the sha256 {digest}, and {CURRENT} says {release.manifest_sha256}"
            )
        files = parse_manifest(content, file=f"{place}/{MANIFEST}").files
        with self._part(files, release) as part:
            self._store_all(files, release, part)
            (part / MANIFEST).write_bytes(content)
            bundle = _opened(part, release, place)
            # Another process may have been as fast; a folder that is not empty cannot be renamed over.
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)
        return replace(bundle, encoder=folder / ENCODER, decoder=folder / DECODER)

    @contextmanager
    def _part(self, files: tuple[BundleFile, ...], release: Release) -> Iterator[Path]:
        """A new folder of this process's own with room for the files; gone in the end, unless it was renamed."""
        part = self._cache / f".{os.getpid()}-{release.model_version}"
        try:
            self._cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._cache.stat().st_uid != os.getuid():
                raise BundleError(str(self._cache), "belongs to somebody else; set TMPDIR to another folder")
            _sweep(self._cache)
            needed, free = sum(file.size for file in files) + SPARE_BYTES, shutil.disk_usage(self._cache).free
            if needed > free:
                raise BundleError(
                    str(self._cache), f"has room for {free:,} bytes, and the bundle needs {needed:,}: give it more"
                )
            part.mkdir(mode=0o700)
            yield part
        except OSError as error:
            raise BundleError(str(self._cache), f"cannot be written: {error.strerror or error}") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _store_all(self, files: tuple[BundleFile, ...], release: Release, part: Path) -> None:
        deadline = Deadline(DOWNLOAD_SECONDS)
        with ThreadPoolExecutor(len(files), thread_name_prefix="bundle") as pool:

            def store(file: BundleFile) -> None:
                self._store(f"{release.model_version}/{file.name}", file.size, part / file.name, deadline)

            list(pool.map(store, files))

    def _store(self, key: str, size: int, path: Path, deadline: Deadline) -> None:
        """Write an object to `path`; one that is longer than it should be is cut off soon after."""

        def stream(body: Any) -> None:
            with path.open("wb") as file:
                written = 0
                while written <= size and (chunk := body.read(_CHUNK)):
                    written += file.write(chunk)
                    if deadline.is_over:
                        raise BundleUnavailableError(f"{self._place}/{key}", f"did not come in {DOWNLOAD_SECONDS:g} s")

        self._get(key, stream)

    def _read(self, key: str, *, most: int) -> bytes:
        """The object's bytes, no more than one over `most`."""

        def read(body: Any) -> bytes:
            content: bytes = body.read(most + 1)
            return content

        return self._get(key, read)

    def _get(self, key: str, use: Callable[[Any], _Answer]) -> _Answer:
        """Ask for an object and use its body; both once more where waiting may have cured what went wrong."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self._client.get_object(Bucket=self._place.bucket, Key=f"{self._place.prefix}/{key}")
                # Not `with answer["Body"]`: that gives the stream beneath, whose errors are not botocore's.
                with closing(answer["Body"]) as body:
                    return use(body)
            except AWS_ERRORS as error:
                found = classed(f"{self._place}/{key}", error)
                if attempt == ATTEMPTS or not isinstance(found, BundleUnavailableError):
                    raise found from error
        raise AssertionError("unreachable")


def _opened(folder: Path, release: Release, place: str) -> Bundle:
    """The bundle in `folder`, if it is the release's."""
    if (digest := sha256((folder / MANIFEST).read_bytes()).hexdigest()) != release.manifest_sha256:
        raise BundleError(f"{place}/{MANIFEST}", f"has the sha256 {digest}, not {release.manifest_sha256}")
    bundle = read_bundle(folder, place=place)
    if bundle.manifest.model_version != release.model_version:
        raise BundleError(
            f"{place}/{MANIFEST}", f"calls itself {bundle.manifest.model_version}, not {release.model_version}"
        )
    return bundle


def _sweep(cache: Path) -> None:
    """Remove the folders that were never renamed because their process is no more."""
    for part in cache.glob(".*-*"):
        owner = part.name[1:].partition("-")[0]
        # What has this process's number is of another that had it before: one download at a time.
        if owner.isdecimal() and (int(owner) == os.getpid() or not _runs(int(owner))):
            shutil.rmtree(part, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def classed(place: str, error: AwsError) -> BundleError | BundleUnavailableError:
    """What AWS's error means for the object at `place`."""
    code = code_of(error)
    if code is None:
        return (BundleUnavailableError if is_passing(error) else BundleError)(place, f"{error}")
    if is_passing(error):
        return BundleUnavailableError(place, f"S3 cannot answer now: {error}")
    return BundleError(place, f"{_EXPLAINED.get(code, 'refused')}: {error}")
