"""Where bundles come from: the port, its adapters, and the one place that chooses among them by a URL.

file://models/flickr8k                    a folder that holds one bundle
s3://bucket/prefix?region=&endpoint=      what `python -m tools.captioner publish` put there
"""

from captioning.model.bundle import parse_folder
from captioning.sources.folder import FolderSource
from captioning.sources.place import parse_s3
from captioning.sources.port import BundleSource


def open_source(url: str) -> BundleSource:
    """The source that `url` names, without asking it anything yet. Raises BundleError if it names none."""
    if not url.startswith("s3://"):
        return FolderSource(parse_folder(url))
    place = parse_s3(url)
    from captioning.sources.s3 import S3Source  # noqa: PLC0415 - only the adapter in use is imported

    return S3Source(place)
