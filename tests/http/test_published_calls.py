"""The calls that clients of the two original services make, answered in the shapes that those published."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.stack import Stack

BOUNDS = {
    "leonardo": {"init_strength": (0.1, 0.5), "guidance_scale": (5, 12), "controlnet_weight": (0.7, 0.99)},
    "stablediffusion": {
        "strength": (0.1, 0.5),
        "guidance_scale": (5, 12),
        "controlnet_conditioning_scale": (0.7, 0.99),
    },
}
PARAMETERS = {"api": "leonardo", "init_strength": 0.28, "guidance_scale": 7.2, "controlnet_weight": 0.89}
FIELDS = {
    "/health": {"status", "service", "version", "optimizer_samples"},
    "/ml/suggest_parameters": {"suggestions", "suggestion_ids"},
    "/ml/update_model": {"updated", "samples_seen", "convergence_score"},
    "/ml/stats": {"samples_seen", "convergence", "best_parameters", "best_rating"}
    | {"expected_improvement", "recommended_mode", "recommended_parameters", "recommended_mean"}
    | {"recommended_deviation", "recommended_rated", "converged", "apis"},
    "/ml/history": {"observations", "next_cursor"},
}
"""What each answer has had from the start. Others may stand beside them."""
RATED = {"mode", "parameters", "rating", "recorded_at", "suggestion_id"}
"""Likewise, each entry of the history."""


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Stack]:
    running = Stack(tmp_path)
    yield running
    running.stop()


def _assert_is_a_suggestion(suggestion: dict[str, Any]) -> None:
    bounds = BOUNDS[suggestion["api"]]
    assert set(suggestion) == {"api", *bounds}
    for name, (low, high) in bounds.items():
        assert low <= suggestion[name] <= high
        assert round(suggestion[name], 1 if name == "guidance_scale" else 2) == suggestion[name]


@pytest.mark.parametrize("mode", ["structure", "surfaces"])
def test_suggest_parameters(stack: Stack, mode: str) -> None:
    response = stack.post("/ml/suggest_parameters", json={"mode": mode, "num_suggestions": 2})

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    answer = response.json()
    assert answer.keys() >= FIELDS["/ml/suggest_parameters"]
    assert len(answer["suggestions"]) == 2
    for suggestion in answer["suggestions"]:
        _assert_is_a_suggestion(suggestion)
    assert len(set(answer["suggestion_ids"])) == 2


def test_suggest_parameters_defaults_to_two_for_structure(stack: Stack) -> None:
    assert len(stack.post("/ml/suggest_parameters", json={}).json()["suggestions"]) == 2


def test_a_study_as_published_from_the_first_rating_to_the_twenty_fourth(fresh: Stack) -> None:
    empty = fresh.get("/ml/stats").json()
    assert (empty["samples_seen"], empty["convergence"]) == (0, 0.0)
    assert (empty["best_parameters"], empty["best_rating"]) == (None, None)

    results = [{"parameters": PARAMETERS | {"guidance_scale": 5 + n / 4}, "rating": 1 + n / 8} for n in range(22)]
    assert fresh.post("/ml/update_model", json={"results": results}).status_code == 200
    best = PARAMETERS | {"guidance_scale": 11.9}
    fresh.post("/ml/update_model", json={"results": [{"parameters": best, "rating": 4.5}]})
    assert fresh.get("/health").json() == {
        "status": "healthy",
        "service": "ml-service",
        "version": "1.0.0",
        "optimizer_samples": 23,
    }

    updated = fresh.post("/ml/update_model", json={"results": [{"parameters": PARAMETERS, "rating": 4.0}]})
    assert updated.status_code == 200
    published = {"updated": True, "samples_seen": 24, "convergence_score": 0.48}
    assert published.items() <= updated.json().items()

    stats = fresh.get("/ml/stats").json()
    assert (stats["samples_seen"], stats["convergence"]) == (24, 0.48)
    assert (stats["best_parameters"], stats["best_rating"]) == (best, 4.5)
    assert stats["apis"]["leonardo"]["count"] == 24
    assert stats["apis"]["stablediffusion"] == {"count": 0, "mean_rating": None}
    assert stats["recommended_rated"] in {True, False}


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"mode": "structure"},
        {"mode": None, "suggestion_id": None},
        {"suggestion_id": "of-nobody"},
        {"rating": "3.5"},
        {"rating": 1},
        {"parameters": {name: str(value) for name, value in PARAMETERS.items()}},
    ],
)
def test_an_update_as_published_means_the_default_study(stack: Stack, result: dict[str, Any]) -> None:
    before = stack.get("/health").json()["optimizer_samples"]
    body = {"results": [{"parameters": PARAMETERS, "rating": 4.0} | result]}
    answer = stack.post("/ml/update_model", json=body)

    assert answer.status_code == 200, answer.text
    assert FIELDS["/ml/update_model"] <= answer.json().keys()
    assert (answer.json()["samples_seen"], answer.json()["study"]) == (before + 1, "default")
    assert answer.json()["ignored"] == answer.json()["replaced"] == []
    (newest,) = stack.get("/ml/history?limit=1").json()["observations"]
    assert newest.keys() >= RATED
    assert newest["parameters"] == PARAMETERS
    assert newest["suggestion_id"] == result.get("suggestion_id")


def test_other_studies_change_nothing_that_published_calls_answer(fresh: Stack) -> None:
    asked = {path: fresh.get(path).json() for path in ("/health", "/ml/stats", "/ml/history")}
    suggest, update = "/ml/suggest_parameters", "/ml/update_model"

    assert fresh.post("/ml/studies", json={"name": "another"}).status_code == 201
    told = {"results": [{"parameters": PARAMETERS, "rating": 5, "rater": "ana"}] * 7, "study": "another"}
    assert fresh.post(update, json=told).json()["samples_seen"] == 7
    (other,) = fresh.post(suggest, json={"num_suggestions": 1, "study": "another"}).json()["suggestions"]

    assert {path: fresh.get(path).json() for path in asked} == asked
    for path, answer in asked.items():
        assert answer.keys() >= FIELDS[path]
    # The other study's suggestion is no reason to count it there, nor is it in the way here.
    answer = fresh.post(update, json={"results": [{"parameters": other, "rating": 4}]}).json()
    assert (answer["samples_seen"], answer["convergence_score"]) == (1, 0.02)
    assert fresh.post(suggest, json={}).json().keys() >= FIELDS[suggest]
    assert fresh.get("/ml/stats?study=another").json()["samples_seen"] == 7


def test_the_typescript_client_sends_back_what_it_stored_as_strings(fresh: Stack) -> None:
    (suggestion, _) = fresh.post("/ml/suggest_parameters", json={"mode": "surfaces"}).json()["suggestions"]
    stored = {name: str(value) for name, value in suggestion.items()}

    answer = fresh.post("/ml/update_model", json={"results": [{"parameters": stored, "rating": "3.5"}]})

    assert answer.json()["samples_seen"] == 1
    # It does not say the mode; the result belongs to the one whose suggestion has these parameters.
    assert fresh.get("/ml/stats?mode=surfaces").json()["samples_seen"] == 1
    assert fresh.get("/ml/stats?mode=structure").json()["samples_seen"] == 0


def test_the_typescript_client_is_told_plainly_about_a_null(stack: Stack) -> None:
    body = {"results": [{"parameters": PARAMETERS | {"guidance_scale": None}, "rating": 4.0}]}

    answer = stack.post("/ml/update_model", json=body)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "results[0].parameters.guidance_scale: must be a number, not null"
    assert answer.json()["errors"][0]["pointer"] == "#/results/0/parameters/guidance_scale"


def test_the_history_pages_through_every_rating_newest_first(fresh: Stack) -> None:
    results = [{"parameters": PARAMETERS, "rating": 1 + n / 4} for n in range(5)]
    fresh.post("/ml/update_model", json={"results": results})
    fresh.post("/ml/update_model", json={"results": [{"parameters": PARAMETERS, "rating": 5, "mode": "surfaces"}]})

    ratings, cursor = [], ""
    while True:
        page = fresh.get(f"/ml/history?limit=4{cursor}").json()
        ratings += [one["rating"] for one in page["observations"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"

    assert ratings == [5, 2, 1.75, 1.5, 1.25, 1]
    (one,) = fresh.get("/ml/history?mode=surfaces").json()["observations"]
    assert (one["mode"], one["parameters"], one["suggestion_id"]) == ("surfaces", PARAMETERS, None)


@pytest.mark.parametrize("path", ["/generate-caption/", "/generate-caption"])
def test_generate_caption(stack: Stack, picture: bytes, path: str) -> None:
    answer = stack.post(path, files={"file": ("image.jpg", picture)}, allow_redirects=False)

    assert answer.status_code == 200
    body = answer.json()
    assert body["filename"] == "image.jpg"
    assert re.fullmatch(r"[a-z0-9' ,-]+", body["caption"])
    assert 0 < body["confidence"] <= 1
    assert body["model_version"]


def test_the_same_picture_asked_twice_is_answered_from_the_store(fresh: Stack, picture: bytes) -> None:
    first, second = (fresh.post("/generate-caption/", files={"file": ("image.jpg", picture)}).json() for _ in range(2))

    assert (first.pop("cached"), second.pop("cached")) == (False, True)
    assert first == second


def test_the_captioners_health(stack: Stack) -> None:
    body = stack.get("/generate-caption/health").json()

    assert (body["status"], body["models_loaded"]) == ("healthy", True)
    assert body["model_version"]


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_pages_name_no_other_host(stack: Stack, path: str) -> None:
    page = stack.get(path)

    assert page.headers["content-type"].startswith("text/html")
    for address in re.findall(r"""(?:src|href)=["']([^"']+)|url: ['"]([^'"]+)""", page.text):
        own = "".join(address)
        assert own.startswith(("/", "data:")), own
        # Whether Studio was built is no affair of theirs.
        if own.startswith("/") and own != "/studio":
            assert stack.get(own).status_code == 200


def test_the_openapi_document_has_every_published_path(stack: Stack) -> None:
    document = stack.get("/openapi.json").json()

    assert {
        ("/health", "get"),
        ("/ml/suggest_parameters", "post"),
        ("/ml/update_model", "post"),
        ("/ml/stats", "get"),
        ("/generate-caption/", "post"),
    } <= {(path, method) for path, operations in document["paths"].items() for method in operations}
