"""The suggest function: all requests that read about tuning, and the API's pages.

POST /ml/suggest_parameters, GET /ml/stats, GET /ml/history, GET /health, GET /openapi.json; the pages are in
`functions.suggest.pages`.
"""

from datetime import UTC, datetime

from fastapi import Depends
from fastapi.responses import Response

from functions.suggest import pages
from functions.suggest.document import document
from functions.suggest.messages import Health, History, Stats, Suggestions, SuggestRequest
from functions.tuning_function import TuningFunction
from tuning.history import DEFAULT_LIMIT, browse
from tuning.stats import check, summarize
from tuning.suggest import suggest
from web.application import require_json
from web.metrics import Metric
from web.settings import VERSION, Settings

# Of the 25 s that the function has; what a store has begun by then takes at most 3 s more.
ANSWER_SECONDS = 21.0


def build(settings: Settings) -> TuningFunction:
    """Build the function. A store or space that cannot be opened is logged and does not stop the start."""
    function = TuningFunction("suggest", settings, answer_seconds=ANSWER_SECONDS)
    app, metrics = function.app, function.metrics
    app.include_router(pages.router)

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
        dependencies=[Depends(require_json)],
    )
    async def suggest_parameters(request: SuggestRequest) -> Suggestions:
        store, spaces = function.store, function.spaces
        mode = request.mode if "mode" in request.model_fields_set else spaces.default_mode
        with metrics.timed(Metric.SUGGESTION_LATENCY):
            found = suggest(
                store,
                spaces,
                mode=mode,
                count=request.num_suggestions,
                now=datetime.now(UTC),
                deadline=function.deadline(),
            )
        metrics.count(Metric.SUGGESTIONS_GIVEN, len(found))
        return Suggestions(
            suggestions=[one.setting.to_plain() for one in found], suggestion_ids=[one.id for one in found]
        )

    @app.get("/ml/stats", tags=["tuning"], summary="The progress of the tuning")
    async def stats(mode: str | None = None) -> Stats:
        return Stats.of(summarize(function.store, function.spaces, mode=mode))

    @app.get("/ml/history", tags=["tuning"], summary="Every rating, newest first")
    async def history(mode: str | None = None, limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> History:
        return History.of(browse(function.store, function.spaces, mode=mode, limit=limit, cursor=cursor))

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return Response(document(function.spaces if settings.spaces else None), media_type="application/json")

    return function
