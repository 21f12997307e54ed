"""Compression as API Gateway does it, by the template's MinimumCompressionSize: of answers, and of requests' bodies."""

import asyncio
import gzip
import zlib
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus

from local.events import Request, Response
from web.compression import BodyError, decompressed

_CODINGS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


class NotSoCodedError(ValueError):
    """A body is not in the coding that its Content-Encoding says, or API Gateway does not know the coding."""


class LargeBodyError(ValueError):
    """A body is too large once it is decompressed."""


def readable(request: Request, *, minimum: int | None) -> Request:
    """Return `request` with its body decompressed, as API Gateway does it where compression is on.

    Raises:
        NotSoCodedError: the body is not in the coding that is named, or the coding is unknown.
        LargeBodyError: it is larger than API Gateway accepts.
    """
    coding = request.header("content-encoding").strip().lower()
    if minimum is None or coding in {"", "identity"}:
        return request
    try:
        body = decompressed(request.body, coding)
    except BodyError as error:
        too_large = error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        raise (LargeBodyError if too_large else NotSoCodedError)(coding) from error
    if body is request.body and body:
        raise NotSoCodedError(coding)
    # Whether AWS takes the header away is not documented; a function must do with either.
    return replace(request, body=body)


async def compressed(response: Response, *, accept_encoding: str, minimum: int | None) -> Response:
    """Return `response`, compressed if it has `minimum` bytes and the caller prefers a coding that API Gateway has.

    `minimum` None is no compression. With it each answer says that it varies, so that no cache between gives a coding
    to a caller that does not read it (RFC 9110, 12.5.5); an answer to HEAD has no size that would tell.
    """
    if minimum is None or any(name == "content-encoding" for name, _ in response.headers):
        return response
    response = replace(response, headers=_varying(response.headers))
    coding = _preferred(accept_encoding)
    if len(response.body) < minimum or coding not in _CODINGS:
        return response
    # Not on the event loop, which would block all other requests.
    body = await asyncio.to_thread(_CODINGS[coding], response.body)
    return replace(response, body=body, headers=(*response.headers, ("content-encoding", coding)))


def _varying(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return the headers with Accept-Encoding among the fields by which the answer varies."""
    fields = [field.strip() for name, value in headers if name == "vary" for field in value.split(",")]
    if {"*", "accept-encoding"} & {field.lower() for field in fields}:
        return headers
    return (*(pair for pair in headers if pair[0] != "vary"), ("vary", ", ".join((*fields, "Accept-Encoding"))))


def _preferred(accept_encoding: str) -> str:
    """Return the coding with the highest weight, the first of several; empty if none has a weight above 0."""
    best, highest = "", 0.0
    for item in accept_encoding.lower().split(","):
        coding, _, parameter = item.partition(";")
        try:
            weight = float(parameter.partition("=")[2]) if parameter.strip() else 1.0
        except ValueError:
            continue
        if weight > highest:
            best, highest = coding.strip(), weight
    return best
