"""Uploads and their outcomes: what S3 says of a new picture, and what became of it.

Data, and the one rule that orders them. It stores nothing and captions nothing.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from captioning.caption import Caption

_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]+")


class Status(StrEnum):
    """What became of a picture."""

    CAPTIONED = "captioned"
    FAILED = "failed"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Upload:
    """One version of a picture in the bucket, as an event announces it.

    `sequencer` is as `comparable` gives it. Without a `version_id` the bucket keeps one version of an object, and
    `etag` tells whether that is still the one.
    """

    key: str
    sequencer: str
    version_id: str | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the version `sequencer` of the picture `key`: its caption, or the `reason` why it has none.

    With neither, the picture was deleted before it could be read. The caption is without alternatives: nobody has asked
    for any.
    """

    key: str
    sequencer: str
    caption: Caption | None = None
    reason: str | None = None

    @property
    def status(self) -> Status:
        """Captioned, failed or gone."""
        if self.caption:
            return Status.CAPTIONED
        return Status.GONE if self.reason is None else Status.FAILED

    def to_plain(self) -> dict[str, str | float]:
        """The outcome as the bucket's `captions/<key>.json` has it."""
        plain: dict[str, str | float] = {"key": self.key, "status": self.status.value, "sequencer": self.sequencer}
        if self.caption:
            plain["caption"] = self.caption.text
            plain["confidence"] = self.caption.confidence
            plain["model_version"] = self.caption.model_version
        if self.reason is not None:
            plain["reason"] = self.reason
        return plain


def comparable(sequencer: str) -> str:
    """An event's sequencer in a form whose order as text is the order of the events of one key.

    S3 has two sequencers compared as text once the shorter one is padded with zeros on its right (Amazon S3 User
    Guide, "Event message structure"). Taking such zeros away instead gives the same order for any number of them.

    Raises ValueError if it is not a hexadecimal number.
    """
    if not _HEXADECIMAL.fullmatch(sequencer):
        raise ValueError(f"the sequencer {sequencer!r} is not a hexadecimal number")
    return sequencer.upper().rstrip("0") or "0"
