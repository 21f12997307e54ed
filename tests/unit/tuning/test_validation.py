"""The gate: what callers may send, what they may not, and what they are told."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuning.errors import InvalidRequestError
from tuning.observations import Setting
from tuning.space_file import load_spaces
from tuning.spaces import Spaces
from tuning.stores.records import dump_setting, load_setting
from tuning.validation import MAX_INVALID_FIELDS, parse_results

LEONARDO: dict[str, Any] = {
    "api": "leonardo",
    "init_strength": 0.28,
    "guidance_scale": 7.2,
    "controlnet_weight": 0.89,
}
SPACES = load_spaces()


def result(rating: object = 4.0, **changes: object) -> dict[str, Any]:
    return {"parameters": {**LEONARDO, **changes}, "rating": rating}


def problems_of(results: object, spaces: Spaces) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(InvalidRequestError) as caught:
        parse_results(results, spaces)
    return [(field.location, field.message) for field in caught.value.fields]


def test_the_published_body_is_accepted(spaces: Spaces) -> None:
    (parsed,) = parse_results([result()], spaces)
    assert parsed.setting.to_plain() == LEONARDO
    assert (parsed.rating, parsed.suggestion_id, parsed.mode) == (4.0, None, None)


def test_numbers_may_come_as_strings(spaces: Spaces) -> None:
    (parsed,) = parse_results(
        [result("4.5", init_strength="0.28", guidance_scale=" 7.2", controlnet_weight="89e-2")], spaces
    )
    assert parsed.setting == Setting.from_plain(LEONARDO)
    assert parsed.rating == 4.5


def test_a_legal_value_is_kept_exactly_and_not_rounded(spaces: Spaces) -> None:
    (parsed,) = parse_results([result(init_strength=0.284, guidance_scale=0.1 + 6.1, controlnet_weight=0.7)], spaces)
    assert dict(parsed.setting.values) == {
        "init_strength": 0.284,
        "guidance_scale": 0.1 + 6.1,
        "controlnet_weight": 0.7,
    }


def test_a_bound_missed_by_floating_point_dust_is_met(spaces: Spaces) -> None:
    assert parse_results([result(init_strength=0.5000000000000001)], spaces)
    assert problems_of([result(init_strength=0.500001)], spaces) == [
        (("results", 0, "parameters", "init_strength"), "must lie within 0.1 to 0.5, not 0.50000100000000003")
    ]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (None, "must be a number, not null"),
        (True, "must be a number, not true"),
        ("", "must be a number, not ''"),
        ("high", "must be a number, not 'high'"),
        ("nan", "must be a number, not 'nan'"),
        ("1_0", "must be a number, not '1_0'"),
        ("\N{ARABIC-INDIC DIGIT SEVEN}", "must be a number, not "),
        ("0" * 100, "must be a number, not "),
        ([7], "must be a number, not a list"),
        ({}, "must be a number, not an object"),
        (b"7", "must be a number, not a value of type bytes"),
        (math.nan, "must be a finite number"),
        (math.inf, "must be a finite number"),
        ("1e999", "must be a finite number"),
        (10**400, "must be a finite number"),
        (4.9, "must lie within 5 to 12"),
        (12.1, "must lie within 5 to 12"),
        (-7.2, "must lie within 5 to 12"),
        (10**300, "must lie within 5 to 12"),
    ],
)
def test_what_is_no_legal_number_is_refused_at_its_place(raw: object, message: str, spaces: Spaces) -> None:
    ((location, found),) = problems_of([result(), result(guidance_scale=raw)], spaces)
    assert location == ("results", 1, "parameters", "guidance_scale")
    assert found.startswith(message)


@pytest.mark.parametrize("rating", [0.999, 5.001, 0, 6, -1, "5.1", None, math.nan, math.inf, "good", False, []])
def test_a_rating_outside_one_to_five_is_refused(rating: object, spaces: Spaces) -> None:
    ((location, _),) = problems_of([result(rating)], spaces)
    assert location == ("results", 0, "rating")


@pytest.mark.parametrize(
    ("entry", "place", "message"),
    [
        (3, (), "must be an object, not 3"),
        (None, (), "must be an object, not null"),
        ({"rating": 3}, ("parameters",), "is missing"),
        ({"parameters": None, "rating": 3}, ("parameters",), "must be an object, not null"),
        ({"parameters": LEONARDO}, ("rating",), "is missing"),
        (
            {"parameters": {}, "rating": 3},
            ("parameters", "api"),
            "must be one of leonardo, stablediffusion; it is missing",
        ),
        (result(api="dalle"), ("parameters", "api"), "must be one of leonardo, stablediffusion, not 'dalle'"),
        (result(api=["leonardo"]), ("parameters", "api"), "must be one of leonardo, stablediffusion, not a list"),
        (result(strength=None), ("parameters", "strength"), "belongs to stablediffusion; leonardo takes init_strength"),
        (result(seed=1), ("parameters", "seed"), "is not known; leonardo takes init_strength"),
        ({**result(), "mode": "colour"}, ("mode",), "must be one of structure, surfaces, not 'colour'"),
        ({**result(), "mode": 1}, ("mode",), "must be one of structure, surfaces, not 1"),
        ({**result(), "suggestion_id": ""}, ("suggestion_id",), "must be a text of 1 to 64"),
        ({**result(), "suggestion_id": "x" * 65}, ("suggestion_id",), "must be a text of 1 to 64"),
        ({**result(), "suggestion_id": 7}, ("suggestion_id",), "must be a text of 1 to 64"),
        ({**result(), "suggestion_id": "a\nb"}, ("suggestion_id",), "must be a text of 1 to 64"),
    ],
)
def test_a_malformed_entry_is_refused_at_its_place(
    entry: object, place: tuple[str, ...], message: str, spaces: Spaces
) -> None:
    ((location, found),) = problems_of([entry], spaces)
    assert location == ("results", 0, *place)
    assert found.startswith(message)


def test_a_missing_parameter_is_named(spaces: Spaces) -> None:
    body = result()
    del body["parameters"]["controlnet_weight"]
    assert problems_of([body], spaces) == [(("results", 0, "parameters", "controlnet_weight"), "is missing")]


def test_all_problems_of_a_request_are_told_at_once(spaces: Spaces) -> None:
    found = problems_of([result(9, init_strength=None, guidance_scale=99), result(), "x", result(0)], spaces)
    assert [location for location, _ in found] == [
        ("results", 0, "parameters", "init_strength"),
        ("results", 0, "parameters", "guidance_scale"),
        ("results", 0, "rating"),
        ("results", 2),
        ("results", 3, "rating"),
    ]


def test_the_number_of_problems_told_is_bounded(spaces: Spaces) -> None:
    body = result()
    body["parameters"] |= {f"unknown{i}": 1 for i in range(2 * MAX_INVALID_FIELDS)}
    found = problems_of([body], spaces)
    assert len(found) == MAX_INVALID_FIELDS
    assert found[-1] == (("results",), "and 1,001 more problems")


def test_a_number_past_all_bounds_is_refused_wherever_it_stands(spaces: Spaces) -> None:
    for entry, place in (
        ({**result(), "mode": 10**400}, ("mode",)),
        (result(api=10**400), ("parameters", "api")),
        (10**400, ()),
    ):
        ((location, found),) = problems_of([entry], spaces)
        assert location == ("results", 0, *place)
        assert found.endswith("not a number too large to tell")


def painted(**changes: object) -> dict[str, Any]:
    return {"api": "painter", "strength": 0.25, "steps": 20, "sampler": "heun", **changes}


@pytest.mark.parametrize("raw", [20, 20.0, "20", "20.0", " 2e1"])
def test_a_whole_number_may_be_written_as_people_write_it(raw: object, mixed: Spaces) -> None:
    (parsed,) = parse_results([{"parameters": painted(steps=raw), "rating": 4}], mixed)
    assert parsed.setting.to_plain() == painted()
    assert [type(value) for _, value in parsed.setting.values] == [float, int, str]


@pytest.mark.parametrize(
    ("changes", "name", "message"),
    [
        ({"steps": 20.5}, "steps", "must be a whole number, not 20.5"),
        ({"steps": "3.5"}, "steps", "must be a whole number, not 3.5"),
        ({"steps": 9}, "steps", "must lie within 10 to 50, not 9"),
        ({"steps": 51.0}, "steps", "must lie within 10 to 50, not 51"),
        ({"steps": "many"}, "steps", "must be a number, not 'many'"),
        ({"steps": True}, "steps", "must be a number, not true"),
        ({"steps": 1e300}, "steps", "must lie within 10 to 50, not "),
        ({"sampler": "ancestral"}, "sampler", "must be one of euler, heun, dpm++ 2m, not 'ancestral'"),
        ({"sampler": "Heun"}, "sampler", "must be one of euler, heun, dpm++ 2m, not 'Heun'"),
        ({"sampler": 0}, "sampler", "must be one of euler, heun, dpm++ 2m, not 0"),
        ({"sampler": None}, "sampler", "must be one of euler, heun, dpm++ 2m, not null"),
        ({"sampler": ["heun"]}, "sampler", "must be one of euler, heun, dpm++ 2m, not a list"),
        ({"strength": "heun"}, "strength", "must be a number, not 'heun'"),
    ],
)
def test_a_value_of_another_kind_is_refused_at_its_place(
    changes: dict[str, object], name: str, message: str, mixed: Spaces
) -> None:
    ((location, found),) = problems_of([{"parameters": painted(**changes), "rating": 4}], mixed)
    assert location == ("results", 0, "parameters", name)
    assert found.startswith(message)


@pytest.mark.parametrize("results", [[], [result()] * 1_001, None, "[]", {"0": result()}, 5])
def test_an_update_has_one_to_a_thousand_results_in_a_list(results: object, spaces: Spaces) -> None:
    ((location, _),) = problems_of(results, spaces)
    assert location == ("results",)


def test_a_thousand_results_are_accepted(spaces: Spaces) -> None:
    assert len(parse_results([result()] * 1_000, spaces)) == 1_000


def test_settings_are_equal_whatever_the_order_of_their_values(leonardo: Setting) -> None:
    turned = Setting(leonardo.api, leonardo.values[::-1])
    assert turned == leonardo
    assert hash(turned) == hash(leonardo)
    assert turned.key == leonardo.key
    assert Setting("stablediffusion", leonardo.values) != leonardo


def test_equal_settings_have_one_key_and_different_ones_have_two() -> None:
    equal = [Setting("a", (("p", value), ("q", zero))) for value, zero in ((3, 0.0), (3.0, -0.0), (3.0, 0))]
    assert len(set(equal)) == len({setting.key for setting in equal}) == 1
    pairs = [("3", "0.0"), ("3.0", "0.0"), ("x'&q='0", "y"), ("x", "0'&q='y")]
    others = {Setting("a", (("p", one), ("q", other))).key for one, other in pairs}
    assert len(others | {equal[0].key}) == 5


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ('{"api": "a", "p": 0.28, "q": 30.0}', [float, float]),  # as every release before whole numbers wrote
        ('{"api": "a", "p": 30, "q": "heun"}', [int, str]),
    ],
)
def test_a_stored_setting_is_read_as_it_was_written(text: str, types: list[type]) -> None:
    setting = load_setting(text)
    assert [type(value) for _, value in setting.values] == types
    assert dump_setting(setting) == text


keys = st.sampled_from(["parameters", "rating", "mode", "suggestion_id", "x"])
names = st.sampled_from([*LEONARDO, "strength", "x"])


@given(
    st.lists(st.dictionaries(keys, json_values | st.dictionaries(names, json_values | st.just("leonardo"))), max_size=3)
    | json_values
)
def test_no_json_whatever_gets_more_than_an_answer(results: object) -> None:
    try:
        parsed = parse_results(results, SPACES)
    except InvalidRequestError as refusal:
        json.dumps([[field.location, field.message] for field in refusal.fields], ensure_ascii=False).encode()
        parsed = ()
    assert all(1 <= entry.rating <= 5 for entry in parsed)


def test_an_unknown_name_that_no_text_can_hold_is_still_told(spaces: Spaces) -> None:
    ((location, _),) = problems_of([result(**{"\ud800": 1})], spaces)
    assert location == ("results", 0, "parameters", "?")
