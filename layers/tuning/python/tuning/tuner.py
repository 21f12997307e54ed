"""The façade for scripts and notebooks: ask what to try, tell what people thought, and be told the best.

    from tuning import Tuner

    tuner = Tuner(mode="structure", seed=0)
    for trial in tuner.ask(2):
        tuner.tell([(trial.parameters, rate(trial.parameters))])
    print(tuner.recommend())

One study in memory, over the same functions that the Lambdas use. The same seed and the same calls give the same
answers, whatever the machine's speed. Nothing is stored, and no time passes: what was asked for stays pending until it
is told. For studies that several people or processes share, there are `tuning.suggest` and `tuning.update`.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from storage.documents import quote
from tuning.errors import InvalidField, InvalidRequestError, NoRatingsError
from tuning.observations import Observation, Suggestion
from tuning.space_file import load_spaces
from tuning.spaces import Spaces, Value
from tuning.stats import Progress, Recommendation, assess, recommend
from tuning.studies import Study
from tuning.suggest import DEFAULT_COUNT, propose
from tuning.update import relearn
from tuning.validation import parse_results, validate_count, validate_mode

_ALWAYS = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Trial:
    """A setting to try next: `api` and that API's parameters, in plain JSON's types."""

    parameters: dict[str, Value]


class Tuner:
    """One study, from its first suggestion on. Not for several threads at once."""

    def __init__(self, mode: str = "structure", seed: int = 0, space: Spaces | str | Path | None = None) -> None:
        """Begin a study of a mode of a search space: None is the shipped one, a path a file like `spaces.toml`.

        Raises:
            SpaceError: the file cannot be read or is wrong.
            InvalidRequestError: the space has no such mode.
        """
        self._spaces = space if isinstance(space, Spaces) else load_spaces(space)
        self._mode = validate_mode(self._spaces, mode)
        self._study = Study(mode, seed, None, (), ())

    def ask(self, n: int = DEFAULT_COUNT) -> list[Trial]:
        """Return n settings to try next, different from each other and from all that were asked for and not yet told.

        Raises:
            InvalidRequestError: n is not a whole number from 1 to 10.
            SpaceExhaustedError: too few settings are left.
        """
        validate_count(n, ("n",))
        settings = propose(self._mode, self._study, count=n)
        new = (Suggestion(setting.key, self._study.mode, setting, _ALWAYS, _ALWAYS) for setting in settings)
        self._study = replace(self._study, outstanding=(*self._study.outstanding, *new))
        return [Trial(setting.to_plain()) for setting in settings]

    def tell(self, results: Iterable[tuple[Mapping[str, object], object]]) -> None:
        """Take in 1 to 1,000 ratings, each with the parameters rated (asked for or not), and learn from them.

        Raises:
            InvalidRequestError: anything is wrong; it names the index and field of each. Then nothing was taken in.
        """
        parsed = parse_results(_results(results, self._study.mode), self._spaces)
        told = [Observation(self._study.mode, result.setting, result.rating, _ALWAYS) for result in parsed]
        rated = {observation.setting for observation in told}
        self._study = replace(
            self._study,
            observations=(*self._study.observations, *told),
            outstanding=tuple(one for one in self._study.outstanding if one.setting not in rated),
        )
        # Without a time budget, which would make what is learned depend on the machine's speed.
        if learned := relearn(self._mode, self._study, time_budget=math.inf):
            self._study = replace(self._study, hyperparameters=learned)

    def recommend(self) -> Recommendation:
        """Recommend the setting of the highest posterior mean in the whole space, rated or not.

        Raises:
            NoRatingsError: there is no rating yet.
        """
        best = recommend(self._mode, self._study)
        if best is None:
            raise NoRatingsError("nothing is known before the first rating: tell one")
        return best

    def stats(self) -> Progress:
        """Return how far the study is, as `GET /ml/stats` says it."""
        return assess([(self._mode, self._study)])


def _results(results: Iterable[object], mode: str) -> list[dict[str, object]]:
    """Return the pairs as results of an update.

    Raises:
        InvalidRequestError: an entry is not a pair.
    """
    found: list[dict[str, object]] = []
    invalid = []
    for index, result in enumerate(results):
        if isinstance(result, tuple | list) and len(result) == 2:  # noqa: PLR2004 - a pair
            found.append({"parameters": result[0], "rating": result[1], "mode": mode})
        else:
            message = f"must be a pair of parameters and rating, not {quote(result)}"
            invalid.append(InvalidField(("results", index), message))
    if invalid:
        raise InvalidRequestError(tuple(invalid))
    return found
