"""GET /captions as callers meet it: pages of what was dropped or uploaded, over HTTP, on the running stack."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.http.test_bad_input import assert_is_a_problem
from tests.http.test_upload_api import eventually
from tests.support.stack import Stack

NAMES = ("broken.jpg", "dog.jpg", "two dogs + a été 100% 🐶.jpg")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, picture: bytes) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("listing")
    (folder / "uploads").mkdir()
    for name in NAMES:
        (folder / "uploads" / name).write_bytes(b"hello" if name.startswith("broken") else picture)
    running = Stack(folder, CAPTION_MODEL="file://tests/bundles/tiny")
    for name in NAMES:
        eventually(f"{running.url}/captions/uploads/{name}")
    yield running
    assert running.stop() == 0


def listed(stack: Stack, **query: Any) -> dict[str, Any]:
    answer = stack.get("/captions", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert set(found) == {"uploads", "next_cursor"}
    return found


def test_what_lies_in_uploads_is_listed_with_what_became_of_it(stack: Stack, picture: bytes) -> None:
    page = listed(stack)
    assert page["next_cursor"] is None
    broken, dog, other = page["uploads"]
    alone = stack.get("/captions/uploads/dog.jpg").json()
    rest = {"reason": None, "size": len(picture), "uploaded_at": dog["uploaded_at"]}
    assert dog == {"sure": None, **alone, **rest}
    assert abs(datetime.now(UTC) - datetime.fromisoformat(dog["uploaded_at"])) < timedelta(minutes=5)
    assert other["key"] == f"uploads/{NAMES[2]}"
    why = assert_is_a_problem(stack.get("/captions/uploads/broken.jpg"), 422)["detail"]
    assert why == f"the picture cannot be captioned: {broken['reason']}"
    assert {name: broken[name] for name in ("status", "caption", "confidence", "model_version", "size")} == {
        "status": "failed",
        "caption": None,
        "confidence": None,
        "model_version": None,
        "size": 5,
    }


def test_pages_follow_each_other_and_a_status_narrows_them(stack: Stack) -> None:
    first = listed(stack, limit=2)
    second = listed(stack, limit=2, cursor=first["next_cursor"])
    assert [one["key"] for one in first["uploads"] + second["uploads"]] == [f"uploads/{name}" for name in NAMES]
    assert second["next_cursor"] is None
    assert [one["key"] for one in listed(stack, status="captioned")["uploads"]] == [f"uploads/{n}" for n in NAMES[1:]]
    assert listed(stack, status="pending") == {"uploads": [], "next_cursor": None}


def test_the_list_is_there_with_and_without_its_last_slash(stack: Stack) -> None:
    assert stack.get("/captions/").json() == stack.get("/captions").json()


@pytest.mark.parametrize(
    ("query", "parameter", "detail"),
    [
        ("status=gone", "status", "must be 'captioned', 'failed' or 'pending'"),
        ("limit=0", "limit", "must be greater than or equal to 1"),
        ("limit=201", "limit", "must be less than or equal to 200"),
        ("limit=many", "limit", "must be a whole number, not 'many'"),
        ("cursor=here", "cursor", "is not one that an earlier page gave; begin without one"),
        ("cursor=", "cursor", "is not one that an earlier page gave; begin without one"),
        ("state=failed", "state", "is not known here"),
        ("status=failed&status=pending", "status", "has 2 values; send one"),
    ],
)
def test_a_page_that_cannot_be_is_refused_by_parameter(stack: Stack, query: str, parameter: str, detail: str) -> None:
    problem = assert_is_a_problem(stack.get(f"/captions?{query}"), 422)
    assert problem["errors"][0]["parameter"] == parameter
    assert problem["errors"][0]["detail"].startswith(detail)
