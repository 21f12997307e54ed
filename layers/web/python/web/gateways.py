"""Requests as the gateways of AWS pass them on, in a shape that Mangum reads without error.

REST APIs, HTTP APIs (payload 1.0 and 2.0), function URLs and load balancers each have an event of their own. All may
have no headers, or headers without a value; proxies before them add values to those that are there.

A path may begin with what is not the API's: the stage, or the base path of a custom domain. It is whatever precedes the
path of the resource, which the event names. The functions get the rest, and put it in front of the addresses that they
answer with: `base_path`.
"""

import base64
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from web.events import EventError, described

_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?")
_PORT = re.compile(r"[0-9]{1,5}")
_PARAMETER = re.compile(r"\{([^}+]+)\+?\}")
_HIGHEST_PORT = 65_535
_FORWARDED = ("x-forwarded-for", "x-forwarded-port", "x-forwarded-proto")


def as_request(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of `event`, a request of any gateway: with the API's own path, and `base_path` beside it.

    Of Host and X-Forwarded-For, -Port and -Proto the first value counts, if it is one. A body in base64 is decoded.

    Raises:
        EventError: the event is no request, or a part of it is not what a gateway sends.
    """
    context = event.get("requestContext") if isinstance(event, dict) else None
    if isinstance(context, dict):
        if "elb" in context and "httpMethod" in event:
            return _cleaned(event, context) | {"path": _text(event, "path", "/"), "base_path": ""}
        if event.get("version") == "2.0" and isinstance(context.get("http"), dict):
            return _of_http_api(event, context)
        if "resource" in event and "httpMethod" in event:
            return _of_rest_api(event, context)
    takes = "this function answers requests of API Gateway, function URLs and load balancers"
    raise EventError(f"not a request: {described(event)}; {takes}")


def base_path(event: Mapping[str, Any]) -> str:
    """Return what precedes the API's own paths in the addresses that callers use: `/v1`, say, or nothing.

    It begins with one slash: browsers take two, and a backslash in place of one, for the beginning of another host.
    """
    found = event.get("base_path", "")
    inner = found.lstrip("/\\") if isinstance(found, str) else ""
    return f"/{inner}" if inner else ""


def is_compressed_by_the_gateway(event: Mapping[str, Any]) -> bool:
    """Tell whether the gateway compresses answers: a REST API does, and the others send what they are given."""
    return "version" not in event and "elb" not in event.get("requestContext", {})


def _of_rest_api(event: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    path, resource, parameters = _text(event, "path", "/"), _text(event, "resource"), _members(event, "pathParameters")
    inner = _before(path, resource, parameters)
    if inner is None:
        inner = _stage(path, context) if "version" in event else ""
    whole = _text(context, "path", path)
    # On the gateway's own domain the stage stands in this path alone.
    outer = _before(whole, resource, parameters)
    if outer is None:
        outer = whole.removesuffix(path) if whole.endswith(path) and whole != path else inner
    cleaned = _cleaned(event, {**context, "identity": context.get("identity") or {}})
    return cleaned | {"path": path[len(inner) :] or "/", "base_path": outer}


def _of_http_api(event: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    http = context["http"]
    path = _text(http, "path", _text(event, "rawPath", "/"))
    _, _, resource = _text(event, "routeKey", "$default").partition(" ")
    base = _before(path, resource, _members(event, "pathParameters")) if resource else None
    if base is None:
        base = _stage(path, context)
    own = path[len(base) :] or "/"
    changed = {"sourceIp": None, **http, "method": _text(http, "method"), "path": own}
    query = _text(event, "rawQueryString", "")
    return _cleaned(event, {**context, "http": changed}) | {
        "rawPath": own,
        "rawQueryString": query,
        "base_path": base,
    }


def _stage(path: str, context: Mapping[str, Any]) -> str:
    """Return the stage as `path` begins with it: all that is known of a route that takes any path."""
    stage = context.get("stage")
    return f"/{stage}" if stage and f"{path}/".startswith(f"/{stage}/") else ""


def _before(path: str, resource: str, parameters: Mapping[str, str]) -> str | None:
    """Return what precedes the path of `resource` in `path`; None if `path` does not end in it.

    Whether the gateway has decoded the parameters or not, they are compared as decoded.
    """
    filled = _PARAMETER.sub(lambda found: str(parameters.get(found[1], found[0])), resource).rstrip("/")
    pieces = path.rstrip("/").split("/")
    decoded = [unquote(piece) for piece in pieces]
    whole = "/".join(decoded)
    for ending in (filled, unquote(filled)):
        if whole.endswith(ending):
            left = len(whole) - len(ending)
            for count in range(len(pieces) + 1):
                if left == 0:
                    return "/".join(pieces[:count])
                if count == len(pieces) or left < 0:
                    break
                # Each piece but the first has a slash before it.
                left -= len(decoded[count]) + (count > 0)
    return None


def _cleaned(event: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """Return `event` with `context`, its body decoded, and every header and parameter with a value.

    The names of headers are in lower case; there is one host, one scheme and one port.
    """
    single = {name.lower(): str(value) for name, value in _members(event, "headers").items() if value is not None}
    several = {
        name.lower(): [str(value) for value in _listed(values) if value is not None]
        for name, values in _members(event, "multiValueHeaders").items()
    }

    def put(name: str, value: str) -> None:
        single.pop(name, None)
        several.pop(name, None)
        if value:
            single[name], several[name] = value, [value]

    first = {
        name: (several.get(name) or [single.get(name, "")])[0].partition(",")[0].strip()
        for name in ("host", *_FORWARDED)
    }
    put("x-forwarded-for", first["x-forwarded-for"])
    put("x-forwarded-proto", scheme if (scheme := first["x-forwarded-proto"].lower()) in {"http", "https"} else "")
    port = first["x-forwarded-port"]
    put("x-forwarded-port", port if _PORT.fullmatch(port) and int(port) <= _HIGHEST_PORT else "")
    put("host", first["host"] if _HOST.fullmatch(first["host"]) else _text(context, "domainName", "localhost"))
    cleaned = {**event, "requestContext": context, "headers": single, "body": _body(event), "isBase64Encoded": False}
    if "httpMethod" in event:
        cleaned["httpMethod"] = _text(event, "httpMethod")
    # A load balancer sends one of the two, and takes an answer with the one that it has sent.
    cleaned.pop("multiValueHeaders", None)
    if event.get("multiValueHeaders") is not None:
        cleaned["multiValueHeaders"] = several
    for name in ("queryStringParameters", "multiValueQueryStringParameters"):
        cleaned.pop(name, None)
        if event.get(name) is not None:
            cleaned[name] = {key: _said(value) for key, value in _members(event, name).items()}
    return cleaned


def _body(event: Mapping[str, Any]) -> str | bytes:
    body = _text(event, "body", "")
    if not event.get("isBase64Encoded"):
        return body
    try:
        return base64.b64decode(body)
    except ValueError as error:
        raise EventError(f"not a request: its body says that it is base64, and is not: {error}") from None


def _text(part: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """Return a text of an event; the default, if there is one, for an empty or missing text.

    Raises:
        EventError: it is not a text, or is needed and missing.
    """
    found = part.get(name)
    if isinstance(found, str) and (found or default is None):
        return found
    if default is not None and (found is None or found == ""):
        return default
    raise EventError(f"not a request: its {name} is {described(found)} and must be a text")


def _members(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = event.get(name) or {}
    if not isinstance(found, dict):
        raise EventError(f"not a request: its {name} is {described(found)} and must be an object")
    return found


def _listed(values: object) -> list[object]:
    return values if isinstance(values, list) else [values]


def _said(value: object) -> object:
    """Return the value of a query's parameter, or its values: a name without a value has an empty one."""
    if isinstance(value, list):
        return ["" if one is None else str(one) for one in value]
    return "" if value is None else str(value)
