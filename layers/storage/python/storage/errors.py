"""The errors that are raised on purpose, grouped by what the caller does next.

    ExpectedError
    ├── TransientError           retry later, after `retry_after` seconds; the request was good
    │   └── UnavailableError     a storage is locked, full, throttled or cannot be reached
    ├── RequestError             fix the request; sent again unchanged, it fails again
    ├── MissingError             name something else: what the request names is not there
    ├── ConflictError            the request is good, but the present state does not allow it
    └── PermanentError           give up; a person must repair the deployment
        ├── DamagedError         a storage does not hold what was written to it
        ├── RefusedError         a storage does not exist, or denies access
        └── UrlError             a URL names no storage

The errors of tuning and of captioning are subclasses: each belongs to one of these groups, and the errors of their
storages to one of the classes below the groups. `web.problems` maps each group to its HTTP status.
"""

from typing import NamedTuple


class ExpectedError(Exception):
    """Base of every error that is raised on purpose."""


class TransientError(ExpectedError):
    """Retry later, after `retry_after` seconds: nothing is wrong with the request."""

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
    """The request is good, but the present state does not allow it."""


class PermanentError(ExpectedError):
    """Give up: a person must repair the deployment."""


class DamagedError(PermanentError):
    """A storage does not have the expected content: it was damaged, or another program wrote it."""


class RefusedError(PermanentError):
    """A storage does not exist or denies access: a person must correct credentials, permissions or its name."""


class UrlError(PermanentError):
    """A URL names no storage; `reason` says what would be accepted, and the message is the URL and the reason."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url}: {reason}")
        self.reason = reason


class StorageErrors(NamedTuple):
    """The subclasses that one layer raises for one of its storages."""

    unavailable: type[UnavailableError]
    damaged: type[DamagedError]
    refused: type[RefusedError]
