"""Search spaces for tests: one with every kind of parameter, and what makes a suggestion legal in any."""

import json
import math

from tuning.observations import Setting
from tuning.spaces import CategoricalParameter, IntegerParameter, Mode

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
