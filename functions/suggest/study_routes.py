"""Studies as they are read: GET /ml/studies and GET /ml/studies/{name}."""

from fastapi import Depends

from functions.history_messages import Studies, StudyDescription
from functions.query_numbers import Whole
from functions.tuning_function import TuningFunction, refuse_near_parameters
from tuning import studies


def add(function: TuningFunction) -> None:
    """Add the routes to the function's application."""
    app, reading = function.app, [Depends(refuse_near_parameters)]

    @app.get("/ml/studies", tags=["studies"], summary="Every study, by name", dependencies=reading)
    async def list_studies(limit: Whole = studies.DEFAULT_LIMIT, cursor: str | None = None) -> Studies:
        return Studies.of(studies.browse(function.store, limit=limit, cursor=cursor), function.spaces)

    @app.get("/ml/studies/{name}", tags=["studies"], summary="One study", dependencies=reading)
    async def read_study(name: str) -> StudyDescription:
        return StudyDescription.of(studies.find(function.store, name), function.spaces)
