"""The update function: ratings in, model learned. POST /ml/update_model."""

import os
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any

from fastapi import Depends, Header
from pydantic import BaseModel, Field

from tuning.errors import SpaceError, StoreUrlError
from tuning.spaces import Spaces, load_spaces
from tuning.stores import open_store
from tuning.stores.port import ObservationStore
from tuning.update import preload, update
from web.application import create_app, entry_point, require_json
from web.metrics import Metric, Metrics
from web.settings import Settings

settings = Settings.from_environment()
app, log = create_app(
    service="update",
    title="Picture tuning",
    settings=settings,
)
metrics = Metrics("update")


_PARAMETERS = {"api": "leonardo", "init_strength": 0.28, "guidance_scale": 7.2, "controlnet_weight": 0.89}


class UpdateRequest(BaseModel):
    """What people thought of pictures. The members' values are judged by the search space, all of them at once."""

    results: list[Any] = Field(
        description=(
            "1 to 1,000 results; one that is invalid rejects all of them. Each has `parameters` (`api` and that API's "
            "parameters, as suggested or of your own), `rating` (1 to 5), and may have `suggestion_id` and `mode`; "
            "numbers may be strings"
        ),
        examples=[[{"parameters": _PARAMETERS, "rating": 4.0}]],
    )


class Updated(BaseModel):
    """What is recorded now, over all modes."""

    updated: bool
    samples_seen: int = Field(examples=[24])
    convergence_score: float = Field(description="samples / 50, at most 1", examples=[0.48])


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


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # A starting Lambda has a whole vCPU and nobody waiting; on one machine the first update that learns pays instead.
    preload()


@app.post("/ml/update_model", tags=["tuning"], summary="Record ratings and learn", dependencies=[Depends(require_json)])
async def update_model(
    request: UpdateRequest,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            description="recommended: makes a retry harmless (same key, same body, same answer), also after a 504",
        ),
    ] = None,
) -> Updated:
    receipt = update(store(), spaces(), results=request.results, idempotency_key=idempotency_key, now=datetime.now(UTC))
    if not receipt.replayed:
        metrics.count(Metric.OBSERVATIONS_RECORDED, len(request.results))
        metrics.count(Metric.LEARNING_FAILED, int(not receipt.learned))
    if receipt.fit_seconds:
        metrics.lasted(Metric.FIT_TIME, receipt.fit_seconds)
    return Updated(updated=True, samples_seen=receipt.samples_seen, convergence_score=receipt.convergence_score)


handler = entry_point(app, metrics)
