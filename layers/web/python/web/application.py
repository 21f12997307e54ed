"""The application of a function: FastAPI behind Mangum, with the house's errors, logs, CORS and spelling of paths.

A function's module makes its application here, adds its routes, and exposes `handler = entry_point(app, metrics)`.
"""

import sys
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from aws_lambda_powertools import Logger
from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES
from starlette import formparsers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web import logs, problems, text
from web.entry import Handler, observed
from web.metrics import Metrics
from web.settings import VERSION, Settings

LARGEST_PART = 10 * 1024 * 1024
"""Bytes of an uploaded file that stay in memory: all that API Gateway lets through."""

# FastAPI asks of every type whether it is a model of Pydantic's first version, and would import all of that to know. It
# takes the package for missing, as it will be.
sys.modules.setdefault("pydantic.v1", None)  # type: ignore[arg-type]

# Starlette would write an upload of over 1 MiB to a temporary file. The whole request is in memory already.
formparsers.MultiPartParser.spool_max_size = LARGEST_PART

# It would decode names and fields by whatever codec of Python's the caller names, and what is not UTF-8 as Latin-1.
formparsers._user_safe_decode = text.decode


class _Envelope:
    """The outermost layer: request id, one log line a request, and a 500 that gives nothing away."""

    def __init__(self, app: ASGIApp, *, log: Logger) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        logs.request_id.set(_request_id(scope))
        began = time.perf_counter()
        status = 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception:
            self._log.exception("unexpected error")
            if status:
                raise
            refusal = problems.problem(500, "something went wrong on our side; the log has it under this instance")
            await refusal(scope, receive, watch)
        self._log.info(
            "request",
            method=scope["method"],
            path=scope["path"],
            status=status,
            duration_ms=round((time.perf_counter() - began) * 1000, 1),
        )


class _EitherSpelling:
    """Answers a path with and without its last slash alike: API Gateway passes on what the caller wrote, and a redirect
    would lose the stage's prefix and, in some clients, the body."""

    def __init__(self, app: ASGIApp, *, routes: list[Any]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._known(scope):
            path = scope["path"]
            other = {**scope, "path": path.rstrip("/") if path.endswith("/") else f"{path}/", "raw_path": None}
            if self._known(other):
                scope = other
        await self._app(scope, receive, send)

    def _known(self, scope: Scope) -> bool:
        return any(route.matches(scope)[0] is not Match.NONE for route in self._routes)


def _request_id(scope: Scope) -> str | None:
    context = scope.get("aws.event", {}).get("requestContext", {})
    found = context.get("requestId")
    return found if isinstance(found, str) else None


def _operation_id(route: APIRoute) -> str:
    return route.name


def create_app(
    *, service: str, title: str, settings: Settings, statuses: Mapping[type[Exception], int] = MappingProxyType({})
) -> tuple[FastAPI, Logger]:
    """An application without routes, and the logger that goes with it.

    `statuses` are of errors whose HTTP status is not that of their group, as `web.problems.install` describes.
    """
    log = logs.logger(service, level=settings.log_level.upper())
    app = FastAPI(
        title=title,
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        # A body without a content type is read as JSON, as clients of the original services rely on.
        strict_content_type=False,
        generate_unique_id_function=_operation_id,
        responses={"4XX": {"model": problems.Problem}, "5XX": {"model": problems.Problem}},
    )
    problems.install(app, statuses, log=log)
    app.add_middleware(_EitherSpelling, routes=app.router.routes)
    app.add_middleware(_Envelope, log=log)
    # Preflights are the gateway's to answer; this lets the page that asked read what the function answers.
    app.add_middleware(CORSMiddleware, allow_origins=[settings.cors_origin], expose_headers=["Retry-After"])
    return app, log


def entry_point(app: FastAPI, metrics: Metrics) -> Handler:
    """The Lambda handler of `app` for API Gateway's REST proxy events, traced and with its `metrics` written."""
    adapter = Mangum(
        app,
        lifespan="off",
        # Without this a problem would leave base64-encoded, and API Gateway would hand it out so.
        text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, problems.MEDIA_TYPE],
    )

    def handler(event: dict[str, Any], context: Any) -> Any:
        return adapter(text.readable(event), context)

    return observed(handler, metrics)


def base_path(request: Request) -> str:
    """What stands before the API's own paths in the caller's address: `/v1` behind the stage v1, else nothing."""
    event = request.scope.get("aws.event", {})
    whole, own = event.get("requestContext", {}).get("path", ""), event.get("path", "")
    return whole.removesuffix(own) if own and whole.endswith(own) else ""


async def require_json(request: Request) -> None:
    """A dependency: refuses a body that says it is something other than JSON with 415, and one whose texts UTF-8 cannot
    write with 400. A charset is ignored, as RFC 8259 has it."""
    _require(request, "application/json", missing_is_fine=True)
    if text.has_halves(await request.body()):
        raise HTTPException(400, "the body has half of a surrogate pair in it (\\ud800 to \\udfff), which is no text")


async def require_multipart(request: Request) -> None:
    """A dependency: refuses a body that is not multipart/form-data, or whose text is said not to be UTF-8, with 415."""
    _require(request, "multipart/form-data", missing_is_fine=False)
    # What has read the body, and is there only in images whose functions take such bodies.
    from python_multipart.multipart import parse_options_header  # noqa: PLC0415

    _, options = parse_options_header(request.headers["content-type"])
    charset = options.get(b"charset", b"utf-8").decode("latin-1")
    if charset.lower() not in {"utf-8", "utf8", "us-ascii"}:
        raise HTTPException(415, f"the body's charset must be UTF-8, not {charset}")


def _require(request: Request, wanted: str, *, missing_is_fine: bool) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given == wanted or (not given and missing_is_fine):
        return
    raise HTTPException(415, f"the body must be {wanted}, not {given or 'without a content type'}")
