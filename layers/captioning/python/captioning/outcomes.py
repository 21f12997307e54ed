"""Uploads and their outcomes: a new picture as S3's event describes it, and the result of captioning it.

Values, and the rule that orders them. This module stores nothing and captions nothing.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from captioning.caption import Caption

_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]+")


class Status(StrEnum):
    """The result for a picture."""

    CAPTIONED = "captioned"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Upload:
    """One version of a picture in the bucket, as an event announces it.

    `sequencer` is as `comparable` returns it. If `version_id` is None, the bucket keeps one version per object, and
    `etag` tells whether it is still this one; None is any.
    """

    key: str
    sequencer: str
    version_id: str | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result for the version `sequencer` of the picture `key`: its caption, or the `reason` why it has none.

    If both are None, the picture was deleted before it could be read. The caption has no alternatives. `sure` is
    whether the captioner was; None without a caption, and for a confidence that is no probability.
    """

    key: str
    sequencer: str
    caption: Caption | None = None
    reason: str | None = None
    sure: bool | None = None

    @property
    def status(self) -> Status:
        """Captioned, failed or gone."""
        if self.caption:
            return Status.CAPTIONED
        return Status.GONE if self.reason is None else Status.FAILED

    def to_plain(self) -> dict[str, str | float]:
        """Return the content of `captions/<key>.json`."""
        plain: dict[str, str | float] = {"key": self.key, "status": self.status.value, "sequencer": self.sequencer}
        if self.caption:
            plain["caption"] = self.caption.text
            plain["confidence"] = self.caption.confidence
            plain["model_version"] = self.caption.model_version
            if self.sure is not None:
                plain["sure"] = self.sure
        if self.reason is not None:
            plain["reason"] = self.reason
        return plain


def comparable(sequencer: str) -> str:
    """Return an event's sequencer in a form that sorts, as text, in the order of the events of one key.

    By S3's rule the shorter of two sequencers is padded with zeros on the right, and both are compared as text (Amazon
    S3 User Guide, "Event message structure"). Removing these zeros instead gives the same order for any number of them.

    Raises:
        ValueError: it is not a hexadecimal number.
    """
    if not _HEXADECIMAL.fullmatch(sequencer):
        raise ValueError(f"the sequencer {sequencer!r} is not a hexadecimal number")
    return sequencer.upper().rstrip("0") or "0"
