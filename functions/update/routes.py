"""The update function: records ratings and fits the model to them. POST /ml/update_model."""

import os
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Header
from pydantic import BaseModel, Field

from functions.tuning_function import TuningFunction
from tuning.update import preload, update
from tuning.validation import MAX_KEY_LENGTH
from web.application import require_json
from web.metrics import Metric
from web.settings import Settings

# Of the 29 s that the function has; what a store has begun by then takes at most 3 s more.
ANSWER_SECONDS = 26.0

_PARAMETERS = {"api": "leonardo", "init_strength": 0.28, "guidance_scale": 7.2, "controlnet_weight": 0.89}


class UpdateRequest(BaseModel):
    """People's ratings of pictures, checked against the search space; all errors are reported at once."""

    results: list[Any] = Field(
        description=(
            "1 to 1,000 results; one that is invalid rejects all of them. Each has `parameters` (`api` and that API's "
            "parameters, as suggested or of your own), `rating` (1 to 5), and may have `suggestion_id` and `mode`; "
            "numbers may be strings"
        ),
        examples=[[{"parameters": _PARAMETERS, "rating": 4.0}]],
    )


class Updated(BaseModel):
    """How many ratings are recorded after the update, over all modes."""

    updated: bool
    samples_seen: int = Field(examples=[24])
    convergence_score: float = Field(description="samples / 50, at most 1", examples=[0.48])


def build(settings: Settings) -> TuningFunction:
    """Build the function. A store or space that cannot be opened is logged and does not stop the start."""
    function = TuningFunction("update", settings, answer_seconds=ANSWER_SECONDS)
    app, metrics = function.app, function.metrics
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        # A Lambda that starts has a whole vCPU, and no request waits yet. Elsewhere the first update that fits waits.
        preload()

    @app.post(
        "/ml/update_model", tags=["tuning"], summary="Record ratings and learn", dependencies=[Depends(require_json)]
    )
    async def update_model(
        request: UpdateRequest,
        idempotency_key: Annotated[
            str | None,
            Header(
                min_length=1,
                max_length=MAX_KEY_LENGTH,
                description="recommended: makes a retry harmless (same key, same body, same answer), also after a 504",
            ),
        ] = None,
    ) -> Updated:
        receipt = update(
            function.store,
            function.spaces,
            results=request.results,
            idempotency_key=idempotency_key,
            now=datetime.now(UTC),
            deadline=function.deadline(),
        )
        if not receipt.replayed:
            metrics.count(Metric.OBSERVATIONS_RECORDED, len(request.results))
            metrics.count(Metric.LEARNING_FAILED, int(not receipt.learned))
        if receipt.fit_seconds:
            metrics.lasted(Metric.FIT_TIME, receipt.fit_seconds)
        return Updated(updated=True, samples_seen=receipt.samples_seen, convergence_score=receipt.convergence_score)

    return function
