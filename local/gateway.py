"""API Gateway on one machine: routes, keys, throttling, limits, and the gateway's own answers, all from the template.

An HTTP request is matched to a route and made into a proxy event; the function's real handler is called with it, and
its answer is made into an HTTP response. Requests that can be refused by their head are refused before their body is
read. This module does not know what the functions do.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hmac import compare_digest

from aws_lambda_powertools import Logger

from local.compression import LargeBodyError, NotSoCodedError, compressed, readable
from local.events import FunctionAnswerError, Request, Response, http_response, proxy_event
from local.functions import PAYLOAD_LIMIT, Context, Function, PayloadTooLargeError
from local.lanes import Lane, LaneFullError, LaneStoppedError
from local.template import Route, Template
from local.throttling import TokenBucket

REQUEST_LIMIT = 10 * 1024 * 1024
"""The most bytes of a request's body that API Gateway accepts."""

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
"""The methods that a resource of API Gateway can have; functions never get others."""

_RETRY_AFTER = "1"
"""Seconds: there is room again as soon as another request is done."""

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?")


class _Matcher:
    """The routes by path: `{name}` matches one segment, `{name+}` several. A last slash is ignored, as on AWS."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        # Literal segments come before parameters, and these before greedy ones.
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
        """Return the route and its path parameters, or None if there is no such route."""
        for route, parameters in self._at(path):
            if route.method == method:
                return route, parameters
        return None

    def methods(self, path: str) -> tuple[str, ...]:
        """Return the methods for which `path` has a route, in order."""
        return tuple(sorted({route.method for route, _ in self._at(path)}))

    def _at(self, path: str) -> Iterator[tuple[Route, dict[str, str]]]:
        bare = path.rstrip("/") or "/"
        for pattern, route in self._patterns:
            if found := pattern.fullmatch(bare):
                yield route, found.groupdict()


@dataclass(frozen=True, slots=True)
class Passage:
    """An admitted request: it goes to a function, in the lane of its route, once its body has arrived."""

    request_id: str
    route: Route
    path_parameters: Mapping[str, str]
    lane: Lane


class Gateway:
    """The API of `template`. Without `api_key` no key is needed; `throttle` turns throttling on."""

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
        """Answer `request`. No error of a caller or a function is raised."""
        found = self.admit(request)
        return found if isinstance(found, Response) else await self.pass_on(found, request)

    def admit(self, head: Request) -> "Passage | Response":
        """Admit a request by its head, or return the answer that refuses it."""
        request_id = self._new_id()
        if not _HOST.fullmatch(head.header("host")):
            return self._own("DEFAULT_4XX", request_id, status=400, message="the Host header is not a host name")
        if own := self._without_function(head, request_id):
            return own
        matched = self._matcher.match(head.method, head.path)
        if matched is None:
            return self._own("MISSING_AUTHENTICATION_TOKEN", request_id)
        route, path_parameters = matched
        lane = self._functions[route.function].lane(f"{route.method} {route.path}")
        if refusal := self._refusal(route, head) or ("THROTTLED" if lane.full else None):
            return self._own(refusal, request_id)
        return Passage(request_id, route, path_parameters, lane)

    async def pass_on(self, passage: "Passage", request: Request) -> Response:
        """Call the function with an admitted request and its body; return the answer. Raises no more than `answer`."""
        route, request_id = passage.route, passage.request_id
        function, context = self._functions[route.function], Context(route.function)

        def answered() -> Response:
            event = proxy_event(
                readable(request, minimum=self._template.minimum_compression_size),
                route,
                passage.path_parameters,
                stage=self._template.stage,
                request_id=request_id,
                binary_media_types=self._template.binary_media_types,
            )
            answer = function.handle(event, context)
            if len(json.dumps(answer)) > PAYLOAD_LIMIT:
                raise FunctionAnswerError("the answer is larger than Lambda returns")
            return http_response(
                answer,
                accept=request.header("accept"),
                binary_media_types=self._template.binary_media_types,
            )

        if len(request.body) > PAYLOAD_LIMIT:
            # No encoding in an event makes the bytes fewer.
            return self._own("REQUEST_TOO_LARGE", request_id)
        try:
            response = await passage.lane.run(answered, seconds=context.get_remaining_time_in_millis() / 1000)
            return await compressed(
                response,
                accept_encoding=request.header("accept-encoding"),
                minimum=self._template.minimum_compression_size,
            )
        except LaneStoppedError:
            return self.unavailable()
        except LaneFullError:
            kind = "THROTTLED"
        except NotSoCodedError:
            kind = "UNSUPPORTED_MEDIA_TYPE"
        except (PayloadTooLargeError, LargeBodyError):
            kind = "REQUEST_TOO_LARGE"
        except TimeoutError:
            self._log.warning("a function took too long", function=route.function, request_id=request_id)
            kind = "INTEGRATION_TIMEOUT"
        except Exception:  # noqa: BLE001  (whatever a function raises, API Gateway answers 502; so does this)
            self._log.exception("a function failed", function=route.function, request_id=request_id)
            kind = "DEFAULT_5XX"
        return self._own(kind, request_id)

    def admit_own(self, head: Request) -> Response | None:
        """Return the answer that refuses a request to the stack's own pages, which take the key too; None if none."""
        return None if self._has_key(head) else self._own("INVALID_API_KEY", self._new_id())

    def resource(self, head: Request) -> str | None:
        """Return the path of the request's route as the template has it; None if there is no such route."""
        found = self._matcher.match(head.method, head.path)
        return found[0].path if found else None

    def too_large(self) -> Response:
        """Answer a request whose body is over `REQUEST_LIMIT`; the rest of it need not be read."""
        return self._own("REQUEST_TOO_LARGE", self._new_id())

    def crowded(self) -> Response:
        """Answer a request whose body does not fit into the memory; the rest of it need not be read."""
        return self._own("THROTTLED", self._new_id())

    def late(self) -> Response:
        """Answer a request whose head or body does not arrive in time."""
        return self._own(
            "DEFAULT_4XX", self._new_id(), status=408, message="the request did not arrive in time; send it again"
        )

    def malformed(self) -> Response:
        """Answer what is not HTTP."""
        return self._own("DEFAULT_4XX", self._new_id(), status=400, message="the request is not HTTP")

    def unavailable(self) -> Response:
        """Answer for a server that has too many connections, or that stops."""
        own = self._own("DEFAULT_5XX", self._new_id(), status=503)
        return Response(own.status, (*own.headers, ("retry-after", _RETRY_AFTER)), own.body)

    def failed(self) -> Response:
        """Answer a request on which the gateway itself failed."""
        return self._own("DEFAULT_5XX", self._new_id(), status=500)

    def _without_function(self, head: Request, request_id: str) -> Response | None:
        """Answer a preflight, or a method that no route can have; return None for other requests."""
        methods = self._matcher.methods(head.path)
        preflight = self._template.preflight_headers
        if methods and preflight and head.method == "OPTIONS":
            # The answer of the OPTIONS method that SAM makes for each path.
            return _response(200, {**preflight, "Content-Type": "application/json"}, "{}")
        if methods and head.method not in _METHODS:
            message = f"there is no method {head.method[:32]} here; the header Allow lists the methods"
            own = self._own("DEFAULT_4XX", request_id, status=405, message=message)
            allowed = ", ".join((*methods, "OPTIONS") if preflight else methods)
            return Response(own.status, (*own.headers, ("allow", allowed)), own.body)
        return None

    def _refusal(self, route: Route, request: Request) -> str | None:
        if route.needs_key and not self._has_key(request):
            return "INVALID_API_KEY"
        bucket = self._buckets.get((route.method, route.path))
        if bucket is not None and not bucket.take():
            return "THROTTLED"
        return None

    def _has_key(self, request: Request) -> bool:
        given = request.header("x-api-key").encode()
        return self._api_key is None or compare_digest(given, self._api_key.encode())

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
