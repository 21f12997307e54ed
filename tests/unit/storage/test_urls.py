"""The one grammar of the URLs that name storage."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import UrlError
from storage.urls import DatabaseFile, Folder, S3Place, TablePlace, parse_bucket, parse_source, parse_store


@pytest.mark.parametrize(
    ("parse", "url", "place"),
    [
        (parse_store, "sqlite:///data/o.db", DatabaseFile(Path("data/o.db"))),
        (parse_store, "sqlite:////var/o.db", DatabaseFile(Path("/var/o.db"))),
        (parse_store, "sqlite:///100%25 of it.db", DatabaseFile(Path("100%25 of it.db"))),
        (parse_store, "dynamodb://table", TablePlace("table")),
        (
            parse_store,
            "dynamodb://table?region=eu-west-1&endpoint=http://dynamodb:8000",
            TablePlace("table", "eu-west-1", "http://dynamodb:8000"),
        ),
        (parse_store, "dynamodb://table?endpoint=http://[::1]:8000", TablePlace("table", None, "http://[::1]:8000")),
        (parse_bucket, "file://data", Folder(Path("data"))),
        (parse_bucket, "file:///var/up%3Floads", Folder(Path("/var/up?loads"))),
        (parse_bucket, "s3://bucket?region=eu-west-1", S3Place("bucket", "", "eu-west-1")),
        (parse_source, "file://models/flickr8k", Folder(Path("models/flickr8k"))),
        (parse_source, "s3://bucket/a/b/", S3Place("bucket", "a/b")),
    ],
)
def test_what_a_url_names(parse: Callable[[str], object], url: str, place: object) -> None:
    assert parse(url) == place


@pytest.mark.parametrize(
    ("parse", "url"),
    [
        (parse_store, "sqlite://nonsense"),
        (parse_store, "sqlite:///x.db?mode=ro"),
        (parse_store, "sqlite:///x.db#part"),
        (parse_store, "sqlite:///a\tb.db"),
        (parse_store, "sqlite:///folder/.."),
        (parse_store, "SQLITE:///x.db"),
        (parse_store, "file://x"),
        (parse_store, "dynamodb://table#part"),
        (parse_store, "dynamodb://table?endpoint=http://user@host"),
        (parse_bucket, "file://data?x"),
        (parse_bucket, "file://a%00b"),
        (parse_bucket, "s3://bucket/prefix"),
        (parse_bucket, "s3://"),
        (parse_source, "s3://bucket"),
        (parse_source, "s3://bucket/../x"),
        (parse_source, "sqlite:///x.db"),
    ],
)
def test_what_names_nothing_is_refused_with_what_would_do(parse: Callable[[str], object], url: str) -> None:
    with pytest.raises(UrlError) as caught:
        parse(url)
    assert str(caught.value).endswith(caught.value.reason)
    assert str(caught.value).startswith((url, repr(url)))


@given(st.sampled_from(["", "sqlite:///", "dynamodb://", "file://", "s3://"]), st.text(max_size=40))
def test_no_text_is_more_than_an_error_of_ours(start: str, rest: str) -> None:
    for parse in (parse_store, parse_bucket, parse_source):
        with suppress(UrlError):
            parse(start + rest)
