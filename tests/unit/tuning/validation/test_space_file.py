"""The search space: what is shipped, and every mistake that a file may hold."""

import re
from pathlib import Path

import pytest

from tests.support.spaces import MIXED
from tuning.errors import SpaceError
from tuning.spaces import CategoricalParameter, IntegerParameter, RealParameter, Spaces
from tuning.validation.space_file import load_spaces

GOOD = """
default_mode = "only"

[modes.only]
apis = ["one", "two"]

[apis.one.strength]
coordinate = "strength"
low = 0.1
high = 0.5
decimals = 2

[apis.two.power]
coordinate = "strength"
low = 10
high = 20
decimals = 0
"""


def test_the_shipped_space_is_the_published_one(spaces: Spaces) -> None:
    assert [mode.name for mode in spaces.modes] == ["structure", "surfaces"]
    assert spaces.default_mode == "structure"
    for mode in spaces.modes:
        assert mode.coordinates == ("strength", "guidance", "control_weight")
        assert [api.name for api in mode.apis] == ["leonardo", "stablediffusion"]
        for api in mode.apis:
            real = [p for p in api.parameters if isinstance(p, RealParameter)]
            assert [(p.low, p.high, p.decimals) for p in real] == [(0.1, 0.5, 2), (5, 12, 1), (0.7, 0.99, 2)]
    assert [p.name for p in spaces.apis[0].parameters] == ["init_strength", "guidance_scale", "controlnet_weight"]
    assert [p.name for p in spaces.apis[1].parameters] == [
        "strength",
        "guidance_scale",
        "controlnet_conditioning_scale",
    ]
    assert spaces.modes[0].size == 2 * 41 * 71 * 30


def test_a_file_of_ones_own_is_read(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(GOOD)
    space = load_spaces(path).modes[0]
    assert space.apis[1].parameters == (RealParameter("power", "strength", 10.0, 20.0, 0),)
    assert space.size == 41 + 11


def test_every_step_of_a_parameter_unscales_to_the_shortest_decimal() -> None:
    parameter = RealParameter("weight", "weight", 0.7, 0.99, 2)
    values = [parameter.unscale(step / parameter.steps) for step in range(parameter.steps + 1)]
    assert values == [float(f"0.{hundredths}") for hundredths in range(70, 100)]


def test_zero_has_no_sign() -> None:
    parameter = RealParameter("p", "p", -0.5, 0.5, 1)
    assert [str(parameter.unscale(0.5 + offset)) for offset in (-1e-9, 0.0, 1e-9)] == ["0.0"] * 3


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('default_mode = "only"', 'default_mode = "other"', "default_mode: 'other' is none of the modes"),
        ('default_mode = "only"', 'default_mode = ["only"]', "default_mode: ['only'] is none of the modes"),
        ('default_mode = "only"', "", "default_mode: is missing"),
        ('default_mode = "only"', 'default_mode = "only"\nextra = 1', "extra: is not known"),
        ('apis = ["one", "two"]', "apis = []", "[modes.only]: apis: must be a list"),
        ('apis = ["one", "two"]', 'apis = "one"', "[modes.only]: apis: must be a list"),
        ('apis = ["one", "two"]', 'apis = ["one", "three"]', "[modes.only]: apis: 'three' is not declared"),
        ('apis = ["one", "two"]', 'apis = ["one", "one"]', "[modes.only]: apis: 'one' is listed twice"),
        ('apis = ["one", "two"]', "apis = [[1]]", "[modes.only]: apis: [1] is not declared"),
        ("[modes.only]", "[modes.Only]", "[modes]: Only: names are lower-case"),
        ("low = 0.1\n", "", "[apis.one.strength]: low: is missing"),
        ("low = 0.1", 'low = "0.1"', "[apis.one.strength]: low: must be a number"),
        ("low = 0.1", "low = true", "[apis.one.strength]: low: must be a number"),
        ("low = 0.1", "low = nan", "[apis.one.strength]: low: must be a number"),
        ("low = 0.1", "low = -inf", "[apis.one.strength]: low: must be a number"),
        ("low = 0.1", "low = 0.105", "[apis.one.strength]: low: 0.105 has more than the declared 2 decimals"),
        ("low = 0.1", "low = 0.5", "[apis.one.strength]: high: must be greater than low"),
        ("decimals = 2", "decimals = 7", "[apis.one.strength]: decimals: must be a whole number from 0 to 6"),
        ("decimals = 2", "decimals = true", "[apis.one.strength]: decimals: must be a whole number"),
        ("decimals = 2", "decimals = 2\nstep = 1", "[apis.one.strength]: step: is not known"),
        ('coordinate = "strength"\nlow = 0.1', "coordinate = 3\nlow = 0.1", "[apis.one.strength]: coordinate: must be"),
        ("[apis.one.strength]", "[apis.one.api]", "[apis.one.api]: this name is reserved"),
        ("[apis.one.strength]", "[apis.two.strength]", "[apis.two.strength]: coordinate: 'strength' is used twice"),
        ("[apis.two.power]", "[apis.two]", "[apis.two]: coordinate: must be a table"),
        ("[modes.only]", "[modes.only", "at line"),
    ],
)
def test_a_mistake_is_refused_by_file_table_and_key(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = tmp_path / "wrong.toml"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(SpaceError, match=re.escape(complaint)) as caught:
        load_spaces(path)
    assert str(path) in str(caught.value)


WIDE = "".join(f'"{index}", ' for index in range(33))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("low = 10\n", "", "[apis.painter.steps]: low: is missing"),
        ("low = 10\n", "low = 10.0\n", "[apis.painter.steps]: low: must be a whole number within ±1e+09, not 10.0"),
        ("low = 10\n", "low = true\n", "[apis.painter.steps]: low: must be a whole number"),
        ("low = 10\n", "low = -1000000001\n", "[apis.painter.steps]: low: must be a whole number within"),
        ("low = 10\n", "low = 50\n", "[apis.painter.steps]: high: must be greater than low (50), not 50"),
        ("low = 10\n", "low = 10\ndecimals = 0\n", "[apis.painter.steps]: decimals: is not known; the keys are"),
        ("low = 10\n", "low = 10\nchoices = [1, 2]\n", "[apis.painter.steps]: choices: is not known"),
        ('kind = "integer"', 'kind = "whole"', "[apis.painter.steps]: kind: must be one of real, integer, "),
        (
            'kind = "integer"',
            "kind = 3",
            "[apis.painter.steps]: kind: must be one of real, integer, categorical, not 3",
        ),
        ('kind = "integer"', "kind = []", "[apis.painter.steps]: kind: must be one of"),
        ('kind = "integer"\n', "decimals = 0\n", "[apis.printer.passes]: coordinate: 'steps' is real elsewhere"),
        ('kind = "integer"\n', "", "[apis.painter.steps]: decimals: is missing"),
        ('coordinate = "sampler"\nchoices = ["heun"', 'coordinate = "steps"\nchoices = ["heun"', "'steps' is integer"),
        ('choices = ["heun", "ancestral"]', "", "[apis.printer.sampler]: choices: is missing"),
        ('choices = ["heun", "ancestral"]', 'choices = "heun"', "[apis.printer.sampler]: choices: must be a list of 2"),
        ('choices = ["heun", "ancestral"]', 'choices = ["heun"]', "choices: must be a list of 2 to 32 texts"),
        ('choices = ["heun", "ancestral"]', f"choices = [{WIDE}]", "choices: must be a list of 2 to 32 texts"),
        ('choices = ["heun", "ancestral"]', 'choices = ["heun", "heun"]', "choices: 'heun' is listed twice"),
        ('choices = ["heun", "ancestral"]', 'choices = ["heun", 2]', "choices: 2 is no text of 1 to 64"),
        ('choices = ["heun", "ancestral"]', 'choices = ["heun", ""]', "choices: '' is no text of 1 to 64"),
        ('choices = ["heun", "ancestral"]', 'choices = ["heun", "a\\n"]', "is no text of 1 to 64 printable"),
        ('choices = ["heun", "ancestral"]', f'choices = ["heun", "{"x" * 65}"]', "is no text of 1 to 64"),
        (
            'choices = ["heun", "ancestral"]',
            'choices = ["a", "b"]\nlow = 1',
            "[apis.printer.sampler]: low: is not known",
        ),
    ],
)
def test_a_mistake_in_a_whole_number_or_a_choice_is_refused_likewise(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    path = tmp_path / "wrong.toml"
    assert old in MIXED
    path.write_text(MIXED.replace(old, new, 1))
    with pytest.raises(SpaceError, match=re.escape(complaint)) as caught:
        load_spaces(path)
    assert str(caught.value).startswith(f"{path}: [apis.")


def test_whole_numbers_and_choices_are_read(mixed: Spaces) -> None:
    portraits, sketches = mixed.modes
    assert [parameter.name for parameter in portraits.apis[0].parameters] == ["strength", "steps", "sampler"]
    assert portraits.apis[0].parameters[1:] == (
        IntegerParameter("steps", "steps", 10, 50),
        CategoricalParameter("sampler", "sampler", ("euler", "heun", "dpm++ 2m")),
    )
    assert portraits.size == 101 * 41 * 3 + 2 * 4
    assert portraits.columns == ("strength", "steps", "sampler", "sampler", "sampler", "sampler")
    assert portraits.axes[2].choices == ("euler", "heun", "dpm++ 2m", "ancestral")
    assert sketches.columns == ("sampler", "sampler", "steps")


def test_every_whole_number_is_reached_and_no_other() -> None:
    parameter = IntegerParameter("steps", "steps", -3, 4)
    values = [parameter.unscale(step / parameter.steps) for step in range(parameter.size)]
    assert values == list(range(-3, 5))
    assert {type(value) for value in values} == {int}
    assert [parameter.scale(value) for value in (-3, 4, 11)] == [0.0, 1.0, 2.0]


def test_a_file_that_is_not_there_or_not_text_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"absent\.toml"):
        load_spaces(tmp_path / "absent.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpaceError, match=r"binary\.toml"):
        load_spaces(tmp_path / "binary.toml")


def test_a_mode_of_more_coordinates_than_the_design_can_fill_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.toml"
    tables = "".join(f'[apis.one.p{i}]\ncoordinate = "c{i}"\nlow = 0\nhigh = 1\ndecimals = 1\n' for i in range(16))
    path.write_text(f'default_mode = "m"\n[modes.m]\napis = ["one"]\n{tables}')
    with pytest.raises(SpaceError, match="16 coordinates together; at most 15"):
        load_spaces(path)
