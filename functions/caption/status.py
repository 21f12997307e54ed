"""What is asked about captions and takes no captioner's time, in a function of its own.

Leave to upload a picture, what became of it, and whether pictures can be captioned: a flood of pictures cannot take
these away.
"""

from pydantic import BaseModel, Field

from functions.caption.refusals import STATUSES
from functions.caption.resources import metrics, service, settings, warm_up
from functions.caption.upload_routes import router
from web.application import create_app, entry_point

app, log = create_app(service="status", title="Picture captioning", settings=settings, statuses=STATUSES)


class CaptionHealth(BaseModel):
    """Whether pictures can be captioned."""

    status: str = Field(
        examples=["healthy"], description="`degraded` if a newer bundle cannot be used, or none be looked for"
    )
    models_loaded: bool
    model_version: str
    refused_version: str | None = Field(default=None, description="the newer bundle that cannot be used")


# The models wait for the first question about them: leave to upload needs none, and starts a second sooner.
warm_up(log, models=False)


@app.get(
    "/generate-caption/health",
    tags=["captioning"],
    summary="Whether pictures can be captioned",
    response_model_exclude_none=True,
)
async def caption_health() -> CaptionHealth:
    captioner = service().captioner()
    return CaptionHealth(
        status="degraded" if service().trouble else "healthy",
        models_loaded=True,
        model_version=captioner.model_version,
        refused_version=service().refused_version,
    )


app.include_router(router)

handler = entry_point(app, metrics)
