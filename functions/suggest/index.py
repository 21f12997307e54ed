"""What is at `/`: browsers are led to Studio, and whoever else asks gets a short index of what there is."""

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from web.application import base_path
from web.settings import VERSION

NAME = "Picture tuning and captioning"
"""What the product is called on its pages and in its index."""

router = APIRouter()


class Links(BaseModel):
    """Paths under the host that was asked, with the prefix of the stage or the domain."""

    studio: str = Field(description="the page where people rate, look and caption")
    docs: str = Field(description="this document as a page to try requests on")
    openapi: str = Field(description="this document")
    health: str = Field(description="whether the service can answer")


class Index(BaseModel):
    """What there is."""

    name: str
    version: str
    links: Links


@router.get(
    "/",
    tags=["tuning"],
    summary="What there is",
    response_model=Index,
    responses={307: {"description": "For browsers, which prefer `text/html`: leads to the page"}},
)
async def index(request: Request, response: Response) -> Index | RedirectResponse:
    """Answer browsers with the way to the page, and others with the index."""
    base, varies = base_path(request), {"Vary": "Accept"}
    if _prefers_html(request.headers.get("accept", "")):
        return RedirectResponse(f"{base}/studio", headers=varies)
    response.headers.update(varies)
    links = Links(studio=f"{base}/studio", docs=f"{base}/docs", openapi=f"{base}/openapi.json", health=f"{base}/health")
    return Index(name=NAME, version=VERSION, links=links)


def _prefers_html(accept: str) -> bool:
    """Tell whether an Accept header names text/html, and JSON not before it. `*/*` names neither."""
    html, json = _weight(accept, "text/html"), _weight(accept, "application/json")
    return html > 0 and html >= json


def _weight(accept: str, media_type: str) -> float:
    for item in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in item.split(";"))
        if kind == media_type:
            weights = [one.removeprefix("q=") for one in parameters if one.startswith("q=")]
            try:
                return float(weights[0]) if weights else 1.0
            except ValueError:
                return 0.0
    return 0.0
