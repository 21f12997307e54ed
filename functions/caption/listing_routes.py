"""The route of the list of uploads: GET /captions says what lies in the bucket and what became of it, page by page."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from captioning.lookup import DEFAULT_LIMIT, MAX_LIMIT, UploadedPicture, UploadStatus, browse, checked_cursor
from functions.caption.confidence import CONFIDENCE, SURE
from functions.caption.resources import Resources


class ListQuery(BaseModel):
    """Which page of the list."""

    # A misspelt filter would be answered with all pictures.
    model_config = ConfigDict(extra="forbid")

    status: UploadStatus | None = Field(default=None, description="only pictures of which this became")
    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="pictures on the page, at most")
    cursor: Annotated[str, AfterValidator(checked_cursor)] | None = Field(
        default=None, description="`next_cursor` of the page before"
    )


class ListedUpload(BaseModel):
    """A picture in the bucket and what became of it."""

    key: str = Field(examples=["uploads/0e61f4a2c7b05f0c3a1b9e6d4c2f8a7b/dog.jpg"])
    status: UploadStatus
    caption: str | None = Field(examples=["a brown dog runs through the grass"], description="null without one")
    confidence: float | None = Field(description=CONFIDENCE)
    sure: bool | None = Field(description=SURE)
    model_version: str | None
    reason: str | None = Field(description="why it cannot be captioned, where `status` is failed")
    size: int = Field(description="in bytes")
    uploaded_at: datetime

    @classmethod
    def of(cls, uploaded: UploadedPicture) -> "ListedUpload":
        """Make the entry of a picture."""
        picture, outcome = uploaded.picture, uploaded.outcome
        caption = None if outcome is None else outcome.caption
        return cls(
            key=picture.key,
            status=uploaded.status,
            caption=None if caption is None else caption.text,
            confidence=None if caption is None else round(caption.confidence, 4),
            sure=None if outcome is None else outcome.sure,
            model_version=None if caption is None else caption.model_version,
            reason=None if outcome is None else outcome.reason,
            size=picture.size,
            uploaded_at=picture.uploaded_at.replace(microsecond=0),
        )


class ListedUploads(BaseModel):
    """A page of what lies in the bucket, by key: of `POST /uploads` the newest first."""

    uploads: list[ListedUpload]
    next_cursor: str | None = Field(description="where the next page begins; null at the end")


async def refuse_several(request: Request) -> None:
    """Refuse a parameter with several values, of which the last would be taken in silence. A dependency of routes.

    Raises:
        RequestValidationError: there is one.
    """
    for name in request.query_params:
        values = request.query_params.getlist(name)
        if len(set(values)) > 1:
            message = f"has {len(values)} values; send one"
            raise RequestValidationError(
                [{"type": "value_error", "loc": ("query", name), "msg": message, "input": values}]
            )


def listing_routes(resources: Resources) -> APIRouter:
    """Make the route; it uses the store and the bucket of `resources`."""
    router = APIRouter(tags=["captioning"])

    @router.get(
        "/captions",
        summary="What lies in uploads, and what became of it",
        dependencies=[Depends(refuse_several)],
    )
    async def list_uploads(query: Annotated[ListQuery, Query()]) -> ListedUploads:
        """Go on until `next_cursor` is null: a page may have fewer pictures than `limit`; with `status`, even none."""
        page = browse(resources.store, resources.bucket(), status=query.status, limit=query.limit, cursor=query.cursor)
        return ListedUploads(uploads=list(map(ListedUpload.of, page.pictures)), next_cursor=page.next_cursor)

    return router
