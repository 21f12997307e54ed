"""Pictures that cost much to read: each is read or refused, and takes neither the time nor the memory it asks for."""

import re
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from captioning.errors import PictureError
from captioning.model.bundle import InputSpec, Resampling
from captioning.pictures.formats import prepare
from captioning.pictures.limits import MAX_BYTES
from captioning.pictures.tensors import read_picture
from tests.support.costly_pictures import COSTLY

SPEC = InputSpec(299, 299, Resampling.BILINEAR, exif_transpose=True, scale=1.0, offset=0.0)
MOST_READER_MEGABYTES = 450
MOST_OWN_MEGABYTES = 100
MOST_STRUCTURE_SECONDS = 1.0
"""Of processor time; on one core that nobody shares, a tenth of a second is what the longest takes."""


def _memory(process: str, kind: str) -> int:
    """Megabytes that a process has, `VmRSS`, or had at most, `VmHWM`."""
    found = re.search(rf"{kind}:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) // 1024 if found else 0


def _most_of_readers() -> int:
    """Megabytes that any process that reads pictures for this one, and lives, had at most."""
    children = [pid for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()]
    most = 0
    for pid in children:
        with suppress(FileNotFoundError, ProcessLookupError):
            if b"captioning.pictures.process" in Path(f"/proc/{pid}/cmdline").read_bytes():
                most = max(most, _memory(pid, "VmHWM"))
    return most


@pytest.fixture(autouse=True)
def patient_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor's time decides and not the clock's, however busy this machine is."""
    monkeypatch.setattr("captioning.pictures.reader.WAIT_SECONDS", 60.0)


@pytest.mark.parametrize("name", COSTLY)
def test_a_bomb_is_read_or_refused_within_the_limits(name: str) -> None:
    bomb = COSTLY[name]
    picture = bomb.make()
    assert len(picture) <= MAX_BYTES
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins again
        before = _memory("self", "VmRSS")
    try:
        read_picture(picture, SPEC)
        answer, why = None, ""
    except PictureError as error:
        answer, why = type(error), str(error)
    assert answer in bomb.answers, why
    assert bomb.slow is None or ("processor time" in why) == bomb.slow
    assert "made its decoder fail" not in why
    if sys.platform == "linux":
        assert _memory("self", "VmHWM") - before < MOST_OWN_MEGABYTES
        assert _most_of_readers() < MOST_READER_MEGABYTES

    start = time.process_time()
    with suppress(PictureError):
        prepare(picture)
    assert time.process_time() - start < MOST_STRUCTURE_SECONDS
