"""What people ask of a study, asked of the running stack."""

from typing import Any

import pytest

from tests.http.test_bad_input import LEONARDO, STABLE_DIFFUSION, assert_is_a_problem
from tests.http.test_studies import begin, update
from tests.support.stack import Stack

PEOPLE = ("ana", "bo", "cy")


@pytest.fixture(scope="module")
def rated(stack: Stack) -> Stack:
    """The stack with a study of 24 ratings by three people in one of its modes, and of two ratings in the other."""
    begin(stack, "asked")
    results = []
    for number in range(24):
        leonardo = number % 2 == 0
        parameters = dict(LEONARDO if leonardo else STABLE_DIFFUSION)
        parameters["init_strength" if leonardo else "strength"] = round(0.12 + number * 0.015, 2)
        parameters["guidance_scale"] = 5 + number % 7
        rating = min(5, max(1, round(2 * (4 - abs(number - 12) / 6 - (not leonardo))) / 2))
        results.append({"parameters": parameters, "rating": rating, "rater": PEOPLE[number % 3]})
    update(stack, *results, study="asked", mode="structure")
    update(stack, *results[:2], study="asked", mode="surfaces")
    return stack


def get(stack: Stack, path: str, **query: Any) -> dict[str, Any]:
    answer = stack.get(path, params={"study": "asked", **query})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def numbers(of: object) -> list[float]:
    """Every number of a JSON value."""
    if isinstance(of, dict):
        return [number for member in of.values() for number in numbers(member)]
    if isinstance(of, list):
        return [number for member in of for number in numbers(member)]
    return [float(of)] if isinstance(of, int | float) and not isinstance(of, bool) else []


def test_stats_tell_each_mode_and_are_rounded_to_what_they_mean(rated: Stack) -> None:
    stats = get(rated, "/ml/stats")
    structure, surfaces = stats["modes"]["structure"], stats["modes"]["surfaces"]

    assert list(stats["modes"]) == ["structure", "surfaces"]
    assert (stats["samples_seen"], structure["samples_seen"], surfaces["samples_seen"]) == (26, 24, 2)
    assert all(round(number, 2) == number for number in numbers(stats))
    interval = structure["recommended_interval"]
    assert 1 <= interval["low"] <= structure["recommended_mean"] <= interval["high"] <= 5
    assert structure["expected_improvement"] <= 5 - structure["recommended_mean"] + 0.011  # both are rounded
    assert sum(structure["chances"].values()) == pytest.approx(1, abs=0.011)
    assert structure["chances"]["leonardo"] > structure["chances"]["stablediffusion"]
    assert structure["importance"]["leonardo"]["parameters"].keys() == LEONARDO.keys() - {"api"}
    assert [(one["rater"], one["ratings"]) for one in structure["raters"]] == [(name, 8) for name in PEOPLE]
    assert structure["raters_total"] == 3
    assert all(one["leniency_deviation"] > 0 < one["reliability_deviation"] for one in structure["raters"])
    for name in ("recommended_parameters", "recommended_mean", "recommended_interval", "expected_improvement"):
        assert stats[name] == structure[name]
    # Two ratings tell nothing yet.
    assert (surfaces["recommended_mean"], surfaces["improving"]) == (None, None)
    assert (surfaces["chances"], surfaces["importance"], surfaces["raters"]) == ({}, {}, [])
    assert not stats["converged"]


def test_stats_of_one_mode_have_that_mode_alone(rated: Stack) -> None:
    stats = get(rated, "/ml/stats", mode="surfaces")

    assert list(stats["modes"]) == ["surfaces"]
    assert stats["recommended_mean"] is None


def test_the_surrogate_is_drawn_along_one_parameter_of_each_api(rated: Stack) -> None:
    found = get(rated, "/ml/surrogate", parameter="init_strength", points=5)

    assert (found["study"], found["mode"], found["samples_seen"]) == ("asked", "structure", 24)
    assert [(one["api"], one["parameters"]) for one in found["curves"]] == [
        ("leonardo", ["init_strength"]),
        ("stablediffusion", ["strength"]),
    ]
    leonardo = found["curves"][0]
    assert [point["values"] for point in leonardo["points"]] == [[0.1], [0.2], [0.3], [0.4], [0.5]]
    assert leonardo["through"].keys() == LEONARDO.keys()
    for point in leonardo["points"]:
        assert 1 <= point["interval"]["low"] <= point["mean"] <= point["interval"]["high"] <= 5
    assert all(0.5 <= one["nearness"] <= 1 and one["parameters"]["api"] == "leonardo" for one in leonardo["rated"])


def test_the_surrogate_is_drawn_over_two_parameters_through_what_is_fixed(rated: Stack) -> None:
    query = {"parameter": ["guidance_scale", "init_strength"], "api": "leonardo", "fixed": "controlnet_weight:0.9"}
    (curve,) = get(rated, "/ml/surrogate", **query)["curves"]

    assert len(curve["points"]) == 17 * 17
    assert curve["through"]["controlnet_weight"] == 0.9


def test_progress_has_a_step_for_each_rating_from_the_sixth_on(rated: Stack) -> None:
    found = get(rated, "/ml/progress")

    assert [step["samples_seen"] for step in found["steps"]] == list(range(6, 25))
    assert found["complete"] is True
    assert all(round(number, 2) == number for step in found["steps"] for number in numbers(step))
    stats = get(rated, "/ml/stats", mode="structure")
    last = found["steps"][-1]
    assert (last["parameters"], last["mean"], last["interval"], last["expected_improvement"]) == (
        stats["recommended_parameters"],
        stats["recommended_mean"],
        stats["recommended_interval"],
        stats["expected_improvement"],
    )
    assert get(rated, "/ml/progress", mode="surfaces")["steps"] == []


def test_sixteen_ratings_of_five_are_told_on_the_scale(stack: Stack) -> None:
    begin(stack, "fives")
    update(stack, *[{"parameters": LEONARDO, "rating": 5}] * 16, study="fives")
    stats = get(stack, "/ml/stats", study="fives")

    assert 4.8 < stats["recommended_mean"] <= 5
    assert stats["expected_improvement"] <= 5 - stats["recommended_mean"] + 0.005
    assert stats["converged"] is True
    assert stats["modes"]["surfaces"]["converged"] is False


@pytest.mark.parametrize(
    ("query", "parameter", "said"),
    [
        ({}, "parameter", "it is missing"),
        ({"parameter": "guidance_scal"}, "parameter", "did you mean guidance_scale?"),
        ({"parameter": ["guidance_scale", "guidance_scale"]}, "parameter", "two different ones"),
        ({"parameter": "strength", "api": "leonardo"}, "parameter", "belongs to stablediffusion"),
        ({"parameter": "guidance_scale", "api": "leonard"}, "api", "did you mean leonardo?"),
        ({"parameter": "guidance_scale", "points": 1000}, "points", "2 to 101"),
        ({"parameter": "guidance_scale", "points": "many"}, "points", "must be a whole number, not 'many'"),
        ({"parameter": "guidance_scale", "points": "NaN"}, "points", "must be a whole number, not 'NaN'"),
        ({"parameter": "guidance_scale", "points": ""}, "points", "must be a whole number, not ''"),
        ({"parameter": "guidance_scale", "points": "1_0"}, "points", "must be a whole number, not '1_0'"),
        ({"parameter": "guidance_scale", "points": "5.5"}, "points", "must be a whole number, not '5.5'"),
        ({"parameter": "guidance_scale", "points": "\u0665"}, "points", "must be a whole number, not '\u0665'"),
        ({"parameter": "guidance_scale", "points": "9" * 5000}, "points", "must be a whole number, not '999"),
        ({"parameter": "guidance_scale", "points": "9" * 40}, "points", "must be a whole number from 2 to 101"),
        ({"parameter": "guidance_scale", "fixed": "init_strength:NaN"}, "fixed", "must be a number"),
        ({"parameter": "guidance_scale", "fixed": "init_strength:7"}, "fixed", "must lie within 0.1 to 0.5"),
        ({"parameter": "guidance_scale", "fixed": "init_strength"}, "fixed", "must be a name and a value"),
        ({"parameter": "guidance_scale", "init_strength": "0.3"}, "init_strength", "did you mean fixed=init_strength:"),
        ({"parameters": "guidance_scale"}, "parameters", "did you mean parameter?"),
        ({"parameter": "guidance_scale", "mode": "colour"}, "mode", "structure, surfaces"),
        ({"parameter": "guidance_scale", "mode": "Structure"}, "mode", "did you mean structure?"),
    ],
)
def test_what_is_wrong_with_a_slice_is_named(rated: Stack, query: dict[str, Any], parameter: str, said: str) -> None:
    problem = assert_is_a_problem(rated.get("/ml/surrogate", params={"study": "asked", **query}), 422)

    assert [error["parameter"].split(".")[0] for error in problem["errors"]] == [parameter]
    assert said in problem["errors"][0]["detail"]


def test_too_few_ratings_are_told_and_how_many_are_missing(rated: Stack) -> None:
    query = {"study": "asked", "mode": "surfaces", "parameter": "guidance_scale"}
    problem = assert_is_a_problem(rated.get("/ml/surrogate", params=query), 409)

    assert problem["detail"] == (
        "mode surfaces of study asked has 2 ratings, and the model speaks from 6 on: rate 4 more"
    )


@pytest.mark.parametrize("path", ["/ml/surrogate?parameter=guidance_scale", "/ml/progress?"])
def test_a_study_that_there_is_not_is_missing_and_the_nearest_is_named(rated: Stack, path: str) -> None:
    problem = assert_is_a_problem(rated.get(f"{path}&study=askd"), 404)

    assert "did you mean asked?" in problem["detail"]


@pytest.mark.parametrize("path", ["/ml/stats", "/ml/progress"])
def test_a_parameter_of_the_surrogate_is_refused_elsewhere(rated: Stack, path: str) -> None:
    problem = assert_is_a_problem(rated.get(f"{path}?api=leonardo"), 422)

    assert problem["errors"] == [{"detail": "is not known here; this call does not take it", "parameter": "api"}]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("/ml/stats?study=asked&mode=structure&mode=surfaces", "mode"),
        ("/ml/progress?study=asked&study=default", "study"),
        ("/ml/surrogate?study=asked&parameter=guidance_scale&points=5&points=7", "points"),
    ],
)
def test_of_several_values_of_a_parameter_none_is_chosen(rated: Stack, query: str, parameter: str) -> None:
    problem = assert_is_a_problem(rated.get(query), 422)

    assert [error["parameter"] for error in problem["errors"]] == [parameter]
    assert problem["errors"][0]["detail"].startswith("must have one value, not ")
    # The same value again says nothing else.
    assert rated.get("/ml/stats?study=asked&study=asked").json()["samples_seen"] == 26
