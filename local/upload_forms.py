"""Presigned POSTs, as S3 accepts them, into the folder that stands in for the upload bucket.

A form is accepted if its policy was signed by the functions of this process, has not expired, and matches every field
and the picture's size. The answers are S3's: 204, or an XML error ("POST Object", Amazon S3 API Reference). This module
does not read the picture.
"""

import json
import re
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from hashlib import md5
from hmac import compare_digest
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from captioning.buckets.folder import POST_PATH, FolderBucket, sign, write_whole
from captioning.pictures.limits import MAX_BYTES
from local.events import Request, Response

PATH = f"/{POST_PATH}"
LIMIT = MAX_BYTES + 64 * 1024
"""The most bytes of a form: the largest picture, and more than S3's 20 KB for the fields."""

_TOO_LARGE = "Your proposed upload exceeds the maximum allowed size"
_TOO_SMALL = "Your proposed upload is smaller than the minimum allowed size"
_RETRY_AFTER = "1"
_PREFLIGHT_SECONDS = "7200"
"""As the template has it for the bucket."""

# Starlette would write a picture of over 1 MiB to a temporary file, though the whole form is in memory already.
MultiPartParser.spool_max_size = LIMIT

# RFC 2046, 5.1.1.
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{1,70}")
_UNSIGNED = {"policy", "x-amz-signature", "file"}


class FormRefusedError(Exception):
    """The form is refused, with S3's `status` and `code`."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class UploadForms:
    """Presigned POSTs into `bucket`; pages of `origin` may read the answers, as the template allows."""

    def __init__(self, bucket: FolderBucket, *, origin: str = "*") -> None:
        self._bucket = bucket
        self._headers = (("access-control-allow-origin", origin),)

    async def answer(self, request: Request) -> Response:
        """Answer a posted form. If the answer is 204, the whole picture is in the folder."""
        try:
            fields, picture = await _parse(request)
            _check(fields, len(picture), now=self._bucket.now())
            path = self._bucket.path / fields["key"]
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, picture)
        except FormRefusedError as refusal:
            return self._refusal(refusal)
        except OSError as error:
            return self._later(FormRefusedError(503, "ServiceUnavailable", f"cannot be written: {error.strerror}"))
        etag = md5(picture, usedforsecurity=False).hexdigest()
        location = f"http://{request.header('host')}{PATH}/{quote(fields['key'])}"
        return Response(204, (*self._headers, ("etag", f'"{etag}"'), ("location", location)), b"")

    def preflight(self, head: Request) -> Response:
        """Answer a preflight, which browsers send before a form whose progress a page watches, as the bucket does."""
        asked = head.header("access-control-request-headers")
        allowed = (("access-control-allow-headers", asked),) if asked else ()
        methods = (("access-control-allow-methods", "POST"), ("access-control-max-age", _PREFLIGHT_SECONDS))
        return Response(200, (*self._headers, *methods, *allowed), b"")

    def too_large(self) -> Response:
        """Answer a form of over `LIMIT` bytes; the rest of it need not be read."""
        return self._refusal(FormRefusedError(400, "EntityTooLarge", _TOO_LARGE))

    def crowded(self) -> Response:
        """Answer a form that does not fit into the memory; the rest of it need not be read."""
        return self._later(FormRefusedError(503, "SlowDown", "Please reduce your request rate."))

    def late(self) -> Response:
        """Answer a form that does not arrive in time."""
        message = "Your socket connection to the server was not read from or written to within the timeout period."
        return self._refusal(FormRefusedError(400, "RequestTimeout", message))

    def _later(self, error: FormRefusedError) -> Response:
        refusal = self._refusal(error)
        return Response(refusal.status, (*refusal.headers, ("retry-after", _RETRY_AFTER)), refusal.body)

    def _refusal(self, error: FormRefusedError) -> Response:
        text = f"<Error><Code>{error.code}</Code><Message>{escape(str(error))}</Message></Error>"
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
        return Response(error.status, (*self._headers, ("content-type", "application/xml")), body)


async def _parse(request: Request) -> tuple[dict[str, str], bytes]:
    """Return the fields before the picture, and the picture; later fields are ignored, as by S3.

    Raises:
        FormRefusedError: the body is not such a form.
    """

    async def body() -> AsyncIterator[bytes]:
        yield request.body

    fields: dict[str, str] = {}
    try:
        form = await MultiPartParser(Headers({"content-type": _media_type(request)}), body()).parse()  # type: ignore[arg-type]
    except (MultiPartException, LookupError, ValueError) as error:
        raise FormRefusedError(400, "MalformedPOSTRequest", f"not a multipart/form-data body: {error}") from error
    try:
        for name, value in form.multi_items():
            if name == "file":
                return fields, await value.read() if isinstance(value, UploadFile) else value.encode("latin-1")
            if isinstance(value, str):
                fields[_text(name)] = _text(value)
    finally:
        await form.close()
    raise FormRefusedError(400, "InvalidArgument", "POST requires exactly one file upload per request.")


def _media_type(request: Request) -> str:
    """Return the form's media type with the charset Latin-1, whatever the caller names, so that texts keep their bytes.

    Raises:
        MultiPartException: there is no boundary, or it is not allowed.
    """
    kind, options = parse_options_header(request.header("content-type"))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not _BOUNDARY.fullmatch(boundary):
        raise MultiPartException("the Content-Type has no boundary, or not one of 1 to 70 of the characters allowed")
    return f'multipart/form-data; boundary="{boundary.decode("ascii")}"; charset=latin-1'


def _text(written: str) -> str:
    """Return a field's name or value as text.

    Raises:
        FormRefusedError: it is not UTF-8, as S3 requires.
    """
    try:
        return written.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormRefusedError(400, "InvalidArgument", f"a field is not text in UTF-8: {error.reason}") from error


def _check(fields: Mapping[str, str], size: int, *, now: datetime) -> None:
    """Check a form and the picture's size, in bytes, against the form's policy, at the moment `now`.

    Raises:
        FormRefusedError: the policy does not allow it.
    """
    policy, signature = fields.get("policy", ""), fields.get("x-amz-signature", "")
    if not policy or not signature:
        raise FormRefusedError(403, "AccessDenied", "Access Denied")
    if not compare_digest(signature.encode(), sign(policy).encode()):
        message = "The request signature we calculated does not match the signature you provided."
        raise FormRefusedError(403, "SignatureDoesNotMatch", message)
    # The signature shows that the policy is one of ours, so its form is known.
    document: dict[str, Any] = json.loads(b64decode(policy))
    if now >= datetime.fromisoformat(document["expiration"]):
        raise _against_policy("Policy expired.")
    *wanted, (_, smallest, largest) = document["conditions"]
    held = {name: value for condition in wanted for name, value in condition.items()}
    for name, value in held.items():
        if fields.get(name) != value:
            raise _against_policy(f'Policy Condition failed: ["eq", "${name}", "{value}"]')
    if extra := fields.keys() - held.keys() - _UNSIGNED:
        raise _against_policy(f"Extra input fields: {', '.join(sorted(extra))}")
    if size > largest:
        raise FormRefusedError(400, "EntityTooLarge", _TOO_LARGE)
    if size < smallest:
        raise FormRefusedError(400, "EntityTooSmall", _TOO_SMALL)


def _against_policy(message: str) -> FormRefusedError:
    return FormRefusedError(403, "AccessDenied", f"Invalid according to Policy: {message}")
