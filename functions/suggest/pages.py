"""The API's pages: Swagger UI and ReDoc, which show the document of `functions.suggest.document`.

Scripts and styles are those that the package fastapi-offline carries, served by ourselves. The pages' addresses begin
with the stage's prefix, where there is one.
"""

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
_CACHING = {"Cache-Control": "public, max-age=86400"}


def _folder() -> Path:
    # Found, not imported: the package's code would make an application of its own kind.
    spec = find_spec("fastapi_offline")
    assert spec is not None  # noqa: S101  (it is among the function's requirements)
    assert spec.origin is not None  # noqa: S101
    return Path(spec.origin).parent / "static"


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    base = base_path(request)
    return get_swagger_ui_html(
        openapi_url=f"{base}/openapi.json",
        title=_TITLE,
        swagger_js_url=f"{base}/docs/swagger-ui-bundle.js",
        swagger_css_url=f"{base}/docs/swagger-ui.css",
        swagger_favicon_url=_NO_ICON,
        swagger_ui_parameters={"tryItOutEnabled": True, "persistAuthorization": True},
    )


@router.get("/redoc")
async def redoc(request: Request) -> HTMLResponse:
    base = base_path(request)
    return get_redoc_html(
        openapi_url=f"{base}/openapi.json",
        title=_TITLE,
        redoc_js_url=f"{base}/docs/redoc.standalone.js",
        redoc_favicon_url=_NO_ICON,
        with_google_fonts=False,
    )


@router.get("/docs/{asset}")
async def docs_asset(asset: str) -> Response:
    if asset not in _ASSETS:
        raise HTTPException(404, f"the pages have no asset {asset!r}")
    return Response((_folder() / asset).read_bytes(), media_type=_ASSETS[asset], headers=_CACHING)
