"""What people ask of a study: GET /ml/stats, GET /ml/surrogate and GET /ml/progress."""

from typing import Annotated

from fastapi import Depends, Query, Request

from functions.query_numbers import Whole
from functions.space_messages import ApiName, ModeName
from functions.suggest.insight_messages import Curves, ProgressSoFar, Stats
from functions.tuning_function import TuningFunction, refuse_near_parameters
from tuning.insight.slices import explore
from tuning.insight.trajectory import follow
from tuning.observations import DEFAULT_STUDY
from tuning.stats import summarize
from tuning.validation.slices import parse_pairs, refuse_values


def add(function: TuningFunction) -> None:
    """Add the routes to the function's application."""
    app, reading = function.app, [Depends(refuse_near_parameters)]

    @app.get("/ml/stats", tags=["tuning"], summary="How the tuning stands", dependencies=reading)
    async def stats(study: str = DEFAULT_STUDY, mode: ModeName | None = None) -> Stats:
        return Stats.of(summarize(function.store, function.spaces, study=study, mode=mode))

    @app.get(
        "/ml/surrogate",
        tags=["tuning"],
        summary="What is expected along one parameter, or over two",
        dependencies=reading,
    )
    async def surrogate(
        request: Request,
        *,
        study: str = DEFAULT_STUDY,
        mode: ModeName | None = None,
        api: Annotated[
            ApiName | None, Query(description="one API alone; without it each that has the parameters")
        ] = None,
        parameter: Annotated[list[str] | None, Query(description="once or twice: a name of a parameter")] = None,
        fixed: Annotated[
            list[str] | None, Query(description="any number of times: another parameter and its value, `name:value`")
        ] = None,
        points: Annotated[
            Whole | None, Query(description="values along each: 2 to 101 of one (41), 2 to 33 of each of two (17)")
        ] = None,
    ) -> Curves:
        refuse_values(request.query_params, function.spaces)
        asked = {"mode": mode, "api": api, "parameters": parameter, "fixed": parse_pairs(fixed or ()), "points": points}
        return Curves.of(
            explore(function.store, function.spaces, asked=asked, study=study, deadline=function.deadline())
        )

    @app.get(
        "/ml/progress",
        tags=["tuning"],
        summary="What would have been recommended after each rating",
        dependencies=reading,
    )
    async def progress(study: str = DEFAULT_STUDY, mode: ModeName | None = None) -> ProgressSoFar:
        found = follow(function.store, function.spaces, study=study, mode=mode, deadline=function.deadline())
        return ProgressSoFar.of(found)
