"""The errors of tuning, grouped by what the caller should do next.

    TuningError
    ├── TransientError               retry later; the request was good
    │   └── StoreUnavailableError    locked, full or out of reach; carries `retry_after` seconds
    ├── RequestError                 fix the request; retrying it unchanged is useless
    │   ├── InvalidRequestError      carries every problem found, each with its location
    │   └── IdempotencyMismatchError the key was used before with another body
    ├── ConflictError                the request is good, but the state of the study stands against it
    │   ├── SettingTakenError        somebody claimed the same setting first
    │   ├── NoRatingsError           nothing can be recommended before the first rating
    │   ├── SpaceExhaustedError      every setting of the mode is with a rater
    │   └── TooManyOutstandingError  the mode has as many suggestions outstanding as it may
    └── PermanentError               give up; a person must repair the deployment
        ├── StoreCorruptError        the storage is not a readable observation store
        ├── StoreRefusedError        the storage is not there, or does not admit us
        ├── StoreUrlError            the setting that names the storage is wrong
        └── SpaceError               the search space's file is wrong

This module knows nothing of HTTP; the functions choose the status.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Location = tuple[str | int, ...]
Root = Literal["body", "query", "header"]
"""The part of a request that a location is in."""


class TuningError(Exception):
    """Base of every error that tuning raises on purpose."""


class TransientError(TuningError):
    """Retry later: nothing is wrong with the request."""


class StoreUnavailableError(TransientError):
    """The storage cannot be reached or written now; `retry_after` says in how many seconds to try again."""

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RequestError(TuningError):
    """Fix the request: sent again unchanged, it fails again."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a request: where, as a path of names and indices into `root`, and what."""

    location: Location
    message: str
    root: Root = "body"


class InvalidRequestError(RequestError):
    """The request breaks its contract; `problems` lists every breach that was found, in the order of the request."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{'.'.join(map(str, first.location))}: {first.message}{more}")
        self.problems = problems


class IdempotencyMismatchError(RequestError):
    """The idempotency key was used before with another body."""


class ConflictError(TuningError):
    """The request is good, but the state of the study stands against it."""


class SettingTakenError(ConflictError):
    """A setting to be claimed is outstanding with another rater."""


class NoRatingsError(ConflictError):
    """Nothing can be recommended before the first rating."""


class SpaceExhaustedError(ConflictError):
    """Every setting of the mode is outstanding: rate some, or wait until they expire."""


class TooManyOutstandingError(ConflictError):
    """The mode has as many suggestions outstanding as it may, all too new to make way: rate some, or wait."""


class PermanentError(TuningError):
    """Give up: a person must repair the deployment."""


class StoreCorruptError(PermanentError):
    """The storage is not a readable observation store of a version that this code knows."""


class StoreRefusedError(PermanentError):
    """The storage is not there, or does not admit us: credentials, permissions or the table must be put right."""


class StoreUrlError(PermanentError):
    """The setting that names the storage is wrong."""


class SpaceError(PermanentError):
    """The file of the search space is wrong; the message names the file, the table and the key."""

    def __init__(self, path: Path, table: str, key: str, message: str) -> None:
        where = ": ".join(part for part in (str(path), f"[{table}]" if table else "", key) if part)
        super().__init__(f"{where}: {message}")
