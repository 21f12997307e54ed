"""Search spaces for tests: one with every kind of parameter, others at random; what makes a suggestion legal in any."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import cast

from hypothesis import strategies as st

from tuning.observations import Setting
from tuning.spaces import Api, CategoricalParameter, IntegerParameter, Mode, Parameter, RealParameter, Spaces, Value

MIXED = """
default_mode = "portraits"

[modes.portraits]
apis = ["painter", "printer"]

[modes.sketches]
apis = ["printer"]

[apis.painter.strength]
coordinate = "strength"
low = -0.5
high = 0.5
decimals = 2

[apis.painter.steps]
kind = "integer"
coordinate = "steps"
low = 10
high = 50

[apis.painter.sampler]
kind = "categorical"
coordinate = "sampler"
choices = ["euler", "heun", "dpm++ 2m"]

[apis.printer.sampler]
kind = "categorical"
coordinate = "sampler"
choices = ["heun", "ancestral"]

[apis.printer.passes]
kind = "integer"
coordinate = "steps"
low = 1
high = 4
"""


def assert_legal(mode: Mode, setting: Setting) -> None:
    """Its API is of the mode, with exactly its parameters, each within bounds, rounded as declared, and plain JSON."""
    api = mode.find_api(setting.api)
    assert api is not None
    assert [name for name, _ in setting.values] == [parameter.name for parameter in api.parameters]
    for parameter, (_, value) in zip(api.parameters, setting.values, strict=True):
        if isinstance(parameter, CategoricalParameter):
            assert value in parameter.choices
            continue
        assert not isinstance(value, str)
        assert math.isfinite(value)
        assert parameter.low <= value <= parameter.high
        if isinstance(parameter, IntegerParameter):
            assert type(value) is int
        else:
            assert type(value) is float
            assert round(value, parameter.decimals) == value
            assert str(value) != "-0.0"
    assert json.loads(json.dumps(setting.to_plain())) == setting.to_plain()


def write_toml(spaces: Spaces) -> str:
    """The space as a file."""
    lines = [f"default_mode = {json.dumps(spaces.default_mode)}"]
    for mode in spaces.modes:
        lines += [f"[modes.{mode.name}]", f"apis = {json.dumps([api.name for api in mode.apis])}"]
    for api in spaces.apis:
        for parameter in api.parameters:
            lines += [f"[apis.{api.name}.{parameter.name}]", f'coordinate = "{parameter.coordinate}"']
            if isinstance(parameter, CategoricalParameter):
                lines += ['kind = "categorical"', f"choices = {json.dumps(parameter.choices, ensure_ascii=False)}"]
                continue
            lines += [f"low = {parameter.low!r}", f"high = {parameter.high!r}"]
            if isinstance(parameter, IntegerParameter):
                lines.append('kind = "integer"')
            else:
                lines.append(f"decimals = {parameter.decimals}")
    return "\n".join(lines)


_CHOICES = ("euler", "heun", "dpm++ 2m", "ñ", '"', "a & b=1", "30")
_KINDS = (RealParameter, IntegerParameter, CategoricalParameter)


@st.composite
def modes(draw: st.DrawFn, digits: int = 9) -> Mode:
    """Any mode of up to three APIs: coordinates of every kind, each shared by some of the APIs.

    Parameters that share a coordinate may share their name. Bounds have up to so many digits more than their one.
    """
    shared = draw(st.booleans())
    kinds = draw(st.lists(st.sampled_from(_KINDS), min_size=1, max_size=4))
    apis = []
    for name in draw(st.sampled_from(["a", "ab", "abc"])):
        mine = draw(st.lists(st.sampled_from(range(len(kinds))), min_size=1, max_size=len(kinds), unique=True))
        parameters = (
            draw(_parameters(kinds[index], f"{'' if shared else name}p{index}", f"c{index}", digits)) for index in mine
        )
        apis.append(Api(name, tuple(parameters)))
    return Mode("any", tuple(apis))


@st.composite
def _parameters(draw: st.DrawFn, kind: type[Parameter], name: str, coordinate: str, digits: int) -> Parameter:
    if kind is CategoricalParameter:
        choices = draw(st.lists(st.sampled_from(_CHOICES), min_size=2, max_size=4, unique=True))
        return CategoricalParameter(name, coordinate, tuple(choices))
    reach = 10 ** draw(st.integers(0, digits))
    low, high = sorted(draw(st.lists(st.integers(-reach, reach), min_size=2, max_size=2, unique=True)))
    if kind is IntegerParameter:
        return IntegerParameter(name, coordinate, low, high)
    decimals = draw(st.integers(0, 6))
    return RealParameter(name, coordinate, low / 10**decimals, high / 10**decimals, decimals)


@st.composite
def settings_of(draw: st.DrawFn, mode: Mode) -> Setting:
    """What may once have been rated in the mode: by this space or by an earlier one, which knew other bounds."""
    api = draw(st.sampled_from([*mode.apis, Api("gone", mode.apis[0].parameters)]))
    values = [(parameter.name, draw(_values(parameter))) for parameter in api.parameters]
    return Setting(api.name, tuple(values if draw(st.booleans()) else values[: draw(st.integers(1, len(values)))]))


@st.composite
def wishes(draw: st.DrawFn, mode: Mode) -> dict[str, Value]:
    """What a request may fix in the mode: an API, values of some of its parameters, or both."""
    api = draw(st.sampled_from(mode.apis))
    parameters = draw(st.lists(st.sampled_from(api.parameters), max_size=len(api.parameters), unique=True))
    named = {"api": api.name} if not parameters or draw(st.booleans()) else {}
    return {**named, **{parameter.name: parameter.unscale(draw(st.floats(0, 1))) for parameter in parameters}}


def grants(setting: Setting, wish: Mapping[str, Value]) -> bool:
    """Whether the setting has everything of the wish."""
    return wish.items() <= setting.to_plain().items()


def _values(parameter: Parameter) -> st.SearchStrategy[Value]:
    if isinstance(parameter, CategoricalParameter):
        return st.sampled_from([*parameter.choices, *_CHOICES, "of old"])
    reach = parameter.high - parameter.low
    inside = st.floats(parameter.low, parameter.high) | st.sampled_from([parameter.low, parameter.high])
    beyond = st.floats(parameter.low - 3 * reach, parameter.high + 3 * reach) | st.sampled_from([-1e9, 0, 1e9])
    return cast("st.SearchStrategy[Value]", inside | beyond)


def at_the_bounds(api: Api) -> Sequence[Setting]:
    """The API's settings whose every value is its first, and those where it is its last."""
    return [
        Setting(api.name, tuple((parameter.name, parameter.unscale(end)) for parameter in api.parameters))
        for end in (0.0, 1.0)
    ]
