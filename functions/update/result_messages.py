"""The results of an update as callers should send them, for the OpenAPI document alone.

The function takes them as they come, and `tuning.validation.update` judges them: no function imports this module.
"""

from pydantic import BaseModel, Field

from functions.space_messages import ModeName, Parameters
from tuning.observations import MAX_RATING, MIN_RATING
from tuning.validation.requests import (
    MAX_COMMENT_LENGTH,
    MAX_PICTURE_LENGTH,
    MAX_RATER_LENGTH,
    MAX_SUGGESTION_ID_LENGTH,
)


class _Result(BaseModel):
    """What a result may have, whatever came of it."""

    parameters: Parameters = Field(description="as suggested, or of your own: steps need not be kept to")
    suggestion_id: str | None = Field(None, description="of a suggestion", max_length=MAX_SUGGESTION_ID_LENGTH)
    mode: ModeName | None = None
    rater: str | None = Field(None, description="a pseudonym", max_length=MAX_RATER_LENGTH)
    picture: str | None = Field(None, description="an id of yours", max_length=MAX_PICTURE_LENGTH)
    comment: str | None = Field(None, max_length=MAX_COMMENT_LENGTH)


class RatedResult(_Result):
    """A rating."""

    rating: float = Field(ge=MIN_RATING, le=MAX_RATING)


class FailedResult(_Result):
    """A setting that gave no picture to rate."""

    failed: str = Field(description="why there is no rating", max_length=MAX_COMMENT_LENGTH)


RESULTS = (RatedResult, FailedResult)
