"""Requests whose bodies come compressed, as the local stack and API Gateway take them; and answers from 1 kB on."""

import gzip
import json
import zlib
from pathlib import Path

import pytest
import requests

from tests.support.stack import Stack

ASKED = json.dumps({"mode": "structure", "num_suggestions": 3}).encode()


def _post(stack: Stack, body: bytes, coding: str) -> requests.Response:
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    return stack.post("/ml/suggest_parameters", data=body, headers=headers)


def said_of(value: object) -> str:
    """The name of a parameter: bytes that hold the time of their making would have another one in every process."""
    return "bytes" if isinstance(value, bytes) else str(value)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(ASKED)),
        ("GZIP", gzip.compress(ASKED)),
        ("deflate", zlib.compress(ASKED)),
        ("deflate", zlib.compress(ASKED, wbits=-15)),
        ("identity", ASKED),
    ],
    ids=said_of,
)
def test_a_compressed_request_is_read(stack: Stack, coding: str, body: bytes) -> None:
    answer = _post(stack, body, coding)

    assert answer.status_code == 200, answer.text
    assert len(answer.json()["suggestions"]) == 3


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [
        ("br", ASKED, 415),
        ("gzip, gzip", gzip.compress(gzip.compress(ASKED)), 415),
        ("gzip", ASKED, 415),
        ("gzip", gzip.compress(ASKED)[:-3], 415),
        ("gzip", gzip.compress(bytes(11 << 20)), 413),
        # What API Gateway takes, and Lambda does not.
        ("gzip", gzip.compress(b" " * (7 << 20)), 413),
    ],
    ids=said_of,
)
def test_what_cannot_be_read_is_refused_by_name(stack: Stack, coding: str, body: bytes, status: int) -> None:
    answer = _post(stack, body, coding)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    if status == 415:
        assert "Content-Encoding" in answer.json()["detail"]
        assert answer.headers["accept-encoding"] == "gzip, deflate"
        assert "whole and undamaged" in answer.json()["detail"]
    else:
        # As the page says; a bomb is not told a limit that is not its own.
        assert "also once it is decompressed: about 4.5 MB for a picture, 6 MB for JSON" in answer.json()["detail"]


def test_the_page_says_what_is_answered() -> None:
    page = " ".join(Path("docs/api.md").read_text(encoding="utf-8").split())
    assert "about 4.5 MB of a picture and 6 MB of JSON once it is decompressed, else a 413" in page
    assert "A body in another coding, or not whole in the one that it names, is a 415" in page


def test_a_picture_comes_compressed_as_well(stack: Stack, picture: bytes) -> None:
    prepared = requests.Request(
        "POST", f"{stack.url}/generate-caption/", files={"file": ("sun.jpg", picture)}
    ).prepare()
    plain = stack.post("/generate-caption/", files={"file": ("sun.jpg", picture)}).json()["caption"]
    assert isinstance(prepared.body, bytes)
    headers = {"Content-Type": prepared.headers["Content-Type"], "Content-Encoding": "gzip"}
    answer = stack.post("/generate-caption/", data=gzip.compress(prepared.body), headers=headers)

    assert (answer.status_code, answer.json()["caption"]) == (200, plain)


@pytest.mark.parametrize(
    ("path", "compressed"), [("/docs", False), ("/openapi.json", True), ("/docs/swagger-ui.css", True)]
)
def test_answers_of_a_kilobyte_travel_compressed(stack: Stack, path: str, compressed: bool) -> None:
    answer = stack.get(path, headers={"Accept-Encoding": "gzip"})

    assert (len(answer.content) >= 1024) is compressed
    assert (answer.headers.get("content-encoding") == "gzip") is compressed
    assert "Accept-Encoding" in answer.headers["vary"]
