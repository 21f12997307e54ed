"""A smoke test: checks that a deployed stack, or the local one, works as the product promises.

It sends requests over HTTP like any caller, and records no rating. It leaves one pending suggestion, which expires
within 24 hours, one cached caption, and one small upload, which the bucket's lifecycle deletes. All checks are made,
even after one has failed; the status is then 1.
"""

import argparse
import json
import re
import secrets
import struct
import sys
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import urljoin, urlsplit

_PATIENCE = 35  # seconds for one answer: the API's own 29, and the network
_UPLOAD_PATIENCE = 120.0  # seconds for an upload's caption; the first one may have to wait for a function to start


class CheckError(Exception):
    """A check failed; the message says what was expected and what was received."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. Header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            CheckError: it is not JSON.
        """
        try:
            return json.loads(self.body)
        except ValueError:
            raise CheckError(f"the body is not JSON: {self.body[:100]!r}") from None


@dataclass(frozen=True, slots=True)
class Service:
    """The service under test: its URL without a last slash, the key, and the seconds that an upload may take."""

    url: str
    key: str | None
    patience: float

    def get(self, path: str, *, keyed: bool = True) -> Answer:
        """GET `path`."""
        return self._ask("GET", self.url + path, None, {}, keyed=keyed)

    def post(self, path: str, body: object) -> Answer:
        """POST `body` as JSON."""
        return self._ask("POST", self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def post_form(self, url: str, fields: Mapping[str, str], picture: bytes, *, keyed: bool) -> Answer:
        """POST a form with `fields` and then the picture as `file`; `url` may be a path of this service."""
        boundary = secrets.token_hex(16)
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()
        ]
        parts += [f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="smoke.png"\r\n']
        parts += ["Content-Type: image/png\r\n\r\n"]
        body = "".join(parts).encode() + picture + f"\r\n--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return self._ask("POST", urljoin(self.url, url), body, headers, keyed=keyed)

    def _ask(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], *, keyed: bool = True
    ) -> Answer:
        sent = {**headers, **({"x-api-key": self.key} if self.key and keyed else {})}
        request = urllib.request.Request(url, data=body, headers=sent, method=method)  # noqa: S310 - checked in `main`
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310 - as above  # nosec B310
                return Answer(answer.status, _lower(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, _lower(error.headers), error.read())
        except OSError as error:
            raise CheckError(f"{method} {url}: no answer: {getattr(error, 'reason', error)}") from None


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _expect(answer: Answer, status: int) -> Answer:
    if answer.status == status:
        return answer
    text = answer.body[:300].decode(errors="replace")
    raise CheckError(f"expected {status}, got {answer.status}: {text}")


def _refused(answer: Answer, status: int) -> str:
    """Return the detail of a refusal, which must be a problem as every error of the API is."""
    problem = _expect(answer, status).json()
    media_type = answer.headers.get("content-type")
    if media_type != "application/problem+json" or problem.get("status") != status:
        raise CheckError(f"the error is not application/problem+json: {media_type}, {problem}")
    return str(problem["detail"])


def check_health(service: Service) -> str:
    """See that the service answers without a key."""
    return f"version {_expect(service.get('/health', keyed=False), 200).json()['version']}"


def check_pages(service: Service) -> str:
    """See that the pages find their own document and assets, wherever the API's paths begin."""
    page = _expect(service.get("/docs", keyed=False), 200).body.decode()
    prefix = urlsplit(service.url).path
    for path in (r"/openapi\.json", r"/docs/swagger-ui\.\w+\.css"):
        found = re.search(f"[\"']{re.escape(prefix)}({path})[\"']", page)
        if not found:
            raise CheckError(f"/docs does not refer to {prefix}{path}")
        _expect(service.get(found[1], keyed=False), 200)
    return "the document and the styles are where the page says"


def check_keys(service: Service) -> str:
    """See that a request without a key is refused."""
    if service.key is None:
        _expect(service.get("/ml/stats"), 200)
        return "none is asked for"
    return _refused(service.get("/ml/stats", keyed=False), 403)


def check_unknown_paths(service: Service) -> str:
    """See that a path that does not exist is refused as everything is."""
    return _refused(service.get("/no-such-path"), 404)


def check_stats(service: Service) -> str:
    """See that the observation store answers."""
    return f"{_expect(service.get('/ml/stats'), 200).json()['samples_seen']} ratings"


def check_suggestions(service: Service) -> str:
    """See that a suggestion is made and kept."""
    (found,) = _expect(service.post("/ml/suggest_parameters", {"num_suggestions": 1}), 200).json()["suggestions"]
    return ", ".join(f"{name} {value}" for name, value in found.items())


def check_updates(service: Service) -> str:
    """See that the update function answers; nothing is recorded."""
    return _refused(service.post("/ml/update_model", {"results": []}), 422)


def check_models(service: Service) -> str:
    """See that the caption bundle is loaded."""
    return str(_expect(service.get("/generate-caption/health"), 200).json()["model_version"])


def check_captions(service: Service) -> str:
    """See that a picture is captioned."""
    found = _expect(service.post_form(f"{service.url}/generate-caption/", {}, picture(), keyed=True), 200).json()
    return repr(found["caption"])


def check_uploads(service: Service) -> str:
    """See that a picture is uploaded past the API and captioned."""
    form = _expect(service.post("/uploads", {"content_type": "image/png", "filename": "smoke.png"}), 200).json()
    posted = service.post_form(form["url"], form["fields"], picture(), keyed=False)
    if posted.status not in {200, 201, 204}:
        raise CheckError(f"the upload was answered with {posted.status}: {posted.body[:300].decode(errors='replace')}")
    path = form["caption_url"].removeprefix(service.url)
    if not path.startswith("/"):
        raise CheckError(f"caption_url is {path}, which is not below {service.url}")
    end = time.monotonic() + service.patience
    while (answer := service.get(path)).status == 202:  # noqa: PLR2004 - accepted, and not done
        if time.monotonic() > end:
            raise CheckError(f"{form['caption_url']} has been pending for {service.patience:g} s")
        time.sleep(1)
    return repr(_expect(answer, 200).json()["caption"])


CHECKS: tuple[Callable[[Service], str], ...] = (
    check_health,
    check_pages,
    check_keys,
    check_unknown_paths,
    check_stats,
    check_suggestions,
    check_updates,
    check_models,
    check_captions,
    check_uploads,
)


def picture() -> bytes:
    """Return a PNG of 96 x 64 pixels: a meadow under a sky."""
    sky, meadow = b"\0" + b"\x87\xce\xeb" * 96, b"\0" + b"\x22\x8b\x22" * 96

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 96, 64, 8, 2, 0, 0, 0)
    pixels = zlib.compress(sky * 40 + meadow * 24)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def main() -> int:
    """Make every check and say how each went; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.smoke", description=__doc__.partition("\n")[0])
    parser.add_argument("url", help="where it answers: the stack's output Url, or http://127.0.0.1:8000")
    parser.add_argument("--key", help="the API key, if one is asked for")
    parser.add_argument(
        "--patience", type=float, default=_UPLOAD_PATIENCE, help="seconds for an upload to be captioned (%(default)g)"
    )
    arguments = parser.parse_args()
    if urlsplit(arguments.url).scheme not in {"http", "https"} or not urlsplit(arguments.url).netloc:
        parser.error(f"{arguments.url} is not a URL such as http://127.0.0.1:8000")
    service = Service(arguments.url.rstrip("/"), arguments.key, arguments.patience)
    failed = 0
    for check in CHECKS:
        name = check.__name__.removeprefix("check_").replace("_", " ")
        began = time.perf_counter()
        try:
            outcome, said = "ok", check(service)
        except CheckError as error:
            outcome, said = "FAILED", str(error)
        except (KeyError, TypeError, ValueError) as error:
            outcome, said = "FAILED", f"the answer is not of the shape that it should have: {error!r}"
        failed += outcome == "FAILED"
        print(f"{outcome:6}  {name:14}  {time.perf_counter() - began:6.2f} s  {said}", flush=True)
    print(f"{len(CHECKS) - failed} of {len(CHECKS)} checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
