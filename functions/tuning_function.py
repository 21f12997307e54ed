"""What the two tuning functions share: an application, the observations and the search space."""

from collections.abc import Mapping
from functools import cached_property
from typing import get_args, get_origin

from fastapi import Request

from storage.deadline import Deadline
from tuning.errors import RevisionMismatchError, SpaceError, StoreUrlError
from tuning.spaces import Spaces
from tuning.stores import open_store
from tuning.stores.port import ObservationStore
from tuning.validation.requests import refuse_several, validate_query
from tuning.validation.space_file import load_spaces
from web.application import create_app, entry_point
from web.entry import Handler
from web.metrics import Metric, Metrics
from web.settings import Settings

STATUSES: Mapping[type[Exception], int] = {RevisionMismatchError: 412}
"""The errors of tuning whose HTTP status is not that of their group, as `web.problems.install` takes them.

What If-Match asked for does not hold: RFC 9110, 13.1.1."""


async def refuse_near_parameters(request: Request) -> None:
    """Refuse a query with a parameter that its route does not know and seems to. A dependency of routes.

    That is one that is nearly known, a field of the body, or a parameter of other routes. One that may have one
    value is refused with several, of which the last would be taken in silence.

    Raises:
        InvalidRequestError: there is one; each is named, with what was meant.
    """
    dependant = request.scope["route"].dependant
    known = [parameter.alias for parameter in dependant.query_params]
    bodies = [parameter.field_info.annotation for parameter in dependant.body_params]
    fields = [name for body in bodies for name in getattr(body, "model_fields", {})]
    validate_query(request.query_params, known, fields)
    single = [parameter.alias for parameter in dependant.query_params if not _is_list(parameter.field_info.annotation)]
    refuse_several({name: request.query_params.getlist(name) for name in single})


def _is_list(annotation: object) -> bool:
    """Tell whether a parameter is a list, or one of several types of which one is."""
    return any(get_origin(one) is list for one in (annotation, *get_args(annotation)))


class TuningFunction:
    """A tuning function: its module adds routes to `app`, and Lambda calls `handler`."""

    def __init__(self, service: str, settings: Settings, *, answer_seconds: float) -> None:
        """Make the application, and open the store and the space before the first request arrives.

        A request begins no further work later than `answer_seconds` after its own beginning; work that it has begun by
        then must end before the function's Timeout in the template. If the store or the space cannot be opened, the
        error is logged and each request tries again. Opening a store reads nothing, so that a store that is down does
        not stop the start.
        """
        self.settings = settings
        self._answer_seconds = answer_seconds
        self.metrics = Metrics(service)
        self.app, log = create_app(
            service=service,
            title="Picture tuning",
            settings=settings,
            packages=("tuning", "storage"),
            statuses=STATUSES,
        )
        try:
            _ = self.store, self.spaces
        except (StoreUrlError, SpaceError) as error:
            log.error("no request can be answered: %s", error)  # noqa: TRY400  (the message says all)

    def deadline(self) -> Deadline:
        """Return the deadline of a request that begins now."""
        return Deadline(self._answer_seconds)

    @cached_property
    def store(self) -> ObservationStore:
        """The store of the observations."""
        return open_store(self.settings.observation_store)

    @cached_property
    def spaces(self) -> Spaces:
        """The search space: the team's own, or the shipped one."""
        return load_spaces(self.settings.spaces)

    def measure_learning(self, *, learned: bool, fit_seconds: float) -> None:
        """Count a learning that failed, and how long the fits took."""
        self.metrics.count(Metric.LEARNING_FAILED, int(not learned))
        if fit_seconds:
            self.metrics.lasted(Metric.FIT_TIME, fit_seconds)

    @cached_property
    def handler(self) -> Handler:
        """The Lambda handler of the application."""
        return entry_point(self.app, self.metrics)
