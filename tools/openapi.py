"""Writes the OpenAPI document of all functions: `make openapi`.

The document is committed beside the suggest function, which serves it; a test fails when it does not agree with the
functions.
"""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

from web.problems import ProblemDetails
from web.settings import VERSION

DOCUMENT = Path(__file__).parents[1] / "functions/suggest/openapi.json"

_MODULES = ("suggest.app", "update.app", "caption.app", "caption.status")
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ProblemDetails},
    "5XX": {"model": ProblemDetails},
}
_WITHOUT_KEY = [("/", "get"), ("/health", "get")]

_DESCRIPTION = """\
Learns from people's ratings which image-enhancement settings give the best pictures and suggests settings to try next.
Captions pictures: says in words what they show.

Every error is `application/problem+json` (RFC 9457); `detail` says what is wrong, `errors` where. An update that is
answered with a 5xx, or whose answer is lost, may have been recorded: send an `Idempotency-Key` with every update, and
the same one when you try again.

HEAD answers as GET without the body for /, /health, /generate-caption/health and /captions/{key}.

| Status | What to do |
| --- | --- |
| 400 | fix the request: it is not JSON, not multipart or not HTTP, or is compressed and damaged |
| 403 | send the header `x-api-key` |
| 404 | check the path against this document, and a study's name and an id as `detail` says; upload the picture first |
| 405 | use a method that the header `Allow` lists |
| 408 | send the request again: it did not arrive in time |
| 409 | do what `detail` says: rate some suggestions, wait, restore what is archived or withdrawn, or name another |
| 412 | read the entry again and correct what it says now: somebody else corrected it since |
| 413 | send a smaller request or picture |
| 415 | send JSON, multipart or a picture, as the operation requires, compressed by gzip, deflate or not at all |
| 422 | correct what `errors` or `detail` names |
| 429 | wait for `Retry-After` seconds |
| 500, 502 | report it with its `instance`; try again, an update with the same `Idempotency-Key` |
| 503, 504 | wait for `Retry-After` seconds; try again, an update with the same `Idempotency-Key` |
"""


def document() -> dict[str, Any]:
    """Return the merged document of all functions."""
    apps: list[FastAPI] = [import_module(f"functions.{name}").app for name in _MODULES]
    merged: dict[str, Any] = {"paths": {}, "components": {"schemas": {}}}
    for app in apps:
        # The functions do not declare that their errors are problems, because only the document needs it.
        documented = APIRouter()
        documented.include_router(app.router, responses=_PROBLEMS)
        part = get_openapi(title="", version=VERSION, routes=documented.routes)
        for path, operations in part["paths"].items():
            # What is read and what is written of a path may be of two functions.
            merged["paths"].setdefault(path, {}).update(operations)
        for name, schema in part.get("components", {}).get("schemas", {}).items():
            if merged["components"]["schemas"].setdefault(name, schema) != schema:
                raise ValueError(f"two functions mean different things by {name}")
    _speak_problems(merged)
    for path, method in _WITHOUT_KEY:
        merged["paths"][path][method]["security"] = []
    merged["components"]["securitySchemes"] = {"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Picture tuning and captioning", "version": VERSION, "description": _DESCRIPTION},
        # Relative to the document, so that requests from the pages carry the stage's prefix.
        "servers": [{"url": "./"}],
        "security": [{"key": []}],
        **merged,
    }


def _speak_problems(merged: dict[str, Any]) -> None:
    """Declare errors as problems, with their media type, in place of FastAPI's own shape."""
    for operations in merged["paths"].values():
        for operation in operations.values():
            responses = operation["responses"]
            responses.pop("422", None)
            for status, response in responses.items():
                if status in {"4XX", "5XX"}:
                    response["content"] = {"application/problem+json": response["content"].pop("application/json")}
    for name in ("HTTPValidationError", "ValidationError"):
        merged["components"]["schemas"].pop(name, None)


def main() -> None:
    """Write the document."""
    DOCUMENT.write_text(json.dumps(document(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stderr.write(f"{DOCUMENT.name} written\n")


if __name__ == "__main__":
    main()
