"""The errors that are raised on purpose, grouped by what the caller does next.

    ExpectedError
    ├── TransientError           retry later, after `retry_after` seconds; the request was good
    │   └── UnavailableError     a storage is locked, full, throttled or out of reach
    ├── RequestError             fix the request; sent again unchanged, it fails again
    ├── MissingError             name something else: what the request names is not there
    ├── ConflictError            the request is good, but the state that it meets stands against it
    └── PermanentError           give up; a person must repair the deployment
        ├── DamagedError         a storage does not hold what was written to it
        ├── RefusedError         a storage is not there, or does not admit us
        └── UrlError             a URL names no storage

The errors of tuning and of captioning are branches of this tree: each belongs to one of its groups, and those of their
storages to one of the classes beneath. `web` says once which HTTP status answers each group.
"""

from typing import NamedTuple


class ExpectedError(Exception):
    """Base of every error that is raised on purpose."""


class TransientError(ExpectedError):
    """Retry later: nothing is wrong with the request. `retry_after` says in how many seconds."""

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnavailableError(TransientError):
    """A storage cannot be reached, read or written now."""


class RequestError(ExpectedError):
    """Fix the request: sent again unchanged, it fails again."""


class MissingError(ExpectedError):
    """Name something else: what the request names is not there."""


class ConflictError(ExpectedError):
    """The request is good, but the state that it meets stands against it."""


class PermanentError(ExpectedError):
    """Give up: a person must repair the deployment."""


class DamagedError(PermanentError):
    """A storage is not readable as what it should be: it was damaged, or is somebody else's."""


class RefusedError(PermanentError):
    """A storage is not there, or does not admit us: credentials, permissions or the place itself must be put right."""


class UrlError(PermanentError):
    """A URL names no storage; the message is the URL and the `reason`, which says what would do."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url}: {reason}")
        self.reason = reason


class StorageErrors(NamedTuple):
    """The classes by which a layer tells the trouble with one of its storages: its own branches of the tree."""

    unavailable: type[UnavailableError]
    damaged: type[DamagedError]
    refused: type[RefusedError]
