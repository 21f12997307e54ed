"""A place in S3 to which bundles are published, and the URL that names it."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from captioning.errors import BundleError

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# The characters that S3 calls safe, in parts that no path can be led astray by.
_PREFIX = re.compile(r"(?:[A-Za-z0-9!_'()*-][A-Za-z0-9!_.'()*-]{0,99}/)*[A-Za-z0-9!_'()*-][A-Za-z0-9!_.'()*-]{0,99}")


@dataclass(frozen=True, slots=True)
class S3Place:
    """A prefix in a bucket; region and endpoint are left to AWS's own settings where they are None."""

    bucket: str
    prefix: str
    region: str | None = None
    endpoint: str | None = None

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


def parse_s3(url: str) -> S3Place:
    """Read `s3://bucket/prefix?region=eu-west-1&endpoint=http://127.0.0.1:9000`. Raises BundleError if it is none."""
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise BundleError(url, str(error)) from error
    prefix = parts.path.removeprefix("/").removesuffix("/")
    if parts.scheme != "s3" or not _BUCKET.fullmatch(parts.netloc) or not _PREFIX.fullmatch(prefix) or parts.fragment:
        raise BundleError(url, "must be s3://bucket/prefix, with names that S3 calls safe")
    options = dict(pairs)
    if len(options) < len(pairs) or not options.keys() <= {"region", "endpoint"} or not all(options.values()):
        raise BundleError(url, "takes region=... and endpoint=..., each once, and nothing else")
    if not re.match(r"https?://[^/]", options.get("endpoint", "http://x")):
        raise BundleError(url, "the endpoint must be a URL such as http://127.0.0.1:9000")
    return S3Place(parts.netloc, prefix, **options)
