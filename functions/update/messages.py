"""What the update function takes and gives, as the OpenAPI document describes it.

Requests let every field through: `tuning.validation` judges them by the search space, all of them at once.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from functions.history_messages import Rated, StudyDescription
from functions.space_messages import EXAMPLE, REFERENCE
from tuning.observations import MAX_RATING, MIN_RATING
from tuning.spaces import Spaces
from tuning.study import StudySummary
from tuning.update import Acknowledgement
from tuning.validation.requests import (
    MAX_COMMENT_LENGTH,
    MAX_NOTE_LENGTH,
    MAX_PICTURE_LENGTH,
    MAX_RATER_LENGTH,
    STUDY_NAME,
)
from tuning.validation.update import MAX_RESULTS

# Of a study that is not there: whoever sends the example as it is records no invented rating.
_EXAMPLE: dict[str, Any] = {
    "study": "my-study",
    "results": [
        {"suggestion_id": "5f1d7e0a2b9c4d3e8f6a1b2c", "parameters": EXAMPLE, "rating": 4.0, "rater": "ana"},
    ],
}

# What callers should send. Numbers may come as strings all the same, and what is wrong is told in the API's own words.
_Results = Annotated[
    list[Any],
    WithJsonSchema(
        {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_RESULTS,
            "items": {"anyOf": [{REFERENCE: "RatedResult"}, {REFERENCE: "FailedResult"}]},
        }
    ),
]
_Mode = Annotated[Any, WithJsonSchema({"anyOf": [{REFERENCE: "Mode"}, {"type": "null"}]})]
_Study = Annotated[Any, WithJsonSchema({"type": ["string", "null"]})]
_NewStudy = Annotated[Any, WithJsonSchema({"type": "string", "pattern": f"^{STUDY_NAME.pattern}$"})]
_Rater = Annotated[Any, WithJsonSchema({"type": ["string", "null"], "maxLength": MAX_RATER_LENGTH})]
_Picture = Annotated[Any, WithJsonSchema({"type": ["string", "null"], "maxLength": MAX_PICTURE_LENGTH})]
_Comment = Annotated[Any, WithJsonSchema({"type": ["string", "null"], "maxLength": MAX_COMMENT_LENGTH})]
_Note = Annotated[Any, WithJsonSchema({"type": ["string", "null"], "maxLength": MAX_NOTE_LENGTH})]
_Rating = Annotated[Any, WithJsonSchema({"type": "number", "minimum": MIN_RATING, "maximum": MAX_RATING})]
_Truth = Annotated[Any, WithJsonSchema({"type": "boolean"})]


class UpdateRequest(BaseModel):
    """What people thought of pictures. The members' values are judged by the search space, all of them at once."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [_EXAMPLE]})

    results: _Results = Field(description="one that is invalid rejects all of them")
    study: _Study = Field(None, description="of all results, unless their suggestions say it; `default` without")
    mode: _Mode = Field(None, description="of results that do not say theirs")
    rater: _Rater = Field(None, description="of results that do not say theirs: a pseudonym")
    picture: _Picture = Field(None, description="of results that do not say theirs: an id of yours")


class Updated(BaseModel):
    """What is recorded now."""

    updated: bool
    samples_seen: int = Field(description="ratings of the study that count, over all modes", examples=[24])
    convergence_score: float = Field(description="samples / 50, at most 1", examples=[0.48])
    study: str = Field(examples=["default"])
    observation_ids: list[str] | None = Field(
        description="the id of each result in the history; null of a retry of what an earlier release recorded"
    )
    replaced: list[str] = Field(
        description="those that were there before: the rater had rated the same suggestion, and this is a correction"
    )
    ignored: list[str] = Field(description="JSON pointers to fields of the request that are not known")

    @classmethod
    def of(cls, receipt: Acknowledgement) -> "Updated":
        """Return the receipt in the published shape."""
        return cls(
            updated=True,
            samples_seen=receipt.samples_seen,
            convergence_score=receipt.convergence_score,
            study=receipt.study,
            observation_ids=None if receipt.observation_ids is None else list(receipt.observation_ids),
            replaced=list(receipt.replaced),
            ignored=list(receipt.ignored),
        )


class CorrectionRequest(BaseModel):
    """What to correct of an entry of the history. What is left out stays as it is."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [{"rating": 5, "reviser": "ana"}]})

    rating: _Rating = Field(None)
    comment: _Comment = Field(None, description='null or "" removes it')
    withdrawn: _Truth = Field(None, description="true withdraws the entry, false restores it")
    reviser: _Rater = Field(None, description="who corrects it: a pseudonym")


class CorrectedEntry(BaseModel):
    """The entry as it stands after the correction."""

    observation: Rated
    samples_seen: int = Field(description="ratings of the study that count, over all modes")
    convergence_score: float = Field(description="samples / 50, at most 1")
    ignored: list[str] = Field(description="JSON pointers to fields of the request that are not known")


class GivenBack(BaseModel):
    """A suggestion that is not pending any more."""

    suggestion_id: str
    freed: bool = Field(description="false if it was not pending any more before")


class NewStudy(BaseModel):
    """A study to begin."""

    model_config = ConfigDict(
        extra="allow", json_schema_extra={"required": ["name"], "examples": [{"name": "kitchens-2026"}]}
    )

    name: _NewStudy = Field(
        None, description="1 to 64 of a-z, 0-9, dot, hyphen, underscore, the first a letter or a digit"
    )
    based_on: _Study = Field(None, description="the study that this one goes on from: its ratings teach too")
    note: _Note = Field(None, description="for people")


class Archiving(BaseModel):
    """Whether a study is archived. An archived study takes nothing, and can be read and restored."""

    model_config = ConfigDict(
        extra="allow", json_schema_extra={"required": ["archived"], "examples": [{"archived": True}]}
    )

    archived: _Truth = Field(None, description="true archives it, false restores it")


class StudyChanged(StudyDescription):
    """A study that has begun, was archived or was restored."""

    ignored: list[str] = Field(description="JSON pointers to fields of the request that are not known")

    @classmethod
    def after(cls, summary: StudySummary, spaces: Spaces, ignored: tuple[str, ...]) -> "StudyChanged":
        """Return the study as it is now."""
        return cls(**StudyDescription.of(summary, spaces).model_dump(), ignored=list(ignored))
