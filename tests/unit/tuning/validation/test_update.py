"""The gate: what callers may send, what they may not, and what they are told."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.spaces import modes
from tuning.errors import InvalidRequestError
from tuning.observations import Setting
from tuning.spaces import Api, Fixed, Mode, RealParameter, Spaces
from tuning.stores.records import dump_setting, load_setting
from tuning.validation.fields import MAX_INVALID_FIELDS
from tuning.validation.settings import parse_fixed
from tuning.validation.space_file import load_spaces
from tuning.validation.update import Result, parse_update

LEONARDO: dict[str, Any] = {
    "api": "leonardo",
    "init_strength": 0.28,
    "guidance_scale": 7.2,
    "controlnet_weight": 0.89,
}
SPACES = load_spaces()


def result(rating: object = 4.0, **changes: object) -> dict[str, Any]:
    return {"parameters": {**LEONARDO, **changes}, "rating": rating}


def parse_results(results: object, spaces: Spaces) -> tuple[Result, ...]:
    return parse_update({"results": results}, spaces).results


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
    values = {"init_strength": 0.2804, "guidance_scale": 6.200001, "controlnet_weight": 0.70000012}
    (parsed,) = parse_results([result(**values)], spaces)
    assert dict(parsed.setting.values) == values


def test_a_value_that_single_precision_has_moved_is_put_back(spaces: Spaces) -> None:
    moved = {"init_strength": 0.30000001192092896, "guidance_scale": 0.1 + 6.1, "controlnet_weight": 0.9900000095367432}
    (parsed,) = parse_results([result(**moved)], spaces)
    assert dict(parsed.setting.values) == {"init_strength": 0.3, "guidance_scale": 6.2, "controlnet_weight": 0.99}


@pytest.mark.parametrize("api", SPACES.apis, ids=lambda api: api.name)
def test_every_suggestible_value_survives_single_precision(api: Api) -> None:
    middle = {parameter.name: parameter.unscale(0.5) for parameter in api.parameters}
    for parameter in api.parameters:
        assert isinstance(parameter, RealParameter)
        grid = [parameter.unscale(step / parameter.steps) for step in range(parameter.size)]
        assert len(set(grid)) == parameter.size
        for start in range(0, len(grid), 1_000):
            some = grid[start : start + 1_000]
            told = [{"api": api.name, **middle, parameter.name: float(np.float32(value))} for value in some]
            parsed = parse_results([{"parameters": plain, "rating": 3} for plain in told], SPACES)
            assert [dict(one.setting.values)[parameter.name] for one in parsed] == some


@given(modes(digits=5), st.data())
def test_single_precision_moves_no_value_of_any_space_off_its_grid(mode: Mode, data: st.DataObject) -> None:
    """As long as it tells the values of the grid apart, and a whole number from its neighbours."""
    wish = {parameter.name: parameter.unscale(data.draw(st.floats(0, 1))) for parameter in mode.apis[0].parameters}
    told = {name: value if isinstance(value, str) else float(np.float32(value)) for name, value in wish.items()}
    plain = {"api": mode.apis[0].name}
    (parsed,) = parse_results([{"parameters": plain | told, "rating": 3}], Spaces((mode,), "any"))
    assert parsed.setting.to_plain() == plain | wish


def test_a_value_near_zero_is_zero() -> None:
    mode = Mode("any", (Api("only", (RealParameter("p", "p", -0.1, 0.1, 2),)),))
    for raw, value in ((0.1 + 0.2 - 0.3, 0.0), (-1e-9, 0.0), (1e-6, 1e-6)):
        (parsed,) = parse_results([{"parameters": {"api": "only", "p": raw}, "rating": 3}], Spaces((mode,), "any"))
        assert str(parsed.setting.values[0][1]) == str(value)


def test_a_bound_missed_by_floating_point_dust_is_met(spaces: Spaces) -> None:
    assert parse_results([result(init_strength=0.5000000000000001)], spaces)
    assert problems_of([result(init_strength=0.500001)], spaces) == [
        (("results", 0, "parameters", "init_strength"), "must lie within 0.1 to 0.5, not 0.500001")
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
        ({"steps": 20.5}, "steps", "must be a whole number, not 20.5; the nearest is 20"),
        ({"steps": 1.5}, "steps", "must be a whole number, not 1.5; the nearest is 10"),
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
    assert all(entry.rating is None or 1 <= entry.rating <= 5 for entry in parsed)


def test_an_unknown_name_that_no_text_can_hold_is_still_told(spaces: Spaces) -> None:
    ((location, _),) = problems_of([result(**{"\ud800": 1})], spaces)
    assert location == ("results", 0, "parameters", "?")


@pytest.mark.parametrize(
    ("body", "where", "words"),
    [
        ({"Mode": "surfaces"}, ("Mode",), "did you mean mode?"),
        ({"rating": 4}, ("rating",), "it belongs to each of the results"),
        ({"suggestionId": "x"}, ("suggestionId",), "it belongs to each of the results"),
        ({"num_suggestions": 2}, ("num_suggestions",), "suggest_parameters"),
        ({"study": "Kitchens"}, ("study",), "must be 1 to 64 of a-z"),
        ({"mode": "colour"}, ("mode",), "must be one of structure, surfaces"),
        ({"rater": "a\nb"}, ("rater",), "must be a pseudonym of 1 to 64 characters"),
        ({"rater": "x" * 10_000}, ("rater",), "must be a pseudonym of 1 to 64 characters"),
        ({"rater": "  "}, ("rater",), "must not be blank"),
        ({"picture": "x" * 129}, ("picture",), "must be an id of 1 to 128 characters"),
        ({"picture": 7}, ("picture",), "must be an id of 1 to 128 characters"),
    ],
)
def test_what_is_said_for_all_results_is_judged(
    spaces: Spaces, body: dict[str, Any], where: tuple[str, ...], words: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse_update({"results": [result()], **body}, spaces)
    found = {field.location: field.message for field in caught.value.fields}
    assert list(found) == [where]
    assert words in found[where]


@pytest.mark.parametrize(
    ("more", "where", "words"),
    [
        ({"suggestionId": "x"}, "suggestionId", "did you mean suggestion_id?"),
        ({"Rating": 3}, "Rating", "did you mean rating?"),
        ({"study": "default"}, "study", "say it once, beside results"),
        ({"failed": "refused"}, "failed", "cannot stand beside a rating"),
        ({"comment": "x" * 501}, "comment", "must be a text of 1 to 500 characters"),
        ({"comment": "a\x00b"}, "comment", "must be a text of 1 to 500 characters"),
        ({"rater": "a\u2028b"}, "rater", "must be a pseudonym"),
        ({"picture": ""}, "picture", "must be an id"),
    ],
)
def test_what_a_result_says_beside_its_rating_is_judged(
    spaces: Spaces, more: dict[str, Any], where: str, words: str
) -> None:
    found = dict(problems_of([{**result(), **more}], spaces))
    assert list(found) == [("results", 0, where)]
    assert words in found["results", 0, where]


@pytest.mark.parametrize("reason", ["", 7, True, "x" * 501, {}])
def test_a_failure_says_why(spaces: Spaces, reason: object) -> None:
    body = {"parameters": LEONARDO, "failed": reason}
    assert [where for where, _ in problems_of([body], spaces)] == [("results", 0, "failed")]


def test_a_result_without_a_rating_that_did_not_fail_is_refused(spaces: Spaces) -> None:
    assert problems_of([{"parameters": LEONARDO, "failed": None}], spaces) == [(("results", 0, "rating"), "is missing")]


def test_what_a_result_says_goes_before_what_is_said_for_all(spaces: Spaces) -> None:
    first = {**result(), "rater": "bea", "picture": "p2", "mode": "structure", "comment": "two\nlines"}
    failed = {"parameters": LEONARDO, "failed": "the enhancer refused"}
    asked = parse_update(
        {"results": [first, failed], "study": "kitchens", "mode": "surfaces", "rater": "ana", "picture": "p1"}, spaces
    )
    assert asked.study == "kitchens"
    own, common = asked.results
    assert (own.mode, own.rater, own.picture, own.comment, own.failed) == ("structure", "bea", "p2", "two\nlines", None)
    assert (common.mode, common.rater, common.picture, common.rating) == ("surfaces", "ana", "p1", None)
    assert common.failed == "the enhancer refused"


def test_a_person_is_one_rater_however_the_name_was_typed(spaces: Spaces) -> None:
    names = ["José", "Jose\u0301", " José ", "José\u00a0"]
    asked = parse_update({"results": [{**result(), "rater": name} for name in names]}, spaces)
    assert {one.rater for one in asked.results} == {"José"}


def test_fields_that_nobody_knows_are_listed(spaces: Spaces) -> None:
    asked = parse_update({"results": [{**result(), "image": "x"}, {**result(), "user": 1}], "client": {}}, spaces)
    assert asked.ignored == ("/client", "/results/0/image", "/results/1/user")


def fixed_of(raw: object, mode: Mode) -> Fixed:
    fixed = parse_fixed(raw, mode)
    assert fixed is not None
    return fixed


def refused(raw: object, mode: Mode) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(InvalidRequestError) as caught:
        parse_fixed(raw, mode)
    return [(field.location, field.message) for field in caught.value.fields]


BOTH = ("leonardo", "stablediffusion")
TAKEN = "; ".join(
    f"{api.name} takes {', '.join(parameter.name for parameter in api.parameters)}" for api in SPACES.apis
)


@pytest.mark.parametrize(
    ("raw", "apis", "values"),
    [
        ({"api": "leonardo"}, ("leonardo",), {}),
        ({"guidance_scale": 7}, BOTH, {"guidance_scale": 7.0}),
        ({"guidance_scale": " 7.0"}, BOTH, {"guidance_scale": 7.0}),
        ({"guidance_scale": float(np.float32(7.2))}, BOTH, {"guidance_scale": 7.2}),
        ({"strength": 0.5}, ("stablediffusion",), {"strength": 0.5}),
        ({"api": "stablediffusion", "guidance_scale": 12}, ("stablediffusion",), {"guidance_scale": 12.0}),
        (LEONARDO, ("leonardo",), {name: value for name, value in LEONARDO.items() if name != "api"}),
    ],
)
def test_an_api_parameters_or_both_are_fixed(
    raw: object, apis: tuple[str, ...], values: dict[str, float], mode: Mode
) -> None:
    fixed = fixed_of(raw, mode)
    assert (fixed.apis, dict(fixed.values)) == (apis, values)
    assert all(type(value) is float for _, value in fixed.values)


def test_nothing_fixed_is_nothing(mode: Mode) -> None:
    assert parse_fixed(None, mode) is None


def test_whole_numbers_and_choices_are_fixed_where_they_are_offered(mixed: Spaces) -> None:
    portraits = mixed.modes[0]
    assert fixed_of({"sampler": "heun"}, portraits) == Fixed(("painter", "printer"), (("sampler", "heun"),))
    assert fixed_of({"sampler": "ancestral"}, portraits) == Fixed(("printer",), (("sampler", "ancestral"),))
    steps = fixed_of({"steps": "20.0"}, portraits)
    assert steps == Fixed(("painter",), (("steps", 20),))
    assert type(steps.values[0][1]) is int


def test_an_api_that_cannot_take_the_value_is_left_out() -> None:
    coarse, fine = (RealParameter("p", "p", 0.0, high, decimals) for high, decimals in ((1.0, 1), (2.0, 2)))
    mode = Mode("any", (Api("coarse", (coarse,)), Api("fine", (fine,))))
    assert fixed_of({"p": 0.5}, mode).apis == ("coarse", "fine")
    assert fixed_of({"p": 0.55}, mode) == Fixed(("fine",), (("p", 0.55),))
    assert fixed_of({"p": 1.5}, mode).apis == ("fine",)
    ((location, message),) = refused({"p": 1.556}, mode)
    assert location == ("fixed", "p")
    assert message.startswith("coarse: must lie within 0 to 1, not 1.556")
    assert message.endswith("; fine: is suggested in steps of 0.01: the nearest to 1.556 is 1.56")


@pytest.mark.parametrize(
    ("raw", "place", "message"),
    [
        ({}, (), "must be an object with an api, parameters or both, not an empty one"),
        ([], (), "must be an object with an api, parameters or both, not a list"),
        ("leonardo", (), "must be an object with an api, parameters or both, not 'leonardo'"),
        (False, (), "must be an object with an api, parameters or both, not false"),
        ({"api": "dalle"}, ("api",), "must be one of leonardo, stablediffusion, not 'dalle'"),
        ({"api": None}, ("api",), "must be one of leonardo, stablediffusion, not null"),
        ({"api": ["leonardo"]}, ("api",), "must be one of leonardo, stablediffusion, not a list"),
        (
            {"seed": 1},
            ("seed",),
            f"is not known; {TAKEN}",
        ),
        (
            {"api": "leonardo", "strength": 0.3},
            ("strength",),
            "belongs to stablediffusion; leonardo takes init_strength, guidance_scale, controlnet_weight",
        ),
        ({"guidance_scale": 4.9}, ("guidance_scale",), "must lie within 5 to 12, not 4.9"),
        ({"guidance_scale": 1e300}, ("guidance_scale",), "must lie within 5 to 12, not 1e+300"),
        ({"guidance_scale": None}, ("guidance_scale",), "must be a number, not null"),
        ({"guidance_scale": "high"}, ("guidance_scale",), "must be a number, not 'high'"),
        (
            {"guidance_scale": 7.25},
            ("guidance_scale",),
            "is suggested in steps of 0.1: the nearest to 7.25 is 7.2",
        ),
        (
            {"init_strength": "0.2804"},
            ("init_strength",),
            "is suggested in steps of 0.01: the nearest to 0.2804 is 0.28",
        ),
        (
            {"init_strength": 0.3, "strength": 0.3},
            (),
            f"no API takes all of these together: init_strength 0.3, strength 0.3; {TAKEN}",
        ),
    ],
)
def test_what_cannot_be_fixed_is_refused_at_its_place(
    raw: object, place: tuple[str, ...], message: str, mode: Mode
) -> None:
    assert refused(raw, mode) == [(("fixed", *place), message)]


def test_values_that_no_api_takes_together_are_refused(mixed: Spaces) -> None:
    ((location, message),) = refused({"sampler": "ancestral", "steps": 20}, mixed.modes[0])
    assert location == ("fixed",)
    assert message.startswith("no API takes all of these together: sampler ancestral, steps 20; painter takes strength")
    assert refused({"steps": 20.5}, mixed.modes[0]) == [
        (("fixed", "steps"), "must be a whole number, not 20.5; the nearest is 20")
    ]


def test_all_that_is_wrong_with_what_is_fixed_is_told_at_once(mode: Mode) -> None:
    raw = {"seed": 1, "api": "dalle", "guidance_scale": 99, "init_strength": 0.3, "strength": "x", "\ud800": 1}
    assert [location for location, _ in refused(raw, mode)] == [
        ("fixed", "api"),
        ("fixed", "seed"),
        ("fixed", "guidance_scale"),
        ("fixed", "strength"),
        ("fixed", "?"),
    ]
    many = refused({f"unknown{index}": 1 for index in range(2 * MAX_INVALID_FIELDS)}, mode)
    assert len(many) == MAX_INVALID_FIELDS
    assert many[-1] == (("fixed",), "and 1,001 more problems")


@given(st.dictionaries(names, json_values | st.sampled_from(["leonardo", 0.3, "7.0"])) | json_values)
def test_no_json_whatever_fixes_what_cannot_be_suggested(raw: object) -> None:
    try:
        fixed = parse_fixed(raw, SPACES.modes[0])
    except InvalidRequestError as refusal:
        json.dumps([[field.location, field.message] for field in refusal.fields], ensure_ascii=False).encode()
        return
    if fixed is not None:
        values = dict(fixed.values)
        apis = [api for api in SPACES.modes[0].apis if api.name in fixed.apis]
        assert len(apis) == len(fixed.apis) > 0
        for api in apis:
            grid = {one.name: one for one in api.parameters if isinstance(one, RealParameter)}
            assert {name: grid[name].snap(float(value)) for name, value in values.items()} == values
