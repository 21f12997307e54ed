"""The suggest function: all requests that read about tuning, and the pages.

POST /ml/suggest_parameters, GET /ml/suggestions, GET /health, GET /openapi.json; what people ask of a study is in
`insight_routes` beside it, what is read of the history and of studies in `history_routes` and `study_routes`. What is
at `/` is in `index`, the API's pages are in `pages`, and Studio in `studio`.
"""

from datetime import UTC, datetime

from fastapi import Depends
from fastapi.responses import Response

from functions.space_messages import ModeName
from functions.suggest import history_routes, index, insight_routes, pages, studio, study_routes
from functions.suggest.document import document
from functions.suggest.messages import (
    Health,
    Outstanding,
    OutstandingSuggestions,
    Suggestions,
    SuggestRequest,
)
from functions.tuning_function import TuningFunction, refuse_near_parameters
from tuning import suggestions
from tuning.observations import DEFAULT_STUDY
from tuning.stats import check
from tuning.suggest import DEFAULT_COUNT, suggest
from tuning.validation.requests import parse_suggest
from web.application import require_json
from web.metrics import Metric
from web.settings import VERSION, Settings

# Of the 25 s that the function has; what a store has begun by then takes at most 3 s more.
ANSWER_SECONDS = 21.0


def build(settings: Settings) -> TuningFunction:
    """Build the function. A store or space that cannot be opened is logged and does not stop the start."""
    function = TuningFunction("suggest", settings, answer_seconds=ANSWER_SECONDS)
    app, metrics = function.app, function.metrics
    app.include_router(index.router)
    app.include_router(pages.router)
    app.include_router(studio.pages(settings.upload_origin))
    insight_routes.add(function)
    history_routes.add(function)
    study_routes.add(function)
    reading = [Depends(refuse_near_parameters)]

    # The endpoints are coroutines although they block on storage: a Lambda instance has one request at a time, and a
    # thread per request would only cost time.

    @app.get("/health", tags=["tuning"], summary="Whether the service can answer")
    async def health() -> Health:
        _ = function.spaces  # raises if the space cannot be read, as every other request would
        samples = check(function.store, now=datetime.now(UTC))
        return Health(status="healthy", service="ml-service", version=VERSION, optimizer_samples=samples)

    @app.post(
        "/ml/suggest_parameters",
        tags=["tuning"],
        summary="Suggest settings to try next",
        dependencies=[Depends(require_json), *reading],
    )
    async def suggest_parameters(request: SuggestRequest) -> Suggestions:
        store, spaces = function.store, function.spaces
        body = request.model_dump(exclude_unset=True)
        asked = parse_suggest(body, spaces, default_count=DEFAULT_COUNT)
        with metrics.timed(Metric.SUGGESTION_LATENCY):
            found = suggest(
                store,
                spaces,
                mode=asked.mode.name,
                count=asked.count,
                study=asked.study,
                fixed=body.get("fixed"),
                now=datetime.now(UTC),
                deadline=function.deadline(),
            )
        metrics.count(Metric.SUGGESTIONS_GIVEN, len(found))
        return Suggestions(
            suggestions=[one.setting.to_plain() for one in found],
            suggestion_ids=[one.id for one in found],
            ignored=list(asked.ignored),
        )

    @app.get("/ml/suggestions", tags=["tuning"], summary="Pending suggestions", dependencies=reading)
    async def outstanding(study: str = DEFAULT_STUDY, mode: ModeName | None = None) -> OutstandingSuggestions:
        found = suggestions.browse(function.store, function.spaces, study=study, mode=mode, now=datetime.now(UTC))
        return OutstandingSuggestions(suggestions=[Outstanding.of(one) for one in found])

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return Response(document(function.spaces if settings.spaces else None), media_type="application/json")

    return function
