"""The schemas that a search space decides: of modes, APIs and settings, for the OpenAPI document.

`make openapi` puts those of the shipped space into the committed document, and `functions.suggest.document` those of a
team's own into the one that is served. Bounds and steps are numbers. A step that binary fractions cannot say exactly,
such as 0.01, stands in `STEP` and not in `multipleOf`, by which validators would refuse 0.28.
"""

from collections.abc import Mapping
from typing import Any

from tuning.spaces import Api, CategoricalParameter, IntegerParameter, Parameter, Spaces

STEP = "x-step"
"""The keyword of the distance between two values that can be suggested."""

Schema = dict[str, Any]


def space_schemas(spaces: Spaces) -> Mapping[str, Schema]:
    """Return the schemas of a search space by their names, which need not be those of another space."""
    apis = spaces.apis
    found: dict[str, Schema] = {
        "Api": {"type": "string", "description": "An image-enhancement API.", "enum": [api.name for api in apis]},
        "Mode": {"type": "string", "description": "A search problem.", "enum": [mode.name for mode in spaces.modes]},
        "Parameters": {
            "description": "An API and its parameters.",
            "examples": [spaces.example],
            "oneOf": [_reference(_whole_name(api)) for api in apis],
            "discriminator": {
                "propertyName": "api",
                "mapping": {api.name: _reference(_whole_name(api))["$ref"] for api in apis},
            },
        },
        "Fixed": {
            "description": "An API, parameters, or both; the values are ones that can be suggested.",
            "examples": [dict(list(spaces.example.items())[:2])],
            "anyOf": [_reference(_fixed_name(api)) for api in apis],
        },
        "RecordedParameters": {
            "type": "object",
            "description": "An API and its parameters as they were recorded; the search space may have changed since.",
            "required": ["api"],
            "properties": {"api": {"type": "string"}},
            "additionalProperties": {"type": ["number", "string"]},
        },
    }
    for api in apis:
        values = {one.name: _value(one) for one in api.parameters}
        found[_whole_name(api)] = _object(api, values) | {"required": ["api", *values]}
        found[_fixed_name(api)] = _object(api, {one.name: _fixed_value(one) for one in api.parameters}) | {
            "minProperties": 1
        }
    return found


def _whole_name(api: Api) -> str:
    # A dot is in no name of the other schemas, and an API's name may be any of them.
    return f"Parameters.{api.name}"


def _fixed_name(api: Api) -> str:
    return f"Fixed.{api.name}"


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(api: Api, values: Mapping[str, Schema]) -> Schema:
    return {
        "type": "object",
        "properties": {"api": {"type": "string", "const": api.name}, **values},
        "additionalProperties": False,
    }


def _value(parameter: Parameter) -> Schema:
    """Return the schema of a value that can be rated: between the bounds, and between two steps too."""
    if isinstance(parameter, CategoricalParameter):
        return {"type": "string", "enum": list(parameter.choices)}
    if isinstance(parameter, IntegerParameter):
        return {"type": "integer", "minimum": parameter.low, "maximum": parameter.high}
    return {
        "type": "number",
        "minimum": parameter.low,
        "maximum": parameter.high,
        STEP: float(f"1e-{parameter.decimals}"),
    }


def _fixed_value(parameter: Parameter) -> Schema:
    """Return the schema of a value that can be suggested."""
    schema = _value(parameter)
    if schema.get(STEP) == 1:
        schema["multipleOf"] = 1
    return schema
