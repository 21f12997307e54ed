"""The search space: what is shipped, and every mistake that a file may hold."""

import re
from pathlib import Path

import pytest

from tuning.errors import SpaceError
from tuning.spaces import Parameter, Spaces, load_spaces

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
            assert [(p.low, p.high, p.decimals) for p in api.parameters] == [(0.1, 0.5, 2), (5, 12, 1), (0.7, 0.99, 2)]
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
    assert space.apis[1].parameters == (Parameter("power", "strength", 10.0, 20.0, 0),)
    assert space.size == 41 + 11


def test_every_step_of_a_parameter_unscales_to_the_shortest_decimal() -> None:
    parameter = Parameter("weight", "weight", 0.7, 0.99, 2)
    values = [parameter.unscale(step / parameter.steps) for step in range(parameter.steps + 1)]
    assert values == [float(f"0.{hundredths}") for hundredths in range(70, 100)]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('default_mode = "only"', 'default_mode = "other"', "default_mode: 'other' is none of the modes"),
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
