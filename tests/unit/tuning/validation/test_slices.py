"""What may be asked of the surrogate, and what is refused."""

from typing import Any

import pytest

from tuning.errors import InvalidRequestError
from tuning.spaces import Spaces
from tuning.validation.slices import parse_pairs, parse_slice, refuse_values


def refused(asked: dict[str, Any], spaces: Spaces) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(InvalidRequestError) as caught:
        parse_slice(asked, spaces)
    assert {field.root for field in caught.value.fields} == {"query"}
    return [(field.location, field.message) for field in caught.value.fields]


def test_one_parameter_is_enough(spaces: Spaces) -> None:
    found = parse_slice({"parameters": ["guidance_scale"]}, spaces)

    assert (found.mode.name, found.points, found.fixed) == ("structure", 41, ())
    assert found.along == {"leonardo": ("guidance_scale",), "stablediffusion": ("guidance_scale",)}


def test_two_have_a_coarser_grid(spaces: Spaces) -> None:
    assert parse_slice({"parameters": ["guidance_scale", "strength"]}, spaces).points == 17


@pytest.mark.parametrize(
    ("asked", "field", "said"),
    [
        ({"mode": "colour"}, "mode", "must be one of structure, surfaces"),
        ({}, "parameter", "it is missing"),
        ({"parameters": []}, "parameter", "it is missing"),
        ({"parameters": ["guidance_scale"] * 2}, "parameter", "must be two different ones"),
        ({"parameters": ["guidance_scale", "strength", "init_strength"]}, "parameter", "once or twice; not 3"),
        ({"parameters": [7]}, "parameter", "must be names"),
        ({"parameters": ["guidance_scal"]}, "parameter", "did you mean guidance_scale?"),
        ({"parameters": ["colour"]}, "parameter", "is not known; leonardo takes init_strength"),
        ({"parameters": ["strength"], "api": "leonardo"}, "parameter", "belongs to stablediffusion; leonardo takes"),
        ({"parameters": ["strength", "init_strength"]}, "parameter", "they share a coordinate"),
        ({"parameters": ["guidance_scale"], "api": "leonard"}, "api", "did you mean leonardo?"),
        ({"parameters": ["guidance_scale"], "api": "dalle"}, "api", "must be one of leonardo, stablediffusion"),
        ({"parameters": ["guidance_scale"], "points": 1}, "points", "2 to 101"),
        ({"parameters": ["guidance_scale"], "points": 102}, "points", "2 to 101"),
        ({"parameters": ["guidance_scale"], "points": True}, "points", "2 to 101"),
        ({"parameters": ["guidance_scale", "strength"], "points": 34}, "points", "2 to 33"),
        ({"parameters": ["guidance_scale"], "fixed": 7}, "fixed", "must be values by name"),
    ],
)
def test_what_is_wrong_is_named(asked: dict[str, Any], field: str, said: str, spaces: Spaces) -> None:
    ((location, message),) = refused(asked, spaces)

    assert location == (field,)
    assert said in message


@pytest.mark.parametrize(
    ("fixed", "field", "said"),
    [
        ({"init_strength": 0.9}, "init_strength", "must lie within 0.1 to 0.5"),
        ({"init_strength": "nan"}, "init_strength", "must be a number"),
        ({"init_strength": float("nan")}, "init_strength", "must be a finite number"),
        ({"init_strength": "inf"}, "init_strength", "must be a number"),
        ({"init_strength": 0.123}, "init_strength", "the nearest to 0.123 is 0.12"),
        ({"colour": 1}, "colour", "is not known"),
        ({"guidance_scale": 7}, "guidance_scale", "is what the slice is along"),
        ({"api": "leonardo"}, "api", "did you mean the parameter api?"),
    ],
)
def test_what_is_fixed_must_be_what_can_be_suggested(
    fixed: dict[str, Any], field: str, said: str, spaces: Spaces
) -> None:
    locations = refused({"parameters": ["guidance_scale"], "fixed": fixed}, spaces)

    assert [location for location, _ in locations] == [("fixed", field)]
    assert said in locations[0][1]


def test_what_another_api_has_cannot_be_fixed_of_one(spaces: Spaces) -> None:
    asked = {"parameters": ["guidance_scale"], "api": "leonardo", "fixed": {"strength": 0.2}}
    ((location, message),) = refused(asked, spaces)

    assert (location, "belongs to stablediffusion" in message) == (("fixed", "strength"), True)


def test_what_no_api_has_together_is_refused(mixed: Spaces) -> None:
    asked = {"parameters": ["strength"], "fixed": {"passes": 2}}
    ((location, message),) = refused(asked, mixed)

    assert (location, "leaves no API" in message) == (("fixed",), True)


def test_everything_that_is_wrong_is_listed(spaces: Spaces) -> None:
    asked = {"parameters": ["colour"], "api": "dalle", "fixed": {"init_strength": 9}, "points": 0}

    assert {location[0] for location, _ in refused(asked, spaces)} == {"api", "fixed", "points"}


def test_pairs_are_names_and_values() -> None:
    assert parse_pairs(["sampler: dpm++ 2m", "a:b:c"]) == {"sampler": "dpm++ 2m", "a": "b:c"}
    for texts in (["guidance_scale"], [":7"], ["guidance_scale:"], [""], ["a:1", "a:2"]):
        with pytest.raises(InvalidRequestError):
            parse_pairs(texts)


def test_a_parameters_name_in_the_query_is_told_where_it_belongs(spaces: Spaces) -> None:
    refuse_values(["study", "points", "colour"], spaces)
    with pytest.raises(InvalidRequestError, match="did you mean fixed=init_strength:"):
        refuse_values(["init_strength"], spaces)
