"""What is suggested and observed: settings, suggestions and ratings.

Values only: nothing here judges them. Callers' input becomes values in `tuning.validation`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tuning.spaces import Value

MIN_RATING, MAX_RATING = 1.0, 5.0
MAX_POSITION = 2**63 - 1  # of an observation; a store numbers those of all modes, in the order recorded, from 1


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
    """One person's rating of one setting."""

    mode: str
    setting: Setting
    rating: float
    recorded_at: datetime
    suggestion_id: str | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A setting that somebody has been asked to try; outstanding until it is rated or expires."""

    id: str
    mode: str
    setting: Setting
    suggested_at: datetime
    expires_at: datetime


def _canonical(value: Value) -> float | str:
    """Return one form of all equal values: 3 is 3.0, and -0.0 is 0.0."""
    return value if isinstance(value, str) else float(value) + 0.0
