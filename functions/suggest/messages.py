"""The requests and answers of the suggest function, as the OpenAPI document describes them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from functions.space_messages import Fixed, ModeName, Parameters
from tuning.observations import DEFAULT_STUDY, Suggestion
from tuning.suggest import DEFAULT_COUNT
from tuning.validation.requests import MAX_COUNT


def mode_if_none(default_mode: str) -> str:
    """Say which mode a request has that names none."""
    return f"the search problem; `{default_mode}` if there is none"


MODE = "structure"  # of the shipped search space; that of another is found when the request is judged
MODE_IF_NONE = mode_if_none(MODE)
"""What `functions.suggest.document` replaces for another search space."""


def _refuse_truth(value: object) -> object:
    """Refuse true and false, which Pydantic would take for 1 and 0; return all other values.

    Raises:
        ValueError: the value is true or false.
    """
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")  # noqa: TRY004 - Pydantic turns this type into a refusal
    return value


Count = Annotated[int, BeforeValidator(_refuse_truth)]


class Health(BaseModel):
    """Whether the service can answer, and how many ratings it has."""

    status: str = Field(examples=["healthy"])
    service: str = Field(examples=["ml-service"])
    version: str = Field(examples=["1.0.0"])
    optimizer_samples: int = Field(
        description="ratings of the study `default` that count, over all modes", examples=[23]
    )


class SuggestRequest(BaseModel):
    """Which settings to suggest."""

    model_config = ConfigDict(extra="allow")  # what is not known is judged with the rest, and told

    mode: ModeName = Field(MODE, description=MODE_IF_NONE)
    num_suggestions: Count = Field(
        DEFAULT_COUNT,
        description=f"how many settings to suggest; {DEFAULT_COUNT} if it is not said",
        json_schema_extra={"minimum": 1, "maximum": MAX_COUNT},
    )
    study: str | None = Field(
        DEFAULT_STUDY, description=f"the study that the ratings will belong to; `{DEFAULT_STUDY}` if there is none"
    )
    fixed: Fixed | None = Field(None, description="what every suggestion is to have; the model chooses the rest")


class Suggestions(BaseModel):
    """Settings to try next; all differ from each other and from all suggestions that are still pending."""

    suggestions: list[Parameters]
    suggestion_ids: list[str] = Field(description="one id per suggestion; an update should carry it back")
    ignored: list[str] = Field(description="JSON pointers to fields of the request that are not known")


class Outstanding(BaseModel):
    """A suggestion that is neither rated, given back nor expired."""

    suggestion_id: str
    study: str
    mode: ModeName
    parameters: Parameters
    suggested_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, suggestion: Suggestion) -> "Outstanding":
        """Return the suggestion in the API's shape."""
        return cls(
            suggestion_id=suggestion.id,
            study=suggestion.study,
            mode=suggestion.mode,
            parameters=suggestion.setting.to_plain(),
            suggested_at=suggestion.suggested_at,
            expires_at=suggestion.expires_at,
        )


class OutstandingSuggestions(BaseModel):
    """Pending suggestions, the oldest first."""

    suggestions: list[Outstanding]
