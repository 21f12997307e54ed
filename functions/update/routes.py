"""The update function: everything that is written about tuning, and the model that learns of it.

POST /ml/update_model and DELETE /ml/suggestions/{id}; what is written of the history and of studies is in
`history_routes` and `study_routes` beside it.
"""

import os
from datetime import UTC, datetime

from fastapi import Depends

from functions.tuning_function import TuningFunction, refuse_near_parameters
from functions.update import history_routes, study_routes
from functions.update.headers import IdempotencyKey
from functions.update.messages import GivenBack, Updated, UpdateRequest
from tuning import suggestions
from tuning.relearning import preload
from tuning.update import update
from web.application import require_json
from web.metrics import Metric
from web.settings import Settings

# Of the 29 s that the function has; what a store has begun by then takes at most 3 s more.
ANSWER_SECONDS = 26.0


def build(settings: Settings) -> TuningFunction:
    """Build the function. A store or space that cannot be opened is logged and does not stop the start."""
    function = TuningFunction("update", settings, answer_seconds=ANSWER_SECONDS)
    app, metrics = function.app, function.metrics
    history_routes.add(function)
    study_routes.add(function)
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        # A Lambda that starts has a whole vCPU, and no request waits yet. Elsewhere the first update that fits waits.
        preload()
    writing = [Depends(require_json), Depends(refuse_near_parameters)]

    @app.post("/ml/update_model", tags=["tuning"], summary="Record ratings and learn", dependencies=writing)
    async def update_model(request: UpdateRequest, idempotency_key: IdempotencyKey = None) -> Updated:
        receipt = update(
            function.store,
            function.spaces,
            request=request.model_dump(exclude_unset=True),
            idempotency_key=idempotency_key,
            now=datetime.now(UTC),
            deadline=function.deadline(),
        )
        if not receipt.replayed:
            metrics.count(Metric.OBSERVATIONS_RECORDED, len(request.results))
            function.measure_learning(learned=receipt.learned, fit_seconds=receipt.fit_seconds)
        return Updated.of(receipt)

    @app.delete("/ml/suggestions/{id}", tags=["tuning"], summary="Give a suggestion back")
    async def give_back(id: str) -> GivenBack:  # noqa: A002 - the parameter's name in the API
        freed = suggestions.give_back(function.store, id, now=datetime.now(UTC))
        return GivenBack(suggestion_id=id, freed=freed)

    return function
