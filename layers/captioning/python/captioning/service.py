"""The captioner in service: loaded from a source, and replaced when another bundle becomes current there.

There is no background thread, which Lambda would freeze. When a check of the source is due, the next request that asks
for the captioner makes the check; other requests get the present captioner meanwhile. A request keeps the captioner
that it got. A bundle that cannot be used never replaces one that can: the old one stays, and `trouble` has the error.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from captioning.captioner import Captioner
from captioning.errors import BundleError, BundleUnavailableError, CaptioningError
from captioning.sources.port import BundleSource
from captioning.sources.publication import Release
from storage.errors import PermanentError

CHECK_SECONDS = 60.0
"""Seconds between two checks which bundle is current at the source."""

RETRY_SECONDS = 5.0
"""Seconds for which, with no captioner in service, the last error is raised again without a new check."""

REFUSED_SECONDS = 600.0
"""Seconds before a bundle that could not be used is tried again, unless another becomes current."""


@dataclass(frozen=True, slots=True)
class Loading:
    """The result of a check of the source: a bundle was loaded, or could not be, or the source did not answer.

    `model_version` is the bundle's, None if the source did not name one. `serving` is the version in service after the
    check, None if there is none. `seconds` is how long the check took. `error` is None if the bundle was loaded.
    """

    model_version: str | None
    serving: str | None
    seconds: float
    error: CaptioningError | None


class CaptionerService:
    """The captioner of a source's current bundle, for any number of threads."""

    def __init__(
        self,
        source: BundleSource,
        *,
        observe: Callable[[Loading], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Load nothing yet. `observe` is called with every bundle that is loaded and with every error."""
        self._source = source
        self._observe = observe
        self._clock = clock
        self._looking = threading.Lock()
        self._next_look = clock()
        self._captioner: Captioner | None = None
        self._release: Release | None = None
        self._refused: Release | None = None
        self._refused_until = 0.0
        self._trouble: CaptioningError | None = None

    def captioner(self) -> Captioner:
        """Return the captioner in service, after a check of the source if one is due.

        Raises:
            BundleError: there is none, because the current bundle cannot be used.
            BundleUnavailableError: there is none, because the source cannot be reached.
        """
        # While one is in service, a request does not wait for another's check; while there is none, it has to.
        if self._clock() >= self._next_look and self._looking.acquire(blocking=self._captioner is None):
            try:
                if self._clock() >= self._next_look:
                    self._look()
            finally:
                self._looking.release()
        if self._captioner is None:
            # The same error object is raised again: without the traces of earlier requests.
            raise (self._trouble or BundleUnavailableError("captioner", "is being loaded")).with_traceback(None)
        return self._captioner

    @property
    def trouble(self) -> CaptioningError | None:
        """The last error, if the captioner in service may not be the current one or there is none; else None."""
        return self._trouble

    @property
    def refused_version(self) -> str | None:
        """The version that is current at the source and cannot be used; None if there is no such version."""
        return self._refused.model_version if self._refused else None

    def _look(self) -> None:
        began = self._clock()
        release: Release | None = None
        try:
            release = self._source.current()
            if release not in {self._release, self._refused} or (release == self._refused and self._may_retry()):
                self._load(release)
                self._tell(release, began, None)
            elif release == self._release:
                self._trouble = self._refused = None
        except Exception as error:  # noqa: BLE001 - whatever goes wrong with a new bundle, the old one stays in service
            self._fail(release, began, error)
        self._next_look = self._clock() + (RETRY_SECONDS if self._captioner is None else CHECK_SECONDS)

    def _fail(self, release: Release | None, began: float, error: Exception) -> None:
        if not isinstance(error, CaptioningError):
            unexpected = BundleError(release.model_version if release else "current", f"cannot be loaded: {error!r}")
            unexpected.__cause__ = error
            error = unexpected
        self._trouble = error
        if release is not None and isinstance(error, PermanentError):
            self._refused, self._refused_until = release, self._clock() + REFUSED_SECONDS
        self._tell(release, began, error)

    def _may_retry(self) -> bool:
        return self._captioner is None or self._clock() >= self._refused_until

    def _load(self, release: Release) -> None:
        fresh = Captioner(self._source.fetch(release))
        old, self._captioner, self._release = self._release, fresh, release
        self._trouble = self._refused = None
        if old is not None:
            self._source.discard(old)

    def _tell(self, release: Release | None, began: float, error: CaptioningError | None) -> None:
        self._observe(
            Loading(
                model_version=release.model_version if release else None,
                serving=self._captioner.model_version if self._captioner else None,
                seconds=self._clock() - began,
                error=error,
            )
        )
