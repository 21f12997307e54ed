"""The update function: everything that is written about tuning, and the model that learns of it.

POST /ml/update_model, PATCH and DELETE /ml/history/{id}, DELETE /ml/suggestions/{id}, POST /ml/studies, PATCH
/ml/studies/{name}.
"""

import os
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Header
from fastapi.responses import JSONResponse

from functions.history_messages import Rated, StudyDescription
from functions.tuning_function import TuningFunction, refuse_near_parameters
from functions.update.messages import (
    Archiving,
    Corrected,
    Correction,
    GivenBack,
    NewStudy,
    Updated,
    UpdateRequest,
)
from tuning import studies, suggestions
from tuning.history import parse_if_match, revise
from tuning.relearning import preload
from tuning.update import update
from tuning.validation.requests import MAX_KEY_LENGTH, parse_archiving
from web.application import require_json
from web.metrics import Metric
from web.settings import Settings

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=MAX_KEY_LENGTH,
        description="recommended: makes a retry harmless (same key, same body, same answer), also after a 504",
    ),
]
IfMatch = Annotated[
    str | None, Header(description="the entry's revision that was seen: a 412 if somebody corrected it meanwhile")
]


def build(settings: Settings) -> TuningFunction:
    """Build the function. What cannot be opened is logged, and does not stop it."""
    function = TuningFunction("update", settings)
    app, metrics = function.app, function.metrics
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        # A starting Lambda has a whole vCPU and nobody waiting; elsewhere the first update that learns pays instead.
        preload()
    writing = [Depends(require_json)]

    def measure(learned: bool, fit_seconds: float) -> None:
        metrics.count(Metric.LEARNING_FAILED, int(not learned))
        if fit_seconds:
            metrics.lasted(Metric.FIT_TIME, fit_seconds)

    @app.post("/ml/update_model", tags=["tuning"], summary="Record ratings and learn", dependencies=writing)
    async def update_model(request: UpdateRequest, idempotency_key: IdempotencyKey = None) -> Updated:
        receipt = update(
            function.store,
            function.spaces,
            request=request.model_dump(exclude_unset=True),
            idempotency_key=idempotency_key,
            now=datetime.now(UTC),
        )
        if not receipt.replayed:
            metrics.count(Metric.OBSERVATIONS_RECORDED, len(request.results))
            measure(receipt.learned, receipt.fit_seconds)
        return Updated.of(receipt)

    @app.patch(
        "/ml/history/{id}", tags=["tuning"], summary="Correct, withdraw or restore a rating", dependencies=writing
    )
    async def correct(
        id: str,  # noqa: A002 - the parameter's name in the API
        request: Correction,
        idempotency_key: IdempotencyKey = None,
        if_match: IfMatch = None,
    ) -> Corrected:
        return _revise(id, request.model_dump(exclude_unset=True), idempotency_key, if_match)

    @app.delete(
        "/ml/history/{id}",
        tags=["tuning"],
        summary="Withdraw a rating",
        dependencies=[Depends(refuse_near_parameters)],
    )
    async def withdraw(
        id: str,  # noqa: A002 - the parameter's name in the API
        reviser: str | None = None,
        idempotency_key: IdempotencyKey = None,
        if_match: IfMatch = None,
    ) -> Corrected:
        request: dict[str, Any] = {"withdrawn": True}
        if reviser is not None:
            request["reviser"] = reviser
        return _revise(id, request, idempotency_key, if_match)

    def _revise(identity: str, request: object, idempotency_key: str | None, if_match: str | None) -> Corrected:
        corrected = revise(
            function.store,
            function.spaces,
            identity,
            request=request,
            seen=parse_if_match(if_match),
            idempotency_key=idempotency_key,
            now=datetime.now(UTC),
        )
        if not corrected.replayed:
            measure(corrected.learned, corrected.fit_seconds)
        return Corrected(
            observation=Rated.of(corrected.entry),
            samples_seen=corrected.samples_seen,
            convergence_score=corrected.convergence_score,
            ignored=list(corrected.ignored),
        )

    @app.delete("/ml/suggestions/{id}", tags=["tuning"], summary="Give a suggestion back")
    async def give_back(id: str) -> GivenBack:  # noqa: A002 - the parameter's name in the API
        freed = suggestions.give_back(function.store, id, now=datetime.now(UTC))
        return GivenBack(suggestion_id=id, freed=freed)

    @app.post(
        "/ml/studies",
        tags=["studies"],
        summary="Begin a study",
        dependencies=writing,
        status_code=201,
        response_model=StudyDescription,
    )
    async def begin_study(request: NewStudy) -> JSONResponse:
        begun = studies.begin(function.store, request.model_dump(exclude_unset=True), now=datetime.now(UTC))
        body = StudyDescription.of(begun.summary).model_dump(mode="json") | {"ignored": list(begun.ignored)}
        return JSONResponse(body, status_code=201)

    @app.patch("/ml/studies/{name}", tags=["studies"], summary="Archive or restore a study", dependencies=writing)
    async def archive_study(name: str, request: Archiving) -> StudyDescription:
        archived, _ = parse_archiving(request.model_dump(exclude_unset=True))
        return StudyDescription.of(
            studies.archive(function.store, name, archived=archived, now=datetime.now(UTC))
        )

    return function
