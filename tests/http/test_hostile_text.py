"""Odd bytes and odd text on every way into every function: never a 5xx, always an answer that UTF-8 can write.

Each also leaves its line in the log.

The real handlers get API Gateway's events, in a process of their own. What a caller cannot choose stays as it is: the
gateway's own headers, and the host, which is the gateway's name.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from encodings.aliases import aliases
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from local.events import Request, proxy_event
from local.template import Route, read
from tests.support.stack import ROOT
from tests.support.thorough import examples

TEMPLATE = read(ROOT / "template.yaml")
# HEAD is answered as GET is.
ROUTES = sorted(
    (route for route in TEMPLATE.routes if route.method != "HEAD"), key=lambda route: (route.path, route.method)
)

# Every codec of Python's, those that are no texts' included, and names of none.
CODECS = st.sampled_from(
    sorted({*aliases.values(), "unicode_escape", "raw_unicode_escape", "undefined", "idna", "punycode", "utf_8_sig"})
) | st.text(max_size=12)
HALVES = st.sampled_from(["\ud800", "a\udfffb", "\ud83d", "\ude00\ud83d"])
TEXT = (
    HALVES
    | st.text(st.characters(exclude_categories=()), max_size=12)
    | st.sampled_from(["\0", "\r\n", '"', "%", "../"])
)
BYTES = (
    st.sampled_from(
        [b"\\ud800", b"\xed\xa0\x80", b"+2AA-", b"\xff\xfe\x00\xd8", b"xn--", b"\xc3", b"=?utf-7?q?+2AA-?="]
    )
    | st.binary(max_size=24)
    | TEXT.map(lambda text: text.encode("utf-8", "surrogatepass"))
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["idempotency-key", "origin", "cookie", "user-agent", "accept", "content-encoding", "x-odd", "range"]
    ),
    TEXT,
    max_size=2,
)

_SERVE = """
import importlib, json, sys
sys.stdout.reconfigure(encoding="utf-8")
handlers = {}
for line in sys.stdin:
    name, event = json.loads(line)
    if name not in handlers:
        module, _, attribute = name.rpartition(".")
        handlers[name] = getattr(importlib.import_module(module), attribute)
    try:
        answer = handlers[name](event, None)
    except Exception as error:
        answer = {"raised": repr(error)}
    sys.stdout.write("answer " + json.dumps(answer) + "\\n")
    sys.stdout.flush()
"""


class Functions:
    """The handlers, and what they wrote to standard error."""

    def __init__(self, folder: Path) -> None:
        self._errors = (folder / "errors").open("w+b")
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "OBSERVATION_STORE": f"sqlite:///{folder}/observations.db",
            "CAPTION_STORE": f"sqlite:///{folder}/captions.db",
            "UPLOAD_BUCKET": f"file://{folder}",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )

    def call(self, route: Route, event: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The answer to an event, and the log lines that came with it."""
        assert self._process.stdin
        assert self._process.stdout
        given = json.dumps([TEMPLATE.handlers[route.function], event])
        self._process.stdin.write(given.encode() + b"\n")
        self._process.stdin.flush()
        lines = []
        while not (line := self._process.stdout.readline()).startswith(b"answer "):
            assert line, self.errors()
            lines.append(json.loads(line))
        return json.loads(line.removeprefix(b"answer ")), lines

    def errors(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode()

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()
        self._errors.close()


@pytest.fixture(scope="module")
def functions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Functions]:
    running = Functions(tmp_path_factory.mktemp("functions"))
    yield running
    # Python writes there what logging could not.
    assert "Logging error" not in running.errors()
    assert "Traceback" not in running.errors()
    running.close()


@dataclass(frozen=True, slots=True)
class Body:
    """A request's body and what it is said to be."""

    content_type: str
    content: bytes


@st.composite
def multipart(draw: st.DrawFn) -> Body:
    """A form whose names, file name, fields and charset are anything."""
    charset, name, content = draw(CODECS), draw(st.sampled_from([b"file"]) | BYTES), draw(BYTES)
    parts = b'--b\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\n\r\n%b\r\n' % (
        name,
        draw(BYTES),
        content,
    )
    parts += b'--b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (draw(BYTES), draw(BYTES))
    said = draw(st.sampled_from([f"; charset={charset}", f'; charset="{charset}"', ""]))
    return Body(f"multipart/form-data; boundary=b{said}", parts + b"--b--\r\n")


_VALUES = TEXT | st.sampled_from(["structure", "leonardo", 4, 0.5, None])
_PARAMETERS = st.dictionaries(
    st.sampled_from(["api", "init_strength", "guidance_scale", "controlnet_weight"]) | TEXT, _VALUES
)
_RESULT = st.fixed_dictionaries(
    {"parameters": _PARAMETERS, "rating": _VALUES}, optional={"suggestion_id": _VALUES, "mode": _VALUES}
)
_OBJECTS = (
    st.fixed_dictionaries({"results": st.lists(_RESULT, min_size=1, max_size=2)})
    | st.fixed_dictionaries({"content_type": st.just("image/jpeg"), "filename": TEXT})
    | st.fixed_dictionaries({}, optional={"mode": _VALUES, "num_suggestions": _VALUES})
    | st.dictionaries(TEXT, _VALUES, max_size=3)
)
JSON = st.builds(
    Body,
    st.sampled_from(["application/json", ""]) | CODECS.map(lambda codec: f"application/json; charset={codec}"),
    _OBJECTS.map(lambda value: json.dumps(value).encode())
    | _OBJECTS.map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    | BYTES,
)
BODIES = multipart() | JSON | st.builds(Body, TEXT, BYTES)


def _event(
    route: Route, *, part: str, query: dict[str, str], headers: dict[str, str], body: Body, raw: bool
) -> dict[str, Any]:
    path = route.path
    for name in ("asset", "key+"):
        path = path.replace(f"{{{name}}}", quote(part or "x", errors="surrogatepass"))
    sent = body if route.method == "POST" else Body("", b"")
    request = Request(
        route.method,
        path,
        "",
        (
            ("host", "abc.execute-api.eu-west-1.amazonaws.com"),
            ("content-type", sent.content_type),
            *((name, value) for name, value in headers.items()),
        ),
        sent.content,
        "203.0.113.7",
    )
    event = proxy_event(
        request, route, {}, stage="v1", request_id="id-1", binary_media_types=TEMPLATE.binary_media_types
    )
    # As the gateway decodes them, and half pairs as they are, which JSON could bring.
    event["multiValueQueryStringParameters"] = {name: [value] for name, value in query.items()} or None
    event["path"] = path if raw is False else path + part
    if raw and sent.content:
        # A body that the gateway takes for binary comes as it was sent.
        event["body"], event["isBase64Encoded"] = base64.b64encode(sent.content).decode(), True
    return event


QUERIES = st.dictionaries(
    st.sampled_from(["mode", "cursor", "limit", "beam_width", "length_penalty"]) | TEXT, TEXT, max_size=2
)


@settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
@given(part=TEXT, query=QUERIES, headers=HEADERS, body=BODIES, raw=st.booleans())
@example(
    part="\ud800",
    query={"mode": "\ud800", "\udfff": "x"},
    headers={"idempotency-key": "\ud800", "origin": "\udfff", "cookie": "a=\ud800"},
    body=Body(
        "multipart/form-data; boundary=b; charset=unicode_escape",
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="\\ud800.jpg"\r\n\r\nx\r\n--b--\r\n',
    ),
    raw=True,
)
def test_whatever_a_caller_sends_the_answer_is_no_5xx_and_is_text(
    functions: Functions, route: Route, part: str, query: dict[str, str], headers: dict[str, str], body: Body, raw: bool
) -> None:
    event = _event(route, part=part, query=query, headers=headers, body=body, raw=raw)
    answer, lines = functions.call(route, event)

    assert "raised" not in answer, answer
    assert answer["statusCode"] < 500, (answer["body"], lines)
    assert not answer["isBase64Encoded"]
    answer["body"].encode()
    if answer["statusCode"] >= 400:
        assert answer["headers"]["content-type"] == "application/problem+json"
    if "json" in answer["headers"].get("content-type", ""):
        json.dumps(json.loads(answer["body"]), ensure_ascii=False).encode()
    assert [line["status"] for line in lines if line["message"] == "request"] == [answer["statusCode"]]


def _file(name: bytes, content: bytes, charset: str = "") -> Body:
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\n%b\r\n--b--\r\n' % (name, content)
    return Body(f"multipart/form-data; boundary=b{charset and f'; charset={charset}'}", part)


CAPTION = next(route for route in ROUTES if route.path == "/generate-caption")
UPDATE = next(route for route in ROUTES if route.path == "/ml/update_model")


def _send(functions: Functions, route: Route, body: Body) -> tuple[int, dict[str, Any]]:
    event = _event(route, part="", query={}, headers={}, body=body, raw=False)
    answer, _ = functions.call(route, event)
    return answer["statusCode"], json.loads(answer["body"])


@pytest.mark.parametrize("charset", ["unicode_escape", "raw_unicode_escape", "utf_7", "undefined", "rot13", "latin-1"])
def test_a_charset_that_is_not_utf_8_is_refused_by_name(functions: Functions, picture: bytes, charset: str) -> None:
    status, problem = _send(functions, CAPTION, _file(b"\\ud800+2AA-.jpg", picture, charset))

    assert (status, problem["detail"]) == (415, f"the body's charset must be UTF-8, not {charset}")


@pytest.mark.parametrize("charset", ["", "utf-8", "UTF8", '"utf-8"'])
@pytest.mark.parametrize(
    ("name", "shown"), [("perro ñ 🐶.jpg".encode(), "perro ñ 🐶.jpg"), (b"\xff\xed\xa0\x80.jpg", "\ufffd" * 4 + ".jpg")]
)
def test_a_file_name_is_utf_8_and_what_is_not_is_replaced(
    functions: Functions, picture: bytes, charset: str, name: bytes, shown: str
) -> None:
    status, answer = _send(functions, CAPTION, _file(name, picture, charset))

    assert (status, answer["filename"]) == (200, shown)


@pytest.mark.parametrize("spelt", [b"\\ud800", b"\\uDFFF x", b"\\ud83d\\u0041", b"\\ude00\\ud83d"])
def test_json_with_half_a_pair_is_refused_and_nothing_is_recorded(functions: Functions, spelt: bytes) -> None:
    result = (
        b'{"parameters": {"api": "leonardo", "init_strength": 0.28, "guidance_scale": 7.2, "controlnet_weight": 0.89}'
    )
    body = b'{"results": [%b, "rating": 4, "suggestion_id": "%b"}]}' % (result, spelt)
    status, problem = _send(functions, UPDATE, Body("application/json", body))
    assert status == 400
    assert "surrogate" in problem["detail"]

    whole = body.replace(spelt, b"\\ud83d\\ude00")
    status, answer = _send(functions, UPDATE, Body("application/json", whole))
    assert (status, answer["updated"]) == (200, True)
