"""The process that reads pictures: whatever a picture does to it, it gets an answer, and the next picture is read."""

import io
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from captioning.errors import (
    DamagedPictureError,
    PictureError,
    PictureReaderUnavailableError,
    PictureTooLargeError,
)
from captioning.pictures import reader as reading
from captioning.pictures.limits import MEMORY_BYTES
from captioning.pictures.protocol import Wanted
from captioning.pictures.reader import PictureReader

WANTED = Wanted(40, 30, "bilinear", exif_transpose=True, scaled_decoding=False)

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture(name="reader")
def fixture_reader() -> Iterator[PictureReader]:
    reader = PictureReader()
    yield reader
    reader.close()


def png() -> bytes:
    stream = io.BytesIO()
    Image.linear_gradient("L").save(stream, "PNG")
    return stream.getvalue()


def slow() -> bytes:
    """A BMP in runs of one pixel, which Pillow decodes in Python: a regular file, and too much to read."""
    width = height = 6_000
    pixels = b"\x01\x07" * 4_900_000
    palette = bytes(1024)
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(pixels), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 1024 + len(pixels), 0, 0, 54 + 1024) + header + palette + pixels


def roomy() -> bytes:
    """A regular TIFF with one strip of 16-bit colours: 268 MB decompressed."""
    width, height, at = 7_000, 6_380, 8 + 2 + 12 * 9 + 4
    packed = zlib.compress(bytes(width * height * 6), 1)
    tags = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, at), (259, 3, 1, 8), (262, 3, 1, 2), (273, 4, 1, at + 6),
        (277, 3, 1, 3), (278, 4, 1, height), (279, 4, 1, len(packed)),
    ]  # fmt: skip
    rows = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + rows + bytes(4) + struct.pack("<3H", 16, 16, 16) + packed


def children() -> set[int]:
    listed = (path.read_text() for path in Path("/proc/self/task").glob("*/children"))
    return {int(number) for text in listed for number in text.split()}


def the_process(reader: PictureReader) -> int:
    before = children()
    reader.read(png(), WANTED)
    (found,) = children() - before
    return found


def test_a_picture_that_takes_too_long_is_refused_and_the_next_one_is_read(reader: PictureReader) -> None:
    with pytest.raises(PictureTooLargeError, match="takes more than 2 s of processor time to read"):
        reader.read(slow(), WANTED)
    assert reader.read(png(), WANTED).mode == "RGB"


def test_a_picture_that_takes_too_much_memory_is_refused_and_the_next_one_is_read() -> None:
    # Regular pictures stay within the process's own limit; this one has a narrower one around it.
    code = """
import resource, sys
from captioning.errors import PictureTooLargeError
from captioning.pictures.protocol import Wanted
from captioning.pictures.reader import PictureReader
resource.setrlimit(resource.RLIMIT_AS, (128 << 20, 128 << 20))
reader, wanted = PictureReader(), Wanted(40, 30, "bilinear", True, False)
sizes = [int(size) for size in sys.argv[1:]]
large, small = (sys.stdin.buffer.read(size) for size in sizes)
try:
    reader.read(large, wanted)
except PictureTooLargeError as error:
    print(error)
print(reader.read(small, wanted).mode, reader.read(small, wanted).mode)
"""
    stream = io.BytesIO()
    Image.new("RGB", (7_000, 7_000)).save(stream, "PNG")
    pictures = stream.getvalue(), png()
    run = subprocess.run(
        [sys.executable, "-c", code, *(str(len(picture)) for picture in pictures)],
        input=b"".join(pictures),
        capture_output=True,
        check=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    why = "the picture takes more memory to read than 128 MiB; make it smaller"
    assert run.stdout.decode().splitlines() == [why, "RGB RGB"]


@linux
def test_a_picture_that_was_refused_leaves_no_memory_taken(reader: PictureReader) -> None:
    process = Path(f"/proc/{the_process(reader)}/statm")
    before = int(process.read_text().split()[0])
    header = struct.pack(">IIBBBBB", 7_000, 7_000, 8, 2, 0, 0, 0)
    parts = (b"IHDR" + header, b"IDAT" + zlib.compress(bytes(100)), b"IEND")
    cut = b"".join(struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one)) for one in parts)
    with pytest.raises(DamagedPictureError):
        reader.read(b"\x89PNG\r\n\x1a\n" + cut, WANTED)
    pages = int(process.read_text().split()[0]) - before
    assert pages * os.sysconf("SC_PAGE_SIZE") < 20_000_000  # its pixels would be 196 MB


def test_a_picture_that_would_take_too_much_memory_is_refused_before_it_is_decoded(reader: PictureReader) -> None:
    with pytest.raises(PictureTooLargeError, match="takes 267960000 bytes to read; the limit is 134217728"):
        reader.read(roomy(), WANTED)


@linux
def test_memory_is_bounded_by_the_kernel_and_nothing_of_ours_is_there_to_steal(
    reader: PictureReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "well kept")
    process = Path(f"/proc/{the_process(reader)}")
    limits = (process / "limits").read_text()
    assert f"{MEMORY_BYTES}" in next(line for line in limits.splitlines() if line.startswith("Max address space"))
    assert next(line for line in limits.splitlines() if line.startswith("Max file size")).split()[3] == "0"
    assert b"AWS" not in (process / "environ").read_bytes()


@linux
@pytest.mark.parametrize(
    ("number", "error", "message"),
    [
        (signal.SIGSEGV, DamagedPictureError, "made its decoder fail"),
        (signal.SIGABRT, DamagedPictureError, "made its decoder fail"),
        (signal.SIGKILL, PictureTooLargeError, "more memory to read than there is"),
    ],
)
def test_a_picture_that_ends_the_process_is_refused_and_the_next_one_is_read(
    reader: PictureReader, number: signal.Signals, error: type[PictureError], message: str
) -> None:
    process = the_process(reader)
    killer = threading.Timer(0.3, os.kill, (process, number))
    killer.start()
    with pytest.raises(error, match=message):
        reader.read(slow(), WANTED)
    killer.join()
    assert reader.read(png(), WANTED).mode == "RGB"


@linux
def test_a_process_that_ended_while_nobody_asked_is_replaced(reader: PictureReader) -> None:
    process = the_process(reader)
    os.kill(process, signal.SIGKILL)
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
    assert reader.read(png(), WANTED).mode == "RGB"


@linux
def test_a_process_without_a_processor_says_nothing_of_the_picture(
    reader: PictureReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "WAIT_SECONDS", 0.2)
    process = the_process(reader)
    os.kill(process, signal.SIGSTOP)
    with pytest.raises(PictureReaderUnavailableError, match="was given no processor"):
        reader.read(png(), WANTED)
    monkeypatch.undo()
    assert not Path(f"/proc/{process}").exists()
    assert reader.read(png(), WANTED).mode == "RGB"


def test_a_process_that_does_not_start_is_an_error_of_the_service(
    reader: PictureReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_CODE", "raise SystemExit(3)")
    with pytest.raises(PictureReaderUnavailableError, match="does not start: exit status 3"):
        reader.read(png(), WANTED)
    monkeypatch.undo()
    assert reader.read(png(), WANTED).mode == "RGB"


def test_many_threads_get_each_its_own_picture(reader: PictureReader) -> None:
    def read(level: int) -> bool:
        stream = io.BytesIO()
        Image.new("RGB", (50, 50), (level, level, level)).save(stream, "PNG")
        return set(reader.read(stream.getvalue(), WANTED).content) == {level}

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(100)))


@linux
def test_a_forks_child_reads_with_a_process_of_its_own(reader: PictureReader) -> None:
    parents = the_process(reader)
    # Python warns of forks beside threads; this test's own process has none that matter.
    code = """
import os, sys
from captioning.pictures.protocol import Wanted
from captioning.pictures.reader import PictureReader
reader, wanted, picture = PictureReader(), Wanted(40, 30, "bilinear", True, False), sys.stdin.buffer.read()
reader.read(picture, wanted)
child = os.fork()
read = [reader.read(picture, wanted).mode for _ in range(20)]
if child == 0:
    reader.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(read == ["RGB"] * 20)
"""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        input=png(),
        capture_output=True,
        check=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert run.stdout == b"True\n"
    assert Path(f"/proc/{parents}").exists()


def _parents_end(how: str) -> Callable[[subprocess.Popen[bytes]], None]:
    return {"killed": subprocess.Popen.kill, "told": subprocess.Popen.terminate}[how]


@linux
@pytest.mark.parametrize("how", ["killed", "told"])
def test_the_process_ends_with_the_one_that_started_it(how: str) -> None:
    code = """
import sys, time
from pathlib import Path
from captioning.pictures.protocol import Wanted
from captioning.pictures.reader import PictureReader
reader = PictureReader()
reader.read(sys.stdin.buffer.read(), Wanted(40, 30, "bilinear", True, False))
print(Path("/proc/self/task/%d/children" % __import__("os").getpid()).read_text().strip(), flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert parent.stdin
    assert parent.stdout
    with parent:
        parent.stdin.write(png())
        parent.stdin.close()
        process = Path(f"/proc/{int(parent.stdout.readline())}")
        _parents_end(how)(parent)
    until = time.monotonic() + 20
    while process.exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert not process.exists()


def test_levels_come_back_as_they_were_made(reader: PictureReader) -> None:
    levels = reader.read(png(), Wanted(256, 256, "bilinear", exif_transpose=True, scaled_decoding=False))
    found = np.frombuffer(levels.content, np.uint8).reshape(256, 256, 3)
    np.testing.assert_array_equal(found[:, :, 0], np.asarray(Image.linear_gradient("L")))


def test_what_a_decoder_says_of_a_file_does_not_reach_the_log() -> None:
    code = """
import sys
from captioning.errors import DamagedPictureError
from captioning.pictures.protocol import Wanted
from captioning.pictures.reader import PictureReader
try:
    PictureReader().read(sys.stdin.buffer.read(), Wanted(40, 30, "bilinear", True, False))
except DamagedPictureError as error:
    print(error)
"""
    stream = io.BytesIO()
    Image.linear_gradient("L").save(stream, "TIFF", compression="tiff_lzw")
    picture = bytearray(stream.getvalue())
    picture[8:80] = b"\xff" * 72  # the compressed strip, which Pillow writes first
    run = subprocess.run(
        [sys.executable, "-c", code],
        input=bytes(picture),
        capture_output=True,
        check=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert run.stdout.startswith(b"the picture is truncated or broken")
    assert run.stderr == b""
