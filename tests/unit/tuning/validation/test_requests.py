"""Requests about studies, suggestions and corrections: what callers may say, and what they are told."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tuning.errors import InvalidRequestError
from tuning.spaces import Spaces
from tuning.validation.requests import (
    RESERVED_STUDIES,
    parse_archiving,
    parse_correction,
    parse_study_request,
    parse_suggest,
    validate_query,
)

NOW = datetime(2030, 1, 2, tzinfo=UTC)


def fields_of(caught: pytest.ExceptionInfo[InvalidRequestError]) -> dict[tuple[str | int, ...], str]:
    return {field.location: field.message for field in caught.value.fields}


@pytest.mark.parametrize("name", ["a", "0", "kitchens-2026", "a.b_c-d", "x" * 64, "all-of-them"])
def test_names_that_a_study_may_have(name: str) -> None:
    assert parse_study_request({"name": name}).name == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x" * 65,
        "Kitchens",
        "küche",
        "a/b",
        "../a",
        ".",
        "..",
        ".a",
        "-a",
        "_a",
        "a b",
        "a\n",
        "a#b",
        7,
        True,
        [],
        {},
        *sorted(RESERVED_STUDIES),
    ],
)
def test_names_that_a_study_may_not_have(name: object) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse_study_request({"name": name})
    assert list(fields_of(caught)) == [("name",)]


@pytest.mark.parametrize("request_body", [{}, {"name": None}, [], "kitchens", None, 3])
def test_a_study_has_to_have_a_name(request_body: object) -> None:
    with pytest.raises(InvalidRequestError):
        parse_study_request(request_body)


def test_a_study_is_not_based_on_itself_nor_on_nonsense() -> None:
    for based_on in ("a", "A", "../b"):
        with pytest.raises(InvalidRequestError) as caught:
            parse_study_request({"name": "a", "based_on": based_on})
        assert list(fields_of(caught)) == [("based_on",)]


@pytest.mark.parametrize(
    ("body", "where", "words"),
    [
        ({"Mode": "surfaces"}, ("Mode",), "did you mean mode?"),
        ({"num_sugestions": 2}, ("num_sugestions",), "did you mean num_suggestions?"),
        ({"numSuggestions": 2}, ("numSuggestions",), "did you mean num_suggestions?"),
        ({"api": "leonardo"}, ("api",), '"fixed": {"api": ...}'),
        ({"guidance_scale": 7}, ("guidance_scale",), '"fixed": {"guidance_scale": ...}'),
        ({"count": 2}, ("count",), "num_suggestions"),
        ({"mode": "colour"}, ("mode",), "must be one of structure, surfaces"),
        ({"mode": None}, ("mode",), "must be one of structure, surfaces"),
        ({"study": "Kitchens"}, ("study",), "must be 1 to 64 of a-z"),
        ({"fixed": []}, ("fixed",), "must be"),
    ],
)
def test_a_request_for_suggestions_that_is_nearly_right_is_refused(
    spaces: Spaces, body: dict[str, Any], where: tuple[str, ...], words: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse_suggest(body, spaces, default_count=2)
    found = fields_of(caught)
    assert list(found) == [where]
    assert words in found[where]


def test_what_a_request_for_suggestions_has_beside_is_listed(spaces: Spaces) -> None:
    asked = parse_suggest({"client": "x", "image_url": "y"}, spaces, default_count=2)
    assert (asked.study, asked.mode.name, asked.count, asked.fixed) == ("default", "structure", 2, None)
    assert asked.ignored == ("/client", "/image_url")


def test_a_correction_says_what_to_correct() -> None:
    correction, ignored = parse_correction({"rating": "4.5", "reviser": "ana", "why": "typo"}, now=NOW)
    assert (correction.rating, correction.comment, correction.withdrawn, correction.reviser) == (4.5, None, None, "ana")
    assert ignored == ("/why",)


@pytest.mark.parametrize("empty", [None, ""])
def test_a_comment_can_be_removed(empty: object) -> None:
    correction, _ = parse_correction({"comment": empty}, now=NOW)
    assert correction.comment == ""


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reviser": "ana"},
        {"rating": 0},
        {"rating": 6},
        {"rating": "five"},
        {"rating": None},
        {"withdrawn": "yes"},
        {"withdrawn": None},
        {"withdrawn": 1},
        {"comment": "x" * 501},
        {"comment": 7},
        {"rating": 4, "reviser": "a\nb"},
        {"rating": 4, "reviser": "x" * 65},
        {"Rating": 4},
        {"rating": 4, "parameters": {}},
        {"rating": 4, "rater": "ana"},
        [],
        None,
    ],
)
def test_a_correction_that_says_nothing_or_nonsense_is_refused(body: object) -> None:
    with pytest.raises(InvalidRequestError):
        parse_correction(body, now=NOW)


def test_archiving_is_true_or_false() -> None:
    assert parse_archiving({"archived": True, "x": 1}) == (True, ("/x",))
    assert parse_archiving({"archived": False}) == (False, ())
    for body in (
        {},
        {"archived": None},
        {"archived": "true"},
        {"archived": 1},
        {"archive": True},
        {"archived": True, "note": "x"},
    ):
        with pytest.raises(InvalidRequestError):
            parse_archiving(body)


def test_a_query_that_is_nearly_right_is_refused() -> None:
    validate_query(["mode", "utm_source"], ["mode", "study"])
    with pytest.raises(InvalidRequestError) as caught:
        validate_query(["Mode", "studdy"], ["mode", "study"])
    assert [(field.location, field.root) for field in caught.value.fields] == [
        (("Mode",), "query"),
        (("studdy",), "query"),
    ]
