"""The errors of tuning: branches of the tree in `storage.errors`, whose groups say what the caller does next.

    TuningError
    ├── StoreUnavailableError    (transient) locked, full or out of reach; carries `retry_after` seconds
    ├── InvalidRequestError      (request) carries every field that is wrong, with its location
    ├── IdempotencyMismatchError (request) the key was used before for another request
    ├── StudyMissingError        (missing) there is no study of that name
    ├── EntryMissingError        (missing) the history has no entry of that id
    ├── SuggestionMissingError   (missing) nothing of that id is outstanding
    ├── StudyExistsError         (conflict) there is a study of that name already
    ├── StudyArchivedError       (conflict) the study takes nothing until it is restored
    ├── EntryStateError          (conflict) what is withdrawn or failed cannot be corrected so
    ├── RevisionMismatchError    (conflict) somebody else corrected the entry first
    ├── AlreadyPendingError      (conflict) somebody claimed the same setting first
    ├── NoRatingsError           (conflict) nothing can be recommended before the first rating
    ├── TooFewRatingsError       (conflict) the model says nothing before the initial ratings
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
    MissingError,
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
    """The idempotency key was used before for another request, of whatever study."""


class StudyMissingError(TuningError, MissingError):
    """There is no study of that name; `name` is the name."""

    def __init__(self, name: str, nearest: str | None = None) -> None:
        """Say so, and which name is nearest, if there is one that is near."""
        hint = f"did you mean {nearest}?" if nearest else "GET /ml/studies lists what there is"
        super().__init__(f"there is no study {name}; {hint}")
        self.name = name


class EntryMissingError(TuningError, MissingError):
    """The history has no entry of that id."""


class SuggestionMissingError(TuningError, MissingError):
    """No suggestion of that id is outstanding."""


class StudyExistsError(TuningError, ConflictError):
    """There is a study of that name already."""


class StudyArchivedError(TuningError, ConflictError):
    """The study is archived: restore it, or name another."""

    def __init__(self, name: str) -> None:
        """Say which study it is."""
        super().__init__(f"study {name} is archived and takes nothing: restore it, or name another study")


class EntryStateError(TuningError, ConflictError):
    """The entry is withdrawn, or is a failure, and cannot be corrected in this way."""


class RevisionMismatchError(TuningError, ConflictError):
    """The entry has another revision than the caller had seen; `revision` is the present one."""

    def __init__(self, identity: str, revision: int) -> None:
        """Say which entry it is and where it stands."""
        super().__init__(f"{identity} is at revision {revision} by now: read it again, then correct that")
        self.revision = revision


class AlreadyPendingError(TuningError, ConflictError):
    """A setting to be claimed is pending: another rater has it."""


class NoRatingsError(TuningError, ConflictError):
    """Nothing can be recommended before the first rating."""


class TooFewRatingsError(TuningError, ConflictError):
    """The mode has too few ratings for the model to say anything: rate more."""


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
