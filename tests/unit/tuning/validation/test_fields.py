"""Fields that nobody knows: refused if they are nearly a known one, else listed."""

import pytest

from tuning.validation.fields import Level, capped, judge, nearest_field

KNOWN = ("mode", "num_suggestions", "study", "fixed", "suggestion_id", "rating", "rater", "picture", "comment")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Mode", "mode"),
        ("MODE", "mode"),
        ("suggestionId", "suggestion_id"),
        ("suggestion-id", "suggestion_id"),
        ("suggestion id", "suggestion_id"),
        ("sugestion_id", "suggestion_id"),
        ("num_sugestions", "num_suggestions"),
        ("num_suggestion", "num_suggestions"),
        ("numSuggestions", "num_suggestions"),
        ("nmu_suggestions", "num_suggestions"),
        ("studdy", "study"),
        ("ratign", "rating"),
        ("raitng", "rating"),
        ("ratings", "rating"),
        ("raters", "rater"),
        ("comments", "comment"),
        ("pictures", "picture"),
        ("mdoe", "mode"),
    ],
)
def test_what_is_nearly_a_known_field_is_taken_for_it(written: str, meant: str) -> None:
    assert nearest_field(written, KNOWN) == meant


@pytest.mark.parametrize(
    "name", ["user", "image_url", "x", "", "timestamp", "client_version", "node_id", "ñ", "💡", "notes"]
)
def test_what_is_like_none_is_like_none(name: str) -> None:
    assert nearest_field(name, KNOWN) is None


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_field_is_not_taken_for_another(name: str) -> None:
    assert nearest_field(name, KNOWN) is None


def test_a_field_of_another_level_is_refused_with_its_place() -> None:
    level = Level(("results",), {"rating": "it belongs to each of the results"})
    (invalid,), ignored = judge(["rating"], level, ("body",))
    assert (invalid.location, invalid.message) == (
        ("body", "rating"),
        "is not known here; it belongs to each of the results",
    )
    assert ignored == []


def test_what_is_not_known_is_pointed_to() -> None:
    invalid, ignored = judge(["a/b", "c~d", "half \ud800", "x" * 1_000, 7], Level(("results",), {}), ("results", 3))
    assert invalid == []
    assert ignored == [
        "/results/3/a~1b",
        "/results/3/c~0d",
        "/results/3/half ?",
        f"/results/3/{'x' * 64}",
        "/results/3/7",
    ]


def test_an_answer_lists_a_hundred_and_says_how_many_more_there_are() -> None:
    assert capped(["/a"] * 100) == ("/a",) * 100
    assert capped(["/a"] * 1_101)[100:] == ("and 1,001 more",)
