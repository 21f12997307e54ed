"""The space as most peers take it: the API as a category beside coordinates that the APIs share.

With two APIs of the same three parameters this is the formulation in which what is learned of one API can inform the
other. It translates; it rounds nothing (see `benchmarks.tuning.runs`).
"""

from collections.abc import Mapping

from benchmarks.tuning.settings import API, Parameters, real_parameters
from tuning.spaces import Mode


def to_parameters(mode: Mode, point: Mapping[str, object]) -> Parameters:
    """Return the setting at `point`: `api` and every coordinate, 0 to 1, by name."""
    api = next(api for api in mode.apis if api.name == str(point[API]))
    values = {p.name: p.low + float(str(point[p.coordinate])) * (p.high - p.low) for p in real_parameters(api)}
    return {API: api.name, **values}


class BestRated:
    """Remembers the best rated setting, the first of equals: the recommendation of methods that have no better one."""

    def __init__(self) -> None:
        self._best: tuple[Parameters, float] | None = None

    def note(self, parameters: Parameters, rating: float) -> None:
        """Take note of a rating."""
        if self._best is None or rating > self._best[1]:
            self._best = parameters, rating

    @property
    def parameters(self) -> Parameters:
        """The best rated setting. Raises ValueError before the first rating."""
        if self._best is None:
            raise ValueError("nothing is rated yet")
        return self._best[0]
