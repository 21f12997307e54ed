"""The routes of uploads: POST /uploads presigns an upload, GET /captions/{key} returns a picture's caption."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import quote, urljoin

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.exceptions import HTTPException

from captioning.lookup import Pending, find_outcome
from captioning.outcomes import Status
from captioning.pictures.limits import MAX_BYTES
from captioning.uploads import PRESIGNED_SECONDS, MediaType, checked_name, presign_upload
from functions.caption.confidence import CONFIDENCE, SURE
from functions.caption.resources import Resources
from web.application import base_path, require_json


class _KeyConvertor(StringConvertor):
    """The rest of a path, with any characters. Starlette's own `path` ends at a line break, which a key may have.

    At least one: `/captions/` is the list.
    """

    regex = "(?s:.+)"


register_url_convertor("key", _KeyConvertor())

MAX_RETRY_AFTER = 60
"""The longest `Retry-After` of a pending caption, in seconds."""

_NOT_YET = "It is not captioned yet; ask again after Retry-After"


def _media_type(given: object) -> object:
    """Return a media type by its proper name, without parameters; what is none as it is."""
    if isinstance(given, str):
        with suppress(ValueError):
            return MediaType(given.partition(";")[0].strip().lower())
    return given


class UploadRequest(BaseModel):
    """The picture that will be uploaded."""

    content_type: Annotated[MediaType, BeforeValidator(_media_type)]
    filename: Annotated[str, AfterValidator(checked_name)] | None = Field(
        default=None, description="the end of the picture's key", examples=["dog.jpg"]
    )


class UploadForm(BaseModel):
    """The form that uploads one picture: `fields`, and after them the picture as `file`, posted to `url`."""

    key: str = Field(examples=["uploads/5f0c3a1b9e6d4c2f8a7b6c5d4e3f2a1b/dog.jpg"])
    url: str
    fields: dict[str, str]
    max_bytes: int
    expires_at: datetime
    caption_url: str = Field(description="the URL that will return the caption")


class UploadCaption(BaseModel):
    """What an uploaded picture shows."""

    key: str
    status: Literal["captioned"]
    caption: str = Field(examples=["a brown dog runs through the grass"])
    confidence: float = Field(description=CONFIDENCE)
    sure: bool | SkipJsonSchema[None] = Field(default=None, description=SURE)
    model_version: str


class UploadPending(BaseModel):
    """A picture that is not captioned yet."""

    key: str
    status: Literal["pending"]


def upload_routes(resources: Resources) -> APIRouter:
    """Make the routes; they use the store and the bucket of `resources`."""
    router = APIRouter(tags=["captioning"])

    @router.post("/uploads", summary="Presign the upload of a large picture", dependencies=[Depends(require_json)])
    async def upload(request: Request, picture: UploadRequest) -> UploadForm:
        """For pictures too large for `POST /generate-caption/`: they go straight to the storage, up to 10 MiB."""
        now = datetime.now(UTC)
        presigned = presign_upload(resources.bucket(), media_type=picture.content_type, name=picture.filename, now=now)
        expires_at = now + timedelta(seconds=PRESIGNED_SECONDS)
        here = f"{request.url.scheme}://{request.url.netloc}{base_path(request)}/"
        return UploadForm(
            key=presigned.key,
            url=urljoin(here, presigned.post.url),
            fields=dict(presigned.post.fields),
            max_bytes=MAX_BYTES,
            expires_at=expires_at.replace(microsecond=0),
            caption_url=f"{here}captions/{quote(presigned.key)}",
        )

    @router.get(
        "/captions/{key:key}",
        summary="The caption of an uploaded picture",
        response_model=UploadCaption,
        response_model_exclude_none=True,
        responses={202: {"model": UploadPending, "description": _NOT_YET}},
    )
    async def upload_caption(key: str) -> UploadCaption | Response:
        """404 if there is no such picture; 422, with the reason, if it cannot be captioned."""
        found = find_outcome(resources.store, resources.bucket(), key)
        if isinstance(found, Pending):
            # A caption takes seconds. One that is pending for minutes needs a person; its caller should ask rarely.
            waited = (datetime.now(UTC) - found.since).total_seconds()
            retry_after = round(min(max(waited / 10, 1), MAX_RETRY_AFTER))
            pending = UploadPending(key=key, status="pending")
            return JSONResponse(pending.model_dump(), status_code=202, headers={"Retry-After": str(retry_after)})
        if found is None:
            raise HTTPException(404, "no picture was uploaded under this key")
        if found.status is Status.GONE:
            raise HTTPException(404, "the picture was deleted before it could be captioned")
        if found.caption is None:
            raise HTTPException(422, f"the picture cannot be captioned: {found.reason}")
        return UploadCaption(
            key=key,
            status="captioned",
            caption=found.caption.text,
            confidence=round(found.caption.confidence, 4),
            sure=found.sure,
            model_version=found.caption.model_version,
        )

    return router
