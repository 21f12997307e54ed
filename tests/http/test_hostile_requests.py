"""Whatever JSON a caller sends, the answer is never a 5xx, and an error is always a problem."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.stack import Stack
from tests.support.thorough import examples

# Surrogates included: JSON can write half of a pair, and UTF-8 cannot.
TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
ANYTHING = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))
NAMES = st.sampled_from(["api", "init_strength", "guidance_scale", "controlnet_weight", "strength", "x"]) | TEXT
VALUES = st.sampled_from(["leonardo", "stablediffusion", 0.3, "7.5", 0.8, "1e400", 10**400]) | ANYTHING
PARAMETERS = st.dictionaries(NAMES, VALUES, max_size=6) | ANYTHING
RESULT = st.fixed_dictionaries(
    {},
    optional={
        "parameters": PARAMETERS,
        "rating": st.sampled_from([4, "4.5"]) | ANYTHING,
        "mode": st.sampled_from(["structure", "surfaces"]) | ANYTHING,
        "suggestion_id": ANYTHING,
    },
)
UPDATE = st.fixed_dictionaries({"results": st.lists(RESULT | ANYTHING, max_size=3) | ANYTHING}) | ANYTHING
SUGGEST = st.fixed_dictionaries({}, optional={"mode": ANYTHING, "num_suggestions": ANYTHING}) | ANYTHING

hostile = settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def _send(stack: Stack, path: str, body: Any) -> None:
    answer = stack.post(path, data=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code < 500, f"{answer.status_code} for {body!r}"
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code


@hostile
@given(body=UPDATE)
def test_updates(stack: Stack, body: Any) -> None:
    _send(stack, "/ml/update_model", body)


@hostile
@given(body=SUGGEST)
def test_suggestions(stack: Stack, body: Any) -> None:
    _send(stack, "/ml/suggest_parameters", body)


@pytest.mark.parametrize("key", ["\ud800", "\x00", "a/b~c", "ñ" * 300])
def test_a_strange_name_is_named_in_the_answer(stack: Stack, key: str) -> None:
    body = {"results": [{"parameters": {"api": "leonardo", key: 1}, "rating": 4}]}

    _send(stack, "/ml/update_model", body)


@pytest.mark.parametrize(
    "query", ["mode=%00", "mode=%ff", "mode=%ed%a0%80", "mode=" + "x" * 5000, "mode=a&mode=b", "=&&;"]
)
def test_strange_queries(stack: Stack, query: str) -> None:
    answer = stack.get(f"/ml/stats?{query}")

    assert answer.status_code in {200, 422}


@pytest.mark.parametrize("name", ["", "a" * 2000 + ".jpg", "../../etc/passwd", 'a"b.jpg', "ñ\u202e.jpg"])
def test_strange_file_names_are_only_names(stack: Stack, picture: bytes, name: str) -> None:
    answer = stack.post("/generate-caption/", files={"file": (name, picture)})

    assert answer.status_code in {200, 400, 422}
    if answer.status_code == 200:
        assert set(answer.json()) == {"filename", "caption", "confidence", "sure", "model_version", "cached"}
