"""What counts as a find: see `Find`."""

import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from captioning.errors import PictureError, PictureReaderUnavailableError
from captioning.model.bundle import InputSpec, Resampling
from captioning.pictures.formats import prepare
from captioning.pictures.tensors import read_picture
from tests.fuzz.pictures.plain import PlainReader

# Square, so that a picture that is turned differs by being turned alone.
SPEC = InputSpec(36, 36, Resampling.BILINEAR, exif_transpose=True, scale=1.0, offset=0.0)
SECONDS = 3.0
STRUCTURE_SECONDS = 0.3
MEGABYTES = 450
_LEVELS = 1.5
_ATTEMPTS = 3
_GIF_CONTROL = b"!\xf9\x04"
_OVERTIME = "processor time"

# What plain Pillow reads and the reader refuses with good reason: limits, and what cannot be known to be the picture.
RIGHTLY_REFUSED = tuple(
    re.compile(reason)
    for reason in (
        "[0-9]+ x [0-9]+ pixels; the limit",
        "more than [0-9]+ JPEG markers",
        "[0-9]+ JPEG scans; the limit",
        "more than [0-9]+ bytes of JPEG tables",
        "more than [0-9]+ PNG chunks",
        "more than [0-9]+ WebP chunks",
        "more than [0-9]+ GIF sub-blocks",
        "TIFF directory has [0-9]+ entries; the limit",
        # Pillow takes some of them, or goes over the picture several times, or leaves parts of it black.
        "strips or tiles, and [0-9]+ make it up",
        "strips or tiles and the sizes of",
        "strips or tiles have more bytes than the file",
        "it has strips and tiles",
        "has [0-9]+ values; [0-9]+ would be the most",
        "is not a whole number",
        "a TIFF tag points behind its end",
        "it has no palette",
        "a PNG that does not begin with a header",
        # Pillow loses its place in some applications' blocks, and finds a frame behind the end.
        "it is a GIF without a frame",
        # Kinds that are not read, of which Pillow reads some, to other pixels than they have.
        "TIFFs .* are not read",
        # libjpeg fills what is missing with grey.
        "JPEG scans? (are missing|has no header)",
        "JPEG data are missing",
    )
)


@dataclass(frozen=True, slots=True)
class Find:
    """What should not have happened with a picture. `kind` is one of

    - raised: anything but a tensor or a PictureError came back;
    - crashed: a decoder ended its process;
    - slow: it took more than 3 s, however often, or all its processor time;
    - memory: it took all the memory there is, or more than 450 MB;
    - structure: looking at its structure took more than .3 s;
    - refused: it is refused though plain Pillow reads it;
    - differs: it is read to other levels than plain Pillow's, whichever way up.
    """

    kind: str
    why: str


class Judge:
    """Judges pictures, one after the other."""

    def __init__(self) -> None:
        """Starts plain Pillow."""
        self._plain = PlainReader(SPEC)
        self.most_seconds, self.most_megabytes = 0.0, 0

    def close(self) -> None:
        """Ends plain Pillow."""
        self._plain.close()

    def judge(self, picture: bytes) -> tuple[str, Find | None]:
        """What became of a picture, in a word or a sentence, and what is wrong with that."""
        try:
            find = _structure(picture)
            found, outcome, seconds = _read(picture)
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            return "raised", Find("raised", repr(error))
        self.most_seconds = max(self.most_seconds, seconds)
        self.most_megabytes = max(self.most_megabytes, _most_of_readers())
        find = find or _cost(outcome, seconds) or self._beside_plain(picture, found, outcome)
        return outcome, find

    def _beside_plain(self, picture: bytes, found: NDArray[np.float32] | None, outcome: str) -> Find | None:
        if found is None and any(pattern.search(outcome) for pattern in RIGHTLY_REFUSED):
            return None
        plain = self._plain.read(picture)
        if plain is None or (found is not None and _is_no_match(picture, plain)):
            return None
        if found is None:
            return Find("refused", outcome)
        if picture[: picture.find(b"\0,")].count(_GIF_CONTROL) > 1:
            # The last one counts; Pillow lets the transparency of one before it stand.
            return None
        # Which way up it is, files may say in several ways that contradict each other; the tests hold what counts.
        turned = [np.rot90(one, turns) for one in (plain, plain.swapaxes(0, 1)) for turns in range(4)]
        off = min(float(np.abs(found - each).mean()) for each in turned)
        return Find("differs", f"by {off:.0f} levels on average") if off > _LEVELS else None


def _is_no_match(picture: bytes, plain: NDArray[np.float32]) -> bool:
    """Whether plain Pillow's levels are not to be held against it: kinds that it reads wrong, and blank pictures.

    Behind a blank picture the reader looks for another. Of 16 bits Pillow keeps the upper 8, whatever white is.
    """
    prepared = prepare(picture)
    if prepared.layout is not None or (prepared.kind == "PNG" and prepared.content[24] == 16):
        return True
    return bool((np.ptp(plain, axis=(0, 1)) < 3).all())


def _read(picture: bytes) -> tuple[NDArray[np.float32] | None, str, float]:
    """The levels, if there are any; "read" or why there are none; and the fewest seconds in some attempts."""
    found, outcome, fewest = None, "", float("inf")
    for _ in range(_ATTEMPTS):
        start = time.monotonic()
        try:
            found, outcome = read_picture(picture, SPEC)[0], "read"
        except (PictureError, PictureReaderUnavailableError) as error:
            found, outcome = None, str(error)
        fewest = min(fewest, time.monotonic() - start)
        if fewest < SECONDS or _OVERTIME in outcome:
            break
    return found, outcome, fewest


def _cost(outcome: str, seconds: float) -> Find | None:
    """What is wrong with how it was read."""
    if "made its decoder fail" in outcome:
        return Find("crashed", outcome)
    if seconds > SECONDS or _OVERTIME in outcome:
        return Find("slow", outcome)
    if "memory" in outcome:
        return Find("memory", outcome)
    megabytes = _most_of_readers()
    return Find("memory", f"{megabytes} MB") if megabytes > MEGABYTES else None


def _structure(picture: bytes) -> Find | None:
    """What is wrong with how long it takes to look at its structure."""
    fewest = float("inf")
    for _ in range(_ATTEMPTS):
        start = time.process_time()
        with suppress(PictureError):
            prepare(picture)
        fewest = min(fewest, time.process_time() - start)
        if fewest < STRUCTURE_SECONDS:
            return None
    return Find("structure", f"{fewest:.1f} s")


def _most_of_readers() -> int:
    """Megabytes that the process which reads had at most; 0 where that cannot be known."""
    most = 0
    for children in Path("/proc/self/task").glob("*/children"):
        for process in children.read_text().split():
            with suppress(OSError):
                if b"captioning.pictures.process" not in Path(f"/proc/{process}/cmdline").read_bytes():
                    continue
                found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
                most = max(most, int(found[1]) // 1024 if found else 0)
    return most
