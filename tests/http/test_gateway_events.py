"""What people's gateways send, through the real handlers: addresses under their domains, and compressed bodies."""

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest

from functions.caption import status_routes
from functions.caption.resources import Resources
from functions.suggest import routes as suggest
from functions.update import routes as update
from tests.support.events import EVENTS
from web.settings import Settings

DOMAIN = "https://api.example.org"
GATEWAY = "https://abcdefghij.execute-api.eu-west-1.amazonaws.com"


def answers(recipient: str, folder: Path, *events: str | dict[str, Any]) -> list[dict[str, Any]]:
    """The answers of one of the functions to events, each given whole or by its name in the folder of events."""
    settings = Settings(
        observation_store=f"sqlite:///{folder}/observations.db",
        caption_store=f"sqlite:///{folder}/captions.db",
        caption_model="file://tests/bundles/tiny",
        upload_bucket=f"file://{folder}",
    )
    if recipient == "status":
        _, handler = status_routes.build(Resources(settings))
    else:
        handler = {"suggest": suggest, "update": update}[recipient].build(settings).handler
    whole = [
        json.loads((EVENTS / f"{recipient}-{one}.json").read_text()) if isinstance(one, str) else one for one in events
    ]
    return [handler(event, None) for event in whole]


def test_pages_under_a_domain_lead_to_what_is_there(tmp_path: Path) -> None:
    pages = ("root", "docs", "redoc", "openapi")
    root, docs, redoc, document = answers("suggest", tmp_path, *(f"{name}-of-a-domain" for name in pages))

    assert root["headers"]["location"] == "/pictures/studio"
    named = re.findall(r"""(?:src|href|spec-url)="([^"]+)"|\burl: '([^']+)'""", docs["body"] + redoc["body"])
    addresses = {address for pair in named for address in pair} - {"", "data:,"}
    assert len(addresses) == 5
    assert all(re.fullmatch(r"/pictures/(studio|openapi\.json|docs/[\w.-]+)", address) for address in addresses)
    (server,) = json.loads(document["body"])["servers"]
    assert urljoin(f"{DOMAIN}/pictures/openapi.json", server["url"]) == f"{DOMAIN}/pictures/"


def test_behind_the_gateways_own_name_they_carry_the_stage(tmp_path: Path) -> None:
    root, docs = answers("suggest", tmp_path, "root-of-a-browser", "docs-of-an-http-api")

    assert root["headers"]["location"] == "/v1/studio"
    assert "url: '/v1/openapi.json'" in docs["body"]


def test_the_url_of_a_caption_is_one_that_answers(tmp_path: Path) -> None:
    names = {
        "uploads-of-a-domain": f"{DOMAIN}/pictures",
        "uploads-of-an-http-api": f"{DOMAIN}/pictures",
        "uploads": f"{GATEWAY}/v1",
        "uploads-forwarded-twice": f"{GATEWAY}/v1",
        "uploads-forwarded-badly": f"{GATEWAY}/v1",
    }
    for here, answer in zip(names.values(), answers("status", tmp_path, *names), strict=True):
        assert json.loads(answer["body"])["caption_url"].startswith(f"{here}/captions/uploads/")


def test_a_key_that_begins_as_its_resource_is_looked_up_whole(tmp_path: Path) -> None:
    given = json.loads((EVENTS / "status-of-upload-of-a-domain.json").read_text())
    assert given["path"].startswith("/captions/captions/uploads/")
    (answer,) = answers("status", tmp_path, "of-upload-of-a-domain")

    assert json.loads(answer["body"])["detail"] == "no picture was uploaded under this key"


def test_a_compressed_update_is_recorded_as_it_was_meant(tmp_path: Path) -> None:
    taken = ("model-gzip", "model-deflate", "model-gunzipped", "model-of-a-domain")
    counts = [json.loads(answer["body"])["samples_seen"] for answer in answers("update", tmp_path, *taken)]
    assert counts == [1, 2, 3, 4]

    brotli, cut, bomb = answers("update", tmp_path, "model-brotli", "model-gzip-cut", "model-gzip-bomb")
    assert json.loads(brotli["body"])["detail"] == "the body's Content-Encoding must be gzip or deflate, not br"
    assert brotli["headers"]["accept-encoding"] == "gzip, deflate"
    assert "ends too early" in json.loads(cut["body"])["detail"]
    assert "over 10 MiB" in json.loads(bomb["body"])["detail"]
    (after,) = answers("update", tmp_path, "model-gzip")
    assert json.loads(after["body"])["samples_seen"] == 5, "what was refused is not recorded"


def test_a_gateway_that_compresses_nothing_is_given_it_compressed(tmp_path: Path) -> None:
    alone, plain = answers("suggest", tmp_path, "docs-asset-of-a-function-url", "docs-asset")

    assert alone["headers"]["content-encoding"] == "gzip"
    assert "Accept-Encoding" in alone["headers"]["vary"]
    assert gzip.decompress(base64.b64decode(alone["body"])) == plain["body"].encode()
    assert len(alone["body"]) < len(plain["body"]) / 3
    assert "content-encoding" not in plain["headers"], "a REST API compresses by itself"


@pytest.mark.parametrize("of", ["load-balancer", "http-api-1.0"])
def test_a_query_reaches_the_function_from_any_gateway(tmp_path: Path, of: str) -> None:
    event = json.loads(next(EVENTS.glob(f"suggest-stats-of-a*-{of}.json")).read_text())
    query = {"mode": "surfaces", "study": "no-such-one"}
    changed = event | {"queryStringParameters": query, "multiValueQueryStringParameters": None}
    if "elb" in event["requestContext"]:
        # It sends one of the two.
        del changed["multiValueQueryStringParameters"]
    (answer,) = answers("suggest", tmp_path, changed)

    assert answer["statusCode"] == 404
    assert "no-such-one" in answer["body"]
