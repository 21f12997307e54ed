"""Where bundles come from: the port, its adapters, and the one place that chooses among them by a URL.

file://models/flickr8k                    a folder that holds one bundle
s3://bucket/prefix?region=&endpoint=      bundles that `python -m tools.captioner publish` published
"""

from captioning.errors import BundleError
from captioning.sources.folder import FolderSource
from captioning.sources.port import BundleSource
from storage.errors import UrlError
from storage.urls import Folder, parse_source


def open_source(url: str) -> BundleSource:
    """Return the source that `url` names, without a request to it yet.

    Raises:
        BundleError: the URL names no source.
    """
    try:
        place = parse_source(url)
    except UrlError as error:
        raise BundleError(url, error.reason) from error
    if isinstance(place, Folder):
        return FolderSource(place.path)
    from captioning.sources.s3 import S3Source  # noqa: PLC0415 - only the adapter in use is imported

    return S3Source(place)
