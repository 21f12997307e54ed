"""The upload bucket: the port, its adapters, and the one place that chooses among them by a URL."""

import re
from urllib.parse import unquote

from captioning.buckets.port import Bucket
from captioning.errors import BucketUrlError
from storage.urls import parse_service_url

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def open_bucket(url: str) -> Bucket:
    """Give the bucket that `url` names, without touching it yet.

    `file://data` is a folder, relative to the working directory, `file:///var/data` an absolute one.
    `s3://uploads-of-mine?region=eu-west-1` is a bucket; `region` may be left to AWS's settings, and
    `endpoint=http://127.0.0.1:9000` speaks to another place than the region's own.

    Raises BucketUrlError if the URL names no bucket.
    """
    scheme, separator, path = url.partition("://")
    if scheme == "file" and separator and path:
        from captioning.buckets.folder import FolderBucket  # noqa: PLC0415 - only the adapter in use is imported

        return FolderBucket(unquote(path))
    if scheme == "s3":
        try:
            name, options = parse_service_url(url, name=_BUCKET, form="s3://bucket")
        except ValueError as error:
            raise BucketUrlError(str(error)) from error
        from captioning.buckets.s3 import S3Bucket  # noqa: PLC0415 - as above

        return S3Bucket(name, **options)
    raise BucketUrlError(f"{url}: a bucket is named by a URL such as file://data or s3://bucket")
