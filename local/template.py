"""The part of template.yaml that the local stack needs: the API, its functions, and the trigger of uploads.

This module reads the template and decides nothing. The template is the one description of both the deployed system and
the local stack.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


class TemplateError(ValueError):
    """The template lacks something that the local stack needs, or has it in a form that it cannot read."""


@dataclass(frozen=True, slots=True)
class Rate:
    """The rate of a token bucket: requests per second, and how many at once."""

    per_second: float
    burst: int


@dataclass(frozen=True, slots=True)
class Route:
    """A method of the API. `path` is the resource as the template writes it, `/docs/{asset}` or `/files/{rest+}`."""

    method: str
    path: str
    function: str
    needs_key: bool
    rate: Rate | None


@dataclass(frozen=True, slots=True)
class GatewayResponse:
    """An answer of the gateway itself. `body` has `$context` variables in it."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class UploadTrigger:
    """Which function a bucket calls, and for which objects: those whose keys begin with `prefix`."""

    function: str
    prefix: str


@dataclass(frozen=True, slots=True)
class Template:
    """The parts of template.yaml that the local stack uses."""

    stage: str
    routes: tuple[Route, ...]
    handlers: Mapping[str, str]
    """The handler of each function, as `package.module.attribute`."""
    binary_media_types: frozenset[str]
    gateway_responses: Mapping[str, GatewayResponse]
    preflight_headers: Mapping[str, str]
    """The headers of the answer to a CORS preflight; empty if CORS is off."""
    environment: Mapping[str, str]
    """The environment variables of every function whose values are plain text."""
    upload_trigger: UploadTrigger | None = None
    minimum_compression_size: int | None = None
    """Bytes from which the gateway compresses answers for callers that accept it; None if it never does."""


class _Loader(yaml.CSafeLoader):
    """YAML with CloudFormation's short forms: `!Ref x` becomes {"Ref": "x"}, `!Sub y` becomes {"Fn::Sub": "y"}."""


def _intrinsic(loader: yaml.CSafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)  # noqa: S101  (YAML has no fourth kind)
        value = loader.construct_mapping(node, deep=True)
    return {tag if tag in {"Ref", "Condition"} else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _intrinsic)


def parse(text: str) -> dict[str, Any]:
    """Parse a template, with CloudFormation's short forms in their long form."""
    document: dict[str, Any] = _Loader(text).get_single_data()
    return document


def read(path: Path, **overrides: str) -> Template:
    """Read the template at `path`, with its parameters at their defaults except those in `overrides`.

    Raises:
        TemplateError: there is no API in it, or one of its parts is not as expected.
    """
    document = parse(path.read_text(encoding="utf-8"))
    parameters = {name: one.get("Default") for name, one in document.get("Parameters", {}).items()} | overrides

    def resolve(value: Any) -> Any:
        match value:
            case {"Ref": str(name)} if name in parameters:
                return parameters[name]
            case {"Fn::Sub": str(text)}:
                return re.sub(r"\$\{(\w+)\}", lambda found: str(parameters.get(found[1], found[0])), text)
        return value

    resources = document["Resources"]
    apis = [one["Properties"] for one in resources.values() if one["Type"] == "AWS::Serverless::Api"]
    if len(apis) != 1:
        raise TemplateError(
            f"{path}: {len(apis)} resources are AWS::Serverless::Api; the local stack needs exactly one"
        )
    (api,) = apis
    functions = {
        name: one["Properties"] for name, one in resources.items() if one["Type"] == "AWS::Serverless::Function"
    }
    environment = document.get("Globals", {}).get("Function", {}).get("Environment", {}).get("Variables", {})
    rates = {
        (one["HttpMethod"], one["ResourcePath"].removeprefix("/").replace("~1", "/") or "/"): Rate(
            float(resolve(one["ThrottlingRateLimit"])), int(resolve(one["ThrottlingBurstLimit"]))
        )
        for one in api.get("MethodSettings", [])
    }
    key_by_default = bool(api.get("Auth", {}).get("ApiKeyRequired", False))
    routes = tuple(
        Route(
            method=event["Method"].upper(),
            path=event["Path"],
            function=name,
            needs_key=bool(event.get("Auth", {}).get("ApiKeyRequired", key_by_default)),
            rate=rates.get((event["Method"].upper(), event["Path"]), rates.get(("*", "*"))),
        )
        for name, function in functions.items()
        for event in (one["Properties"] for one in function.get("Events", {}).values() if one["Type"] == "Api")
    )
    return Template(
        stage=str(resolve(api["StageName"])),
        routes=routes,
        handlers={name: function["ImageConfig"]["Command"][0] for name, function in functions.items()},
        binary_media_types=frozenset(api.get("BinaryMediaTypes", [])),
        gateway_responses={
            kind: GatewayResponse(
                status=int(given.get("StatusCode", _DEFAULT_STATUS.get(kind, 500))),
                headers={
                    name: _quoted(f"GatewayResponses.{kind}: the header {name}", resolve(value))
                    for name, value in given.get("ResponseParameters", {}).get("Headers", {}).items()
                },
                body=given["ResponseTemplates"]["application/json"],
            )
            for kind, given in api.get("GatewayResponses", {}).items()
        },
        preflight_headers={
            f"Access-Control-{_CORS_HEADERS[name]}": _quoted(f"Cors.{name}", resolve(value))
            for name, value in api.get("Cors", {}).items()
            if name in _CORS_HEADERS
        },
        environment={name: value for name, value in environment.items() if isinstance(value, str)},
        upload_trigger=_upload_trigger(path, functions),
        minimum_compression_size=api.get("MinimumCompressionSize"),
    )


def _upload_trigger(path: Path, functions: Mapping[str, Mapping[str, Any]]) -> UploadTrigger | None:
    found = [
        UploadTrigger(name, rule["Value"])
        for name, function in functions.items()
        for event in function.get("Events", {}).values()
        if event["Type"] == "S3"
        for rule in event["Properties"].get("Filter", {"S3Key": {"Rules": []}})["S3Key"]["Rules"]
        if rule["Name"] == "prefix"
    ]
    if len(found) > 1:
        raise TemplateError(f"{path}: {len(found)} functions are called by a bucket; the local stack allows one")
    return found[0] if found else None


_DEFAULT_STATUS = {"DEFAULT_4XX": 400, "DEFAULT_5XX": 502}
_CORS_HEADERS = {
    "AllowOrigin": "Allow-Origin",
    "AllowMethods": "Allow-Methods",
    "AllowHeaders": "Allow-Headers",
    "MaxAge": "Max-Age",
}


def _quoted(what: str, value: Any) -> str:
    """Return the text between the quotes that API Gateway requires around values of headers."""
    if not re.fullmatch(r"'[^']*'", str(value)):
        raise TemplateError(f"{what} is {value}, not a quoted text")
    return str(value)[1:-1]
