"""Requests as the gateways of AWS pass them on, in a shape that Mangum reads without error.

REST APIs, HTTP APIs (payload 1.0 and 2.0), function URLs and load balancers each have an event of their own. All may
have no headers, or headers without a value; proxies before them add values to those that are there.

A path may begin with what is not the API's: the stage, or the base path of a custom domain. It is whatever precedes the
path of the resource, which the event names. The functions get the rest, and put it in front of the addresses that they
answer with: `base_path`.
"""

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

    Of Host and X-Forwarded-For, -Port and -Proto the first value counts, if it is one.

    Raises:
        EventError: the event is no request.
    """
    context = event.get("requestContext") if isinstance(event, dict) else None
    if isinstance(context, dict):
        if "elb" in context and "httpMethod" in event:
            return _cleaned(event, context) | {"path": event.get("path") or "/", "base_path": ""}
        if event.get("version") == "2.0" and isinstance(context.get("http"), dict):
            return _of_http_api(event, context)
        if "resource" in event and "httpMethod" in event:
            return _of_rest_api(event, context)
    raise EventError(f"not a request: {described(event)}; this function answers requests of API Gateway")


def base_path(event: Mapping[str, Any]) -> str:
    """Return what precedes the API's own paths in the addresses that callers use: `/v1`, say, or nothing."""
    found = event.get("base_path", "")
    return found if isinstance(found, str) else ""


def is_compressed_by_the_gateway(event: Mapping[str, Any]) -> bool:
    """Tell whether the gateway compresses answers: a REST API does, and the others send what they are given."""
    return "version" not in event and "elb" not in event.get("requestContext", {})


def _of_rest_api(event: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    path, resource, parameters = event.get("path") or "/", event["resource"], event.get("pathParameters") or {}
    inner = _before(path, resource, parameters)
    if inner is None:
        inner = _stage(path, context) if "version" in event else ""
    whole = context.get("path") or path
    # On the gateway's own domain the stage stands in this path alone.
    outer = _before(whole, resource, parameters)
    if outer is None:
        outer = whole.removesuffix(path) if whole.endswith(path) and whole != path else inner
    cleaned = _cleaned(event, {**context, "identity": context.get("identity") or {}})
    for name in ("queryStringParameters", "multiValueQueryStringParameters"):
        cleaned[name] = {key: "" if value is None else value for key, value in (event.get(name) or {}).items()}
    return cleaned | {"path": path[len(inner) :] or "/", "base_path": outer}


def _of_http_api(event: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    http = context["http"]
    path = http.get("path") or event.get("rawPath") or "/"
    _, _, resource = str(event.get("routeKey") or "").partition(" ")
    base = _before(path, resource, event.get("pathParameters") or {}) if resource else None
    if base is None:
        base = _stage(path, context)
    own = path[len(base) :] or "/"
    changed = {"sourceIp": None, **http, "path": own}
    return _cleaned(event, {**context, "http": changed}) | {"rawPath": own, "base_path": base}


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
    """Return `event` with `context`, and with headers that have values: names in lower case, one host, one scheme."""
    single = {str(name).lower(): value for name, value in (event.get("headers") or {}).items() if value is not None}
    several = {
        str(name).lower(): [value for value in values or () if value is not None]
        for name, values in (event.get("multiValueHeaders") or {}).items()
    }

    def put(name: str, value: str) -> None:
        single.pop(name, None)
        several.pop(name, None)
        if value:
            single[name], several[name] = value, [value]

    first = {
        name: str((several.get(name) or [single.get(name, "")])[0]).partition(",")[0].strip()
        for name in ("host", *_FORWARDED)
    }
    put("x-forwarded-for", first["x-forwarded-for"])
    put("x-forwarded-proto", scheme if (scheme := first["x-forwarded-proto"].lower()) in {"http", "https"} else "")
    port = first["x-forwarded-port"]
    put("x-forwarded-port", port if _PORT.fullmatch(port) and int(port) <= _HIGHEST_PORT else "")
    host = first["host"] if _HOST.fullmatch(first["host"]) else context.get("domainName")
    put("host", host or "localhost")
    cleaned = {**event, "requestContext": context, "headers": single, "multiValueHeaders": several}
    if event.get("multiValueHeaders") is None:
        # A load balancer sends one of the two, and takes an answer with the one that it has sent.
        del cleaned["multiValueHeaders"]
    return cleaned
