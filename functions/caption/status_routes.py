"""The status function: requests about captions that need no captioning.

GET /generate-caption/health says whether pictures can be captioned; the routes of uploads are in
`functions.caption.upload_routes`, and the list of them is in `functions.caption.listing_routes`. It is a separate
function so that a flood of pictures cannot block these requests.
"""

from typing import Literal

from fastapi import FastAPI
from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from functions.caption.listing_routes import listing_routes
from functions.caption.refusals import STATUSES
from functions.caption.resources import Resources
from functions.caption.upload_routes import upload_routes
from web.application import create_app, entry_point
from web.entry import Handler


class CaptionHealth(BaseModel):
    """Whether pictures can be captioned."""

    status: Literal["healthy", "degraded"] = Field(
        description="`degraded` if a newer bundle cannot be used, or the source cannot be asked for one",
    )
    models_loaded: bool
    model_version: str
    refused_version: str | SkipJsonSchema[None] = Field(
        default=None, description="the newer bundle that cannot be used"
    )


def build(resources: Resources) -> tuple[FastAPI, Handler]:
    """Build the function: its application, and the handler that Lambda calls."""
    app, log = create_app(service="status", title="Picture captioning", settings=resources.settings, statuses=STATUSES)
    # The first health request loads the models: presigning needs none, and the function starts a second sooner.
    resources.warm_up(log, models=False)

    @app.get(
        "/generate-caption/health",
        tags=["captioning"],
        summary="Whether pictures can be captioned",
        response_model_exclude_none=True,
    )
    async def caption_health() -> CaptionHealth:
        service = resources.service
        captioner = service.captioner()
        return CaptionHealth(
            status="degraded" if service.trouble else "healthy",
            models_loaded=True,
            model_version=captioner.model_version,
            refused_version=service.refused_version,
        )

    app.include_router(listing_routes(resources))
    app.include_router(upload_routes(resources))
    return app, entry_point(app, resources.metrics)
