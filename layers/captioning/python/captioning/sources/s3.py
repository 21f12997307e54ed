"""Published bundles in S3: `<prefix>/current.json` names a version, `<prefix>/<version>/` holds its files.

A bundle's files are downloaded in parallel into a folder with a temporary name, checked against their hashes, and the
folder is renamed to its final name, under the system's folder for temporary files; so a folder with that name is whole.
It is checked again before another process uses it, or this one after a restart. Folders that killed processes left are
deleted.

It only reads objects (`s3:GetObject`). Each call waits 1 s to connect and 2 s for bytes, and is made at most twice; a
download that takes more than 20 s is given up. `storage.clients` classes the errors. This module refuses a folder for
temporary files that belongs to another user, and one without space for the bundle.
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
# Space to leave free beside the bundle, for the function's other files.
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
    """The bundles published at `place`; downloads are kept under `cache`, a folder of this user's if None."""

    def __init__(self, place: S3Place, *, cache: Path | None = None) -> None:
        """Prepare a client, without a request to S3 yet.

        Raises:
            BundleError: AWS's settings cannot be used.
        """
        self._place = place
        self._cache = cache or Path(tempfile.gettempdir()) / f"caption-bundles-{os.getuid()}"
        self._fetching = threading.Lock()
        try:
            self._client: Any = connect(
                "s3",
                place,
                connect_seconds=CONNECT_SECONDS,
                read_seconds=READ_SECONDS,
                # botocore finds a bucket's region by itself, at the cost of a redirect.
                needs_region=False,
                # The manifest's sha256 is checked instead, against the file on the disk.
                response_checksum_validation="when_required",
                # Endpoints other than AWS's seldom have a host name per bucket.
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
                    # The folder was changed; download the bundle again.
                    shutil.rmtree(folder, ignore_errors=True)
            return self._download(release, folder)

    def discard(self, release: Release) -> None:
        """See BundleSource. A captioner that has the files mapped into memory keeps them until it ends."""
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
            # Another process may have made the folder meanwhile, and a rename does not replace a non-empty folder.
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)
        return replace(bundle, encoder=folder / ENCODER, decoder=folder / DECODER)

    @contextmanager
    def _part(self, files: tuple[BundleFile, ...], release: Release) -> Iterator[Path]:
        """Make a folder for this process with space for the files; delete it at the end, unless it was renamed."""
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
        """Write an object to `path`; stop soon after `size` bytes if it is longer."""

        def stream(body: Any) -> None:
            with path.open("wb") as file:
                written = 0
                while written <= size and (chunk := body.read(_CHUNK)):
                    written += file.write(chunk)
                    if deadline.is_over:
                        raise BundleUnavailableError(f"{self._place}/{key}", f"did not come in {DOWNLOAD_SECONDS:g} s")

        self._get(key, stream)

    def _read(self, key: str, *, most: int) -> bytes:
        """Return an object's bytes, at most `most` + 1 of them."""

        def read(body: Any) -> bytes:
            content: bytes = body.read(most + 1)
            return content

        return self._get(key, read)

    def _get(self, key: str, use: Callable[[Any], _Answer]) -> _Answer:
        """Request an object and call `use` with its body; do both once more after a temporary error."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self._client.get_object(Bucket=self._place.bucket, Key=f"{self._place.prefix}/{key}")
                # Not `with answer["Body"]`: that returns the stream inside, whose errors are not botocore's.
                with closing(answer["Body"]) as body:
                    return use(body)
            except AWS_ERRORS as error:
                found = classed(f"{self._place}/{key}", error)
                if attempt == ATTEMPTS or not isinstance(found, BundleUnavailableError):
                    raise found from error
        raise AssertionError("unreachable")


def _opened(folder: Path, release: Release, place: str) -> Bundle:
    """Open the bundle in `folder` and check that it is the release's."""
    if (digest := sha256((folder / MANIFEST).read_bytes()).hexdigest()) != release.manifest_sha256:
        raise BundleError(f"{place}/{MANIFEST}", f"has the sha256 {digest}, not {release.manifest_sha256}")
    bundle = read_bundle(folder, place=place)
    if bundle.manifest.model_version != release.model_version:
        raise BundleError(
            f"{place}/{MANIFEST}", f"calls itself {bundle.manifest.model_version}, not {release.model_version}"
        )
    return bundle


def _sweep(cache: Path) -> None:
    """Delete the folders that were never renamed because their process ended."""
    for part in cache.glob(".*-*"):
        owner = part.name[1:].partition("-")[0]
        # A folder with this process's id is an earlier process's: this one makes one download at a time.
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
    """Return our error for an error of AWS that concerns the object at `place`."""
    code = code_of(error)
    if code is None:
        return (BundleUnavailableError if is_passing(error) else BundleError)(place, f"{error}")
    if is_passing(error):
        return BundleUnavailableError(place, f"S3 cannot answer now: {error}")
    return BundleError(place, f"{_EXPLAINED.get(code, 'refused')}: {error}")
