"""API Gateway, played on one machine: routes, keys, throttling, limits, and its own answers, all from the template.

An HTTP request is matched to a route, made into a proxy event, handed to the function's real handler, and the answer is
turned back. Nothing here knows what the functions do.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from hmac import compare_digest
from typing import Any

from aws_lambda_powertools import Logger

from local.compression import compressed
from local.events import FunctionAnswerError, Request, Response, http_response, proxy_event
from local.functions import PAYLOAD_LIMIT, Function, PayloadTooLargeError
from local.template import Route, Template
from local.throttling import TokenBucket

REQUEST_LIMIT = 10 * 1024 * 1024
"""Bytes of a request's body that API Gateway takes."""

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?")


class _Matcher:
    """Finds the route of a path; `{name}` stands for one segment, `{name+}` for several. A last slash makes no
    difference, as on AWS."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        # Literal segments win over parameters, and those over greedy ones.
        ordered = sorted(routes, key=lambda route: (route.path.count("+}"), route.path.count("{")))
        self._patterns = [(self._pattern(route.path), route) for route in ordered]

    @staticmethod
    def _pattern(path: str) -> re.Pattern[str]:
        pieces = re.split(r"\{(\w+\+?)\}", path)
        text = "".join(
            f"(?P<{piece.rstrip('+')}>{'.+' if piece.endswith('+') else '[^/]+'})" if index % 2 else re.escape(piece)
            for index, piece in enumerate(pieces)
        )
        return re.compile(text, re.DOTALL)

    def match(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route and its path parameters, or None."""
        for route, parameters in self._at(path):
            if route.method == method:
                return route, parameters
        return None

    def knows(self, path: str) -> bool:
        """Whether there is a route for some method."""
        return next(self._at(path), None) is not None

    def _at(self, path: str) -> Iterator[tuple[Route, dict[str, str]]]:
        bare = path.rstrip("/") or "/"
        for pattern, route in self._patterns:
            if found := pattern.fullmatch(bare):
                yield route, found.groupdict()


class Gateway:
    """The API of `template`. Keys are off unless `api_key` is given, throttling unless `throttle` is true."""

    def __init__(
        self,
        template: Template,
        functions: Mapping[str, Function],
        *,
        log: Logger,
        api_key: str | None = None,
        throttle: bool = False,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._template = template
        self._functions = functions
        self._log = log
        self._api_key = api_key
        self._matcher = _Matcher(template.routes)
        self._buckets = {
            (route.method, route.path): TokenBucket(route.rate)
            for route in template.routes
            if throttle and route.rate is not None
        }
        self._new_id = new_id

    async def answer(self, request: Request) -> Response:
        """The answer to `request`; never raises for anything that a caller or a function did."""
        request_id = self._new_id()
        if not _HOST.fullmatch(request.header("host")):
            return self._own("DEFAULT_4XX", request_id, status=400, message="the Host header is not a host name")
        if request.method == "OPTIONS" and self._template.preflight_headers and self._matcher.knows(request.path):
            # Answered before keys and functions, as the method that SAM makes for each path does.
            return _response(200, {**self._template.preflight_headers, "Content-Type": "application/json"}, "{}")
        matched = self._matcher.match(request.method, request.path)
        if matched is None:
            return self._own("MISSING_AUTHENTICATION_TOKEN", request_id)
        route, path_parameters = matched
        if refusal := self._refusal(route, request):
            return self._own(refusal, request_id)
        event = proxy_event(
            request,
            route,
            path_parameters,
            stage=self._template.stage,
            request_id=request_id,
            binary_media_types=self._template.binary_media_types,
        )
        try:
            response = await self._invoke(route, event, accept=request.header("accept"))
            return await compressed(
                response,
                accept_encoding=request.header("accept-encoding"),
                minimum=self._template.minimum_compression_size,
            )
        except PayloadTooLargeError:
            kind = "REQUEST_TOO_LARGE"
        except TimeoutError:
            self._log.warning("a function took too long", function=route.function, request_id=request_id)
            kind = "INTEGRATION_TIMEOUT"
        except Exception:  # noqa: BLE001  (whatever a function raises, API Gateway answers 502; so does this)
            self._log.exception("a function failed", function=route.function, request_id=request_id)
            kind = "DEFAULT_5XX"
        return self._own(kind, request_id)

    async def _invoke(self, route: Route, event: dict[str, Any], *, accept: str) -> Response:
        answer = await self._functions[route.function].invoke(event)
        if len(json.dumps(answer)) > PAYLOAD_LIMIT:
            raise FunctionAnswerError("the answer is larger than Lambda gives back")
        return http_response(answer, accept=accept, binary_media_types=self._template.binary_media_types)

    def too_large(self) -> Response:
        """The answer to a request whose body is over `REQUEST_LIMIT`; its rest need not be read."""
        return self._own("REQUEST_TOO_LARGE", self._new_id())

    def _refusal(self, route: Route, request: Request) -> str | None:
        given = request.header("x-api-key").encode()
        if self._api_key is not None and route.needs_key and not compare_digest(given, self._api_key.encode()):
            return "INVALID_API_KEY"
        bucket = self._buckets.get((route.method, route.path))
        if bucket is not None and not bucket.take():
            return "THROTTLED"
        return None

    def _own(self, kind: str, request_id: str, *, status: int | None = None, message: str = "") -> Response:
        response = self._template.gateway_responses[kind]
        status = status or response.status
        variables = {
            "$context.requestId": request_id,
            "$context.responseStatus": str(status),
            "$context.error.messageString": json.dumps(message),
        }
        body = response.body
        for name, value in variables.items():
            body = body.replace(name, value)
        return _response(status, response.headers, body)


def _response(status: int, headers: Mapping[str, str], body: str) -> Response:
    lower = tuple((name.lower(), value) for name, value in headers.items())
    return Response(status=status, headers=lower, body=body.encode("utf-8"))
