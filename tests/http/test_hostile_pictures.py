"""Whatever bytes are sent as a picture, the function answers, never with a 5xx, and within bounded memory."""

import json
import os
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image

from tests.support.costly_pictures import some_costly_pictures
from tests.support.handwritten import encoded
from tests.support.stack import ROOT

MUTATIONS = 1_000
# Of the function and of the process that reads together, where Lambda has 1,769.
MOST_MEGABYTES = 600

_SEND = r"""
import asyncio, base64, json, re, resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (1_769_000_000, 1_769_000_000))
asyncio.set_event_loop(asyncio.new_event_loop())
from functions.caption.app import handler

event = json.loads(Path("events/caption-generate.json").read_text())

def peak():
    ours, theirs = Path("/proc/self"), next(Path("/proc/self/task").glob("*/children")).read_text().split()
    own, *running = (
        int(re.search(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())[1])
        for process in (ours, *(Path("/proc", one) for one in theirs))
    )
    ended = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return (own + max(ended, *running)) // 1024

def send(content):
    head = b'--boundary\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    event["body"] = base64.b64encode(head + content + b"\r\n--boundary--\r\n").decode()
    answer = handler(event, None)
    body = json.loads(answer["body"])
    assert answer["statusCode"] == body.get("status", 200), answer
    return answer["statusCode"]

statuses = {path.name: send(path.read_bytes()) for path in sorted(Path(sys.argv[1]).iterdir())}
print("\n" + json.dumps({"statuses": statuses, "megabytes": peak()}))
"""


def grey(width: int, height: int, kind: str, **options: object) -> bytes:
    return encoded(Image.new("L", (width, height)), kind, **options)


def png(width: int, height: int, rows: bytes) -> bytes:
    """A PNG that says it has so many pixels of 24 bits, and has these rows."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (header, b"IDAT" + zlib.compress(rows, 1), b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in parts
    )


def good_pictures() -> list[bytes]:
    """Small pictures of every format that is read, in several of its forms."""
    picture = Image.effect_mandelbrot((96, 72), (-2, -1.2, 1, 1.2), 60).convert("RGB")
    first, second = picture.quantize(16), picture.rotate(90).quantize(16)
    return [
        *(encoded(picture, kind) for kind in ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF")),
        encoded(picture, "JPEG", progressive=True),
        encoded(picture.convert("CMYK"), "JPEG"),
        encoded(first, "GIF", save_all=True, append_images=[second]),
        encoded(picture.convert("RGBA"), "WEBP", lossless=True),
        encoded(picture, "TIFF", compression="tiff_lzw"),
        encoded(picture.convert("F"), "TIFF"),
    ]


def hostile_pictures() -> dict[str, tuple[bytes, int]]:
    """What an attacker would send, and what it is answered."""
    whole = good_pictures()
    return {
        "empty": (b"", 422),
        "zeros": (bytes(5_000), 415),
        "pdf": (b"%PDF-1.7\n", 415),
        "gif-head": (b"GIF89a", 422),
        "jpeg-head": (b"\xff\xd8\xff", 422),
        "webp-head": (b"RIFF\x00\x00\x00\x00WEBP", 422),
        "tiff-loop": (b"II*\x00" + b"\x08\x00\x00\x00" * 500, 422),
        "png-100-megapixels": (png(10_000, 10_000, bytes(3_000_100)), 413),
        "png-too-wide": (png(65_536, 1, b""), 413),
        "png-46-megapixels": (png(65_535, 700, bytes(196_606 * 700)), 200),
        "png-without-its-pixels": (png(7_000, 7_000, bytes(100)), 422),
        "jpeg-49-megapixels": (grey(7_000, 7_000, "JPEG"), 200),
        "jpeg-progressive-31-megapixels": (grey(5_600, 5_600, "JPEG", progressive=True), 200),
        "jpeg-progressive-33-megapixels": (grey(5_745, 5_745, "JPEG", progressive=True), 413),
        "webp-24-megapixels": (grey(4_900, 4_900, "WEBP", method=0), 200),
        "webp-26-megapixels": (grey(5_100, 5_100, "WEBP", method=0), 413),
        "jpeg-cut": (whole[0][:700], 422),
        "png-cut": (whole[1][:200], 422),
        **{name: (content, max(statuses)) for name, (content, statuses) in some_costly_pictures().items()},
    }


def mutated(originals: list[bytes], chance: random.Random) -> bytes:
    content = bytearray(chance.choice(originals))
    for _ in range(chance.choice([1, 1, 2, 5, 20])):
        content = content or bytearray(b"\x00")
        # Most of what can break is in the header.
        at = chance.randrange(len(content) if chance.random() < 0.5 else min(len(content), 200))
        how = chance.randrange(4)
        if how == 0:
            content[at] = chance.randrange(256)
        elif how == 1:
            content[at : at + chance.randrange(1, 9)] = chance.choice([b"", b"\xff" * 4, b"\x00" * 4])
        elif how == 2:
            content[at:at] = chance.randbytes(chance.randrange(1, 9))
        else:
            content[at:] = b"\xff"
    return bytes(content)


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
@pytest.mark.timeout(300)
def test_hostile_pictures_and_a_thousand_mutations_get_an_answer_within_bounded_memory(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    originals, hostile, chance = good_pictures(), hostile_pictures(), random.Random(7)  # noqa: S311 - no secret
    for name, (content, _) in hostile.items():
        (folder / name).write_bytes(content)
    for number in range(MUTATIONS):
        (folder / f"mutation-{number}").write_bytes(mutated(originals, chance))
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "CAPTION_STORE": f"sqlite:///{tmp_path}/captions.db",
        "CAPTION_MODEL": "file://tests/bundles/tiny",
    }
    command = [sys.executable, "-W", "error", "-c", _SEND, str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    found = json.loads(done.stdout.splitlines()[-1])
    statuses: dict[str, int] = found["statuses"]
    assert {name: statuses[name] for name in hostile} == {name: status for name, (_, status) in hostile.items()}
    mutations = [status for name, status in statuses.items() if name.startswith("mutation")]
    assert len(mutations) == MUTATIONS
    assert set(mutations) <= {200, 413, 415, 422}
    assert min(mutations.count(200), mutations.count(422)) > MUTATIONS / 10
    assert found["megabytes"] < MOST_MEGABYTES
