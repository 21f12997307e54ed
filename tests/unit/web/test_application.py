"""An entry point, called as Lambda calls it: an API Gateway event in, a proxy response out."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import Depends
from pydantic import BaseModel

from local.events import Request, proxy_event
from local.functions import Context
from local.template import Route
from storage.errors import ConflictError, DamagedError, RequestError, UnavailableError
from web.application import create_app, entry_point, require_json
from web.metrics import Metrics
from web.settings import Settings

Call = Callable[..., "Answer"]
_JSON = "application/json"


class _BusyError(Exception):
    retry_after = 2.4


class _WrongError(Exception):
    @dataclass(frozen=True)
    class Field:
        location: tuple[str | int, ...]
        message: str
        root: str = "body"

    fields = (
        Field(("results", 3, "rating"), "must be between 1 and 5"),
        Field(("a/b",), "is required"),
        Field(("a/b",), "is required", "query"),
        Field(("A-B",), "is too long", "header"),
    )


class _HalfError(Exception):
    """Its message has half of a surrogate pair in it, as a file's name in a folder can."""


class _RefusedHereError(RequestError):
    """An exception to what its group is answered with."""


_GROUPS = {
    "transient": UnavailableError("table-7 is busy", retry_after=7),
    "request": RequestError("no"),
    "conflict": ConflictError("not now"),
    "permanent": DamagedError("table-7 is damaged"),
    "down": KeyError("x"),
    "here": _RefusedHereError("no such thing"),
}


class _Body(BaseModel):
    number: int


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: Any
    base64: bool


@pytest.fixture(scope="module")
def call() -> Call:
    app, _ = create_app(
        service="test",
        title="Test",
        settings=Settings(),
        statuses={_BusyError: 503, _WrongError: 422, _HalfError: 409, KeyError: 503, _RefusedHereError: 415},
    )

    @app.get("/busy")
    async def busy() -> None:
        raise _BusyError("table-7 is busy")

    @app.get("/group/{name}")
    async def group(name: str) -> None:
        raise _GROUPS[name]

    @app.get("/wrong")
    @app.post("/wrong")
    async def wrong() -> None:
        raise _WrongError

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("secret inside")

    @app.post("/sum/", dependencies=[Depends(require_json)])
    async def add(body: _Body) -> dict[str, int]:
        return {"sum": body.number + 1}

    @app.get("/half")
    async def half() -> None:
        raise _HalfError("named x\ud800")

    @app.get("/page")
    async def page(page: int = 1) -> dict[str, int]:
        return {"page": page}

    handler = entry_point(app, Metrics("test"))

    def invoke(
        method: str, path: str, body: str = "", content_type: str = "application/json", query: str = ""
    ) -> Answer:
        headers = [("host", "localhost:8000"), *([("content-type", content_type)] if content_type else [])]
        request = Request(method, path, query, tuple(headers), body.encode(), "127.0.0.1")
        route = Route(method, path, "Test", needs_key=False, rate=None)
        event = proxy_event(request, route, {}, stage="v1", request_id="id-1", binary_media_types=frozenset())
        answer = handler(event, Context("Test"))
        return Answer(answer["statusCode"], answer["headers"], json.loads(answer["body"]), answer["isBase64Encoded"])

    return invoke


def test_an_error_of_the_caller_lists_everything_wrong_with_its_place(call: Call) -> None:
    answer = call("POST", "/wrong")

    assert answer.status == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert not answer.base64
    assert answer.body == {
        "type": "about:blank",
        "title": "Unprocessable Content",
        "status": 422,
        "detail": "results[3].rating: must be between 1 and 5 (and 3 more)",
        "instance": "id-1",
        "errors": [
            {"detail": "must be between 1 and 5", "pointer": "#/results/3/rating"},
            {"detail": "is required", "pointer": "#/a~1b"},
            {"detail": "is required", "parameter": "a/b"},
            {"detail": "is too long", "header": "A-B"},
        ],
    }


def test_the_place_of_an_error_does_not_depend_on_the_method(call: Call) -> None:
    assert call("GET", "/wrong").body["errors"] == call("POST", "/wrong").body["errors"]


def test_a_problem_is_text_whatever_it_speaks_of(call: Call) -> None:
    answer = call("GET", "/half")

    assert (answer.status, answer.body["detail"]) == (409, "named x\ufffd")


def test_unavailable_storage_says_when_to_try_again_and_the_log_says_what_it_is(
    call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = call("GET", "/busy")

    assert (answer.status, answer.headers["retry-after"]) == (503, "2")
    assert "table-7" not in json.dumps(answer.body)
    assert "table-7 is busy" in capsys.readouterr().out
    assert call("GET", "/group/down").headers["retry-after"] == "60"


def test_an_unexpected_error_is_logged_and_gives_nothing_away(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    answer = call("GET", "/broken")

    assert answer.status == 500
    assert answer.body["instance"] == "id-1"
    assert "secret" not in json.dumps(answer.body)
    errors = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["exception_name"] for line in errors if line["level"] == "ERROR"] == ["RuntimeError"]
    assert errors[0]["request_id"] == "id-1"


@pytest.mark.parametrize("path", ["/sum", "/sum/"])
def test_a_path_is_answered_with_and_without_its_last_slash(call: Call, path: str) -> None:
    answer = call("POST", path, '{"number": 1}')

    assert (answer.status, answer.body) == (200, {"sum": 2})


def test_a_body_without_content_type_is_read_as_json(call: Call) -> None:
    assert call("POST", "/sum", '{"number": 1}', content_type="").body == {"sum": 2}


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ('{"number": ', 400, "the body is not JSON: Expecting value at character 11"),
        ("{}", 422, "number: is required"),
        ('{"number": null}', 422, "number: must not be null"),
        ('{"number": "many"}', 422, "number: must be a whole number, not 'many'"),
        ("[]", 422, "the body must be a JSON object"),
        ("", 422, "the body is required"),
    ],
)
def test_a_body_that_is_wrong_is_told_what_is_wrong(call: Call, body: str, status: int, detail: str) -> None:
    answer = call("POST", "/sum", body)

    assert (answer.status, answer.body["detail"]) == (status, detail)


def test_a_query_parameter_that_is_wrong_is_named_as_one(call: Call) -> None:
    answer = call("GET", "/page", query="page=two")

    assert answer.status == 422
    assert answer.body["errors"][0]["parameter"] == "page"


def test_another_content_type_is_refused(call: Call) -> None:
    answer = call("POST", "/sum", "number=1", content_type="text/plain; charset=utf-8")

    assert (answer.status, answer.body["detail"]) == (415, "the body must be application/json, not text/plain")


def test_an_unknown_path_and_an_unknown_method_are_problems_too(call: Call) -> None:
    assert (call("GET", "/nothing").status, call("GET", "/nothing").body["detail"]) == (404, "GET /nothing: not found")
    assert call("GET", "/sum").status == 405


def test_a_request_leaves_one_line_of_json_on_standard_output(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    call("GET", "/page")

    (line,) = capsys.readouterr().out.splitlines()
    logged = json.loads(line)
    assert list(logged)[:4] == ["timestamp", "level", "message", "request_id"]
    assert {
        "method": "GET",
        "path": "/page",
        "status": 200,
        "request_id": "id-1",
        "service": "test",
    }.items() <= logged.items()


@pytest.mark.parametrize(
    ("name", "status", "retry_after", "said"),
    [
        ("transient", 503, "7", "try again in 7 s"),
        ("request", 422, None, "no"),
        ("conflict", 409, None, "not now"),
        ("permanent", 503, "60", "try again in 60 s"),
        ("here", 415, None, "no such thing"),
    ],
)
def test_an_error_has_the_status_of_its_group_unless_the_function_says_another(
    call: Call, name: str, status: int, retry_after: str | None, said: str
) -> None:
    answer = call("GET", f"/group/{name}")
    assert (answer.status, answer.headers.get("retry-after")) == (status, retry_after)
    assert said in answer.body["detail"]
    assert "table-7" not in str(answer.body)
