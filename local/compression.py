"""Compression of answers as API Gateway does it, by the template's MinimumCompressionSize."""

import asyncio
import gzip
import zlib
from collections.abc import Callable
from dataclasses import replace

from local.events import Response

_CODINGS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


async def compressed(response: Response, *, accept_encoding: str, minimum: int | None) -> Response:
    """Return `response`, compressed if it has `minimum` bytes and the caller prefers a coding that API Gateway has.

    `minimum` None is no compression.
    """
    coding = _preferred(accept_encoding)
    if (
        minimum is None
        or len(response.body) < minimum
        or coding not in _CODINGS
        or any(name == "content-encoding" for name, _ in response.headers)
    ):
        return response
    # Not on the event loop, which would block all other requests.
    body = await asyncio.to_thread(_CODINGS[coding], response.body)
    return replace(response, body=body, headers=(*response.headers, ("content-encoding", coding)))


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
