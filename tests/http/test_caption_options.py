"""How a caption is chosen, as a caller asks for it: width of the beam, length, alternatives."""

import json
from typing import Any

import pytest

from captioning.model.decoding import MAX_BEAM_WIDTH, MAX_LENGTH_PENALTY
from tests.support.pictures import speckled
from tests.support.stack import ROOT, Stack

MANIFEST = json.loads((ROOT / "models/flickr8k/manifest.json").read_text())
OWN = MANIFEST["decoding"]


def caption(stack: Stack, content: bytes, query: str = "") -> dict[str, Any]:
    answer = stack.post(f"/generate-caption/{query}", files={"file": ("image.jpg", content)})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_asked_for_nothing_the_bundles_own_options_hold(stack: Stack, picture: bytes) -> None:
    first = caption(stack, picture)
    query = f"?beam_width={OWN['beam_width']}&length_penalty={OWN['length_penalty']}"
    assert caption(stack, picture, query) == {**first, "cached": True}
    assert set(first) == {"filename", "caption", "confidence", "sure", "model_version", "cached"}


@pytest.mark.parametrize("query", ["?beam_width=2", "?beam_width=10", "?length_penalty=0.25", "?length_penalty=5"])
def test_other_options_are_another_answer_kept_by_itself(stack: Stack, picture: bytes, query: str) -> None:
    caption(stack, picture)
    first = caption(stack, picture, query)
    assert first["cached"] is False
    assert caption(stack, picture, query) == {**first, "cached": True}


def test_alternatives_are_the_best_captions_the_first_of_them_the_answer(stack: Stack) -> None:
    content = speckled(5)
    found = caption(stack, content, "?beam_width=5&alternatives=5")
    alternatives = found["alternatives"]
    assert alternatives[0] == {name: found[name] for name in ("caption", "confidence", "sure")}
    assert len({one["caption"] for one in alternatives}) == len(alternatives) == 5
    assert all(0 < one["confidence"] <= 1 for one in alternatives)
    sure_from = MANIFEST["confidence"]["sure_from"]
    for one in alternatives:
        # Rounding may take a confidence that is close to the bound to its other side.
        assert one["sure"] is (one["confidence"] >= sure_from) or abs(one["confidence"] - sure_from) < 1e-4
    fewer = caption(stack, content, "?beam_width=5&alternatives=2")
    assert fewer["cached"] is True
    assert fewer["alternatives"] == alternatives[:2]


def test_for_many_alternatives_the_beam_is_widened_unless_its_width_is_given(stack: Stack) -> None:
    content = speckled(6)
    wide = caption(stack, content, f"?alternatives={MAX_BEAM_WIDTH}")
    assert len(wide["alternatives"]) > OWN["beam_width"]
    assert caption(stack, content, f"?beam_width={MAX_BEAM_WIDTH}") == {
        name: value for name, value in {**wide, "cached": True}.items() if name != "alternatives"
    }
    assert (
        caption(stack, content, "?alternatives=1")["alternatives"][0]["caption"] == caption(stack, content)["caption"]
    )


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        *(
            (f"beam_width={value}", "beam_width")
            for value in ("0", "-1", MAX_BEAM_WIDTH + 1, "x", "", "2.5", "1e1", "1_0")
        ),
        *(
            (f"length_penalty={value}", "length_penalty")
            for value in (-0.1, MAX_LENGTH_PENALTY + 0.1, "nan", "inf", "x", "", "1_0")
        ),
        *((f"alternatives={value}", "alternatives") for value in ("0", MAX_BEAM_WIDTH + 1, "all", "-1")),
        ("beam_width=3&alternatives=4", "alternatives"),
        ("beam_width=" + "9" * 5_000, "beam_width"),
    ],
)
def test_an_option_outside_its_limits_is_refused_by_name(
    stack: Stack, picture: bytes, query: str, parameter: str
) -> None:
    answer = stack.post(f"/generate-caption/?{query}", files={"file": ("image.jpg", picture)})
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["parameter"] for error in answer.json()["errors"]] == [parameter]
    assert answer.json()["detail"].startswith(f"{parameter}: must be ")
    # Pydantic's own words speak of validity and parsing.
    assert "valid" not in answer.json()["detail"]


def test_all_options_that_are_wrong_are_told(stack: Stack, picture: bytes) -> None:
    query = "?beam_width=0&length_penalty=9&alternatives=x"
    answer = stack.post(f"/generate-caption/{query}", files={"file": ("image.jpg", picture)})
    assert {error["parameter"] for error in answer.json()["errors"]} == {"beam_width", "length_penalty", "alternatives"}
