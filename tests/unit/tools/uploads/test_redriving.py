"""Where dead letters are looked for: the queue's URL says the region, and what says none is told to name it."""

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tools.stack import StackError
from tools.uploads.__main__ import main
from tools.uploads.letters import region_of

EMPTY = {"GetQueueAttributes": {"Attributes": {"ApproximateNumberOfMessages": "0"}}, "ReceiveMessage": {}}


class _Queue(BaseHTTPRequestHandler):
    """An empty queue, in the JSON that SQS speaks. It notes the scope of each signature."""

    scopes: list[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        found = re.search(r"Credential=[^/]+/[0-9]+/([^/]+/[^/]+)/", self.headers["authorization"])
        assert found is not None
        type(self).scopes.append(found[1])
        answer = json.dumps(EMPTY[self.headers["x-amz-target"].partition(".")[2]]).encode()
        self.send_response(200)
        self.send_header("content-type", "application/x-amz-json-1.0")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@pytest.fixture
def scopes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What requests to AWS were signed for, on a machine where no region is set."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Queue)
    _Queue.scopes = []
    Thread(target=server.serve_forever, daemon=True).start()
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    yield _Queue.scopes
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/letters", "eu-west-1"),
        ("https://sqs.us-gov-west-1.amazonaws.com/123456789012/letters", "us-gov-west-1"),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/letters", "cn-north-1"),
        ("https://sqs-fips.us-east-2.amazonaws.com/123456789012/letters", "us-east-2"),
        ("https://ap-southeast-2.queue.amazonaws.com/123456789012/letters", "ap-southeast-2"),
        ("http://sqs.eu-west-1.localhost.localstack.cloud:4566/000000000000/letters", "eu-west-1"),
        ("http://127.0.0.1:4566/000000000000/letters", None),
    ],
)
def test_a_queues_url_says_its_region(url: str, region: str | None) -> None:
    assert region_of(url) == region


@pytest.mark.parametrize("url", ["letters", "arn:aws:sqs:eu-west-1:123456789012:letters", "https://", "http://[x/y"])
def test_what_is_no_queues_url_is_told_so(url: str) -> None:
    with pytest.raises(StackError, match=r"a queue is named by its URL, such as https://sqs\.eu-west-1\."):
        region_of(url)


def test_no_region_need_be_set_where_the_url_says_it(scopes: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    url = "https://sqs.ap-south-1.amazonaws.com/123456789012/letters"
    assert main(["redrive", "--queue", url, "--function", "upload", "--dry-run"]) == 0, capsys.readouterr().err
    assert set(scopes) == {"ap-south-1/sqs"}


def test_where_nothing_says_the_region_it_is_asked_for(scopes: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    for named in (("--queue", "http://127.0.0.1:4566/000000000000/letters", "--function", "upload"), ("--stack", "a")):
        assert main(["redrive", *named]) == 1
        assert capsys.readouterr().err == (
            "tools.uploads: no region is set: name it in AWS_DEFAULT_REGION, or with `aws configure`\n"
        )
    assert scopes == []
