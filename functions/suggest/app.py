"""The suggest function: everything that is read about tuning, and the API's pages.

POST /ml/suggest_parameters, GET /ml/stats, GET /ml/history, GET /health, GET /openapi.json; the pages are in
`functions.suggest.pages`.
"""

from datetime import UTC, datetime
from functools import cache

from fastapi import Depends
from fastapi.responses import Response

from functions.suggest import pages
from functions.suggest.document import document
from functions.suggest.messages import Health, History, Stats, Suggestions, SuggestRequest
from tuning.errors import SpaceError, StoreUrlError
from tuning.history import DEFAULT_LIMIT, browse
from tuning.spaces import Spaces, load_spaces
from tuning.stats import check, summarize
from tuning.stores import open_store
from tuning.stores.port import ObservationStore
from tuning.suggest import suggest
from web.application import create_app, entry_point, require_json
from web.metrics import Metric, Metrics
from web.settings import VERSION, Settings

settings = Settings.from_environment()
app, log = create_app(
    service="suggest",
    title="Picture tuning",
    settings=settings,
)
app.include_router(pages.router)
metrics = Metrics("suggest")


@cache
def store() -> ObservationStore:
    """The observations. Nothing is read before the first request: a store that is down does not stop the start."""
    return open_store(settings.observation_store)


@cache
def spaces() -> Spaces:
    """The search space: the team's own, or the shipped one."""
    return load_spaces(settings.spaces)


try:
    # The adapter and the space are loaded while the function starts and nobody's request waits.
    store()
    spaces()
except (StoreUrlError, SpaceError) as error:
    log.error("no request can be answered: %s", error)  # noqa: TRY400  (the message says all)


# The endpoints are coroutines although they wait for storage: a Lambda instance has one request at a time, and a
# thread for each would only cost.


@app.get("/health", tags=["tuning"], summary="Whether the service can answer")
async def health() -> Health:
    spaces()  # without which no other request is answered
    samples = check(store(), now=datetime.now(UTC))
    return Health(status="healthy", service="ml-service", version=VERSION, optimizer_samples=samples)


@app.post(
    "/ml/suggest_parameters",
    tags=["tuning"],
    summary="Suggest settings to try next",
    dependencies=[Depends(require_json)],
)
async def suggest_parameters(request: SuggestRequest) -> Suggestions:
    mode = request.mode if "mode" in request.model_fields_set else spaces().default_mode
    with metrics.timed(Metric.SUGGESTION_LATENCY):
        found = suggest(store(), spaces(), mode=mode, count=request.num_suggestions, now=datetime.now(UTC))
    metrics.count(Metric.SUGGESTIONS_GIVEN, len(found))
    return Suggestions(suggestions=[one.setting.to_plain() for one in found], suggestion_ids=[one.id for one in found])


@app.get("/ml/stats", tags=["tuning"], summary="How the tuning stands")
async def stats(mode: str | None = None) -> Stats:
    return Stats.of(summarize(store(), spaces(), mode=mode))


@app.get("/ml/history", tags=["tuning"], summary="Every rating, newest first")
async def history(mode: str | None = None, limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> History:
    return History.of(browse(store(), spaces(), mode=mode, limit=limit, cursor=cursor))


@app.get("/openapi.json", include_in_schema=False)
async def openapi() -> Response:
    return Response(document(spaces() if settings.spaces else None), media_type="application/json")


handler = entry_point(app, metrics)
