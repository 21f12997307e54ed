"""Problems: every error that a caller sees, in the one shape of RFC 9457 (application/problem+json).

    {"type": "about:blank", "title": "Unprocessable Content", "status": 422,
     "detail": "results[3].rating: must be between 1 and 5, not 9",
     "instance": "<request id>",
     "errors": [{"detail": "must be between 1 and 5, not 9", "pointer": "#/results/3/rating"}]}

API Gateway's own errors have the same shape, by the template's gateway responses. An unexpected error is a 500 whose
body says nothing about it; the log has the trace.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema
from starlette.exceptions import HTTPException

from storage.errors import ConflictError, MissingError, PermanentError, RequestError, TransientError
from web import logs
from web.text import readable

MEDIA_TYPE = "application/problem+json"

_REPAIR_TIME = 60
"""Seconds until a retry of what only a person can repair: few requests until then, and a short delay after it."""

_STATUSES: Mapping[type[Exception], int] = {
    RequestError: 422,
    MissingError: 404,
    ConflictError: 409,
    TransientError: 503,
    PermanentError: 503,
}
"""The HTTP status of each group of `storage.errors`."""

_TITLES = {
    # The names of RFC 9110; Python before 3.13 still has the older ones.
    413: "Content Too Large",
    422: "Unprocessable Content",
}


class FieldError(BaseModel):
    """One thing wrong with a request, and where."""

    detail: str
    pointer: str | SkipJsonSchema[None] = Field(
        default=None, description="JSON pointer into the request's body, as a URI fragment"
    )
    parameter: str | SkipJsonSchema[None] = Field(default=None, description="the query or path parameter")
    header: str | SkipJsonSchema[None] = Field(default=None, description="the request's header")


class ProblemDetails(BaseModel):
    """An error as RFC 9457 describes it."""

    type: str = Field(examples=["about:blank"])
    title: str
    status: int
    detail: str
    instance: str | SkipJsonSchema[None] = Field(default=None, description="the request's id, as in the logs")
    errors: list[FieldError] | SkipJsonSchema[None] = Field(
        default=None, description="for an invalid request: everything wrong with it"
    )


class ProblemResponse(JSONResponse):
    """A response whose body is a `ProblemDetails`."""

    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        """Return the body as JSON in UTF-8; half surrogate pairs become U+FFFD."""
        return super().render(readable(content))


def title(status: int) -> str:
    """Return the title of `status`: the reason phrase of RFC 9110."""
    return _TITLES.get(status) or HTTPStatus(status).phrase


def problem(
    status: int,
    detail: str,
    *,
    errors: Sequence[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> ProblemResponse:
    """Make a response of `status` with `detail` and, for an invalid request, `errors`: all that is wrong with it."""
    body = ProblemDetails(
        type="about:blank",
        title=title(status),
        status=status,
        detail=detail,
        instance=logs.request_id.get(),
        errors=list(errors) or None,
    )
    return ProblemResponse(body.model_dump(exclude_none=True), status_code=status, headers=dict(headers or {}))


def _unavailable(seconds: int) -> ProblemResponse:
    detail = f"what is needed to answer cannot be reached just now; try again in {seconds} s"
    return problem(503, detail, headers={"Retry-After": str(seconds)})


def _body_error(location: Sequence[str | int], detail: str) -> FieldError:
    """Make the error of the body's member at `location`, a path such as ("results", 3, "rating")."""
    escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in location)
    return FieldError(detail=detail, pointer="#" + "".join(f"/{part}" for part in escaped))


def _query_error(location: Sequence[str | int], detail: str) -> FieldError:
    return FieldError(detail=detail, parameter=str(location[0]))


def _header_error(location: Sequence[str | int], detail: str) -> FieldError:
    return FieldError(detail=detail, header=str(location[0]))


_PLACES = {"body": _body_error, "query": _query_error, "header": _header_error}
"""Per root of a field's location, what makes the error."""


def spoken_value(value: object) -> str:
    """Return a value of the request's as an error names it, cut short."""
    text = repr(value)
    return text if len(text) <= _MOST_QUOTED else f"{text[:_MOST_QUOTED]}…"


def _spoken(location: Sequence[str | int]) -> str:
    """Return the path as people write it: ("results", 3, "rating") is `results[3].rating`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _invalid(found: Sequence[tuple[FieldError, str]]) -> ProblemResponse:
    """Make a 422 of `found`: at least one error, each with its location as people write it."""
    (first, where), *rest = found
    detail = f"{where}: {first.detail}" if where else f"the body {first.detail}"
    if rest:
        detail += f" (and {len(rest)} more)"
    return problem(422, detail, errors=[error for error, _ in found])


_PLAIN = {
    "missing": "is required",
    "model_attributes_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
    "list_type": "must be a JSON array",
    "string_type": "must be a string",
    "extra_forbidden": "is not known here",
}
_MOST_QUOTED = 40
_PLAIN_KINDS = {
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), "must be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
}


def _message(error: Mapping[str, Any]) -> str:
    """Return Pydantic's message in the words that the rest of the API uses."""
    if error["input"] is None and error["type"] != "missing":
        return "must not be null"
    if plain := _PLAIN.get(error["type"]):
        return plain
    if kind := _PLAIN_KINDS.get(error["type"]):
        return f"{kind}, not {spoken_value(error['input'])}"
    text: str = error["msg"]
    return (
        text.replace("Value error, ", "")
        .replace("Input should be", "must be")
        .replace("String should have", "must have")
    )


def _field_error(error: Mapping[str, Any]) -> tuple[FieldError, str]:
    part, *location = error["loc"]
    message = _message(error)
    if part == "body":
        return _body_error(location, message), _spoken(location)
    name = str(location[0])
    if part == "header":
        return FieldError(detail=message, header=name), name
    return FieldError(detail=message, parameter=name), name


async def _on_validation_error(_request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  (registered for this type alone)
    found = error.errors()
    if found[0]["type"] == "json_invalid":
        return problem(400, f"the body is not JSON: {found[0]['ctx']['error']} at character {found[0]['loc'][-1]}")
    return _invalid([_field_error(one) for one in found])


async def _on_http_error(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  (registered for this type alone)
    detail = error.detail
    if detail == HTTPStatus(error.status_code).phrase:
        detail = f"{request.method} {request.url.path}: {detail.lower()}"
    return problem(error.status_code, detail, headers=error.headers)


def install(app: FastAPI, statuses: Mapping[type[Exception], int], *, log: Logger) -> None:
    """Have `app` answer every error as a problem.

    An error of `storage.errors` has the status of its group; `statuses` are the exceptions to that rule. Its message
    becomes `detail`. Its `fields`, if it has any, become `errors`: each has a `location`, the location's `root`
    (body, query or header) and a `message`. A 503 is logged; its body only says to try again after the error's
    `retry_after` seconds.
    """

    def answer(error_type: type[Exception], status: int) -> None:
        async def on_error(_request: Request, error: Exception) -> ProblemResponse:
            if found := getattr(error, "fields", ()):
                return _invalid(
                    [(_PLACES[one.root](one.location, one.message), _spoken(one.location)) for one in found]
                )
            if status == HTTPStatus.SERVICE_UNAVAILABLE:
                # The name of the file or table is for those who run the service, not for its callers.
                log.error(str(error), error=type(error).__name__)
                return _unavailable(max(1, round(getattr(error, "retry_after", _REPAIR_TIME))))
            return problem(status, str(error))

        app.add_exception_handler(error_type, on_error)

    for error_type, status in {**_STATUSES, **statuses}.items():
        answer(error_type, status)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
