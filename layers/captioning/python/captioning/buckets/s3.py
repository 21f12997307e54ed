"""The upload bucket in S3.

Uploads are presigned POSTs (Signature Version 4). They are made without a request to S3, and are valid only as long as
the credentials that signed them. Outcomes are written by conditional writes: with `If-None-Match` if there is none,
else with `If-Match` on the one that was read, whose sequencer is in its metadata. So a late writer never undoes a newer
one.

`storage.clients` classes the errors, except those that concern an upload. Without the permission s3:ListBucket, S3
answers for an object that does not exist that access is denied; this module cannot tell the two apart.
"""

import json
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, TypeVar

from captioning.buckets.port import UPLOADS, Bucket, Listing, Picture, PresignedPost, check_size, published_key
from captioning.errors import (
    BucketRefusedError,
    BucketUnavailableError,
    BucketUrlError,
    CaptioningError,
    UploadGoneError,
    UploadReplacedError,
)
from captioning.outcomes import Outcome, Upload
from storage.clients import AWS_ERRORS, AwsError, ClientSettingsError, code_of, connect, is_passing, open_session
from storage.urls import S3Place

CONNECT_SECONDS = 1.0
READ_SECONDS = 3.0
ATTEMPTS = 3
# Per lost race another writer succeeded; for one picture, more than a few are not plausible.
_RACES = 8

_GONE = {"404", "NoSuchKey", "NoSuchVersion", "MethodNotAllowed"}
_REPLACED = {"412", "PreconditionFailed"}
# What S3 answers when two conditional writes collide, beside a condition that does not hold.
_LOST = _REPLACED | {"409", "ConditionalRequestConflict", "404", "NoSuchKey"}
_SEQUENCER = "sequencer"

_Answer = TypeVar("_Answer")


class S3Bucket(Bucket):
    """The bucket at `place`."""

    def __init__(self, place: S3Place) -> None:
        """Prepare a client, without a request to the bucket yet.

        Raises:
            BucketUrlError: AWS's settings lack a region, or do not make a client.
        """
        self._name = place.bucket
        self._session = open_session()
        try:
            self._client: Any = connect(
                "s3",
                place,
                connect_seconds=CONNECT_SECONDS,
                read_seconds=READ_SECONDS,
                attempts=ATTEMPTS,
                session=self._session,
                signature_version="s3v4",
                # The region's own host: the global one answers a POST with a redirect, which browsers do not follow.
                s3={
                    "addressing_style": "path" if place.endpoint else "virtual",
                    "us_east_1_regional_endpoint": "regional",
                },
            )
        except ClientSettingsError as error:
            raise BucketUrlError(str(error)) from error

    def presign(self, key: str, *, media_type: str, max_bytes: int, seconds: int) -> PresignedPost:
        """See Bucket."""
        # Without credentials botocore fails here with an AttributeError, not with its own error.
        if self._session.get_credentials() is None:
            raise BucketRefusedError(f"s3://{self._name}: Unable to locate credentials")
        made = self._run(
            lambda: self._client.generate_presigned_post(
                self._name,
                key,
                Fields={"Content-Type": media_type},
                Conditions=[{"Content-Type": media_type}, ["content-length-range", 1, max_bytes]],
                ExpiresIn=seconds,
            )
        )
        return PresignedPost(made["url"], made["fields"])

    def read(self, upload: Upload, *, max_bytes: int) -> bytes:
        """See Bucket."""
        which: dict[str, str] = {}
        if upload.version_id is not None:
            which["VersionId"] = upload.version_id
        elif upload.etag is not None:
            which["IfMatch"] = f'"{upload.etag}"'

        def get() -> bytes:
            found = self._client.get_object(Bucket=self._name, Key=upload.key, **which)
            with closing(found["Body"]):
                check_size(found["ContentLength"], max_bytes=max_bytes)
                picture: bytes = found["Body"].read()
            return picture

        return self._run(get)

    def uploaded_at(self, key: str) -> datetime | None:
        """See Bucket."""
        found = self._head(key)
        return None if found is None else found["LastModified"]

    def pictures(self, *, after: str = "", prefix: str = UPLOADS, most: int) -> Listing:
        """See Bucket."""
        beyond = {"StartAfter": after} if after else {}
        found = self._run(
            lambda: self._client.list_objects_v2(Bucket=self._name, Prefix=prefix, MaxKeys=most, **beyond)
        )
        listed = found.get("Contents", [])
        pictures = tuple(
            Picture(one["Key"], one["Size"], one["LastModified"].astimezone(UTC))
            for one in listed
            # A console's "folder" is no picture.
            if not one["Key"].endswith("/")
        )
        return Listing(pictures, listed[-1]["Key"] if found["IsTruncated"] and listed else None)

    def publish(self, outcome: Outcome) -> None:
        """See Bucket."""
        key = published_key(outcome.key)
        body = json.dumps(outcome.to_plain(), ensure_ascii=False).encode()
        for _ in range(_RACES):
            there = self._head(key)
            if there is not None and there["Metadata"].get(_SEQUENCER, "") >= outcome.sequencer:
                return
            condition = {"IfNoneMatch": "*"} if there is None else {"IfMatch": there["ETag"]}
            if self._put(key, body, outcome.sequencer, condition):
                return
        raise BucketUnavailableError(f"s3://{self._name}: others keep writing {key}")

    def close(self) -> None:
        """See Bucket."""
        self._client.close()

    def _head(self, key: str) -> dict[str, Any] | None:
        def head() -> dict[str, Any]:
            found: dict[str, Any] = self._client.head_object(Bucket=self._name, Key=key)
            return found

        try:
            return self._run(head)
        except UploadGoneError:
            return None

    def _put(self, key: str, body: bytes, sequencer: str, condition: dict[str, str]) -> bool:
        """Write an outcome and return True; return False if another writer came first."""
        try:
            self._client.put_object(
                Bucket=self._name,
                Key=key,
                Body=body,
                ContentType="application/json",
                Metadata={_SEQUENCER: sequencer},
                **condition,
            )
        except AWS_ERRORS as error:
            if code_of(error) in _LOST:
                return False
            raise self._classed(error) from error
        return True

    def _run(self, call: Callable[[], _Answer]) -> _Answer:
        try:
            return call()
        except AWS_ERRORS as error:
            raise self._classed(error) from error

    def _classed(self, error: AwsError) -> CaptioningError:
        message = f"s3://{self._name}: {error}"
        if code_of(error) in _GONE:
            return UploadGoneError(message)
        if code_of(error) in _REPLACED:
            return UploadReplacedError(message)
        # The rest needs a person: no such bucket, or credentials that are expired or lack a permission.
        return BucketUnavailableError(message) if is_passing(error) else BucketRefusedError(message)
