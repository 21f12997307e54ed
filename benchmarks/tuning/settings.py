"""Settings of the space on which methods are compared, whose parameters are real numbers all."""

from collections.abc import Mapping

from tuning.spaces import Api, Mode, RealParameter

# A setting as the API takes it: `api`, and each of that API's parameters by name.
Parameters = Mapping[str, object]
API = "api"


def real_parameters(api: Api) -> tuple[RealParameter, ...]:
    """Return the API's parameters. The shipped space has real ones alone; another space's would be left out."""
    return tuple(parameter for parameter in api.parameters if isinstance(parameter, RealParameter))


def snap(mode: Mode, parameters: Parameters) -> Parameters:
    """Return the setting of the space's grid that is nearest, as the API would be called."""
    api = next(api for api in mode.apis if api.name == parameters[API])
    return {API: api.name, **{p.name: p.unscale(p.scale(float(str(parameters[p.name])))) for p in real_parameters(api)}}
