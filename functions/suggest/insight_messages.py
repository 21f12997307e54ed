"""What people ask of a study, as the OpenAPI document describes the answers.

Numbers are rounded here, and nowhere before, to what they mean: rating points, chances and shares to a hundredth.
"""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from functions.space_messages import ApiName, ModeName, Parameters, RecordedParameters
from tuning.insight.importance import ApiImportance
from tuning.insight.people import RaterProfile
from tuning.insight.recommendation import Recommendation
from tuning.insight.slices import Slice, Slices
from tuning.insight.trajectory import Step, Trajectory
from tuning.stats import ApiProgress, ModeProgress, Progress
from tuning.study import Best

MAX_RATERS = 200  # shown of each mode

_DECIMALS = 2


class Interval(BaseModel):
    """The ends of a 90 % interval of a true rating, in rating points: it lies within them with that probability."""

    low: float = Field(examples=[3.72])
    high: float = Field(examples=[4.31])

    @classmethod
    def of(cls, ends: tuple[float, float]) -> "Interval":
        """Return the ends, rounded."""
        return cls(low=_round(ends[0]), high=_round(ends[1]))


class ApiStats(BaseModel):
    """The ratings of one API."""

    count: int = Field(description="ratings of this API", examples=[12])
    mean_rating: float | None = Field(description="their mean; null before the first", examples=[3.6])


class ParameterShares(BaseModel):
    """How much a parameter matters: shares of the variance of the expected rating over the API's space, 0 to 1."""

    first: float = Field(description="what the parameter does alone: its first-order Sobol' index", examples=[0.41])
    total: float = Field(description="what it does alone and together with others: its total index", examples=[0.47])


class ApiShares(BaseModel):
    """How much each parameter of an API matters. Before many ratings this is what the model expects of any study."""

    spread: float = Field(
        description="standard deviation of the expected rating over the API's space, in rating points: what is at stake"
    )
    parameters: dict[str, ParameterShares]

    @classmethod
    def of(cls, importance: ApiImportance) -> "ApiShares":
        """Return the importance, rounded."""
        return cls(
            spread=_round(importance.spread),
            parameters={
                one.parameter: ParameterShares(first=_round(one.first), total=_round(one.total))
                for one in importance.parameters
            },
        )


class RaterStats(BaseModel):
    """What the model has learned of a rater: how somebody rates, not how well. In rating points, but for the slope."""

    rater: str
    ratings: int
    leniency: float = Field(description="how much higher than most people the rater rates")
    leniency_deviation: float = Field(description="standard deviation of what is known of the leniency")
    slope: float = Field(description="how widely the rater uses the scale: 1 as most people do, less more narrowly")
    slope_deviation: float = Field(description="standard deviation of what is known of the slope")
    reliability: float = Field(
        description="standard deviation of one of the rater's ratings: the smaller, the more reliable"
    )
    reliability_deviation: float = Field(description="standard deviation of what is known of the reliability")

    @classmethod
    def of(cls, profile: RaterProfile) -> "RaterStats":
        """Return the profile, rounded."""
        return cls(
            rater=profile.rater,
            ratings=profile.ratings,
            leniency=_round(profile.leniency),
            leniency_deviation=_round(profile.leniency_deviation),
            slope=_round(profile.slope),
            slope_deviation=_round(profile.slope_deviation),
            reliability=_round(profile.reliability),
            reliability_deviation=_round(profile.reliability_deviation),
        )


class _Estimates(BaseModel):
    """The best setting observed and the recommended one, of which the second is the one to use."""

    samples_seen: int = Field(examples=[24])
    convergence: float = Field(
        description="share of the evaluation budget used: samples / 50, at most 1", examples=[0.48]
    )
    best_parameters: RecordedParameters | None = Field(
        description="the setting with the highest single rating, which may have been luck: to show, not to use"
    )
    best_rating: float | None = Field(examples=[4.5])
    expected_improvement: float | None = Field(
        description="expected gain of further ratings, in rating points; at most 5 less `recommended_mean`"
    )
    recommended_parameters: Parameters | None = Field(
        description="the setting to use: that of the highest expected rating (posterior mean); possibly never rated"
    )
    recommended_mean: float | None = Field(
        description="the expected rating of the recommended setting, 1 to 5", examples=[4.02]
    )
    recommended_deviation: float | None = Field(
        description="standard deviation of the posterior of that rating, before it is held to the scale"
    )
    recommended_interval: Interval | None = Field(description="the 90 % interval of that rating")
    recommended_rated: bool | None = Field(description="whether anybody has rated the recommended setting")
    apis: dict[str, ApiStats] = Field(description="how often each API was rated, and how well")


class ModeStats(_Estimates):
    """One mode of a study. What the model says is null or empty before six ratings."""

    converged: bool = Field(
        description="whether the budget of 50 ratings is spent or the expected improvement is below 0.05"
    )
    improving: bool | None = Field(
        description="whether more is expected and the latest ratings have gained something or opened something up"
    )
    gained: float | None = Field(
        description="how much better, by what is known now, the recommendation is than that of `gained_since` ratings"
    )
    gained_since: int | None = Field(
        description="the last multiple of 10 that is at least 10 ratings ago; null before the model spoke then"
    )
    chances: dict[str, float] = Field(description="each API's chance of holding the best setting, 0 to 1")
    importance: dict[str, ApiShares] = Field(description="how much the parameters of each API matter")
    raters: list[RaterStats] = Field(
        description=f"each rater that is named, who rated most first; the first {MAX_RATERS}"
    )
    raters_total: int = Field(description="how many raters the model knows")

    @classmethod
    def of(cls, mode: ModeProgress) -> "ModeStats":
        """Return the mode's progress in the API's shape."""
        improvement = mode.improvement
        return cls(
            **_estimates(mode.samples_seen, mode.convergence, mode.best, mode.recommendation, mode.apis),
            converged=mode.converged,
            improving=improvement.improving if improvement else None,
            gained=_rounded(improvement.gained) if improvement else None,
            gained_since=improvement.since if improvement else None,
            chances={api: _round(chance) for api, chance in mode.chances},
            importance={one.api: ApiShares.of(one) for one in mode.importance},
            raters=[RaterStats.of(one) for one in mode.raters[:MAX_RATERS]],
            raters_total=len(mode.raters),
        )


class Stats(_Estimates):
    """The progress of the tuning. Values that are not known yet are null."""

    recommended_mode: ModeName | None = Field(description="the mode that the recommendation is for")
    converged: bool = Field(description="whether every mode that has begun has converged")
    improving: bool | None = Field(description="whether any mode is improving; null before six ratings of one")
    modes: dict[str, ModeStats] = Field(description="each mode by itself, and what else is known of it")

    @classmethod
    def of(cls, progress: Progress) -> "Stats":
        """Return `progress` in the published shape."""
        recommended = progress.recommendation
        return cls(
            **_estimates(progress.samples_seen, progress.convergence, progress.best, recommended, progress.apis),
            recommended_mode=recommended.mode if recommended else None,
            converged=progress.converged,
            improving=progress.improving,
            modes={mode.mode: ModeStats.of(mode) for mode in progress.modes},
        )


class CurvePoint(BaseModel):
    """What is expected at a point of a slice, in rating points."""

    values: list[float | int | str] = Field(description="of the slice's `parameters`, in their order", examples=[[7.0]])
    mean: float = Field(description="the expected rating, 1 to 5")
    deviation: float = Field(description="standard deviation of the posterior, before it is held to the scale")
    interval: Interval


class RatedNearby(BaseModel):
    """A rated setting near a slice."""

    parameters: RecordedParameters
    ratings: int
    mean_rating: float
    nearness: float = Field(
        description="how much a rating there says of the slice: the correlation with its nearest setting, 0.5 to 1"
    )


class Curve(BaseModel):
    """The slice of one API."""

    api: ApiName
    parameters: list[str] = Field(description="the one or two of its parameters that the slice is along")
    through: Parameters
    points: list[CurvePoint] = Field(description="in order; over two parameters row by row of the first")
    rated: list[RatedNearby] = Field(description="the rated settings near it, the nearest first, at most 50")

    @classmethod
    def of(cls, found: Slice) -> "Curve":
        """Return the slice in the API's shape."""
        return cls(
            api=found.api,
            parameters=list(found.parameters),
            through=found.through.to_plain(),
            points=[
                CurvePoint(
                    values=list(point.values),
                    mean=_round(point.mean),
                    deviation=_round(point.deviation),
                    interval=Interval.of(point.interval),
                )
                for point in found.points
            ],
            rated=[
                RatedNearby(
                    parameters=one.setting.to_plain(),
                    ratings=one.ratings,
                    mean_rating=_round(one.mean_rating),
                    nearness=_round(one.nearness),
                )
                for one in found.near
            ],
        )


class Curves(BaseModel):
    """The posterior along one parameter, or over two, of each API that can be set so."""

    study: str
    mode: ModeName
    samples_seen: int
    curves: list[Curve]

    @classmethod
    def of(cls, found: Slices) -> "Curves":
        """Return the slices in the API's shape."""
        return cls(
            study=found.study,
            mode=found.mode,
            samples_seen=found.samples_seen,
            curves=[Curve.of(one) for one in found.slices],
        )


class ProgressStep(BaseModel):
    """What would have been recommended after the first `samples_seen` ratings, by the hyperparameters of now."""

    samples_seen: int
    recorded_at: datetime = Field(description="when the last of these ratings was recorded")
    best_rating: float = Field(description="the highest single rating among them")
    parameters: Parameters
    mean: float = Field(description="the expected rating of that setting, 1 to 5")
    deviation: float = Field(description="standard deviation of the posterior, before it is held to the scale")
    interval: Interval
    expected_improvement: float

    @classmethod
    def of(cls, step: Step) -> "ProgressStep":
        """Return the step in the API's shape."""
        recommended = step.recommendation
        return cls(
            samples_seen=step.samples_seen,
            recorded_at=step.recorded_at,
            best_rating=step.best_rating,
            parameters=recommended.parameters,
            mean=_round(recommended.mean),
            deviation=_round(recommended.deviation),
            interval=Interval.of(recommended.interval),
            expected_improvement=_round(recommended.expected_improvement),
        )


class ProgressSoFar(BaseModel):
    """How a mode came to where it is, rating by rating from the sixth on; past 50 ratings not every one has a step."""

    study: str
    mode: ModeName
    samples_seen: int
    steps: list[ProgressStep] = Field(description="the earliest first, at most 100")
    complete: bool = Field(description="false if time ran out: ask again for the steps that are missing")

    @classmethod
    def of(cls, found: Trajectory) -> "ProgressSoFar":
        """Return the trajectory in the API's shape."""
        return cls(
            study=found.study,
            mode=found.mode,
            samples_seen=found.samples_seen,
            steps=[ProgressStep.of(one) for one in found.steps],
            complete=found.complete,
        )


def _estimates(
    samples: int,
    convergence: float,
    best: Best | None,
    recommended: Recommendation | None,
    apis: tuple[ApiProgress, ...],
) -> dict[str, Any]:
    """Return the fields of `_Estimates`."""
    return {
        "samples_seen": samples,
        "convergence": convergence,
        "best_parameters": best.setting.to_plain() if best else None,
        "best_rating": best.rating if best else None,
        "expected_improvement": _round(recommended.expected_improvement) if recommended else None,
        "recommended_parameters": recommended.parameters if recommended else None,
        "recommended_mean": _round(recommended.mean) if recommended else None,
        "recommended_deviation": _round(recommended.deviation) if recommended else None,
        "recommended_interval": Interval.of(recommended.interval) if recommended else None,
        "recommended_rated": recommended.rated if recommended else None,
        "apis": {one.api: ApiStats(count=one.count, mean_rating=_rounded(one.mean_rating)) for one in apis},
    }


def _round(number: float) -> float:
    # Adding 0 makes of -0.0, which JSON would show, what it is equal to.
    return round(number, _DECIMALS) + 0.0


def _rounded(number: float | None) -> float | None:
    return None if number is None else _round(number)
