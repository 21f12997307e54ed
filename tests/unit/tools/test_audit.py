"""The audit of what the functions install, against a database of vulnerabilities of the test's own."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.support.stack import ROOT
from tools.audit import of_page


class _Database(BaseHTTPRequestHandler):
    """Answers as api.osv.dev does: what it knows of a package in a version."""

    known: dict[str, list[dict[str, Any]]]
    asked: set[str]

    def do_POST(self) -> None:
        """One query."""
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = query["package"]["name"]
        self.asked.add(name)
        body = json.dumps({"vulns": self.known[name]} if name in self.known else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the test says what was asked."""


@pytest.fixture
def database() -> Iterator[tuple[str, type[_Database]]]:
    handler = type("Database", (_Database,), {"known": {}, "asked": set()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query", handler
    server.shutdown()
    server.server_close()
    thread.join()


def audit(url: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "tools.audit", "--url", url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_every_package_of_every_function_is_looked_up(database: tuple[str, type[_Database]]) -> None:
    url, handler = database
    status, said = audit(url)

    assert status == 0, said
    assert {"fastapi", "scikit-optimize", "ai-edge-litert", "botocore"} <= handler.asked
    assert {"preact", "@observablehq/plot", "d3-array", "openapi-fetch"} <= handler.asked
    assert handler.asked.isdisjoint({"vite", "vitest", "typescript", "@picture-tuning/client"})


def test_what_becomes_part_of_the_page_is_audited_in_its_version() -> None:
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    found = dict(of_page(ROOT / "package-lock.json"))

    assert found["preact"] == locked["node_modules/preact"]["version"]
    assert 10 < len(found) < len(locked)


def test_a_known_vulnerability_of_the_page_fails_and_is_named(database: tuple[str, type[_Database]]) -> None:
    url, handler = database
    handler.known["preact"] = [{"id": "GHSA-made-up"}]
    status, said = audit(url)

    assert status == 1
    assert "preact" in said
    assert "GHSA-made-up" in said


def test_a_known_vulnerability_fails_and_is_named(database: tuple[str, type[_Database]]) -> None:
    url, handler = database
    ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "999.0"}]}]
    package = {"name": "starlette", "ecosystem": "PyPI"}
    handler.known["starlette"] = [
        {
            "id": "PYSEC-2030-1",
            "summary": "made up",
            "details": "made up",
            "modified": "2030-01-01T00:00:00Z",
            "published": "2030-01-01T00:00:00Z",
            "affected": [{"package": package, "ranges": ranges}],
        }
    ]
    status, said = audit(url)

    assert status == 1
    assert "starlette" in said
    assert "PYSEC-2030-1" in said


def test_without_the_database_nothing_is_looked_up_and_that_is_said() -> None:
    status, said = audit("http://127.0.0.1:9/v1/query")

    assert status == 0
    assert "SKIPPED, no package was looked up" in said
