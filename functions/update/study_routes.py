"""Studies as they are begun, archived and restored: POST /ml/studies and PATCH /ml/studies/{name}."""

from datetime import UTC, datetime

from fastapi import Depends

from functions.tuning_function import TuningFunction, refuse_near_parameters
from functions.update.messages import Archiving, NewStudy, StudyChanged
from tuning import studies
from tuning.validation.requests import parse_archiving
from web.application import require_json


def add(function: TuningFunction) -> None:
    """Add the routes to the function's application."""
    app, writing = function.app, [Depends(require_json), Depends(refuse_near_parameters)]

    @app.post("/ml/studies", tags=["studies"], summary="Begin a study", dependencies=writing, status_code=201)
    async def begin_study(request: NewStudy) -> StudyChanged:
        begun = studies.begin(function.store, request.model_dump(exclude_unset=True), now=datetime.now(UTC))
        return StudyChanged.after(begun.summary, function.spaces, begun.ignored)

    @app.patch("/ml/studies/{name}", tags=["studies"], summary="Archive or restore a study", dependencies=writing)
    async def archive_study(name: str, request: Archiving) -> StudyChanged:
        archived, ignored = parse_archiving(request.model_dump(exclude_unset=True))
        changed = studies.archive(function.store, name, archived=archived, now=datetime.now(UTC))
        return StudyChanged.after(changed, function.spaces, ignored)
