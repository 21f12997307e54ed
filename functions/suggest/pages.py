"""The API's pages: Swagger UI and ReDoc, which show the document of `functions.suggest.document`.

Scripts and styles are those that the package fastapi-offline carries, served by ourselves. The pages' addresses begin
with the stage's prefix, where there is one. An asset's name in a page has a part of its hash in it, so that a browser
keeps what it has for good and still gets what is new; its plain name answers too. The gateway compresses them.
"""

import re
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse, Response
from starlette.exceptions import HTTPException

from web.application import base_path

router = APIRouter(include_in_schema=False)

_TITLE = "Picture tuning and captioning"
_ASSETS = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "redoc.standalone.js": "text/javascript; charset=utf-8",
}
# No icon, and no request for one: binary answers would need every image type among the gateway's.
_NO_ICON = "data:,"
_FOR_GOOD = "public, max-age=31536000, immutable"
_BRIEFLY = "public, max-age=300"
_HASHED = re.compile(r"(?P<stem>.+)\.(?P<hash>[0-9a-f]{16})(?P<suffix>\.\w+)")


@dataclass(frozen=True, slots=True)
class _Asset:
    """A file of the pages. `hashed` is its name with a part of its hash in it: `swagger-ui.0123456789abcdef.css`."""

    content: bytes
    hashed: str


def _folder() -> Path:
    # Found, not imported: the package's code would make an application of its own kind.
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


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    base = base_path(request)
    return get_swagger_ui_html(
        openapi_url=f"{base}/openapi.json",
        title=_TITLE,
        swagger_js_url=_address(base, "swagger-ui-bundle.js"),
        swagger_css_url=_address(base, "swagger-ui.css"),
        swagger_favicon_url=_NO_ICON,
        swagger_ui_parameters={"tryItOutEnabled": True, "persistAuthorization": True},
    )


@router.get("/redoc")
async def redoc(request: Request) -> HTMLResponse:
    base = base_path(request)
    return get_redoc_html(
        openapi_url=f"{base}/openapi.json",
        title=_TITLE,
        redoc_js_url=_address(base, "redoc.standalone.js"),
        redoc_favicon_url=_NO_ICON,
        with_google_fonts=False,
    )


@router.get("/docs/{asset}")
async def docs_asset(asset: str) -> Response:
    found = _HASHED.fullmatch(asset)
    name = f"{found['stem']}{found['suffix']}" if found else asset
    if name not in _ASSETS:
        raise HTTPException(404, f"the pages have no asset {asset!r}")
    one = _asset(name)
    # While a deployment shifts from one version to the next, a page of the one may ask the other for its assets: it
    # gets what there is, and does not keep it for long.
    caching = _FOR_GOOD if asset == one.hashed else _BRIEFLY
    headers = {"Cache-Control": caching, "Vary": "Accept-Encoding"}
    return Response(one.content, media_type=_ASSETS[name], headers=headers)
