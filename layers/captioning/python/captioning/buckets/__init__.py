"""The upload bucket: the port, its adapters, and the one place that chooses among them by a URL."""

from captioning.buckets.port import Bucket
from captioning.errors import BucketUrlError
from storage.errors import UrlError
from storage.urls import Folder, parse_bucket


def open_bucket(url: str) -> Bucket:
    """Return the bucket that `url` names, without a request to it yet.

    `file://data` is a folder, relative to the working directory, `file:///var/data` an absolute one.
    `s3://uploads-of-mine?region=eu-west-1` is a bucket; without `region`, AWS's settings apply, and
    `endpoint=http://127.0.0.1:9000` names another server than the region's own.

    Raises:
        BucketUrlError: the URL names no bucket.
    """
    try:
        place = parse_bucket(url)
    except UrlError as error:
        raise BucketUrlError(str(error)) from error
    if isinstance(place, Folder):
        from captioning.buckets.folder import FolderBucket  # noqa: PLC0415 - only the adapter in use is imported

        return FolderBucket(place.path)
    from captioning.buckets.s3 import S3Bucket  # noqa: PLC0415 - as above

    return S3Bucket(place)
