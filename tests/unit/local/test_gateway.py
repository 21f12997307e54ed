"""The gateway's rules, with a small handler behind it; the real functions answer through it in tests/http."""

import asyncio
import base64
import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

import local.functions
from local.events import Request, Response
from local.functions import Function
from local.gateway import Gateway, Passage
from local.template import GatewayResponse, Rate, Route, Template
from web import logs

_PROBLEM = '{"status": $context.responseStatus, "kind": "%s", "instance": "$context.requestId", "detail": %s}'
_KINDS = {
    "MISSING_AUTHENTICATION_TOKEN": 404,
    "INVALID_API_KEY": 403,
    "THROTTLED": 429,
    "REQUEST_TOO_LARGE": 413,
    "INTEGRATION_TIMEOUT": 504,
    "DEFAULT_4XX": 400,
    "DEFAULT_5XX": 502,
}


def _route(method: str, path: str, *, key: bool = True, rate: Rate | None = None) -> Route:
    return Route(method, path, "Echo", needs_key=key, rate=rate)


_TEMPLATE = Template(
    stage="v1",
    routes=(
        _route("GET", "/things/{name}"),
        _route("GET", "/things/special", key=False),
        _route("GET", "/files/{path+}"),
        _route("GET", "/files/{one}/size"),
        _route("POST", "/echo"),
        _route("GET", "/limited", rate=Rate(per_second=0.001, burst=2)),
        *(_route("GET", f"/{name}") for name in ("fail", "nonsense", "huge", "binary", "slow", "surrogate", "header")),
    ),
    handlers={"Echo": "tests.support.echo.handler"},
    binary_media_types=frozenset({"multipart/form-data", "image/x"}),
    gateway_responses={
        kind: GatewayResponse(
            status,
            {"Content-Type": "application/problem+json"} | ({"Retry-After": "1"} if status == 429 else {}),
            _PROBLEM % (kind, "$context.error.messageString" if kind == "DEFAULT_4XX" else '"fixed"'),
        )
        for kind, status in _KINDS.items()
    },
    preflight_headers={"Access-Control-Allow-Origin": "https://studio.example.org"},
    environment={},
)


@pytest.fixture(scope="module")
def echo() -> Iterator[Function]:
    function = Function("Echo", "tests.support.echo.handler")
    yield function
    function.close()


def _ask(
    echo: Function,
    method: str,
    path: str,
    *,
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
    query: str = "",
    times: int = 1,
    **guards: Any,
) -> list[Response]:
    gateway = Gateway(
        _TEMPLATE, {"Echo": echo}, log=logs.logger("gateway", level="INFO"), new_id=lambda: "id-9", **guards
    )
    request = Request(method, path, query, (("host", "localhost:8000"), *headers), body, "203.0.113.9")

    async def run() -> list[Response]:
        return [await gateway.answer(request) for _ in range(times)]

    return asyncio.get_event_loop().run_until_complete(run())


def _event(response: Response) -> dict[str, Any]:
    assert response.status == 201
    event: dict[str, Any] = json.loads(response.body)["event"]
    return event


_TWICE = (("x-a", "1"), ("x-a", "2"))


def test_a_request_reaches_the_function_as_a_proxy_event(echo: Function) -> None:
    (response,) = _ask(
        echo, "POST", "/echo", headers=(("x-a", "1"), ("x-a", "2")), body="ñ".encode(), query="q=1&q=2&e="
    )

    event = _event(response)
    assert (event["httpMethod"], event["path"], event["resource"]) == ("POST", "/echo", "/echo")
    assert (event["body"], event["isBase64Encoded"]) == ("ñ", False)
    assert event["headers"]["x-a"] == "2"
    assert event["multiValueHeaders"]["x-a"] == ["1", "2"]
    assert event["multiValueQueryStringParameters"] == {"q": ["1", "2"], "e": [""]}
    assert event["requestContext"]["requestId"] == "id-9"
    assert event["requestContext"]["identity"]["sourceIp"] == "203.0.113.9"
    assert event["pathParameters"] is None


def test_a_binary_media_type_is_sent_as_base64(echo: Function) -> None:
    multipart = (("content-type", "multipart/form-data; boundary=x"),)
    (response,) = _ask(echo, "POST", "/echo", headers=multipart, body=b"\xff\x00")

    event = _event(response)
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == b"\xff\x00"


def test_literal_segments_win_over_parameters_and_a_last_slash_changes_nothing(echo: Function) -> None:
    named, special, slashed = (
        _event(_ask(echo, "GET", path)[0]) for path in ("/things/a b", "/things/special", "/things/a b/")
    )

    assert (named["resource"], named["pathParameters"]) == ("/things/{name}", {"name": "a b"})
    assert special["resource"] == "/things/special"
    assert (slashed["resource"], slashed["path"]) == ("/things/{name}", "/things/a%20b/")


def test_a_greedy_parameter_takes_the_rest_of_the_path_and_wins_over_nothing(echo: Function) -> None:
    rest, size = (_event(_ask(echo, "GET", path)[0]) for path in ("/files/a/b c/d.jpg", "/files/a/size"))

    assert (rest["resource"], rest["pathParameters"]) == ("/files/{path+}", {"path": "a/b c/d.jpg"})
    assert (size["resource"], size["pathParameters"]) == ("/files/{one}/size", {"one": "a"})


def test_a_preflight_is_answered_without_a_key_and_without_the_function(echo: Function) -> None:
    (response,) = _ask(echo, "OPTIONS", "/fail", api_key="key")

    assert response.status == 200
    assert ("access-control-allow-origin", "https://studio.example.org") in response.headers
    assert _ask(echo, "OPTIONS", "/nowhere")[0].status == 404


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/things"), ("GET", "/things/a/b"), ("PUT", "/echo")]
)
def test_what_the_template_does_not_have_is_not_found(echo: Function, method: str, path: str) -> None:
    (response,) = _ask(echo, method, path)

    assert (response.status, json.loads(response.body)["instance"]) == (404, "id-9")
    assert ("content-type", "application/problem+json") in response.headers


@pytest.mark.parametrize(("key", "status"), [(None, 403), ("wrong", 403), ("schlüssel", 201)])
def test_a_key_is_asked_for_where_the_template_says_so(echo: Function, key: str | None, status: int) -> None:
    headers = () if key is None else (("x-api-key", key),)

    assert _ask(echo, "GET", "/things/a", headers=headers, api_key="schlüssel")[0].status == status
    assert _ask(echo, "GET", "/things/special", headers=headers, api_key="schlüssel")[0].status == 201


def test_the_template_rates_hold_when_asked_for(echo: Function) -> None:
    throttled = _ask(echo, "GET", "/limited", times=3, throttle=True)

    assert [one.status for one in throttled] == [201, 201, 429]
    assert ("retry-after", "1") in throttled[-1].headers
    assert [one.status for one in _ask(echo, "GET", "/limited", times=3)] == [201, 201, 201]


@pytest.mark.parametrize("path", ["/fail", "/nonsense", "/huge"])
def test_a_function_that_fails_is_a_bad_gateway(echo: Function, path: str) -> None:
    assert _ask(echo, "GET", path)[0].status == 502


def test_a_function_that_takes_too_long_is_a_gateway_timeout(echo: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.functions, "INTEGRATION_TIMEOUT", 0.05)

    assert _ask(echo, "GET", "/slow")[0].status == 504


def test_an_event_over_what_lambda_takes_is_too_large(echo: Function) -> None:
    multipart = (("content-type", "multipart/form-data; boundary=x"),)

    assert _ask(echo, "POST", "/echo", headers=multipart, body=b"x" * 4_400_000)[0].status == 201
    # Base64 makes it a third larger: over 6 MiB as an event, though under the gateway's 10 MiB.
    assert _ask(echo, "POST", "/echo", headers=multipart, body=b"x" * 5_000_000)[0].status == 413


def test_a_base64_answer_is_decoded_for_those_who_accept_binary_alone(echo: Function) -> None:
    accepting = (("accept", "image/x, */*"),)

    assert _ask(echo, "GET", "/binary", headers=accepting)[0].body == b"\x00\x01\xff"
    assert _ask(echo, "GET", "/binary")[0].body == b"AAH/"


def test_several_values_of_a_header_all_come_back(echo: Function) -> None:
    (response,) = _ask(echo, "POST", "/echo")

    assert [value for name, value in response.headers if name == "set-cookie"] == ["a=1", "b=2"]


def test_forwarding_headers_are_the_gateways_own(echo: Function) -> None:
    claimed = (("x-forwarded-port", "evil"), ("x-forwarded-for", "10.0.0.1"))
    (response,) = _ask(echo, "POST", "/echo", headers=claimed)

    headers = _event(response)["multiValueHeaders"]
    assert (headers["x-forwarded-port"], headers["x-forwarded-for"]) == (["8000"], ["203.0.113.9"])


def test_a_host_header_that_is_no_host_is_refused(echo: Function) -> None:
    gateway = Gateway(_TEMPLATE, {"Echo": echo}, log=logs.logger("gateway", level="INFO"))
    request = Request("POST", "/echo", "", (("host", "a:b:c"),), b"", "127.0.0.1")
    response = asyncio.get_event_loop().run_until_complete(gateway.answer(request))

    assert (response.status, json.loads(response.body)["detail"]) == (400, "the Host header is not a host name")


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "QUERY", "PROPFIND", "get", "X"])
def test_a_method_that_no_route_can_have_is_not_allowed_and_the_others_are_listed(echo: Function, method: str) -> None:
    (response,) = _ask(echo, method, "/echo", api_key="key")

    assert response.status == 405
    assert ("allow", "POST, OPTIONS") in response.headers
    assert json.loads(response.body)["detail"].startswith(f"there is no method {method} here; the header Allow")
    assert _ask(echo, method, "/nowhere")[0].status == 404


def test_a_full_lane_is_throttled_before_the_body_is_looked_at_and_other_lanes_are_not(echo: Function) -> None:
    gateway = Gateway(_TEMPLATE, {"Echo": echo}, log=logs.logger("gateway", level="INFO"))
    begun, let = threading.Event(), threading.Event()
    lane = echo.lane("GET /slow")

    def wait() -> bool:
        begun.set()
        return let.wait(20)

    in_hand = lane.submit(wait)
    assert begun.wait(20)
    while not lane.full:
        lane.submit(str)
    head = Request("GET", "/slow", "", (("host", "localhost"),), b"", "127.0.0.1")
    refused = gateway.admit(head)
    assert isinstance(refused, Response)
    assert (refused.status, dict(refused.headers)["retry-after"]) == (429, "1")
    assert isinstance(gateway.admit(replace(head, method="POST", path="/echo")), Passage)
    let.set()
    assert in_hand.result(20)


def test_a_call_that_timed_out_before_it_began_is_never_begun(echo: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.functions, "INTEGRATION_TIMEOUT", 0.05)
    let, lane = threading.Event(), echo.lane("POST /echo")
    in_hand = lane.submit(lambda: let.wait(20))
    begun = sys.modules["tests.support.echo"].BEGUN
    before = list(begun)
    assert _ask(echo, "POST", "/echo")[0].status == 504
    let.set()
    in_hand.result(20)
    lane.submit(str).result(20)
    assert begun == before
    monkeypatch.undo()
    assert _ask(echo, "POST", "/echo")[0].status == 201
    assert begun == [*before, "/echo"]


def test_a_stopping_server_tells_what_it_does_not_begin_to_come_again() -> None:
    function = Function("Echo", "tests.support.echo.handler")
    function.close()
    (response,) = _ask(function, "POST", "/echo")
    assert (response.status, dict(response.headers)["retry-after"]) == (503, "1")


@pytest.mark.parametrize("path", ["/surrogate", "/header"])
def test_an_answer_that_cannot_be_sent_is_a_bad_gateway(echo: Function, path: str) -> None:
    assert _ask(echo, "GET", path)[0].status == 502


@pytest.mark.parametrize("text", ["%ed%a0%80", "%ff", "%00", "%", "a=%ed%a0%80&%ff=%", "\x7f"])
def test_bytes_that_are_not_text_become_replacement_characters(echo: Function, text: str) -> None:
    event = _event(_ask(echo, "POST", "/echo", query=text, body=b"\xff\xed\xa0\x80", headers=(("x-a", "\xff"),))[0])
    json.dumps(event, ensure_ascii=False).encode("utf-8")
