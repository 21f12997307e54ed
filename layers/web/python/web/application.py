"""The application of a function: FastAPI behind Mangum, with errors as problems, logs, CORS, and optional last slashes.

A function makes its application with `create_app`, adds its routes, and makes its Lambda handler with `entry_point`.
"""

import asyncio
import atexit
import time
import warnings
from collections.abc import Collection, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from aws_lambda_powertools import Logger
from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web import gateways, logs, problems, text
from web.compression import AnswerCompression, RequestDecompression
from web.entry import Handler, observed
from web.metrics import Metric, Metrics
from web.settings import VERSION, Settings


class _Envelope:
    """The outermost middleware: sets the request id, logs one line per request, and answers an unexpected error.

    The answer is a 500 that says nothing of the error. The log has its trace.
    """

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


class _HeadAsGet:
    """Middleware that answers HEAD as GET without the body: what monitors ask, and FastAPI does not route."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app({**scope, "method": "GET"}, receive, without_body)


class _EitherSpelling:
    """Middleware that answers a path in the same way with and without its last slash.

    API Gateway passes the path on as the caller wrote it. A redirect would lose the stage's prefix and, in some
    clients, the body.
    """

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
    found = scope.get("aws.event", {}).get("requestContext", {}).get("requestId")
    # Load balancers give a request no id; Lambda gives one to each call.
    found = found or getattr(scope.get("aws.context"), "aws_request_id", None)
    return found if isinstance(found, str) else None


def _operation_id(route: APIRoute) -> str:
    return route.name


def create_app(
    *,
    service: str,
    title: str,
    settings: Settings,
    statuses: Mapping[type[Exception], int] = MappingProxyType({}),
    packages: Collection[str] = (),
) -> tuple[FastAPI, Logger]:
    """Make an application without routes, and the logger that goes with it.

    `statuses` are of errors whose HTTP status is not that of their group, as `web.problems.install` describes.
    `packages` are those whose logs are written at the level of `settings` too.
    """
    log = logs.logger(service, level=settings.log_level.upper(), form=settings.log_format, packages=packages)
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
    )
    problems.install(app, statuses, log=log)
    app.add_middleware(_EitherSpelling, routes=app.router.routes)
    app.add_middleware(RequestDecompression)
    app.add_middleware(AnswerCompression)
    app.add_middleware(_HeadAsGet)
    app.add_middleware(_Envelope, log=log)
    # Preflights are the gateway's to answer; this lets the page that asked read what the function answers.
    app.add_middleware(CORSMiddleware, allow_origins=[settings.cors_origin], expose_headers=["Retry-After", "Link"])
    return app, log


def entry_point(app: FastAPI, metrics: Metrics) -> Handler:
    """Return the Lambda handler of `app` for the requests of `web.gateways`, traced and with its `metrics` written."""
    _ensure_event_loop()
    adapter = Mangum(
        app,
        lifespan="off",
        # Mangum encodes other media types in base64, and API Gateway would not decode a problem.
        text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, problems.MEDIA_TYPE],
    )

    def handler(event: dict[str, Any], context: Any) -> Any:
        answer = adapter(gateways.as_request(text.readable(event)), context)
        metrics.count(Metric.FAILED_ANSWERS, int(answer["statusCode"] >= HTTPStatus.INTERNAL_SERVER_ERROR))
        return answer

    return observed(handler, metrics)


def _ensure_event_loop() -> None:
    """Give the thread an event loop if it has none: Mangum asks for it, and Python 3.12 and later make none unasked."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            asyncio.get_event_loop()
        except (DeprecationWarning, RuntimeError):
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            atexit.register(loop.close)


def base_path(request: Request) -> str:
    """Return what precedes the API's own paths in the caller's URL: `/v1` behind the stage v1, else nothing."""
    return gateways.base_path(request.scope.get("aws.event", {}))


async def require_json(request: Request) -> None:
    """Refuse a body that is not JSON by its content type. A dependency of routes.

    A charset is ignored, as RFC 8259 asks.

    Raises:
        HTTPException: 415 for another content type; 400 for a text with half of a surrogate pair, which UTF-8 cannot
            encode.
    """
    require_media_type(request, "application/json", missing_is_fine=True)
    if text.has_halves(await request.body()):
        raise HTTPException(400, "the body has half of a surrogate pair in it (\\ud800 to \\udfff), which is no text")


def require_media_type(request: Request, wanted: str, *, missing_is_fine: bool) -> None:
    """Refuse a body that is not `wanted` by its content type.

    Raises:
        HTTPException: 415 for another content type, or for none unless `missing_is_fine`.
    """
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given == wanted or (not given and missing_is_fine):
        return
    raise HTTPException(415, f"the body must be {wanted}, not {given or 'without a content type'}")
