"""The upload bucket in S3.

Leave to upload is a presigned POST (Signature Version 4), made without asking S3, and as good as the credentials of
whoever makes it. Outcomes are written by conditional writes: `If-None-Match` where there is none, else `If-Match` on
the one that was looked at, whose version is in its metadata; so a late writer never undoes a newer one.

What an error means `storage.clients` says, beside what is of this bucket's uploads. Without the permission
s3:ListBucket S3 says of an object that is not there that it is forbidden, and this module cannot know better.
"""

import json
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from typing import Any, TypeVar

from captioning.buckets.port import Bucket, PresignedPost, check_size, published_key
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
# Each lost race means that another writer was through; more than a few at one picture is not to be believed.
_RACES = 8

_GONE = {"404", "NoSuchKey", "NoSuchVersion", "MethodNotAllowed"}
_REPLACED = {"412", "PreconditionFailed"}
# What another writer's condition or ours comes to when both write at once, beside a condition that does not hold.
_LOST = _REPLACED | {"409", "ConditionalRequestConflict", "404", "NoSuchKey"}
_SEQUENCER = "sequencer"

_Answer = TypeVar("_Answer")


class S3Bucket(Bucket):
    """The bucket at `place`."""

    def __init__(self, place: S3Place) -> None:
        """Prepare a client; the bucket is not asked yet. Raises BucketUrlError if AWS's settings lack a region."""
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
                # The region's own host: posting to the global one ends in a redirect, which browsers do not follow.
                s3={
                    "addressing_style": "path" if place.endpoint else "virtual",
                    "us_east_1_regional_endpoint": "regional",
                },
            )
        except ClientSettingsError as error:
            raise BucketUrlError(str(error)) from error

    def presign(self, key: str, *, media_type: str, max_bytes: int, seconds: int) -> PresignedPost:
        """See Bucket."""
        # Botocore trips over their absence here, where it has an error of its own for it elsewhere.
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
        """Whether it was written; False if others were there first."""
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
        # What does not pass needs a person: no such bucket, credentials that are expired or not allowed.
        return BucketUnavailableError(message) if is_passing(error) else BucketRefusedError(message)
