"""API Gateway's REST proxy events: an HTTP request becomes an event, and a function's answer an HTTP response.

The shape is that of "Lambda proxy integration" in API Gateway's developer guide, payload version 1.0.
"""

import base64
import binascii
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote

from local.template import Route

ACCOUNT = "000000000000"
API_ID = "local"

# RFC 9110: a token; and visible characters, blanks and others than ASCII, which are sent as Latin-1.
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\U0010ffff]*")


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request with its whole body. Header names are in lower case; `path` is percent-decoded."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    client: str

    def header(self, name: str) -> str:
        """Return the first value of the header `name` (lower case), or the empty string."""
        return next((value for key, value in self.headers if key == name), "")


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response with its whole body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class FunctionAnswerError(ValueError):
    """The function returned something else than a proxy response; API Gateway would answer 502."""


def media_type(header: str) -> str:
    """Return the first media type in a Content-Type or Accept header, without its parameters."""
    return header.partition(",")[0].partition(";")[0].strip().lower()


def proxy_event(
    request: Request,
    route: Route,
    path_parameters: Mapping[str, str],
    *,
    stage: str,
    request_id: str,
    binary_media_types: frozenset[str],
) -> dict[str, Any]:
    """Make the event for `request` on `route`; a body of a binary media type is in base64."""
    binary = media_type(request.header("content-type")) in binary_media_types
    if not request.body:
        body = None
    elif binary:
        body = base64.b64encode(request.body).decode("ascii")
    else:
        body = request.body.decode("utf-8", errors="replace")
    headers = _multi(_as_gateway_sends(request))
    query = _multi(parse_qsl(request.query, keep_blank_values=True))
    # A REST API passes paths on as the caller wrote them.
    path = quote(request.path)
    now = time.time()
    return {
        "resource": route.path,
        "path": path,
        "httpMethod": request.method,
        "headers": _last(headers),
        "multiValueHeaders": headers,
        "queryStringParameters": _last(query),
        "multiValueQueryStringParameters": query,
        "pathParameters": dict(path_parameters) or None,
        "stageVariables": None,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API_ID,
            "domainName": request.header("host"),
            "domainPrefix": API_ID,
            "extendedRequestId": request_id,
            "httpMethod": request.method,
            "identity": {
                "apiKey": request.header("x-api-key") or None,
                "sourceIp": request.client,
                "userAgent": request.header("user-agent") or None,
            },
            # A real gateway puts the stage in front; there is none here.
            "path": path,
            "protocol": "HTTP/1.1",
            "requestId": request_id,
            "requestTime": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "requestTimeEpoch": int(now * 1000),
            "resourceId": API_ID,
            "resourcePath": route.path,
            "stage": stage,
        },
        "body": body,
        "isBase64Encoded": binary and body is not None,
    }


def http_response(answer: object, *, accept: str, binary_media_types: frozenset[str]) -> Response:
    """Make the HTTP response to a function's `answer`.

    A base64 body is decoded only if the caller's Accept header begins with a binary media type. That is API Gateway's
    rule; a function that ignores it fails here as it would there.

    Raises:
        FunctionAnswerError: `answer` is not a proxy response.
    """
    if not isinstance(answer, dict) or not isinstance(answer.get("statusCode"), int):
        raise FunctionAnswerError(f"the function returned {json.dumps(answer, default=repr)[:200]}")
    headers = [(name, str(value)) for name, value in (answer.get("headers") or {}).items()]
    for name, values in (answer.get("multiValueHeaders") or {}).items():
        headers.extend((name, str(value)) for value in values)
    text = answer.get("body") or ""
    if answer.get("isBase64Encoded") and media_type(accept) in binary_media_types:
        try:
            body = base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise FunctionAnswerError("the body says that it is base64, and is not") from error
    else:
        try:
            body = text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise FunctionAnswerError(f"the body is not text that UTF-8 can write: {error.reason}") from error
    for name, value in headers:
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise FunctionAnswerError(f"the header {name!r} cannot be sent: {value[:200]!r}")
    kept = tuple((name.lower(), value) for name, value in headers if name.lower() != "content-length")
    return Response(status=answer["statusCode"], headers=kept, body=body)


def _as_gateway_sends(request: Request) -> list[tuple[str, str]]:
    """Return the headers with Host and X-Forwarded-* as API Gateway sets them; the caller's own are dropped."""
    host = request.header("host")
    name, _, port = host.rpartition(":") if host.rpartition(":")[2].isdigit() else (host, "", "80")
    # API Gateway's host is always a name. An IPv6 address in brackets, possible here, never reaches a function on AWS.
    host = f"localhost:{port}" if name.startswith("[") else host
    kept = [(key, value) for key, value in request.headers if key != "host" and not key.startswith("x-forwarded-")]
    return [
        *kept,
        ("host", host),
        ("x-forwarded-for", request.client),
        ("x-forwarded-port", port),
        ("x-forwarded-proto", "http"),
    ]


def _multi(pairs: list[tuple[str, str]]) -> dict[str, list[str]] | None:
    gathered: dict[str, list[str]] = {}
    for name, value in pairs:
        gathered.setdefault(name, []).append(value)
    return gathered or None


def _last(multi: dict[str, list[str]] | None) -> dict[str, str] | None:
    return None if multi is None else {name: values[-1] for name, values in multi.items()}
