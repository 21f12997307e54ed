"""The OpenAPI document breaks no client that was made of the published one: oasdiff compares the two.

`published/openapi.json` is the last release's document. What is in it may gain things beside it and lose nothing. Where
a change is meant to break clients, the release has a new major version and puts its own document there.
"""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import go_without
from tests.support.stack import ROOT
from tools.openapi.document import DOCUMENT

HERE = Path(__file__).parent
PUBLISHED = HERE / "published/openapi.json"
OASDIFF = ROOT / "build/oasdiff"

Document = dict[str, Any]


def breaking(before: Path, after: Path) -> set[str]:
    """The kinds of change that break clients, as oasdiff calls them."""
    if not OASDIFF.exists():
        go_without("oasdiff: install Go, then `make build/oasdiff`")
    done = subprocess.run([str(OASDIFF), str(before), str(after)], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_the_document_breaks_no_client_of_the_published_one() -> None:
    assert breaking(PUBLISHED, DOCUMENT) == set()


def _schema(document: Document, name: str) -> Document:
    found: Document = document["components"]["schemas"][name]
    return found


def _without_a_path(document: Document) -> None:
    del document["paths"]["/ml/progress"]


def _without_a_method(document: Document) -> None:
    del document["paths"]["/ml/studies"]["post"]


def _without_a_parameter(document: Document) -> None:
    history = document["paths"]["/ml/history"]["get"]
    history["parameters"] = [one for one in history["parameters"] if one["name"] != "rater"]


def _without_a_field_of_an_answer(document: Document) -> None:
    del _schema(document, "Updated")["properties"]["samples_seen"]
    _schema(document, "Updated")["required"].remove("samples_seen")


def _without_a_field_of_a_request(document: Document) -> None:
    del _schema(document, "RatedResult")["properties"]["comment"]


def _without_a_good_status(document: Document) -> None:
    del document["paths"]["/captions/{key}"]["get"]["responses"]["202"]


def _without_a_refusal(document: Document) -> None:
    del document["paths"]["/ml/update_model"]["post"]["responses"]["409"]


def _without_a_mode(document: Document) -> None:
    _schema(document, "Mode")["enum"].remove("surfaces")


def _without_an_api(document: Document) -> None:
    _schema(document, "Parameters")["oneOf"].pop()
    del _schema(document, "Parameters")["discriminator"]["mapping"]["stablediffusion"]


def _with_a_field_that_requests_must_have(document: Document) -> None:
    _schema(document, "RatedResult")["properties"]["reason"] = {"type": "string"}
    _schema(document, "RatedResult")["required"].append("reason")


def _with_a_field_that_was_left_out(document: Document) -> None:
    _schema(document, "SuggestRequest")["required"] = ["study"]


def _with_a_parameter_that_requests_must_have(document: Document) -> None:
    required = {"name": "rater", "in": "query", "required": True, "schema": {"type": "string"}}
    document["paths"]["/ml/stats"]["get"]["parameters"].append(required)


def _with_another_type_in_a_request(document: Document) -> None:
    _schema(document, "RatedResult")["properties"]["rating"]["type"] = "integer"


def _with_another_type_in_an_answer(document: Document) -> None:
    _schema(document, "Updated")["properties"]["samples_seen"]["type"] = "string"


def _with_null_in_an_answer(document: Document) -> None:
    _schema(document, "Updated")["properties"]["samples_seen"]["type"] = ["integer", "null"]


def _with_another_literal(document: Document) -> None:
    _schema(document, "UploadCaption")["properties"]["status"]["const"] = "done"


def _with_narrower_bounds(document: Document) -> None:
    _schema(document, "Parameters.leonardo")["properties"]["guidance_scale"]["maximum"] = 11


def _without_csv(document: Document) -> None:
    del document["paths"]["/ml/history"]["get"]["responses"]["200"]["content"]["text/csv"]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (_without_a_path, "api-path-removed-without-deprecation"),
        (_without_a_method, "api-removed-without-deprecation"),
        (_without_a_parameter, "request-parameter-removed"),
        (_without_a_field_of_an_answer, "response-required-property-removed"),
        (_without_a_field_of_a_request, "request-property-removed"),
        (_without_a_good_status, "response-success-status-removed"),
        (_without_a_refusal, "response-non-success-status-removed"),
        (_without_a_mode, "request-parameter-enum-value-removed"),
        (_without_an_api, "request-property-one-of-removed"),
        (_with_a_field_that_requests_must_have, "new-required-request-property"),
        (_with_a_field_that_was_left_out, "request-property-became-required"),
        (_with_a_parameter_that_requests_must_have, "new-required-request-parameter"),
        (_with_another_type_in_a_request, "request-property-type-changed"),
        (_with_another_type_in_an_answer, "response-property-type-changed"),
        (_with_null_in_an_answer, "response-property-became-nullable"),
        (_with_another_literal, "response-property-const-changed"),
        (_with_narrower_bounds, "request-property-max-decreased"),
        (_without_csv, "response-media-type-removed"),
    ],
)
def test_what_would_break_a_client_is_found(change: Callable[[Document], None], found: str, tmp_path: Path) -> None:
    changed = json.loads(PUBLISHED.read_text())
    change(changed)
    (tmp_path / "openapi.json").write_text(json.dumps(changed))

    assert found in breaking(PUBLISHED, tmp_path / "openapi.json")


def test_what_only_adds_is_not(tmp_path: Path) -> None:
    changed = json.loads(PUBLISHED.read_text())
    changed["paths"]["/ml/more"] = changed["paths"]["/ml/stats"]
    _schema(changed, "SuggestRequest")["properties"]["seed"] = {"type": "integer"}
    _schema(changed, "Updated")["properties"]["seed"] = {"type": "integer"}
    (tmp_path / "openapi.json").write_text(json.dumps(changed))

    assert breaking(PUBLISHED, tmp_path / "openapi.json") == set()
