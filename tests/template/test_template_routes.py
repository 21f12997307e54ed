"""The template is the one list of routes: what it routes is what the functions answer and what the document lists."""

import json
import re
from importlib import import_module
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from local.template import Template, read

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"/studio", "/studio/{asset}", "/docs", "/docs/{asset}", "/redoc", "/openapi.json"}


@pytest.fixture(scope="module")
def template() -> Template:
    return read(ROOT / "template.yaml")


def _plain(path: str) -> str:
    """A path without its last slash, its parameters written alike, however much they take."""
    return re.sub(r"(\+|:\w+)}", "}", path).rstrip("/")


def _routes_of(app: FastAPI) -> set[tuple[str, str]]:
    return {
        (method, _plain(str(context.path)))
        for context in iter_route_contexts(app.router.routes)
        for method in context.methods or ()
    }


def test_each_function_answers_exactly_the_routes_that_the_template_gives_it(template: Template) -> None:
    for name in {route.function for route in template.routes}:
        module, _, _ = template.handlers[name].rpartition(".")
        routed = {(route.method, _plain(route.path)) for route in template.routes if route.function == name}
        asked_without_body = {(method, path) for method, path in routed if method == "HEAD"}
        answered = _routes_of(import_module(module).app)
        assert routed - asked_without_body == answered, name
        # A function answers HEAD as it answers GET.
        assert {("GET", path) for _, path in asked_without_body} <= answered, name


def test_what_monitors_ask_may_be_asked_by_head(template: Template) -> None:
    rows = {(route.method, route.path): route for route in template.routes}
    asked = {path for method, path in rows if method == "HEAD"}

    assert asked == {"/", "/health", *PAGES, "/generate-caption/health", "/captions/{key+}"}
    for path in asked:
        head, get = rows["HEAD", path], rows["GET", path]
        assert (head.function, head.needs_key) == (get.function, get.needs_key)


def test_the_function_that_captions_answers_nothing_else(template: Template) -> None:
    """A reserve is a function's: what shares one goes down with it."""
    own = {(route.method, route.path) for route in template.routes if route.function == "CaptionFunction"}

    assert own == {("POST", "/generate-caption")}


def test_the_document_lists_the_routes_that_are_not_pages(template: Template) -> None:
    document = json.loads((ROOT / "functions/suggest/openapi.json").read_text())
    listed = {(method.upper(), _plain(path)) for path, operations in document["paths"].items() for method in operations}
    routed = {(route.method, _plain(route.path)) for route in template.routes if route.path not in PAGES}

    assert listed == {(method, path) for method, path in routed if method != "HEAD"}


def test_health_and_pages_need_no_key_and_all_else_does(template: Template) -> None:
    open_to_all = {route.path for route in template.routes if not route.needs_key}

    assert open_to_all == {"/", "/health", *PAGES}


def test_the_document_asks_for_a_key_where_the_template_does(template: Template) -> None:
    document = json.loads((ROOT / "functions/suggest/openapi.json").read_text())
    for route in template.routes:
        for path in (_plain(route.path), f"{route.path}/"):
            if operation := document["paths"].get(path, {}).get(route.method.lower()):
                assert bool(operation.get("security", document["security"])) == route.needs_key, path


def test_every_route_is_throttled_and_captions_most(template: Template) -> None:
    rates = {route.path: route.rate for route in template.routes}

    assert all(rates.values())
    caption, suggest = rates["/generate-caption"], rates["/ml/suggest_parameters"]
    assert caption is not None
    assert suggest is not None
    assert caption.per_second < suggest.per_second
    assert caption.burst < suggest.burst


def test_every_gateway_response_is_a_problem(template: Template) -> None:
    needed = {
        "MISSING_AUTHENTICATION_TOKEN": 404,
        "INVALID_API_KEY": 403,
        "THROTTLED": 429,
        "QUOTA_EXCEEDED": 429,
        "REQUEST_TOO_LARGE": 413,
        "UNSUPPORTED_MEDIA_TYPE": 415,
        "INTEGRATION_TIMEOUT": 504,
    }
    assert {*needed, "DEFAULT_4XX", "DEFAULT_5XX"} == set(template.gateway_responses)
    for kind, response in template.gateway_responses.items():
        assert response.headers["Content-Type"] == "application/problem+json"
        body = response.body.replace("$context.responseStatus", "400").replace("$context.error.messageString", '"x"')
        problem = json.loads(body)
        assert set(problem) == {"type", "title", "status", "detail", "instance"}
        assert problem["instance"] == "$context.requestId"
        if kind in needed:
            assert problem["status"] == response.status == needed[kind]
        assert ("Retry-After" in response.headers) == (response.status in {429, 504})
