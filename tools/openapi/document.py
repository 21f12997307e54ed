"""The OpenAPI document of all functions, merged of what FastAPI says of each.

It is committed, and served as it is: whatever it takes to make it, no request waits for. A test fails when it does not
agree with the functions.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from functions.suggest.space_schemas import space_schemas
from functions.update.result_messages import RESULTS
from tools.openapi.refusals import RETRY_AFTER, refusals_of, responses
from tools.openapi.tidying import parameter, tidied
from tuning.validation.space_file import load_spaces
from web.problems import ProblemDetails, title
from web.settings import VERSION

DOCUMENT = Path(__file__).parents[2] / "functions/suggest/openapi.json"

_MODULES = ("suggest.app", "update.app", "caption.app", "caption.status")
_WITHOUT_KEY = {"index", "health"}
_ASKED_AGAIN = "202"

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
    paths: dict[str, Any] = {}
    schemas = _schemas_of_no_route()
    for app in apps:
        part = get_openapi(title="", version=VERSION, routes=app.routes)
        for path, operations in part["paths"].items():
            # What is read and what is written of a path may be of two functions.
            paths.setdefault(path, {}).update(
                {method: _operation(operation) for method, operation in operations.items()}
            )
        for name, schema in part.get("components", {}).get("schemas", {}).items():
            if schemas.setdefault(name, schema) != schema:
                raise ValueError(f"two functions mean different things by {name}")
    # FastAPI's own shape of an invalid request, which no function answers.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Picture tuning and captioning", "version": VERSION, "description": _DESCRIPTION},
        # Relative to the document, so that requests from the pages carry the stage's prefix.
        "servers": [{"url": "./"}],
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": {
                **{name: tidied(schema) for name, schema in schemas.items()},
                **space_schemas(load_spaces()),
            },
            "responses": responses(),
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
        },
    }


def _schemas_of_no_route() -> dict[str, Any]:
    """Return the schemas of what no route declares: problems, and the results of an update."""
    template = "#/components/schemas/{model}"
    _, answered = models_json_schema([(ProblemDetails, "serialization")], ref_template=template)
    _, sent = models_json_schema([(result, "validation") for result in RESULTS], ref_template=template)
    return {**answered["$defs"], **sent["$defs"]}


def _operation(declared: dict[str, Any]) -> dict[str, Any]:
    operation = {**declared, "responses": {}}
    if "parameters" in declared:
        operation["parameters"] = [parameter(one) for one in declared["parameters"]]
    for status, response in declared["responses"].items():
        if status == "422":
            continue
        operation["responses"][status] = tidied(response)
        if response["description"] == "Successful Response":
            operation["responses"][status]["description"] = title(int(status))
        if status == _ASKED_AGAIN:
            operation["responses"][status]["headers"] = RETRY_AFTER
    needs_key = declared["operationId"] not in _WITHOUT_KEY
    operation["responses"] |= refusals_of(declared["operationId"], needs_key=needs_key)
    if not needs_key:
        operation["security"] = []
    return operation
