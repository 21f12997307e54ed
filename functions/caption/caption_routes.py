"""The caption function: POST /generate-caption/, a picture in the request and its caption in the answer."""

from typing import Annotated

from fastapi import Depends, FastAPI, Query
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from captioning.captions import caption_picture, choose_decoding
from captioning.model.decoding import MAX_BEAM_WIDTH, MAX_LENGTH_PENALTY
from functions.caption.confidence import CONFIDENCE, SURE
from functions.caption.picture_part import BODY, picture_part
from functions.caption.refusals import STATUSES
from functions.caption.resources import Resources
from functions.query_numbers import DECIMAL, WHOLE
from web.application import create_app, entry_point
from web.entry import Handler
from web.metrics import Metric
from web.multipart import FormPart

_BEAM_WIDTH = "how many partial captions go on after each word; 1 is greedy decoding (default: the bundle's)"
_LENGTH_PENALTY = "0 prefers short captions, 1 has no preference, more prefers long ones (default: the bundle's)"


class RankedCaption(BaseModel):
    """One of several captions of a picture."""

    caption: str
    confidence: float = Field(description=CONFIDENCE)
    sure: bool | SkipJsonSchema[None] = Field(default=None, description=SURE)


class CaptionedPicture(BaseModel):
    """What a picture shows."""

    filename: str = Field(examples=["image.jpg"])
    caption: str = Field(examples=["a brown dog runs through the grass"])
    confidence: float = Field(description=CONFIDENCE)
    sure: bool | SkipJsonSchema[None] = Field(default=None, description=SURE)
    model_version: str
    cached: bool = Field(
        description="whether the caption was stored by an earlier request, for the same picture, model and options"
    )
    alternatives: list[RankedCaption] | SkipJsonSchema[None] = Field(
        default=None, description="the best captions, `caption` first; only if the request asks for them"
    )


def build(resources: Resources) -> tuple[FastAPI, Handler]:
    """Build the function: its application, and the handler that Lambda calls."""
    app, log = create_app(service="caption", title="Picture captioning", settings=resources.settings, statuses=STATUSES)
    resources.warm_up(log)

    @app.post(
        "/generate-caption/",
        tags=["captioning"],
        summary="Say in words what a picture shows",
        response_model_exclude_none=True,
        openapi_extra=BODY,
    )
    async def generate_caption(
        file: Annotated[FormPart, Depends(picture_part)],
        beam_width: Annotated[
            Annotated[int, Field(ge=1, le=MAX_BEAM_WIDTH), WHOLE] | None,
            Query(description=_BEAM_WIDTH),
        ] = None,
        length_penalty: Annotated[
            Annotated[float, Field(ge=0, le=MAX_LENGTH_PENALTY), DECIMAL] | None,
            Query(description=_LENGTH_PENALTY),
        ] = None,
        alternatives: Annotated[
            Annotated[int, Field(ge=1, le=MAX_BEAM_WIDTH), WHOLE] | None,
            Query(description="how many captions to return at most, best first"),
        ] = None,
    ) -> CaptionedPicture:
        """`file` is a JPEG, PNG, GIF, WebP, AVIF, BMP or TIFF picture; of an animation the first frame is read."""
        if alternatives and beam_width and alternatives > beam_width:
            message = f"must be at most beam_width, which is {beam_width}"
            raise RequestValidationError(
                [{"type": "value_error", "loc": ("query", "alternatives"), "msg": message, "input": alternatives}]
            )
        captioner = resources.service.captioner()
        decoding = choose_decoding(
            captioner.decoding, beam_width=beam_width, length_penalty=length_penalty, alternatives=alternatives
        )
        with resources.metrics.timed(Metric.CAPTION_LATENCY):
            found = caption_picture(captioner, resources.store, file.content, decoding, observe=resources.refused)
        resources.metrics.count(Metric.CACHE_HITS, int(found.cached))
        ranked = [RankedCaption(caption=found.caption, confidence=round(found.confidence, 4), sure=found.sure)]
        ranked += [
            RankedCaption(caption=one.text, confidence=round(one.confidence, 4), sure=captioner.is_sure(one.confidence))
            for one in found.alternatives
        ]
        return CaptionedPicture(
            filename=file.filename,
            caption=found.caption,
            confidence=round(found.confidence, 4),
            sure=found.sure,
            model_version=found.model_version,
            cached=found.cached,
            alternatives=ranked[:alternatives] if alternatives else None,
        )

    return app, entry_point(app, resources.metrics)
