"""The requests and answers of the suggest function, as the OpenAPI document describes them."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from tuning.observations import DEFAULT_STUDY, Suggestion

# How the document describes the shipped search space; `functions.suggest.document` replaces these for another.
PARAMETERS = (
    "`api` and the parameters of that API: `leonardo` has init_strength (0.1 to 0.5), guidance_scale (5 to 12) "
    "and controlnet_weight (0.7 to 0.99); `stablediffusion` has strength, guidance_scale and "
    "controlnet_conditioning_scale, with the same bounds"
)
EXAMPLE = {"api": "leonardo", "init_strength": 0.28, "guidance_scale": 7.2, "controlnet_weight": 0.89}
FIXED = {"api": "leonardo", "guidance_scale": 7.0}
MODE = "structure"
MODES = "the search problem: `structure` or `surfaces`"

Parameters = Annotated[dict[str, Any], Field(description=PARAMETERS, examples=[EXAMPLE])]


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

    mode: str = Field(MODE, description=MODES)
    num_suggestions: Count = Field(2, description="how many settings to suggest, 1 to 10")
    study: str | None = Field(DEFAULT_STUDY, description="the study that the ratings will belong to")
    fixed: dict[str, Any] | None = Field(
        None,
        description="what every suggestion is to have: an `api`, parameters, or both; the model chooses the rest",
        examples=[FIXED],
    )


class Suggestions(BaseModel):
    """Settings to try next; all differ from each other and from all suggestions that are still pending."""

    suggestions: list[Parameters]
    suggestion_ids: list[str] = Field(description="one id per suggestion; an update should carry it back")
    ignored: list[str] = Field(description="JSON pointers to fields of the request that are not known")


class Outstanding(BaseModel):
    """A suggestion that is neither rated, given back nor expired."""

    suggestion_id: str
    study: str
    mode: str
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
