"""The requests and answers of the suggest function, as the OpenAPI document describes them."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from tuning.history import Page
from tuning.stats import Progress

# How the document describes the shipped search space; `functions.suggest.document` replaces these for another.
PARAMETERS = (
    "`api` and the parameters of that API: `leonardo` has init_strength (0.1 to 0.5), guidance_scale (5 to 12) "
    "and controlnet_weight (0.7 to 0.99); `stablediffusion` has strength, guidance_scale and "
    "controlnet_conditioning_scale, with the same bounds"
)
EXAMPLE = {"api": "leonardo", "init_strength": 0.28, "guidance_scale": 7.2, "controlnet_weight": 0.89}
MODE = "structure"
MODES = "the study: `structure` or `surfaces`"

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
    optimizer_samples: int = Field(description="ratings recorded, over all modes", examples=[23])


class SuggestRequest(BaseModel):
    """Which settings to suggest."""

    mode: str = Field(MODE, description=MODES)
    num_suggestions: Count = Field(2, description="how many settings to suggest, 1 to 10")


class Suggestions(BaseModel):
    """Settings to try next; all differ from each other and from all suggestions that are still pending."""

    suggestions: list[Parameters]
    suggestion_ids: list[str] = Field(description="one id per suggestion; an update may send it back")


class ApiStats(BaseModel):
    """The ratings of one API."""

    count: int = Field(description="ratings of this API", examples=[12])
    mean_rating: float | None = Field(description="their mean; null before the first", examples=[3.6])


class Stats(BaseModel):
    """The progress of the tuning. Values that are not known yet are null."""

    samples_seen: int = Field(examples=[24])
    convergence: float = Field(
        description="share of the evaluation budget used: samples / 50, at most 1", examples=[0.48]
    )
    best_parameters: Parameters | None = Field(description="the setting with the highest single rating")
    best_rating: float | None = Field(examples=[4.5])
    expected_improvement: float | None = Field(
        description="expected gain over the recommended setting, in rating points"
    )
    recommended_mode: str | None = Field(description="the mode whose study the recommendation is from")
    recommended_parameters: Parameters | None = Field(
        description="the setting with the highest expected rating (posterior mean); possibly never rated"
    )
    recommended_mean: float | None = Field(description="the expected rating of the recommended setting")
    recommended_deviation: float | None = Field(description="standard deviation of that expectation, in rating points")
    recommended_rated: bool | None = Field(description="whether anybody has rated the recommended setting")
    converged: bool = Field(description="whether more ratings would hardly improve the result")
    apis: dict[str, ApiStats] = Field(description="how often each API was rated, and how well")

    @classmethod
    def of(cls, progress: Progress) -> "Stats":
        """Return `progress` in the published shape."""
        best, recommended = progress.best, progress.recommendation
        return cls(
            samples_seen=progress.samples_seen,
            convergence=progress.convergence,
            best_parameters=best.setting.to_plain() if best else None,
            best_rating=best.rating if best else None,
            expected_improvement=recommended.expected_improvement if recommended else None,
            recommended_mode=recommended.mode if recommended else None,
            recommended_parameters=recommended.parameters if recommended else None,
            recommended_mean=recommended.mean if recommended else None,
            recommended_deviation=recommended.deviation if recommended else None,
            recommended_rated=recommended.rated if recommended else None,
            converged=progress.converged,
            apis={one.api: ApiStats(count=one.count, mean_rating=one.mean_rating) for one in progress.apis},
        )


class Rated(BaseModel):
    """One rating, as recorded."""

    mode: str
    parameters: Parameters
    rating: float
    recorded_at: datetime
    suggestion_id: str | None


class History(BaseModel):
    """Ratings, newest first."""

    observations: list[Rated]
    next_cursor: str | None = Field(description="where the next page begins; null at the end")

    @classmethod
    def of(cls, page: Page) -> "History":
        """Return `page` in the published shape."""
        return cls(
            observations=[
                Rated(
                    mode=one.mode,
                    parameters=one.setting.to_plain(),
                    rating=one.rating,
                    recorded_at=one.recorded_at,
                    suggestion_id=one.suggestion_id,
                )
                for one in page.observations
            ],
            next_cursor=page.next_cursor,
        )
