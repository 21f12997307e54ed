"""The suggest function: everything that is read about tuning, and the API's pages.

POST /ml/suggest_parameters, GET /ml/stats, GET /ml/history, GET /ml/suggestions, GET /ml/studies, GET
/ml/studies/{name}, GET /health, GET /openapi.json; the pages are in `functions.suggest.pages`.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Depends, Header, Request
from fastapi.responses import Response

from functions.history_messages import History, Studies, StudyDescription
from functions.suggest import pages
from functions.suggest.document import document
from functions.suggest.messages import (
    Health,
    Outstanding,
    OutstandingSuggestions,
    Stats,
    Suggestions,
    SuggestRequest,
)
from functions.tuning_function import TuningFunction, refuse_near_parameters
from tuning import studies, suggestions
from tuning.history import DEFAULT_LIMIT, browse
from tuning.observations import DEFAULT_STUDY
from tuning.stats import check, summarize
from tuning.suggest import DEFAULT_COUNT, suggest
from tuning.table import to_csv
from tuning.validation.requests import MAX_PAGE, parse_suggest
from web.application import require_json
from web.metrics import Metric
from web.settings import VERSION, Settings

_CSV = "text/csv"
# The most rows of one table: with every field at its longest they are within what a Lambda may answer.
_MAX_ROWS = 2_000


def build(settings: Settings) -> TuningFunction:
    """Build the function. What cannot be opened is logged, and does not stop it."""
    function = TuningFunction("suggest", settings)
    app, metrics = function.app, function.metrics
    app.include_router(pages.router)
    reading = [Depends(refuse_near_parameters)]

    # The endpoints are coroutines although they wait for storage: a Lambda instance has one request at a time, and a
    # thread for each would only cost.

    @app.get("/health", tags=["tuning"], summary="Whether the service can answer")
    async def health() -> Health:
        _ = function.spaces  # without which no other request is answered
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
            )
        metrics.count(Metric.SUGGESTIONS_GIVEN, len(found))
        return Suggestions(
            suggestions=[one.setting.to_plain() for one in found],
            suggestion_ids=[one.id for one in found],
            ignored=list(asked.ignored),
        )

    @app.get("/ml/suggestions", tags=["tuning"], summary="What is outstanding", dependencies=reading)
    async def outstanding(study: str = DEFAULT_STUDY, mode: str | None = None) -> OutstandingSuggestions:
        found = suggestions.browse(function.store, function.spaces, study=study, mode=mode, now=datetime.now(UTC))
        return OutstandingSuggestions(suggestions=[Outstanding.of(one) for one in found])

    @app.get("/ml/stats", tags=["tuning"], summary="How the tuning stands", dependencies=reading)
    async def stats(study: str = DEFAULT_STUDY, mode: str | None = None) -> Stats:
        return Stats.of(summarize(function.store, function.spaces, study=study, mode=mode))

    @app.get(
        "/ml/history",
        tags=["tuning"],
        summary="Every rating and failure of a study, newest first",
        dependencies=reading,
        responses={200: {"content": {_CSV: {"schema": {"type": "string"}}}}},
        response_model=History,
    )
    async def history(
        request: Request,
        study: str = DEFAULT_STUDY,
        mode: str | None = None,
        rater: str | None = None,
        picture: str | None = None,
        include: Literal["withdrawn"] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        format: Literal["json", "csv"] | None = None,  # noqa: A002 - the parameter's name in the API
        accept: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> Response | History:
        table = format == "csv" or (format is None and _prefers_csv(accept))
        page = browse(
            function.store,
            function.spaces,
            study=study,
            mode=mode,
            rater=rater,
            picture=picture,
            withdrawn=include == "withdrawn",
            limit=limit if limit is not None else _MAX_ROWS if table else DEFAULT_LIMIT,
            cursor=cursor,
            most=_MAX_ROWS if table else MAX_PAGE,
        )
        if not table:
            return History.of(page, earlier=include == "withdrawn")
        headers = {"Content-Disposition": f'attachment; filename="{study}.csv"', "Vary": "Accept"}
        if page.next_cursor:
            following = request.url.include_query_params(cursor=page.next_cursor).query
            headers["Link"] = f'<?{following}>; rel="next"'
        return Response(to_csv(function.spaces, page.entries), media_type=_CSV, headers=headers)

    @app.get("/ml/studies", tags=["studies"], summary="Every study, by name", dependencies=reading)
    async def list_studies(limit: int = studies.DEFAULT_LIMIT, cursor: str | None = None) -> Studies:
        return Studies.of(studies.browse(function.store, limit=limit, cursor=cursor))

    @app.get("/ml/studies/{name}", tags=["studies"], summary="One study", dependencies=reading)
    async def read_study(name: str) -> StudyDescription:
        return StudyDescription.of(studies.find(function.store, name))

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return Response(document(function.spaces if settings.spaces else None), media_type="application/json")

    return function


def _prefers_csv(accept: str | None) -> bool:
    """Return whether a request's Accept names CSV and does not name JSON."""
    kinds = {part.partition(";")[0].strip().lower() for part in (accept or "").split(",")}
    return _CSV in kinds and "application/json" not in kinds
