"""The façade for scripts and notebooks: ask what to try, tell what people thought, and be told the best.

    from tuning import Tuner

    tuner = Tuner()
    trial = tuner.ask(1)[0]
    tuner.tell(trial, 4)
    print(tuner.recommend())

One mode of one study, over the use cases that the functions call. `Tuner()` keeps it in memory: the same seed and the
same calls give the same answers, whatever the machine's speed, and no time passes: what was asked for stays pending
until it is told, skipped or given back. `Tuner.from_store` works on the store of a server or of other scripts, beside
them: there time passes, and what is pending expires as it does for everybody.
"""

import math
import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self, SupportsIndex

from storage.documents import quote
from tuning import history, suggestions
from tuning.errors import (
    EntryMissingError,
    InvalidField,
    InvalidRequestError,
    Location,
    NoRatingsError,
    SpaceExhaustedError,
    StoreCorruptError,
    TooManyOutstandingError,
    TuningError,
)
from tuning.insight.chances import chances
from tuning.insight.importance import ApiImportance, importance
from tuning.insight.knowledge import Knowledge
from tuning.insight.people import RaterProfile, profiles
from tuning.insight.recommendation import Recommendation, recommend
from tuning.insight.slices import Slices, slice_through
from tuning.insight.trajectory import Trajectory, trace
from tuning.model.ancestors import inherited
from tuning.observations import DEFAULT_STUDY, Suggestion
from tuning.spaces import Mode, Spaces, Value
from tuning.stats import Progress, assess
from tuning.stores import open_store
from tuning.stores.lineage import MAX_GENERATIONS, read_study
from tuning.stores.memory import Inherited, MemoryObservationStore
from tuning.stores.port import ObservationStore
from tuning.study import BUDGET, ModeStudy
from tuning.suggest import DEFAULT_COUNT, OUTSTANDING_FOR, suggest
from tuning.table import Cell, columns, row
from tuning.tuner.file import SavedTuner, read, write
from tuning.update import update
from tuning.validation.fields import nearest_field
from tuning.validation.requests import validate_count, validate_mode, validate_study
from tuning.validation.slices import parse_slice
from tuning.validation.space_file import load_spaces

if TYPE_CHECKING:
    import pandas

# In memory no time passes between asking and the end of time.
_ASKED_AT = datetime(1970, 1, 1, tzinfo=UTC)
_FOR_EVER = datetime.max.replace(tzinfo=UTC) - _ASKED_AT

_PAGE = 1_000  # entries of the history read at once
_ABOUT = ("rater", "picture", "comment")


class _Missing:
    """What stands for an argument that was not given, where None means something."""


_MISSING = _Missing()


@dataclass(frozen=True, slots=True)
class Trial:
    """A setting to try next: `api` and that API's parameters, in plain JSON's types.

    Trials are equal if their parameters are.
    """

    id: str = field(compare=False)
    parameters: dict[str, Value]


class Tuner:
    """One mode of one study, from its first suggestion on. Threads may share it."""

    def __init__(
        self,
        mode: str | None = None,
        seed: SupportsIndex = 0,
        space: Spaces | str | Path | None = None,
        based_on: "Tuner | None" = None,
    ) -> None:
        """Begin a study of a mode in memory: None is the default mode of the search space, as `structure` is.

        `space` is a search space, or the path of a file like `spaces.toml`; None is the shipped one. The study may be
        `based_on` that of another tuner of the same mode, in memory or of a shared store: what that one was told, and
        what it is based on, teaches this one as far as the two turn out to be alike. It is copied as it is now: at most
        `tuning.model.ancestors.MAX_INHERITED` distinct settings of `tuning.stores.lineage.MAX_GENERATIONS` studies.

        Raises:
            SpaceError: the file cannot be read or is wrong.
            InvalidRequestError: the space has no such mode, the seed is not a whole number, or there is no tuner of the
                same mode to be based on.
        """
        try:
            number = operator.index(seed)
        except TypeError:
            message = f"must be a whole number, not {quote(seed)}"
            raise InvalidRequestError((InvalidField(("seed",), message),)) from None
        spaces = _spaces(space)
        ancestors = () if based_on is None else _inherit(validate_mode(spaces, mode or spaces.default_mode), based_on)
        self._work_on(MemoryObservationStore(number, ancestors), DEFAULT_STUDY, spaces, mode)

    def _work_on(self, store: ObservationStore, study: str, spaces: Spaces, mode: str | None) -> None:
        self._spaces = spaces
        self._mode: Mode = validate_mode(spaces, spaces.default_mode if mode is None else mode)
        self._store = store
        self._study = study
        self._url: str | None = None  # of a shared store
        self._told_at = _ASKED_AT

    @classmethod
    def from_store(
        cls,
        url: str,
        study: str = DEFAULT_STUDY,
        mode: str | None = None,
        space: Spaces | str | Path | None = None,
    ) -> Self:
        """Work on a study of a shared store, beside whoever else does.

        `url` is what the server's OBSERVATION_STORE is: `sqlite:///data/observations.db`, a file that is made if it is
        not there, or `dynamodb://table`. The study must have begun; `default` always has. `mode` and `space` are as in
        `Tuner()`; the space is to be the one that the others use. All methods may then raise StudyArchivedError,
        StoreUnavailableError (try again; what was told may have been recorded), StoreCorruptError and
        StoreRefusedError.

        Raises:
            StoreUrlError: the URL names no store.
            StudyMissingError: there is no such study.
            SpaceError: the file cannot be read or is wrong.
            InvalidRequestError: the space has no such mode, or no study can have that name.
        """
        tuner = cls.__new__(cls)
        tuner._work_on(open_store(url), validate_study(study), _spaces(space), mode)
        tuner._url = url
        try:
            tuner._store.summary(study)
        except TuningError:
            tuner.close()
            raise
        return tuner

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the tuner that was saved to a file, which then goes on as that one would have.

        Raises:
            OSError: the file cannot be read.
            StoreCorruptError: it is not a tuner's, or is damaged, or a later release wrote it.
        """
        try:
            return cls._restored(read(path))
        except ValueError as error:
            raise StoreCorruptError(f"{Path(path).name}: {error}") from error

    @classmethod
    def _restored(cls, saved: SavedTuner) -> Self:
        """Return the tuner that was saved so.

        Raises:
            ValueError: what is saved does not belong together.
        """
        tuner = cls.__new__(cls)
        store = MemoryObservationStore.restored(saved.snapshot)
        tuner._work_on(store, DEFAULT_STUDY, saved.spaces, saved.mode)
        tuner._told_at = store.summary(DEFAULT_STUDY).last_activity or _ASKED_AT
        return tuner

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        """Copy and pickle what is in memory with all that it holds, and what works on a shared store without that."""
        if isinstance(self._store, MemoryObservationStore):
            return self._restored, (SavedTuner(self._spaces, self._mode.name, self._store.snapshot()),)
        return self.from_store, (self._url, self._study, self._mode.name, self._spaces)

    def save(self, path: str | Path) -> None:
        """Save the tuner to a file, whole or not at all: all that was told and corrected, what is pending, the space.

        A tuner's file that is there is replaced.

        Raises:
            FileExistsError: there is a file that is not a tuner's, and stays.
            OSError: the file cannot be written.
            RuntimeError: this tuner works on a shared store, which keeps all of it anyway.
        """
        if not isinstance(self._store, MemoryObservationStore):
            raise RuntimeError(  # noqa: TRY004 - nothing is wrong with an argument
                "this tuner works on a shared store, which keeps all of it: open it again with Tuner.from_store, or"
                " copy it with python -m tools.observations export"
            )
        write(path, SavedTuner(self._spaces, self._mode.name, self._store.snapshot()))

    def ask(self, n: int = DEFAULT_COUNT, *, fixed: Mapping[str, object] | None = None) -> list[Trial]:
        """Return n settings to try next, different from each other and from all that are pending.

        All have what is `fixed`: an `api`, parameters of given values, or both. At most 1,000 may be pending: beyond
        that some must be told, skipped or given back first; in a shared store the oldest make way after an hour.

        Raises:
            InvalidRequestError: n is not a whole number from 1 to 10, or nothing can have what is fixed.
            SpaceExhaustedError: too few settings are left.
            TooManyOutstandingError: 1,000 are pending.
        """
        validate_count(n, ("n",))
        lasting = _FOR_EVER if self._in_memory else OUTSTANDING_FOR
        try:
            found = suggest(
                self._store,
                self._spaces,
                mode=self._mode.name,
                count=n,
                study=self._study,
                fixed=fixed,
                lasting=lasting,
                now=self._asked_at,
            )
        except (SpaceExhaustedError, TooManyOutstandingError) as error:
            if not self._in_memory:
                raise
            # To wait, as those who share a store may, does not help here.
            kept = " with what is fixed" if fixed else ""
            found_out = {
                SpaceExhaustedError: f"has fewer than {n} settings left{kept} that are not pending",
                TooManyOutstandingError: f"has {len(self.pending()):,} settings pending, as many as it may have",
            }
            raise type(error)(
                f"mode {self._mode.name} {found_out[type(error)]}: tell, skip or give back some"
            ) from error
        return [_trial(suggestion) for suggestion in found]

    def pending(self) -> list[Trial]:
        """Return what was asked for and not yet told, skipped or given back, the oldest first."""
        found = suggestions.browse(
            self._store, self._spaces, study=self._study, mode=self._mode.name, now=self._asked_at
        )
        return [_trial(suggestion) for suggestion in found]

    def tell(
        self,
        results: object,
        rating: object = _MISSING,
        *,
        rater: str | None = None,
        picture: str | None = None,
        comment: str | None = None,
    ) -> list[str]:
        """Take in one rating, or 1 to 1,000 of them, and learn from them; return the ids of the observations.

            tuner.tell(trial, 4)
            tuner.tell({"api": "leonardo", ...}, 4, rater="ana", comment="too dark")
            tuner.tell([(trial, 4), (another, 2, {"picture": "dog.jpg"})], rater="ana")

        What is rated is a trial, a recommendation, or parameters, asked for or not. `rater` is a pseudonym and
        `picture` the id of the picture that was enhanced; what stands with a rating goes before what is said for all.
        The same trial rated again by the same rater replaces that rating.

        Raises:
            InvalidRequestError: anything is wrong; it names the index and field of each. Then nothing was taken in.
        """
        if not isinstance(rating, _Missing):
            results = [(results, rating, {} if comment is None else {"comment": comment})]
        elif comment is not None:
            message = 'belongs to each rating: (trial, 4, {"comment": ...})'
            raise InvalidRequestError((InvalidField(("comment",), message),))
        return self._update({"results": _results(results), "rater": rater, "picture": picture})

    def skip(self, suggestion: object, reason: str = "skipped") -> str:
        """Take in that a trial, or a setting by its parameters, could not be rated, and why; return the id of that.

        It is no longer pending, and is not suggested again while others are left.

        Raises:
            InvalidRequestError: anything is wrong; it names the field. Then nothing was taken in.
        """
        if _is_list(suggestion):
            message = "must be one trial, and ask gives a list of them: skip(trials[0])"
            raise InvalidRequestError((InvalidField(("suggestion",), message),))
        failed = "" if reason is None else reason
        (identity,) = self._update({"results": [_rated(suggestion) | {"failed": failed}]})
        return identity

    def give_back(self, suggestion: object) -> bool:
        """End a trial, given itself or its id, as if it had not been asked for; False if it is not pending.

        Raises:
            SuggestionMissingError: nothing of that id was ever suggested.
            InvalidRequestError: it is not a trial.
        """
        identity = suggestion.id if isinstance(suggestion, Trial) else suggestion
        if not isinstance(identity, str):
            hint = "; ask gives a list of them: give_back(trials[0])" if _is_list(identity) else ""
            message = f"must be a trial that was asked for, or its id, not {quote(identity)}{hint}"
            raise InvalidRequestError((InvalidField(("suggestion",), message),))
        return suggestions.give_back(self._store, identity, now=self._asked_at)

    def withdraw(self, observation_id: str) -> dict[str, Cell]:
        """Withdraw what was told, or skipped: it counts no more, and the tuner learns without it. Return it.

        `correct` with `withdrawn=False` brings it back.

        Raises:
            EntryMissingError: nothing of that id was told in this study.
        """
        return self.correct(observation_id, withdrawn=True)

    def correct(
        self,
        observation_id: str,
        *,
        rating: object = _MISSING,
        comment: object = _MISSING,
        withdrawn: object = _MISSING,
        reviser: str | None = None,
    ) -> dict[str, Cell]:
        """Correct what was told: its rating, its comment (None removes it), whether it is withdrawn. Return it.

        What it was is kept. `reviser` is the pseudonym of who corrects it.

        Raises:
            InvalidRequestError: anything is wrong, or nothing is to be corrected; nothing is changed.
            EntryMissingError: nothing of that id was told in this study.
            EntryStateError: it is withdrawn and not brought back by this, or it was skipped and has no rating.
        """
        if not isinstance(observation_id, str) or observation_id.rpartition("-")[0] != self._study:
            message = f"nothing of the id {quote(observation_id)} was told in study {self._study}"
            raise EntryMissingError(f"{message}: history() shows the ids")
        given = {"rating": rating, "comment": comment, "withdrawn": withdrawn}
        request = {name: value for name, value in given.items() if not isinstance(value, _Missing)}
        corrected = history.revise(
            self._store,
            self._spaces,
            observation_id,
            request=request | {"reviser": reviser},
            time_budget=self._time_budget,
            now=self._now(),
        )
        return row(corrected.entry)

    def history(self, *, withdrawn: bool = False) -> list[dict[str, Cell]]:
        """Return what was told and skipped, newest first, each as a dictionary; with what is `withdrawn`, or without.

        What does not apply is left out: what was skipped has `failed`, which says why, and no `rating`.
        """
        found: list[dict[str, Cell]] = []
        cursor: str | None = None
        while True:
            page = history.browse(
                self._store,
                self._spaces,
                study=self._study,
                mode=self._mode.name,
                withdrawn=withdrawn,
                limit=_PAGE,
                cursor=cursor,
                most=_PAGE,
            )
            found += [row(entry) for entry in page.entries]
            cursor = page.next_cursor
            if cursor is None:
                return found

    def to_frame(self, *, withdrawn: bool = False) -> "pandas.DataFrame":
        """Return the history as a pandas data frame: one row per dictionary of `history`, with every column.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            import pandas  # noqa: PLC0415 - nothing else needs it
        except ImportError as error:
            raise ImportError(
                "to_frame() needs pandas, which is not installed: pip install pandas, or use history()"
            ) from error
        rows = self.history(withdrawn=withdrawn)
        known = dict.fromkeys(name for one in rows for name in one)
        ordered = [*dict.fromkeys((*columns(self._spaces), *known))]
        return pandas.DataFrame(rows, columns=ordered)

    def recommend(self) -> Recommendation:
        """Recommend the setting of the highest posterior mean in the whole space, rated or not.

        Raises:
            NoRatingsError: there is no rating yet, nor any of a study that this one is based on.
        """
        known = Knowledge.of(self._mode, self._known())
        if known is None:
            raise NoRatingsError("nothing is known before the first rating: tell one")
        return recommend(known)

    def stats(self) -> Progress:
        """Return how far the study is, and all that is known of it, as `GET /ml/stats` says it, unrounded."""
        return assess([(self._mode, self._known())])

    def chances(self) -> dict[str, float]:
        """Return each API's chance, 0 to 1, that the best setting of all is one of its own.

        Raises:
            TooFewRatingsError: there are fewer than six ratings.
        """
        return dict(chances(self._enough()))

    def importance(self) -> tuple[ApiImportance, ...]:
        """Return how much each parameter matters, API by API: its shares of the posterior mean's variance.

        Raises:
            TooFewRatingsError: there are fewer than six ratings.
        """
        return importance(self._enough())

    def raters(self) -> tuple[RaterProfile, ...]:
        """Return what is known of each rater, who rated most first: leniency, use of the scale, reliability.

        Nothing before the first rating, or where no rating names its rater.
        """
        known = Knowledge.of(self._mode, self._known())
        return profiles(known) if known else ()

    def surrogate(
        self,
        *parameters: str,
        api: str | None = None,
        fixed: Mapping[str, object] | None = None,
        points: int | None = None,
    ) -> Slices:
        """Return what is expected along one parameter, or over two, of an API or of each; for plots.

            tuner.surrogate("guidance_scale")
            tuner.surrogate("guidance_scale", "controlnet_weight", api="leonardo", fixed={"init_strength": 0.3})

        The other parameters are as `fixed`, or as in the best setting of the API. `points` is how many values along
        each parameter, at most 101 of one and 33 of each of two.

        Raises:
            InvalidRequestError: anything is wrong; it names the field.
            TooFewRatingsError: there are fewer than six ratings.
        """
        asked = {"mode": self._mode.name, "api": api, "parameters": parameters, "fixed": fixed, "points": points}
        return slice_through(parse_slice(asked, self._spaces), self._known())

    def progress(self) -> Trajectory:
        """Return what would have been recommended after each rating so far, by what is learned now; for plots."""
        return trace(self._mode, self._known())

    def close(self) -> None:
        """Release what a shared store holds open; the tuner may be used again afterwards."""
        self._store.close()

    def __repr__(self) -> str:
        name = self._mode.name if self._in_memory else f"{self._mode.name} of study {self._study}"
        try:
            study = self._store.mode_study(self._mode.name, study=self._study, now=self._asked_at)
        except TuningError as error:
            return f"<Tuner {name}: cannot be read now, {error}>"
        ratings = [one.rating for one in study.observations]
        budget = f" of {BUDGET}" if len(ratings) <= BUDGET else ""
        best = f", best {max(ratings):.3g}" if ratings else ""
        return f"<Tuner {name}: {len(ratings)}{budget} ratings{best}, {len(study.outstanding)} pending>"

    @property
    def _in_memory(self) -> bool:
        return isinstance(self._store, MemoryObservationStore)

    @property
    def _time_budget(self) -> float | None:
        # In memory without one, which would make what is learned depend on the machine's speed.
        return math.inf if self._in_memory else None

    @property
    def _asked_at(self) -> datetime:
        return _ASKED_AT if self._in_memory else datetime.now(UTC)

    def _now(self) -> datetime:
        """Return the moment of what is told now; in memory never before what was told last, whatever the clock does."""
        now = datetime.now(UTC)
        if self._in_memory:
            # Of equal ratings the earliest is the best.
            self._told_at = now = max(now, self._told_at)
        return now

    def _known(self) -> ModeStudy:
        return read_study(self._store, self._mode.name, study=self._study, now=None)

    def _enough(self) -> Knowledge:
        return Knowledge.enough(self._mode, self._known())

    def _update(self, request: dict[str, object]) -> list[str]:
        """Record what a request says of this study and mode, and learn from it; return the ids of the entries."""
        receipt = update(
            self._store,
            self._spaces,
            request=request | {"study": self._study, "mode": self._mode.name},
            time_budget=self._time_budget,
            now=self._now(),
        )
        return list(receipt.observation_ids or ())


def _inherit(mode: Mode, base: object) -> tuple[Inherited, ...]:
    """Return what a study of a mode has of a tuner that it is based on, and of that one's ancestors, nearest first.

    Raises:
        InvalidRequestError: it is no tuner, or one of another mode.
    """
    if not isinstance(base, Tuner):
        raise InvalidRequestError((InvalidField(("based_on",), f"must be a Tuner, not {quote(base)}"),))
    known = base._known()
    if known.mode != mode.name:
        message = f"must be a Tuner of mode {mode.name}, not of {known.mode}"
        raise InvalidRequestError((InvalidField(("based_on",), message),))
    chain = (known, *known.ancestors)[:MAX_GENERATIONS]
    heir = ModeStudy(mode.name, 0, None, (), (), ancestors=chain)
    return tuple(
        Inherited(mode.name, kept, one.hyperparameters) for one, kept in zip(chain, inherited(mode, heir), strict=True)
    )


def _spaces(space: Spaces | str | Path | None) -> Spaces:
    return space if isinstance(space, Spaces) else load_spaces(space)


def _trial(suggestion: Suggestion) -> Trial:
    return Trial(suggestion.id, suggestion.setting.to_plain())


def _rated(what: object) -> dict[str, object]:
    """Return what was rated as a result of an update names it."""
    if isinstance(what, Trial):
        return {"parameters": what.parameters, "suggestion_id": what.id}
    return {"parameters": what.parameters if isinstance(what, Recommendation) else what}


def _is_list(what: object) -> bool:
    """Tell whether it is what `ask` gives, in place of one trial."""
    return isinstance(what, list | tuple) and any(isinstance(one, Trial | Recommendation) for one in what)


def _results(results: object) -> list[dict[str, object]]:
    """Return pairs as results of an update.

    Raises:
        InvalidRequestError: they are no pairs, or there is something with them that is not known.
    """
    if isinstance(results, Trial | Recommendation | Mapping):
        raise InvalidRequestError((InvalidField(("rating",), "is missing: tell(trial, 4)"),))
    if isinstance(results, str) or not isinstance(results, Iterable):
        message = f"must be pairs of parameters and rating, not {quote(results)}"
        raise InvalidRequestError((InvalidField(("results",), message),))
    found: list[dict[str, object]] = []
    invalid: list[InvalidField] = []
    for index, result in enumerate(results):
        at = ("results", index)
        if not isinstance(result, tuple | list) or len(result) not in {2, 3}:
            hint = ": tell([(trial, 4), (another, 2)])" if isinstance(result, Trial | Recommendation) else ""
            message = f"must be a pair of parameters and rating, not {quote(result)}{hint}"
            invalid.append(InvalidField(at, message))
            continue
        what, rating, *about = result
        if _is_list(what):
            message = (
                "must be one trial with its rating, and ask gives a list of them: tell(trials[0], 4), or several by"
                " tell([(trials[0], 4), (trials[1], 2)])"
            )
            invalid.append(InvalidField(at, message))
            continue
        found.append(_rated(what) | {"rating": rating} | _about(about[0] if about else {}, at, invalid))
    if invalid:
        raise InvalidRequestError(tuple(invalid))
    return found


def _about(about: object, at: Location, invalid: list[InvalidField]) -> dict[str, object]:
    """Return what is said with a rating: `rater`, `picture`, `comment`; and invalid fields more for anything else."""
    if not isinstance(about, Mapping):
        message = f"has a third part, which must be a dictionary of {', '.join(_ABOUT)}, not {quote(about)}"
        invalid.append(InvalidField(at, message))
        return {}
    for name in about:
        if name not in _ABOUT:
            near = nearest_field(str(name), _ABOUT)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(_ABOUT)}"
            invalid.append(InvalidField((*at, str(name)), f"is not known; {hint}"))
    return {str(name): value for name, value in about.items()}
