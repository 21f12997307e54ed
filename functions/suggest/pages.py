"""The API's pages: Swagger UI and ReDoc, which show the document of `functions.suggest.document`.

Scripts and styles are files of the package fastapi-offline, served by this function. The pages' addresses begin with
the prefix of the stage or the domain, if there is one. The pages name an asset with part of its hash, so that browsers
may cache it for ever and still get a new one; its plain name works too. The gateway compresses the answers. Each page
begins with a link to Studio, which `functions.suggest.studio` serves.
"""

import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from html import escape
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from functions.suggest.index import NAME
from web.application import base_path

router = APIRouter(include_in_schema=False)

_ASSETS = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "redoc.standalone.js": "text/javascript; charset=utf-8",
}
# An empty icon, so that browsers request none: to answer it, the gateway's binary media types would need images.
_NO_ICON = "data:,"
_FOR_GOOD = "public, max-age=31536000, immutable"
_BRIEFLY = "public, max-age=300"
_HASHED = re.compile(r"(?P<stem>.+)\.(?P<hash>[0-9a-f]{16})(?P<suffix>\.\w+)")


@dataclass(frozen=True, slots=True)
class _Asset:
    """A file of the pages. `hashed` is its name with part of its hash: `swagger-ui.0123456789abcdef.css`."""

    content: bytes
    hashed: str


def _folder() -> Path:
    # Only located: importing the package would run its code, and only its files are needed.
    spec = find_spec("fastapi_offline")
    assert spec is not None  # noqa: S101  (it is among the function's requirements)
    assert spec.origin is not None  # noqa: S101
    return Path(spec.origin).parent / "static"


@cache
def _asset(name: str) -> _Asset:
    content = (_folder() / name).read_bytes()
    stem, _, suffix = name.rpartition(".")
    return _Asset(content, f"{stem}.{sha256(content).hexdigest()[:16]}.{suffix}")


def _address(base: str, name: str) -> str:
    return f"{base}/docs/{_asset(name).hashed}"


def _linked(page: HTMLResponse, base: str) -> HTMLResponse:
    """Return `page` with a link to Studio at its top."""
    link = f'<p><a href="{escape(base)}/studio">Studio</a></p>'
    return HTMLResponse(bytes(page.body).replace(b"<body>", f"<body>{link}".encode(), 1))


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """Answer with Swagger UI."""
    base = base_path(request)
    page = get_swagger_ui_html(
        openapi_url=f"{base}/openapi.json",
        title=NAME,
        swagger_js_url=_address(base, "swagger-ui-bundle.js"),
        swagger_css_url=_address(base, "swagger-ui.css"),
        swagger_favicon_url=_NO_ICON,
        swagger_ui_parameters={"tryItOutEnabled": True, "persistAuthorization": True},
    )
    return _linked(page, base)


@router.get("/redoc")
async def redoc(request: Request) -> HTMLResponse:
    """Answer with ReDoc."""
    base = base_path(request)
    page = get_redoc_html(
        openapi_url=f"{base}/openapi.json",
        title=NAME,
        redoc_js_url=_address(base, "redoc.standalone.js"),
        redoc_favicon_url=_NO_ICON,
        with_google_fonts=False,
    )
    return _linked(page, base)


@router.get("/docs/{asset}")
async def docs_asset(asset: str) -> Response:
    """Answer with a script or a style of the pages, by its plain name or by the one with its hash.

    Raises:
        HTTPException: 404 for a name that no asset has.
    """
    found = _HASHED.fullmatch(asset)
    name = f"{found['stem']}{found['suffix']}" if found else asset
    if name not in _ASSETS:
        raise HTTPException(404, f"the pages have no asset {asset!r}")
    one = _asset(name)
    # During a deployment two versions answer: a page of one may ask the other for its assets. It gets the asset that
    # there is, and may cache it only briefly.
    caching = _FOR_GOOD if asset == one.hashed else _BRIEFLY
    headers = {"Cache-Control": caching, "Vary": "Accept-Encoding"}
    return Response(one.content, media_type=_ASSETS[name], headers=headers)
