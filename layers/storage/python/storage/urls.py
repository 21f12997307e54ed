"""The grammar of the URLs that name storage. This module opens nothing.

    sqlite:///data/observations.db                      a database file; four slashes: an absolute path
    dynamodb://captions?region=eu-west-1&endpoint=...   a table
    file://models/flickr8k                              a folder; file:///var/models: an absolute path
    s3://uploads?region=eu-west-1&endpoint=...          a bucket
    s3://models/captions?region=...                     the objects under a prefix of a bucket

Relative paths are relative to the working directory. Without `region` and `endpoint`, AWS's own settings apply. The
path of a database is not decoded; that of a folder is, so that `%3F` is a question mark.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from storage.errors import UrlError

_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# The characters that S3 calls safe; no part of the path is `.` or `..`.
_PREFIX = re.compile(r"(?:[A-Za-z0-9!_'()*-][A-Za-z0-9!_.'()*-]{0,99}/)*[A-Za-z0-9!_'()*-][A-Za-z0-9!_.'()*-]{0,99}")
_REGION = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ENDPOINT = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_DATABASE_FORM = "sqlite:///relative/path.db or sqlite:////absolute/path.db"
_TABLE_FORM = "dynamodb://table"
_FOLDER_FORM = "file://relative/folder or file:///absolute/folder"
_BUCKET_FORM = "s3://bucket"
_PREFIX_FORM = "s3://bucket/prefix"


@dataclass(frozen=True, slots=True)
class DatabaseFile:
    """A SQLite database."""

    path: Path


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder."""

    path: Path


@dataclass(frozen=True, slots=True)
class TablePlace:
    """A DynamoDB table; where region or endpoint is None, AWS's own settings apply."""

    name: str
    region: str | None = None
    endpoint: str | None = None

    def __str__(self) -> str:
        return f"dynamodb://{self.name}"


@dataclass(frozen=True, slots=True)
class S3Place:
    """A bucket, or a prefix in it; where region or endpoint is None, AWS's own settings apply."""

    bucket: str
    prefix: str = ""
    region: str | None = None
    endpoint: str | None = None

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}" if self.prefix else f"s3://{self.bucket}"


def parse_store(url: str) -> DatabaseFile | TablePlace:
    """Return the database or the table that a store's URL names.

    Raises:
        UrlError: it names neither.
    """
    scheme, rest = _split(url)
    if scheme == "sqlite":
        return _database(url, rest)
    if scheme == "dynamodb":
        name, path, options = _service(url, rest, _TABLE_FORM)
        if path or not _TABLE.fullmatch(name):
            raise UrlError(url, f"must be {_TABLE_FORM}; a table's name has 3 to 255 of A-Z a-z 0-9 _ . -")
        return TablePlace(name, **options)
    raise UrlError(url, f"must be {_DATABASE_FORM}, or {_TABLE_FORM}")


def parse_bucket(url: str) -> Folder | S3Place:
    """Return the folder, or the bucket without a prefix, that an upload bucket's URL names.

    Raises:
        UrlError: it names neither.
    """
    scheme, rest = _split(url)
    if scheme == "file" and rest:
        return _folder(url, rest)
    if scheme == "s3":
        bucket, prefix, options = _service(url, rest, _BUCKET_FORM)
        if prefix or not _BUCKET.fullmatch(bucket):
            raise UrlError(url, f"must be {_BUCKET_FORM}, with a name that S3 allows")
        return S3Place(bucket, **options)
    raise UrlError(url, f"must be {_FOLDER_FORM}, such as file://data, or {_BUCKET_FORM}")


def parse_source(url: str) -> Folder | S3Place:
    """Return the folder, or the prefix in a bucket, that the URL of caption bundles names.

    Raises:
        UrlError: it names neither.
    """
    scheme, rest = _split(url)
    if scheme == "file" and rest:
        return _folder(url, rest)
    if scheme == "s3":
        bucket, path, options = _service(url, rest, _PREFIX_FORM)
        prefix = path.removeprefix("/").removesuffix("/")
        if not _BUCKET.fullmatch(bucket) or not _PREFIX.fullmatch(prefix):
            raise UrlError(url, f"must be {_PREFIX_FORM}, with names that S3 calls safe")
        return S3Place(bucket, prefix, **options)
    raise UrlError(url, f"must be {_FOLDER_FORM}, such as file://models/flickr8k, or {_PREFIX_FORM}")


def _split(url: str) -> tuple[str, str]:
    """Return the scheme and what follows its two slashes; two empty texts if there is no scheme."""
    if _CONTROL.search(url):
        raise UrlError(repr(url), "has a control character in it")
    scheme, separator, rest = url.partition("://")
    return (scheme, rest) if separator else ("", "")


def _database(url: str, rest: str) -> DatabaseFile:
    path = rest.removeprefix("/")
    if path == rest or path.rpartition("/")[2] in {"", ".", ".."} or re.search("[?#]", path):
        raise UrlError(url, f"must be {_DATABASE_FORM}, and nothing after it")
    return DatabaseFile(Path(path))


def _folder(url: str, rest: str) -> Folder:
    if re.search("[?#]", rest):
        raise UrlError(url, f"must be {_FOLDER_FORM}; a ? in a folder's name is written %3F, and a # %23")
    path = unquote(rest)
    if _CONTROL.search(path):
        raise UrlError(url, "has a control character in it")
    return Folder(Path(path))


def _service(url: str, rest: str, form: str) -> tuple[str, str, dict[str, str]]:
    """Return the name, the path after it, and the options `region` and `endpoint` where they are given."""
    place, _, query = rest.partition("?")
    name, slash, path = place.partition("/")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as error:
        raise UrlError(url, f"{error}; it takes region=... and endpoint=...") from error
    options = dict(pairs)
    if "#" in rest:
        raise UrlError(url, f"must be {form}, without a #")
    if len(options) < len(pairs) or not options.keys() <= {"region", "endpoint"} or not all(options.values()):
        raise UrlError(
            url, f"must be {form}, and after it ?region=..., endpoint=... or both, each once, and nothing else"
        )
    if not _REGION.fullmatch(options.get("region", "eu-west-1")):
        raise UrlError(url, f"{options['region']!r} is not a region such as eu-west-1")
    if not _ENDPOINT.fullmatch(options.get("endpoint", "http://127.0.0.1")):
        raise UrlError(url, "the endpoint must be a URL such as http://127.0.0.1:8001")
    return name, slash + path, options
