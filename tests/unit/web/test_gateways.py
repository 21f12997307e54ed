"""Requests of every gateway: the API's own path, what precedes it, and headers that are what they say."""

import json
import time
from typing import Any

import pytest

from tests.support.events import EVENTS
from web.events import EventError
from web.gateways import as_request

REST = sorted(
    path
    for path in EVENTS.glob("*.json")
    if "-of-a" not in path.stem and "resource" in json.loads(path.read_text()) and "version" not in path.read_text()
)


def event(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return found


@pytest.mark.parametrize("prefix", ["/pictures", "/ml", "/captions", "/a/b", "/docs", "/v1", "/100%25", "/a%2Fb"])
def test_under_a_domains_base_path_every_route_is_the_same_and_the_base_path_is_known(prefix: str) -> None:
    assert len(REST) > 60
    for path in REST:
        given = json.loads(path.read_text())
        assert as_request(given)["base_path"] == "/v1", path.stem
        there = prefix if given["path"] == "/" else prefix + given["path"]
        moved = {**given, "path": there, "requestContext": {**given["requestContext"], "path": there}}
        found = as_request(moved)
        assert (found["path"], found["base_path"]) == (given["path"], prefix), path.stem


@pytest.mark.parametrize(
    ("path", "resource", "parameters", "base", "own"),
    [
        ("/health", "/health", None, "", "/health"),
        ("/pictures/health/", "/health", None, "/pictures", "/health/"),
        ("/pictures", "/", None, "/pictures", "/"),
        ("/pictures/", "/", None, "/pictures", "/"),
        ("/", "/", None, "", "/"),
        ("/pictures/ml/stats", "/{proxy+}", {"proxy": "ml/stats"}, "/pictures", "/ml/stats"),
        # A key that begins as the resource does, decoded by the gateway or not.
        (
            "/captions/captions/captions/x",
            "/captions/{key+}",
            {"key": "captions/x"},
            "/captions",
            "/captions/captions/x",
        ),
        ("/p/captions/a%20b", "/captions/{key+}", {"key": "a b"}, "/p", "/captions/a%20b"),
        ("/p/captions/a%20b", "/captions/{key+}", {"key": "a%20b"}, "/p", "/captions/a%20b"),
        ("/p/captions/a%2Fb", "/captions/{key+}", {"key": "a/b"}, "/p", "/captions/a%2Fb"),
        ("/p/captions/100%25", "/captions/{key+}", {"key": "100%"}, "/p", "/captions/100%25"),
        ("/p/captions/{x}", "/captions/{key+}", {"key": "{x}"}, "/p", "/captions/{x}"),
        ("/p/ml/studies/a", "/ml/studies/{name}", {"name": "a"}, "/p", "/ml/studies/a"),
        # What does not end in the resource is nobody's prefix.
        ("/p/ml/stats", "/health", None, "", "/p/ml/stats"),
        ("/xhealth", "/health", None, "", "/xhealth"),
        ("", "/", None, "", "/"),
    ],
)
def test_the_prefix_is_what_precedes_the_resource(
    path: str, resource: str, parameters: dict[str, str] | None, base: str, own: str
) -> None:
    given = event("suggest-health") | {"path": path, "resource": resource, "pathParameters": parameters}
    given["requestContext"] |= {"path": path}
    found = as_request(given)

    assert (found["base_path"], found["path"]) == (base, own)


@pytest.mark.parametrize(
    ("route", "stage", "path", "base", "own"),
    [
        ("$default", "$default", "/ml/stats", "", "/ml/stats"),
        ("$default", "v1", "/v1/ml/stats", "/v1", "/ml/stats"),
        ("$default", "v1", "/v1", "/v1", "/"),
        ("$default", "v1", "/v10/ml/stats", "", "/v10/ml/stats"),
        ("GET /ml/stats", "v1", "/v1/ml/stats", "/v1", "/ml/stats"),
        ("GET /ml/stats", "$default", "/pictures/ml/stats", "/pictures", "/ml/stats"),
        ("ANY /{proxy+}", "$default", "/pictures/ml/stats", "/pictures", "/ml/stats"),
    ],
)
def test_an_http_apis_prefix_is_known_by_its_route_or_its_stage(
    route: str, stage: str, path: str, base: str, own: str
) -> None:
    given = event("suggest-docs-of-an-http-api") | {"routeKey": route, "pathParameters": {"proxy": "ml/stats"}}
    given["requestContext"] |= {"stage": stage, "http": {"method": "GET", "path": path}}
    found = as_request(given)

    assert (found["base_path"], found["rawPath"], found["requestContext"]["http"]["path"]) == (base, own, own)


def test_a_path_of_many_pieces_takes_no_time_to_look_through() -> None:
    path = "/%41" * 30_000 + "/health"
    given = event("suggest-health") | {"path": path}
    began = time.process_time()

    assert as_request(given)["path"] == "/health"
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("name", "values", "kept"),
    [
        ("x-forwarded-proto", ["https, http"], "https"),
        ("x-forwarded-proto", ["http", "https"], "http"),
        ("x-forwarded-proto", ["HTTPS"], "https"),
        ("x-forwarded-proto", [""], None),
        ("x-forwarded-proto", [","], None),
        ("x-forwarded-proto", ["javascript"], None),
        ("x-forwarded-proto", [], None),
        ("x-forwarded-proto", [None], None),
        ("x-forwarded-port", ["443, 80"], "443"),
        ("x-forwarded-port", ["443", "80"], "443"),
        ("x-forwarded-port", ["https"], None),
        ("x-forwarded-port", ["70000"], None),
        ("x-forwarded-port", ["-1"], None),
        ("x-forwarded-port", ["\u0664\u0664\u0663"], None),
        ("x-forwarded-for", ["203.0.113.7, 198.51.100.2"], "203.0.113.7"),
        ("host", ["api.example.org", "other.example.org"], "api.example.org"),
        ("host", ["api.example.org:8443"], "api.example.org:8443"),
        ("host", ["a:b:c"], "abcdefghij.execute-api.eu-west-1.amazonaws.com"),
        ("host", ["[::1]:8000"], "abcdefghij.execute-api.eu-west-1.amazonaws.com"),
        ("host", ["evil.example.org/path?"], "abcdefghij.execute-api.eu-west-1.amazonaws.com"),
        ("host", [""], "abcdefghij.execute-api.eu-west-1.amazonaws.com"),
    ],
)
def test_of_several_values_the_first_counts_if_it_is_one(name: str, values: list[Any], kept: str | None) -> None:
    given = event("suggest-health")
    given["multiValueHeaders"][name.title()] = values
    del given["multiValueHeaders"][name], given["headers"][name]
    found = as_request(given)

    assert found["multiValueHeaders"].get(name) == (None if kept is None else [kept])
    single = event("suggest-health") | {"multiValueHeaders": None}
    single["headers"] = {**single["headers"], name: ", ".join(map(str, values)) if None not in values else None}
    assert as_request(single)["headers"].get(name) == kept


def test_what_a_console_sends_has_no_headers_at_all() -> None:
    given = event("suggest-health") | {"headers": None, "multiValueHeaders": None, "pathParameters": None}
    given["requestContext"] |= {"identity": None}
    given |= {"queryStringParameters": {"mode": None}, "multiValueQueryStringParameters": None}
    found = as_request(given)

    assert found["headers"] == {"host": "abcdefghij.execute-api.eu-west-1.amazonaws.com"}
    assert (found["queryStringParameters"], found["requestContext"]["identity"]) == ({"mode": ""}, {})
    assert "multiValueQueryStringParameters" not in found


@pytest.mark.parametrize("of", ["status-uploads", "suggest-docs-of-an-http-api", "suggest-stats-of-a-load-balancer"])
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"body": 5}, "its body is a JSON value of type int and must be a text"),
        ({"body": {"a": 1}}, "its body is an object with a and must be a text"),
        ({"body": "abc", "isBase64Encoded": True}, "its body says that it is base64, and is not"),
        ({"headers": ["host"]}, "its headers is a JSON value of type list and must be an object"),
        ({"multiValueHeaders": "x"}, "its multiValueHeaders is a JSON value of type str"),
        ({"queryStringParameters": 5}, "its queryStringParameters is a JSON value of type int"),
    ],
)
def test_a_part_that_no_gateway_sends_is_named(of: str, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(EventError) as caught:
        as_request(event(of) | changes)
    assert str(caught.value).startswith(f"not a request: {named}")


@pytest.mark.parametrize(
    ("of", "changes", "named"),
    [
        ("suggest-stats", {"path": 5}, "path"),
        ("suggest-stats", {"resource": None}, "resource"),
        ("suggest-stats", {"httpMethod": None}, "httpMethod"),
        ("suggest-stats", {"pathParameters": "x"}, "pathParameters"),
        ("suggest-stats", {"requestContext": {"path": 7}}, "path"),
        ("suggest-stats-of-a-load-balancer", {"path": 5}, "path"),
        ("suggest-docs-of-an-http-api", {"requestContext": {"http": {"path": "/docs"}}}, "method"),
        ("suggest-docs-of-an-http-api", {"rawQueryString": 5}, "rawQueryString"),
    ],
)
def test_what_a_request_cannot_do_without_is_named(of: str, changes: dict[str, Any], named: str) -> None:
    with pytest.raises(EventError, match=f"not a request: its {named} is "):
        as_request(event(of) | changes)


def test_a_parameter_or_a_header_without_a_value_is_empty_or_left_out() -> None:
    given = event("suggest-parameters-of-a-load-balancer") | {
        "multiValueQueryStringParameters": {"a": [None, 5], "b": None}
    }
    given["multiValueHeaders"] |= {"X-None": None, "X-Some": [None, 7], "X-Text": "alone"}
    found = as_request(given)

    assert found["multiValueQueryStringParameters"] == {"a": ["", "5"], "b": ""}
    headers = {
        name: values for name, values in found["multiValueHeaders"].items() if name.startswith("x-") and "-" in name
    }
    assert (headers["x-none"], headers["x-some"], headers["x-text"]) == ([], ["7"], ["alone"])


def test_a_request_is_not_changed_itself() -> None:
    for path in EVENTS.glob("*-of-a*.json"):
        given = json.loads(path.read_text())
        if "requestContext" in given and "connectionId" not in given["requestContext"]:
            as_request(given)
            assert given == json.loads(path.read_text())


@pytest.mark.parametrize(
    ("event", "named"),
    [
        ({"Records": [{"eventSource": "aws:sqs"}]}, "an event with records of aws:sqs"),
        ({"Records": []}, "an event with records of no known source"),
        ({"Records": [5]}, "an event with records of no known source"),
        ({"requestContext": {"connectionId": "x"}}, "a message of a WebSocket API"),
        (
            {"requestContext": None, "resource": "/", "httpMethod": "GET"},
            "an object with requestContext, resource, httpMet",
        ),
        ({"version": "1.0", "requestContext": {}, "requestPayload": {}}, "a report to a destination of Lambda"),
        ({"detail-type": "Object Created", "source": "aws.s3"}, "an event of EventBridge, Object Created of aws.s3"),
        ({"key1": "value1", "key2": "value2", "key3": "value3"}, "an object with key1, key2, key3"),
        ({str(number): 1 for number in range(9)}, "an object with 0, 1, 2, 3, 4 and 4 more"),
        ({"x" * 1000: 1}, f"an object with {'x' * 60}..."),
        ([{}], "a JSON value of type list"),
        ("text", "a JSON value of type str"),
    ],
)
def test_what_is_no_request_is_refused_by_name(event: Any, named: str) -> None:
    with pytest.raises(
        EventError, match="this function answers requests of API Gateway, function URLs and load balancers"
    ) as caught:
        as_request(event)
    assert str(caught.value).startswith(f"not a request: {named}")
