"""The OpenAPI document: it is what the functions do, and it says it in the words that make typed clients."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.template import read
from tests.http.test_events import replay
from tests.support.events import HANDLERS, events_for
from tests.support.stack import ROOT
from tools.openapi.document import DOCUMENT, document
from tuning.spaces import RealParameter
from tuning.validation.space_file import load_spaces

COMMITTED: dict[str, Any] = json.loads(DOCUMENT.read_text())
SCHEMAS: dict[str, Any] = COMMITTED["components"]["schemas"]
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method.upper()} {path}": operation
    for path, operations in COMMITTED["paths"].items()
    for method, operation in operations.items()
}


def _resolved(node: dict[str, Any]) -> dict[str, Any]:
    found = COMMITTED
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found


def _nodes(node: object) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    members = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for member in members:
        yield from _nodes(member)


def test_the_committed_document_says_what_the_functions_do() -> None:
    assert document() == COMMITTED, "run `make openapi` and read the difference"


def test_every_reference_leads_to_a_component_and_every_component_is_referred_to() -> None:
    referred = {node["$ref"] for node in _nodes(COMMITTED) if "$ref" in node}
    there = {
        f"#/components/{kind}/{name}" for kind in ("schemas", "responses") for name in COMMITTED["components"][kind]
    }
    assert referred == there


def test_settings_are_a_union_of_the_apis_with_bounds_and_steps_as_numbers() -> None:
    apis = load_spaces().apis
    assert SCHEMAS["Api"]["enum"] == [api.name for api in apis]
    assert SCHEMAS["Mode"]["enum"] == ["structure", "surfaces"]
    mapping = SCHEMAS["Parameters"]["discriminator"]["mapping"]
    assert [one["$ref"] for one in SCHEMAS["Parameters"]["oneOf"]] == list(mapping.values())
    for api in apis:
        whole = _resolved({"$ref": mapping[api.name]})
        assert whole["properties"].pop("api") == {"type": "string", "const": api.name}
        assert whole["required"] == ["api", *(one.name for one in api.parameters)]
        assert whole["additionalProperties"] is False
        for one in api.parameters:
            assert isinstance(one, RealParameter)
            said = {"type": "number", "minimum": one.low, "maximum": one.high, "x-step": 10**-one.decimals}
            assert whole["properties"][one.name] == pytest.approx(said)


def test_a_search_problem_and_an_api_are_chosen_of_those_that_there_are() -> None:
    queries = [one for operation in OPERATIONS.values() for one in operation.get("parameters", ())]
    for name, schema in (("mode", "Mode"), ("api", "Api")):
        found = [one["schema"] for one in queries if one["name"] == name]
        assert found
        assert all(one == {"$ref": f"#/components/schemas/{schema}"} for one in found)
    assert SCHEMAS["SuggestRequest"]["properties"]["mode"]["$ref"] == "#/components/schemas/Mode"


def test_what_callers_may_leave_out_is_not_required_and_has_no_default_that_generators_take_for_always_there() -> None:
    assert {name: SCHEMAS[name].get("required", []) for name in ("SuggestRequest", "CorrectionRequest")} == {
        "SuggestRequest": [],
        "CorrectionRequest": [],
    }
    assert SCHEMAS["UpdateRequest"]["required"] == ["results"]
    assert SCHEMAS["NewStudy"]["required"] == ["name"]
    assert SCHEMAS["Archiving"]["required"] == ["archived"]
    assert not [node for node in _nodes(SCHEMAS) if "default" in node]
    # A parameter of a query is there or not, and never null.
    for operation in OPERATIONS.values():
        for one in operation.get("parameters", ()):
            assert "null" not in json.dumps(one["schema"])


def test_no_schema_takes_any_field_that_is_misspelt() -> None:
    assert not [node for node in _nodes(SCHEMAS) if node.get("additionalProperties") is True]


def test_what_an_answer_may_lack_is_never_null_and_what_may_be_null_is_always_there() -> None:
    answers = {name for name in SCHEMAS if not name.endswith(("Request", "Result", "NewStudy", "Archiving"))}
    for name in answers:
        schema = SCHEMAS[name]
        for member, described in schema.get("properties", {}).items():
            if member not in schema.get("required", ()):
                assert "null" not in json.dumps(described), f"{name}.{member}"


def test_a_rating_and_a_failure_are_told_apart_by_what_each_must_have() -> None:
    rated, failed = SCHEMAS["RatedResult"], SCHEMAS["FailedResult"]
    assert (rated["required"], failed["required"]) == (["parameters", "rating"], ["parameters", "failed"])
    assert "failed" not in rated["properties"]
    assert "rating" not in failed["properties"]
    assert (rated["properties"]["rating"]["minimum"], rated["properties"]["rating"]["maximum"]) == (1, 5)


def test_a_caption_and_one_that_is_still_to_come_differ_by_a_literal_status() -> None:
    answers = OPERATIONS["GET /captions/{key}"]["responses"]
    said = {}
    for status in ("200", "202"):
        schema = _resolved(answers[status]["content"]["application/json"]["schema"])
        assert "status" in schema["required"]
        said[status] = schema["properties"]["status"]["const"]
    assert said == {"200": "captioned", "202": "pending"}
    assert "Retry-After" in answers["202"]["headers"]


def test_headers_are_spelt_as_people_write_them() -> None:
    headers = {
        one["name"]
        for operation in OPERATIONS.values()
        for one in operation.get("parameters", ())
        if one["in"] == "header"
    }
    assert headers == {"Idempotency-Key", "If-Match"}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_status_is_named_by_itself_with_the_problems_shape_and_an_example(operation: str) -> None:
    responses = OPERATIONS[operation]["responses"]
    assert all(re.fullmatch(r"\d{3}", status) for status in responses)
    for status in (one for one in responses if int(one) >= 400):
        response = _resolved(responses[status])
        content = response["content"]["application/problem+json"]
        assert content["schema"] == {"$ref": "#/components/schemas/ProblemDetails"}
        example, shape = content["example"], SCHEMAS["ProblemDetails"]
        assert set(shape["required"]) <= example.keys() <= shape["properties"].keys()
        assert (str(example["status"]), example["title"]) == (status, response["description"])
        assert ("Retry-After" in response.get("headers", {})) == (status in {"429", "503", "504"})


@pytest.mark.parametrize("function", [name for name in HANDLERS if name != "upload"])
def test_every_event_is_answered_by_a_status_that_its_operation_names(function: str, tmp_path: Path) -> None:
    routes = {(route.method, route.path) for route in read(ROOT / "template.yaml").routes}
    judged = 0
    for path, answer in replay(function, tmp_path, *events_for(function)).items():
        event = json.loads(path.read_text())
        if (event.get("httpMethod"), event.get("resource")) not in routes:
            continue  # of another gateway, or no request
        method, resource = event["httpMethod"].replace("HEAD", "GET"), event["resource"].replace("{key+}", "{key}")
        operation = OPERATIONS.get(f"{method} {resource}") or OPERATIONS.get(f"{method} {resource}/")
        if operation is not None:
            judged += 1
            assert str(answer["statusCode"]) in operation["responses"], path.stem
    assert judged
