"""The API's pages and their assets as a browser asks for them, and as a caller does who takes nothing compressed."""

import gzip
import re

import pytest
import requests

from tests.support.stack import Stack

ASSETS = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "redoc.standalone.js": "text/javascript; charset=utf-8",
}


def _hashed(stack: Stack) -> dict[str, str]:
    """The assets' addresses in the pages, by their plain names."""
    pages = stack.get("/docs").text + stack.get("/redoc").text
    found = re.findall(r"/docs/([\w.-]+?)\.([0-9a-f]{16})(\.\w+)", pages)
    return {f"{stem}{suffix}": f"/docs/{stem}.{digest}{suffix}" for stem, digest, suffix in found}


def test_the_pages_name_their_assets_by_hash_and_browsers_keep_them_for_good(stack: Stack) -> None:
    hashed = _hashed(stack)

    assert hashed.keys() == ASSETS.keys()
    for name, address in hashed.items():
        answer = stack.get(address)
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"] == ASSETS[name]
        assert answer.content == stack.get(f"/docs/{name}").content


@pytest.mark.parametrize("name", [*ASSETS, *(name.replace(".", f".{'0' * 16}.", 1) for name in ["swagger-ui.css"])])
def test_the_plain_name_and_one_of_another_version_answer_and_are_kept_briefly(stack: Stack, name: str) -> None:
    answer = stack.get(f"/docs/{name}")

    assert (answer.status_code, answer.headers["cache-control"]) == (200, "public, max-age=300")


@pytest.mark.parametrize("name", ["favicon.png", "swagger-ui.0123456789abcdef.js", "x.css", "swagger-ui.0.css", "%00"])
def test_another_name_is_not_found(stack: Stack, name: str) -> None:
    assert stack.get(f"/docs/{name}").status_code == 404


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("gzip, deflate, br, zstd", "gzip"), ("deflate", "deflate"), ("identity", None), ("br, gzip;q=0.5", None)],
)
def test_assets_travel_compressed_where_the_caller_takes_that(stack: Stack, accepted: str, coding: str | None) -> None:
    with requests.get(
        f"{stack.url}/docs/redoc.standalone.js", headers={"Accept-Encoding": accepted}, stream=True, timeout=30
    ) as answer:
        sent = answer.raw.read(decode_content=False)

    plain = stack.get("/docs/redoc.standalone.js", headers={"Accept-Encoding": "identity"}).content
    assert answer.headers.get("content-encoding") == coding
    assert "Accept-Encoding" in answer.headers["vary"]
    assert len(sent) < 350_000 if coding else sent == plain
    if coding == "gzip":
        assert gzip.decompress(sent) == plain


def test_small_answers_travel_as_they_are(stack: Stack) -> None:
    answer = stack.get("/health", headers={"Accept-Encoding": "gzip"})

    assert "content-encoding" not in answer.headers
