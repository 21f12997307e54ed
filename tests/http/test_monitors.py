"""What monitors ask first: HEAD, and what else a path takes."""

from collections.abc import Iterator

import pytest
import requests

from local.template import read
from tests.support.stack import ROOT, Stack
from tests.support.studio import STYLE, StackWithPage

HEAD = [route.path for route in read(ROOT / "template.yaml").routes if route.method == "HEAD"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    running = StackWithPage(tmp_path_factory.mktemp("stack"))
    yield running
    assert running.stop() == 0


@pytest.mark.parametrize("path", HEAD)
def test_head_answers_as_get_without_a_body(stack: Stack, path: str) -> None:
    for name, value in (
        ("studio/{asset}", f"studio/{STYLE}"),
        ("{asset}", "swagger-ui.css"),
        ("{key+}", "uploads/no-such.jpg"),
    ):
        path = path.replace(name, value)
    head, get = stack.head(path), stack.get(path, allow_redirects=False)

    assert head.status_code == get.status_code
    assert head.content == b""
    told = ("content-type", "cache-control", "etag", "content-security-policy", "access-control-allow-origin", "vary")
    assert {name: head.headers.get(name) for name in told} == {name: get.headers.get(name) for name in told}


@pytest.mark.parametrize("path", ["/ml/stats", "/ml/update_model", "/uploads"])
def test_head_elsewhere_is_not_found_as_any_method_that_is_not_there(stack: Stack, path: str) -> None:
    assert stack.head(path).status_code == 404


def test_a_kept_connection_goes_on_after_head(stack: Stack) -> None:
    with requests.Session() as session:
        for method in ("HEAD", "GET", "HEAD", "GET"):
            assert session.request(method, f"{stack.url}/health", timeout=30).status_code == 200
