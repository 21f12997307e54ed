"""What monitors and browsers ask first: HEAD, the root, and what else a path takes."""

import pytest
import requests

from local.template import read
from tests.support.stack import ROOT, Stack

HEAD = [route.path for route in read(ROOT / "template.yaml").routes if route.method == "HEAD"]


@pytest.mark.parametrize("path", HEAD)
def test_head_answers_as_get_without_a_body(stack: Stack, path: str) -> None:
    path = path.replace("{asset}", "swagger-ui.css").replace("{key+}", "uploads/no-such.jpg")
    head, get = stack.head(path), stack.get(path, allow_redirects=False)

    assert head.status_code == get.status_code
    assert head.content == b""
    told = ("content-type", "cache-control", "location", "access-control-allow-origin", "vary")
    assert {name: head.headers.get(name) for name in told} == {name: get.headers.get(name) for name in told}


def test_the_root_leads_to_a_page(stack: Stack) -> None:
    answer = stack.get("/")

    assert answer.url == f"{stack.url}/docs"
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/ml/stats", "/ml/update_model", "/uploads"])
def test_head_elsewhere_is_not_found_as_any_method_that_is_not_there(stack: Stack, path: str) -> None:
    assert stack.head(path).status_code == 404


def test_a_kept_connection_goes_on_after_head(stack: Stack) -> None:
    with requests.Session() as session:
        for method in ("HEAD", "GET", "HEAD", "GET"):
            assert session.request(method, f"{stack.url}/health", timeout=30).status_code == 200
