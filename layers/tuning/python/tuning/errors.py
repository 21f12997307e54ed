"""The errors of tuning: branches of the tree in `storage.errors`, whose groups say what the caller does next.

    TuningError
    ├── StoreUnavailableError    (transient) locked, full or out of reach; carries `retry_after` seconds
    ├── InvalidRequestError      (request) carries every field that is wrong, with its location
    ├── IdempotencyMismatchError (request) the key was used before with another body
    ├── AlreadyPendingError      (conflict) somebody claimed the same setting first
    ├── NoRatingsError           (conflict) nothing can be recommended before the first rating
    ├── SpaceExhaustedError      (conflict) every setting of the mode is with a rater
    ├── TooManyOutstandingError  (conflict) the mode has as many suggestions outstanding as it may
    ├── StoreCorruptError        (permanent) the storage is not a readable observation store
    ├── StoreRefusedError        (permanent) the storage is not there, or does not admit us
    ├── StoreUrlError            (permanent) the setting that names the storage is wrong
    └── SpaceError               (permanent) the search space's file is wrong

This module knows nothing of HTTP; `web` chooses the status by the group.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from storage.errors import (
    ConflictError,
    DamagedError,
    ExpectedError,
    PermanentError,
    RefusedError,
    RequestError,
    StorageErrors,
    UnavailableError,
)

Location = tuple[str | int, ...]
Root = Literal["body", "query", "header"]
"""The part of a request that a location is in."""


class TuningError(ExpectedError):
    """Base of every error that tuning raises on purpose."""


class StoreUnavailableError(TuningError, UnavailableError):
    """The storage cannot be reached or written now; `retry_after` says in how many seconds to try again."""


@dataclass(frozen=True, slots=True)
class InvalidField:
    """One field that is wrong in a request: where, as a path of names and indices into `root`, and how."""

    location: Location
    message: str
    root: Root = "body"


class InvalidRequestError(TuningError, RequestError):
    """The request breaks its contract; `fields` are those that do, in the order of the request."""

    def __init__(self, fields: tuple[InvalidField, ...]) -> None:
        first = fields[0]
        more = f" (and {len(fields) - 1} more)" if len(fields) > 1 else ""
        super().__init__(f"{'.'.join(map(str, first.location))}: {first.message}{more}")
        self.fields = fields


class IdempotencyMismatchError(TuningError, RequestError):
    """The idempotency key was used before with another body."""


class AlreadyPendingError(TuningError, ConflictError):
    """A setting to be claimed is pending: another rater has it."""


class NoRatingsError(TuningError, ConflictError):
    """Nothing can be recommended before the first rating."""


class SpaceExhaustedError(TuningError, ConflictError):
    """Every setting of the mode is outstanding: rate some, or wait until they expire."""


class TooManyOutstandingError(TuningError, ConflictError):
    """The mode has as many suggestions outstanding as it may, all too new to make way: rate some, or wait."""


class StoreCorruptError(TuningError, DamagedError):
    """The storage is not a readable observation store of a version that this code knows."""


class StoreRefusedError(TuningError, RefusedError):
    """The storage is not there, or does not admit us: credentials, permissions or the table must be put right."""


STORE_ERRORS = StorageErrors(StoreUnavailableError, StoreCorruptError, StoreRefusedError)
"""What `storage` raises where it keeps observations."""


class StoreUrlError(TuningError, PermanentError):
    """The setting that names the storage is wrong."""


class SpaceError(TuningError, PermanentError):
    """The file of the search space is wrong; the message names the file, the table and the key."""

    def __init__(self, path: Path, table: str, key: str, message: str) -> None:
        where = ": ".join(part for part in (str(path), f"[{table}]" if table else "", key) if part)
        super().__init__(f"{where}: {message}")
