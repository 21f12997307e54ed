"""The caption function over HTTP: pictures in the request, here; pictures uploaded, in `upload_routes`."""

from fastapi import Depends, Request, UploadFile
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from captioning.captions import caption_picture
from captioning.errors import (
    NotAPictureError,
    PermanentError,
    PictureTooLargeError,
    RequestError,
    TransientError,
)
from functions.caption.resources import captioner, metrics, settings, store, warm_up
from functions.caption.upload_routes import router
from web.application import create_app, entry_point, require_multipart
from web.metrics import Metric

app, log = create_app(
    service="caption",
    title="Picture captioning",
    settings=settings,
    statuses={
        NotAPictureError: 415,
        PictureTooLargeError: 413,
        RequestError: 422,
        TransientError: 503,
        PermanentError: 503,
    },
)


class Captioned(BaseModel):
    """What a picture shows."""

    filename: str = Field(examples=["image.jpg"])
    caption: str = Field(examples=["a brown dog runs through the grass"])
    confidence: float = Field(description="geometric mean of the words' probabilities, 0 to 1")
    model_version: str
    cached: bool = Field(description="whether the same picture was captioned before, by the same model")


class CaptionHealth(BaseModel):
    """Whether pictures can be captioned."""

    status: str = Field(examples=["healthy"])
    models_loaded: bool
    model_version: str


warm_up(log)


@app.post(
    "/generate-caption/",
    tags=["captioning"],
    summary="Say in words what a picture shows",
    dependencies=[Depends(require_multipart)],
)
async def generate_caption(request: Request, file: UploadFile) -> Captioned:
    """`file` is a JPEG, PNG, GIF, WebP, BMP or TIFF picture; of an animation the first frame counts."""
    # FastAPI would quietly take the last of several.
    if (count := len((await request.form()).getlist("file"))) > 1:
        raise HTTPException(422, f"file: one picture at a time, not {count}")
    picture, models = await file.read(), captioner()
    with metrics.timed(Metric.CAPTION_LATENCY):
        found = caption_picture(models, store(), picture)
    metrics.count(Metric.CACHE_HITS, int(found.cached))
    return Captioned(
        filename=file.filename or "",
        caption=found.caption,
        confidence=round(found.confidence, 4),
        model_version=found.model_version,
        cached=found.cached,
    )


@app.get("/generate-caption/health", tags=["captioning"], summary="Whether pictures can be captioned")
async def caption_health() -> CaptionHealth:
    return CaptionHealth(status="healthy", models_loaded=True, model_version=captioner().model_version)


app.include_router(router)

handler = entry_point(app, metrics)
