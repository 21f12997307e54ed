"""What is suggested and observed: settings, suggestions, ratings, failures, and what people correct of them later.

Values only: nothing here judges them. Callers' input becomes values in `tuning.validation`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tuning.spaces import Value

MIN_RATING, MAX_RATING = 1.0, 5.0
MAX_POSITION = 2**63 - 1  # of an entry; a study numbers those of all its modes, in the order recorded, from 1
DEFAULT_STUDY = "default"
"""The study that is there from the start, and that calls mean which name none."""


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """An API with a value for each of its parameters. Equal settings have equal values, whatever their order."""

    api: str
    values: tuple[tuple[str, Value], ...]

    @property
    def key(self) -> str:
        """A canonical text: equal for equal settings and for no others."""
        return "&".join((self.api, *(f"{name}={_canonical(value)!r}" for name, value in sorted(self.values))))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Setting) and self.api == other.api and sorted(self.values) == sorted(other.values)

    def __hash__(self) -> int:
        return hash((self.api, frozenset(self.values)))

    def to_plain(self) -> dict[str, Value]:
        """Return the published shape: `api` first, then each parameter by name; texts and numbers alone."""
        return {"api": self.api, **dict(self.values)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Value]) -> "Setting":
        """Return the setting that `to_plain` gave; callers' input goes through `tuning.validation` instead."""
        return cls(str(plain["api"]), tuple((name, value) for name, value in plain.items() if name != "api"))


@dataclass(frozen=True, slots=True)
class Observation:
    """One person's rating of one setting, 1 to 5.

    `rater` is a pseudonym, `picture` the opaque id of the picture that was enhanced; None where the caller did not say.
    """

    mode: str
    setting: Setting
    rating: float
    recorded_at: datetime
    suggestion_id: str | None = None
    rater: str | None = None
    picture: str | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A setting that nobody could rate: the enhancer refused it, or its rater skipped it. `reason` says which."""

    mode: str
    setting: Setting
    reason: str
    recorded_at: datetime
    suggestion_id: str | None = None
    rater: str | None = None
    picture: str | None = None
    comment: str | None = None


Told = Observation | Failure
"""What a caller may tell of a setting."""


@dataclass(frozen=True, slots=True)
class Revision:
    """The state of an entry of the history: number 1 is the entry as it was recorded, each later one a correction.

    `rating` is None of a failure. `reviser` is the pseudonym of who corrected it; None for number 1 and where the
    caller did not say.
    """

    number: int
    rating: float | None
    comment: str | None
    withdrawn: bool
    made_at: datetime
    reviser: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What was told at a position of a study's log, as it stands.

    `told` has the present rating and comment, those of `revision`, which is the last; `earlier` are those before it,
    oldest first.
    """

    study: str
    position: int
    told: Told
    revision: Revision
    earlier: tuple[Revision, ...] = ()

    @property
    def id(self) -> str:
        """What callers name it by: `<study>-<position>`."""
        return entry_id(self.study, self.position)


@dataclass(frozen=True, slots=True)
class Correction:
    """What is to be changed of an entry: None leaves a field as it is, and an empty `comment` removes the comment."""

    made_at: datetime
    rating: float | None = None
    comment: str | None = None
    withdrawn: bool | None = None
    reviser: str | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A setting that somebody has been asked to try; outstanding until it is rated, given back or expires."""

    id: str
    mode: str
    setting: Setting
    suggested_at: datetime
    expires_at: datetime
    study: str = DEFAULT_STUDY


def entry_id(study: str, position: int) -> str:
    """Return what callers name an entry by."""
    return f"{study}-{position}"


def _canonical(value: Value) -> float | str:
    """Return one form of all equal values: 3 is 3.0, and -0.0 is 0.0."""
    return value if isinstance(value, str) else float(value) + 0.0
