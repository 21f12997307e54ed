"""The history as it is put right: PATCH and DELETE /ml/history/{id}."""

from datetime import UTC, datetime
from typing import Any

from fastapi import Depends

from functions.history_messages import Rated
from functions.tuning_function import TuningFunction, refuse_near_parameters
from functions.update.headers import IdempotencyKey, IfMatch
from functions.update.messages import CorrectedEntry, CorrectionRequest
from tuning.history import parse_if_match, revise
from web.application import require_json


def add(function: TuningFunction) -> None:
    """Add the routes to the function's application."""
    app = function.app

    @app.patch(
        "/ml/history/{id}",
        tags=["tuning"],
        summary="Correct, withdraw or restore a rating",
        dependencies=[Depends(require_json), Depends(refuse_near_parameters)],
    )
    async def correct(
        id: str,  # noqa: A002 - the parameter's name in the API
        request: CorrectionRequest,
        idempotency_key: IdempotencyKey = None,
        if_match: IfMatch = None,
    ) -> CorrectedEntry:
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
    ) -> CorrectedEntry:
        request: dict[str, Any] = {"withdrawn": True}
        if reviser is not None:
            request["reviser"] = reviser
        return _revise(id, request, idempotency_key, if_match)

    def _revise(identity: str, request: object, idempotency_key: str | None, if_match: str | None) -> CorrectedEntry:
        corrected = revise(
            function.store,
            function.spaces,
            identity,
            request=request,
            seen=parse_if_match(if_match),
            idempotency_key=idempotency_key,
            now=datetime.now(UTC),
            deadline=function.deadline(),
        )
        if not corrected.replayed:
            function.measure_learning(learned=corrected.learned, fit_seconds=corrected.fit_seconds)
        return CorrectedEntry(
            observation=Rated.of(corrected.entry),
            samples_seen=corrected.samples_seen,
            convergence_score=corrected.convergence_score,
            ignored=list(corrected.ignored),
        )
