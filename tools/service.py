"""The API over HTTP as any caller has it, for tools: no client of AWS, no other package."""

import json
import secrets
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import urljoin

_PATIENCE = 35  # seconds for one answer: the API's own 29, and the network
UPLOAD_PATIENCE = 120.0
"""Seconds for an upload's caption; the first one may have to wait for a function to start."""


class ServiceError(Exception):
    """The service did not answer as it should have; the message says what was expected and what was received."""


class NobodyThereError(ServiceError):
    """No connection is made at all: no other request can succeed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. Header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            ServiceError: it is not JSON.
        """
        try:
            return json.loads(self.body)
        except ValueError:
            raise ServiceError(f"the body is not JSON: {self.body[:100]!r}") from None


@dataclass(frozen=True, slots=True)
class Service:
    """The service: its URL without a last slash, the key, and the seconds that an upload may take."""

    url: str
    key: str | None
    patience: float = UPLOAD_PATIENCE

    def get(self, path: str, *, keyed: bool = True) -> Answer:
        """GET `path`."""
        return self._ask("GET", self.url + path, None, {}, keyed=keyed)

    def post(self, path: str, body: object) -> Answer:
        """POST `body` as JSON."""
        return self._write("POST", path, body)

    def patch(self, path: str, body: object, **headers: str) -> Answer:
        """PATCH `body` as JSON, with `headers` whose names have underscores in place of hyphens."""
        return self._write("PATCH", path, body, **headers)

    def delete(self, path: str) -> Answer:
        """DELETE `path`."""
        return self._ask("DELETE", self.url + path, None, {})

    def post_form(self, url: str, fields: Mapping[str, str], picture: bytes, *, filename: str, keyed: bool) -> Answer:
        """POST a form with `fields` and then the picture as `file`; `url` may be a path of this service."""
        boundary = secrets.token_hex(16)
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()
        ]
        parts += [f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n']
        parts += ["Content-Type: application/octet-stream\r\n\r\n"]
        body = "".join(parts).encode() + picture + f"\r\n--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        return self._ask("POST", urljoin(self.url, url), body, headers, keyed=keyed)

    def _write(self, method: str, path: str, body: object, **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()} | {"Content-Type": "application/json"}
        return self._ask(method, self.url + path, json.dumps(body).encode(), sent)

    def _ask(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], *, keyed: bool = True
    ) -> Answer:
        sent = {**headers, **({"x-api-key": self.key} if self.key and keyed else {})}
        request = urllib.request.Request(url, data=body, headers=sent, method=method)  # noqa: S310 - its maker's
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310 - as above  # nosec B310
                return Answer(answer.status, _lower(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, _lower(error.headers), error.read())
        except OSError as error:
            reason = getattr(error, "reason", error)
            nobody = isinstance(reason, ConnectionRefusedError | socket.gaierror) and url.startswith(self.url)
            raise (NobodyThereError if nobody else ServiceError)(f"{method} {url}: no answer: {reason}") from None


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def expect(answer: Answer, status: int) -> Answer:
    """Return the answer.

    Raises:
        ServiceError: it has another status.
    """
    if answer.status == status:
        return answer
    text = answer.body[:300].decode(errors="replace")
    raise ServiceError(f"expected {status}, got {answer.status}: {text}")
