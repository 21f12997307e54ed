"""The captioner in service: loaded from a source once, and replaced when another bundle becomes current there.

Nothing runs in the background, where a Lambda would freeze it: who asks for the captioner when a look at the source is
due takes that look, and who asks meanwhile gets the one in service. A request that has a captioner keeps it. A bundle
that cannot be used never takes the place of one that can: that one stays, and `trouble` says so.
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
"""The source is asked no oftener which bundle is current."""

RETRY_SECONDS = 5.0
"""With nothing in service, so long is an error given again without asking the source."""

REFUSED_SECONDS = 600.0
"""A bundle that could not be used is left alone for so long, unless another becomes current."""


@dataclass(frozen=True, slots=True)
class Loading:
    """What a look at the source came to: a bundle was loaded, or could not be, or the source did not answer.

    `model_version` is the bundle in question, None where the source did not even name one; `serving` is what is in
    service since, if anything.
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
        """Nothing is loaded yet. `observe` is told of every bundle loaded, and of everything that went wrong."""
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
        """The captioner in service, after a look at the source if one is due.

        Raises BundleError or BundleUnavailableError while there is none.
        """
        # With one in service nobody waits for a look that another takes; with none there is nothing else to do.
        if self._clock() >= self._next_look and self._looking.acquire(blocking=self._captioner is None):
            try:
                if self._clock() >= self._next_look:
                    self._look()
            finally:
                self._looking.release()
        if self._captioner is None:
            # Without the trace of those who were told before.
            raise (self._trouble or BundleUnavailableError("captioner", "is being loaded")).with_traceback(None)
        return self._captioner

    @property
    def trouble(self) -> CaptioningError | None:
        """Why the captioner in service is not known to be the current one, or why there is none."""
        return self._trouble

    @property
    def refused_version(self) -> str | None:
        """The version that is current at the source and cannot be used."""
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
        except Exception as error:  # noqa: BLE001 - whatever a new bundle brings about, the old one is not the worse for it
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
