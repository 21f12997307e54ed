"""The whole system on a table: from the HTTP request to DynamoDB and back, and what callers hear when it is away."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import Stack
from tests.support.stores import store_url


@pytest.fixture
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    running = Stack(tmp_path, OBSERVATION_STORE=store_url(request, "dynamodb"))
    yield running
    assert running.stop() == 0


def test_ratings_are_taken_once_learned_from_and_there_after_a_restart(stack: Stack) -> None:
    asked = stack.post("/ml/suggest_parameters", json={"mode": "surfaces", "num_suggestions": 6}).json()
    results = [
        {"parameters": parameters, "rating": 1 + step % 5, "suggestion_id": identity}
        for step, (parameters, identity) in enumerate(zip(asked["suggestions"], asked["suggestion_ids"], strict=True))
    ]
    for _ in range(2):
        told = stack.post("/ml/update_model", json={"results": results}, headers={"Idempotency-Key": "once"})
        assert (told.status_code, told.json()["samples_seen"]) == (200, 6)
    other = stack.post("/ml/update_model", json={"results": results[:1]}, headers={"Idempotency-Key": "once"})
    assert other.status_code == 422

    stack.stop()
    stack.start()
    stats = stack.get("/ml/stats?mode=surfaces").json()
    assert (stats["samples_seen"], stats["best_rating"]) == (6, 5)
    assert stats["recommended_parameters"]
    history = stack.get("/ml/history?limit=4").json()
    assert [entry["rating"] for entry in history["observations"]] == [1, 5, 4, 3]
    assert history["next_cursor"]
    again = stack.post("/ml/suggest_parameters", json={"mode": "surfaces", "num_suggestions": 2}).json()
    assert not [one for one in again["suggestions"] if one in asked["suggestions"]]


def test_a_store_that_is_away_is_a_503_that_says_when_to_come_back(tmp_path: Path) -> None:
    stack = Stack(tmp_path, OBSERVATION_STORE="dynamodb://observations?endpoint=http://127.0.0.1:9")
    body = {"results": [{"parameters": {"api": "leonardo", "init_strength": 0.2, "guidance_scale": 7}, "rating": 4}]}
    body["results"][0]["parameters"]["controlnet_weight"] = 0.8  # type: ignore[index]
    for answer in (
        stack.get("/health"),
        stack.post("/ml/suggest_parameters", json={"mode": "structure"}),
        stack.post("/ml/update_model", json=body),
    ):
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert "127.0.0.1" not in answer.text
        assert answer.elapsed.total_seconds() < 29
    assert "cannot be reached" in stack.output
    assert stack.stop() == 0


def test_a_table_that_is_missing_is_a_503_and_a_line_in_the_log(tmp_path: Path, dynamodb_endpoint: str) -> None:
    stack = Stack(tmp_path, OBSERVATION_STORE=f"dynamodb://nobody-made-it?endpoint={dynamodb_endpoint}")
    answer = stack.get("/ml/stats")
    assert answer.status_code == 503
    assert "nobody-made-it" not in answer.text
    assert "nobody-made-it cannot be used" in stack.output
    assert stack.stop() == 0
