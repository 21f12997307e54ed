"""Uploads as callers meet them: a presigned POST over HTTP or a dropped file, and the caption, on the running stack."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captioning.pictures.limits import MAX_BYTES
from local import upload_forms
from tests.http.test_bad_input import assert_is_a_problem
from tests.support.stack import Stack
from tests.support.thorough import examples

NAME = "two dogs + a été 100% 🐶.jpg"


@pytest.fixture(scope="module")
def stack_and_folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("uploading")
    running = Stack(folder, CAPTION_MODEL="file://tests/bundles/tiny", CORS_ORIGIN="https://studio.example.org")
    yield running, folder
    assert running.stop() == 0


@pytest.fixture
def stack(stack_and_folder: tuple[Stack, Path]) -> Stack:
    return stack_and_folder[0]


@pytest.fixture
def folder(stack_and_folder: tuple[Stack, Path]) -> Path:
    """What plays the bucket."""
    return stack_and_folder[1]


def ask(stack: Stack, **body: Any) -> dict[str, Any]:
    answer = stack.post("/uploads", json={"content_type": "image/jpeg"} | body)
    assert answer.status_code == 200, answer.text
    presigned: dict[str, Any] = answer.json()
    return presigned


def post(presigned: dict[str, Any], picture: bytes, **changes: str) -> requests.Response:
    return requests.post(presigned["url"], data=presigned["fields"] | changes, files={"file": picture}, timeout=30)


def eventually(url: str, wanted: Callable[[requests.Response], bool] = lambda found: found.status_code != 202) -> Any:
    """What a caller gets who asks until the answer is there, as Retry-After says or a little sooner."""
    deadline = time.monotonic() + 60
    while True:
        found = requests.get(url, timeout=30)
        if wanted(found):
            return found
        assert time.monotonic() < deadline, found.text
        time.sleep(0.1)


def _is_final(found: requests.Response, key: str) -> bool:
    """Whether the caption is there; until then it is pending, and nothing else."""
    if found.status_code != 202:
        return True
    assert found.json() == {"key": key, "status": "pending"}
    assert 1 <= int(found.headers["retry-after"]) <= 60
    return False


@pytest.mark.parametrize("name", [None, "dog.jpg", NAME])
def test_leave_a_form_and_the_caption_where_the_leave_said(
    stack: Stack, folder: Path, picture: bytes, name: str | None
) -> None:
    presigned = ask(stack, **({} if name is None else {"filename": name}))
    assert set(presigned) == {"key", "url", "fields", "max_bytes", "expires_at", "caption_url"}
    assert presigned["max_bytes"] == MAX_BYTES
    assert presigned["caption_url"] == f"{stack.url}/captions/{quote(presigned['key'])}"
    assert_is_a_problem(requests.get(presigned["caption_url"], timeout=30), 404)

    answer = post(presigned, picture)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "https://studio.example.org"

    found = eventually(presigned["caption_url"], lambda found: _is_final(found, presigned["key"]))
    assert found.status_code == 200
    direct = stack.post("/generate-caption/", files={"file": picture}).json()
    assert found.json() == {
        "key": presigned["key"],
        "status": "captioned",
        **{field: direct[field] for field in ("caption", "confidence", "model_version")},
    }
    assert direct["cached"], "the same picture is captioned once"
    published = json.loads((folder / f"captions/{presigned['key']}.json").read_text())
    assert published["caption"] == found.json()["caption"]


@pytest.mark.parametrize("name", ["dropped.jpg", "a folder/within + a folder/été 🐶.jpg", "100%25.jpg", "two\nlines\n"])
def test_a_picture_that_is_dropped_into_the_folder_is_captioned(
    stack: Stack, folder: Path, picture: bytes, name: str
) -> None:
    (folder / "uploads" / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / "uploads" / name).write_bytes(picture)
    found = eventually(f"{stack.url}/captions/uploads/{quote(name)}")
    assert (found.status_code, found.json()["key"]) == (200, f"uploads/{name}")


def test_a_picture_that_takes_anothers_place_gets_its_own_caption(stack: Stack, folder: Path, picture: bytes) -> None:
    path = folder / "uploads/changing.jpg"
    url = f"{stack.url}/captions/uploads/changing.jpg"
    path.write_bytes(b"not a picture")
    problem = assert_is_a_problem(eventually(url), 422)
    assert problem["detail"].startswith("the picture cannot be captioned: the bytes are not a picture")
    path.write_bytes(picture)
    assert eventually(url, lambda found: found.status_code == 200).json()["status"] == "captioned"
    path.write_bytes(picture[: len(picture) // 2])
    damaged = eventually(url, lambda found: found.status_code == 422)
    assert assert_is_a_problem(damaged, 422)["detail"] == (
        "the picture cannot be captioned: the picture is truncated or broken: JPEG data are missing; "
        "use its whole file, or open it and save it anew"
    )


def test_what_was_captioned_is_not_captioned_again_after_a_restart_and_what_came_meanwhile_is(
    tmp_path: Path, picture: bytes
) -> None:
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads/before.jpg").write_bytes(picture)
    stack = Stack(tmp_path, CAPTION_MODEL="file://tests/bundles/tiny")
    eventually(f"{stack.url}/captions/uploads/before.jpg")
    assert stack.stop() == 0
    published = tmp_path / "captions/uploads/before.jpg.json"
    written = published.stat().st_mtime_ns
    (tmp_path / "uploads/meanwhile.jpg").write_bytes(picture)
    stack.start()
    assert eventually(f"{stack.url}/captions/uploads/meanwhile.jpg").status_code == 200
    assert stack.stop() == 0
    assert published.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/content_type"),
        ({"content_type": "text/html"}, "#/content_type"),
        ({"content_type": "image/svg+xml"}, "#/content_type"),
        ({"content_type": None}, "#/content_type"),
        ({"content_type": "image/jpeg", "filename": ""}, "#/filename"),
        ({"content_type": "image/jpeg", "filename": "a/b.jpg"}, "#/filename"),
        ({"content_type": "image/jpeg", "filename": ".."}, "#/filename"),
        ({"content_type": "image/jpeg", "filename": "${filename}"}, "#/filename"),
        ({"content_type": "image/jpeg", "filename": "a" * 201}, "#/filename"),
        ({"content_type": "image/jpeg", "filename": 7}, "#/filename"),
        ([], "#"),
    ],
)
def test_leave_for_what_cannot_be_is_refused_and_named(stack: Stack, body: Any, pointer: str) -> None:
    headers = {"Content-Type": "application/json"}
    problem = assert_is_a_problem(stack.post("/uploads", data=json.dumps(body), headers=headers), 422)
    assert problem["errors"][0]["pointer"] == pointer
    assert problem["errors"][0]["detail"].startswith(("must", "is required"))


def test_leave_is_asked_for_in_json_with_or_without_the_last_slash(stack: Stack) -> None:
    assert stack.post("/uploads/", json={"content_type": "image/png"}).status_code == 200
    assert_is_a_problem(stack.post("/uploads", data="{", headers={"Content-Type": "application/json"}), 400)
    assert_is_a_problem(stack.post("/uploads", data="<a/>", headers={"Content-Type": "text/xml"}), 415)
    assert_is_a_problem(stack.get("/uploads"), 404)


@pytest.mark.parametrize(
    "path",
    [
        "uploads/none.jpg",
        "uploads",
        "captions.db",
        "..%2Fcaptions.db",
        "uploads/..%2F..%2Fetc",
        "%00",
        "uploads/%ff",
        "uploads/a%0Ab",
        "%0A",
    ],
)
def test_of_what_was_never_uploaded_there_is_no_caption(stack: Stack, path: str) -> None:
    answer = stack.get(f"/captions/{path}")
    assert_is_a_problem(answer, 404)
    assert answer.json()["detail"] == "no picture was uploaded under this key"


def test_a_form_that_is_none_is_refused_as_s3_refuses_it(stack: Stack, picture: bytes) -> None:
    url = stack.url + upload_forms.PATH
    form = "multipart/form-data"
    headers = {"Content-Type": form}
    for answer in (
        requests.post(url, data=b"text", timeout=30),
        requests.post(url, data=b"text", headers=headers, timeout=30),
        requests.post(url, data=b"", timeout=30),
        requests.post(url, data=b"x", headers={"Content-Type": f"{form}; boundary=x; charset=none"}, timeout=30),
    ):
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/xml")
        assert "<Code>MalformedPOSTRequest</Code>" in answer.text
    presigned = ask(stack)
    answer = requests.post(url, files={name: (None, value) for name, value in presigned["fields"].items()}, timeout=30)
    assert (answer.status_code, "<Code>InvalidArgument</Code>" in answer.text) == (400, True)
    # S3 ignores what comes after the picture: here, all that lets it in.
    late = {"file": picture} | {name: (None, value) for name, value in presigned["fields"].items()}
    answer = requests.post(url, files=late, timeout=30)
    assert (answer.status_code, "<Code>AccessDenied</Code>" in answer.text) == (403, True)


def test_a_picture_of_the_largest_size_is_let_in_and_one_byte_more_is_not(stack: Stack) -> None:
    presigned = ask(stack)
    for size in (MAX_BYTES + 1, upload_forms.LIMIT + 1):
        answer = post(presigned, b"a" * size)
        assert (answer.status_code, "<Code>EntityTooLarge</Code>" in answer.text) == (400, True)
    assert_is_a_problem(requests.get(presigned["caption_url"], timeout=30), 404)
    assert post(presigned, b"a" * MAX_BYTES).status_code == 204
    assert eventually(presigned["caption_url"]).status_code == 422


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=()), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)


@settings(max_examples=examples(30), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    body=st.fixed_dictionaries(
        {}, optional={"content_type": st.just("image/png") | ANYTHING, "filename": st.text(max_size=9) | ANYTHING}
    )
    | ANYTHING
)
def test_whatever_is_asked_for_the_answer_is_leave_or_a_problem(stack: Stack, body: Any) -> None:
    answer = stack.post("/uploads", data=json.dumps(body), headers={"Content-Type": "application/json"})
    if answer.status_code != 200:
        assert_is_a_problem(answer, 422)
    else:
        presigned = answer.json()
        assert presigned["fields"]["key"] == presigned["key"]
        assert requests.get(presigned["caption_url"], timeout=30).status_code == 404


@settings(max_examples=examples(30), deadline=None, suppress_health_check=list(HealthCheck))
@given(key=st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_whatever_key_is_asked_for_nothing_is_known_of_it(stack: Stack, key: str) -> None:
    # A client would take away dots that lead upwards.
    answer = stack.get(f"/captions/uploads/x{quote(key, safe='')}")
    assert_is_a_problem(answer, 404)
