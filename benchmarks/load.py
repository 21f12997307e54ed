"""The local stack under load: many clients at once, all kinds of requests; measures answers and memory.

    python -m benchmarks.load --clients 64 --seconds 60
    python -m benchmarks.load growth --requests 5000

It starts a `python main.py` on a free port, with its data in a temporary folder and the template's throttling off. The
exit status is 1 if the local stack does not keep the promises in docs/operations.md. It reads memory from /proc, and so
is for Linux only.
"""

import argparse
import asyncio
import io
import itertools
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image, ImageDraw

from benchmarks.machine import describe

ROOT = Path(__file__).resolve().parents[1]
MIB = 1024 * 1024

MOST_MEMORY = 500 * MIB
"""Bytes that the server and its children may have resident."""

SLOWEST_HEALTH = 0.25
"""Seconds within which 99 of 100 requests of `/health` are answered while captions run."""

MOST_GROWTH = 32 * MIB
"""Bytes by which memory may grow from a fifth of the requests of a kind to their end: ratings are kept in memory."""

_PATIENCE = 60.0
_BOUNDARY = "bench-load"
_BAD_GATEWAY = 500
_UNAVAILABLE = 503


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; status 0 if there was none."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def acceptable(self) -> bool:
        """Whether it is an answer, and no 5xx but one that says when to try again."""
        if self.status == _UNAVAILABLE:
            return "retry-after" in self.headers
        return 0 < self.status < _BAD_GATEWAY


class Client:
    """One kept-alive connection, made again when it is lost."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: bytes = b"", media_type: str = "application/json") -> Answer:
        """Return the answer to a request."""
        head = f"{method} {path} HTTP/1.1\r\nhost: {self._address[0]}:{self._address[1]}\r\n"
        if body:
            head += f"content-type: {media_type}\r\ncontent-length: {len(body)}\r\n"
        try:
            async with asyncio.timeout(_PATIENCE):
                return await self._exchange(f"{head}\r\n".encode() + body)
        except (OSError, EOFError, TimeoutError) as error:
            await self.close()
            return Answer(0, {}, repr(error).encode())

    async def close(self) -> None:
        """Close the connection."""
        if self._streams:
            self._streams[1].close()
            self._streams = None

    async def _exchange(self, request: bytes) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        writer.write(request)
        await writer.drain()
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines if line)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if headers.get("connection") == "close":
            await self.close()
        return Answer(int(status.split()[1]), headers, body)


class Requests:
    """The kinds of requests, each a coroutine that asks a client and gives back the answers."""

    def __init__(self) -> None:
        self._pictures = [_picture(seed) for seed in range(8)]
        self._numbers = itertools.count()
        self._random = random.Random(0)  # noqa: S311  (a load, no secret)
        self._suggested: list[dict[str, Any]] = []
        self._uploaded: list[str] = []
        self.kinds: dict[str, tuple[int, Callable[[Client], Awaitable[list[Answer]]]]] = {
            "health": (20, self._get("/health")),
            "caption health": (5, self._get("/generate-caption/health")),
            "suggest": (15, self._suggest),
            "update": (10, self._update),
            "stats": (10, self._get("/ml/stats")),
            "history": (10, self._get("/ml/history")),
            "caption": (20, self._caption),
            "upload": (5, self._upload),
            "caption of an upload": (5, self._look_up),
        }

    def one(self) -> str:
        """Draw a kind, by its weight."""
        weights = [weight for weight, _ in self.kinds.values()]
        return self._random.choices(list(self.kinds), weights)[0]

    @staticmethod
    def _get(path: str) -> Callable[[Client], Awaitable[list[Answer]]]:
        async def ask(client: Client) -> list[Answer]:
            return [await client.ask("GET", path)]

        return ask

    async def _suggest(self, client: Client) -> list[Answer]:
        answer = await client.ask("POST", "/ml/suggest_parameters", b'{"mode": "structure", "num_suggestions": 2}')
        if answer.status == 200:  # noqa: PLR2004  (OK)
            found = json.loads(answer.body)
            for identity, parameters in zip(found["suggestion_ids"], found["suggestions"], strict=True):
                self._suggested.append({"suggestion_id": identity, "parameters": parameters})
        return [answer]

    async def _update(self, client: Client) -> list[Answer]:
        if not self._suggested:
            return await self._suggest(client)
        results = [
            self._suggested.pop() | {"rating": self._random.choice([1, 2, 3, 4, 5])}
            for _ in range(min(2, len(self._suggested)))
        ]
        return [await client.ask("POST", "/ml/update_model", json.dumps({"results": results}).encode())]

    async def _caption(self, client: Client) -> list[Answer]:
        body = _form({}, self._new_picture())
        return [await client.ask("POST", "/generate-caption/", body, f"multipart/form-data; boundary={_BOUNDARY}")]

    async def _upload(self, client: Client) -> list[Answer]:
        presigned = await client.ask("POST", "/uploads", b'{"content_type": "image/jpeg"}')
        if presigned.status != 200:  # noqa: PLR2004  (OK)
            return [presigned]
        found = json.loads(presigned.body)
        form, media_type = _form(found["fields"], self._new_picture()), f"multipart/form-data; boundary={_BOUNDARY}"
        posted = await client.ask("POST", urlsplit(found["url"]).path, form, media_type)
        self._uploaded.append(urlsplit(found["caption_url"]).path)
        return [presigned, posted]

    async def _look_up(self, client: Client) -> list[Answer]:
        if not self._uploaded:
            return await self._upload(client)
        return [await client.ask("GET", self._random.choice(self._uploaded))]

    def _new_picture(self) -> bytes:
        """Return a picture that the server has not seen: one of a few, with a comment of its own."""
        picture, comment = self._random.choice(self._pictures), str(next(self._numbers)).encode()
        return picture[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + picture[2:]


def _picture(seed: int) -> bytes:
    """Draw a JPEG of 800 x 600 with a dozen shapes."""
    chance = random.Random(seed)  # noqa: S311  (as above)
    image = Image.new("RGB", (800, 600), (chance.randrange(256), chance.randrange(256), chance.randrange(256)))
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y, size = chance.randrange(700), chance.randrange(500), chance.randrange(20, 300)
        color = (chance.randrange(256), chance.randrange(256), chance.randrange(256))
        draw.ellipse((x, y, x + size, y + size), fill=color)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=90)
    return stream.getvalue()


def _form(fields: Mapping[str, str], picture: bytes) -> bytes:
    parts = [
        f'--{_BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(f'--{_BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n')
    return "".join(parts).encode() + picture + f"\r\n--{_BOUNDARY}--\r\n".encode()


@dataclass(slots=True)
class Figures:
    """What was measured: seconds and statuses by kind, and bytes of memory with the seconds at which they were read."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    memory: list[tuple[float, int]] = field(default_factory=list)
    unacceptable: list[str] = field(default_factory=list)

    def add(self, kind: str, seconds: float, answers: list[Answer]) -> None:
        """One round of a kind."""
        self.seconds[kind].append(seconds)
        for answer in answers:
            self.statuses[kind][answer.status] += 1
            if not answer.acceptable:
                self.unacceptable.append(f"{kind}: {answer.status} {answer.body[:200]!r}")

    def percentile(self, kind: str, share: float) -> float:
        """Seconds within which that share of a kind was answered; NaN if it was never asked."""
        found = sorted(self.seconds[kind])
        return found[min(len(found) - 1, int(share * len(found)))] if found else float("nan")

    @property
    def peak(self) -> int:
        """The most memory."""
        return max((size for _, size in self.memory), default=0)


def resident(pid: int) -> int:
    """Bytes that a process and its children have resident; what they share counts once for each of them."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        children = [
            int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()
        ]
    except OSError:
        return 0
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return (int(found[1]) * 1024 if found else 0) + sum(map(resident, children))


@contextmanager
def server() -> Iterator[tuple[int, str, int]]:
    """Run `python main.py`; give its process id, and the host and port at which it listens."""
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "stderr").open("wb") as errors:
        environment = {
            **os.environ,
            "PORT": "0",
            "THROTTLE": "0",
            "API_KEY": "",
            "OBSERVATION_STORE": f"sqlite:///{folder}/observations.db",
            "CAPTION_STORE": f"sqlite:///{folder}/captions.db",
            "UPLOAD_BUCKET": f"file://{folder}",
        }
        process = subprocess.Popen(
            [sys.executable, "main.py"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=errors
        )
        try:
            while not (found := re.search(r"Listening on http://(\S+?):(\d+)", (Path(folder) / "stderr").read_text())):
                if process.poll() is not None:
                    raise SystemExit(f"main.py ended with {process.returncode}")
                time.sleep(0.05)
            yield process.pid, found[1], int(found[2])
        finally:
            process.terminate()
            process.wait(timeout=30)


async def load(pid: int, address: tuple[str, int], *, clients: int, seconds: float) -> Figures:
    """So many clients at once for so long, each asking one thing after the other."""
    figures, requests = Figures(), Requests()
    # It greets before it answers; how long a start takes is not the question here.
    await Client(*address).ask("GET", "/health")
    began = time.monotonic()

    async def live() -> None:
        client = Client(*address)
        while time.monotonic() - began < seconds:
            await _round(figures, requests, client, requests.one())
        await client.close()

    watching = asyncio.ensure_future(_watch(figures, pid, began))
    await asyncio.gather(*(live() for _ in range(clients)))
    watching.cancel()
    return figures


async def grow(
    pid: int, address: tuple[str, int], *, clients: int, requests: int
) -> dict[str, tuple[Figures, int, int]]:
    """So many requests of each kind, one kind after the other; memory after a fifth of them, and at their end."""
    made = Requests()
    found = {}
    for kind in made.kinds:
        figures = Figures()
        await _many(figures, made, address, kind, clients=clients, count=requests // 5)
        early = resident(pid)
        await _many(figures, made, address, kind, clients=clients, count=requests - requests // 5)
        found[kind] = figures, early, resident(pid)
        print(f"{kind}: {early / MIB:.0f} MB, then {found[kind][2] / MIB:.0f} MB", file=sys.stderr, flush=True)
    return found


async def _many(
    figures: Figures, requests: Requests, address: tuple[str, int], kind: str, *, clients: int, count: int
) -> None:
    turns = iter(range(count))

    async def live() -> None:
        client = Client(*address)
        for _ in turns:
            await _round(figures, requests, client, kind)
        await client.close()

    await asyncio.gather(*(live() for _ in range(clients)))


async def _round(figures: Figures, requests: Requests, client: Client, kind: str) -> None:
    began = time.perf_counter()
    answers = await requests.kinds[kind][1](client)
    figures.add(kind, time.perf_counter() - began, answers)
    if (said := answers[-1].headers.get("retry-after")) and answers[-1].status in {429, _UNAVAILABLE}:
        await asyncio.sleep(float(said))


async def _watch(figures: Figures, pid: int, began: float) -> None:
    while True:
        figures.memory.append((time.monotonic() - began, resident(pid)))
        await asyncio.sleep(0.25)


def _load_report(figures: Figures, command: str, idle: int) -> str:
    rows = [
        f"| {kind} | {len(seconds):,} | {_statuses(figures.statuses[kind])} "
        f"| {figures.percentile(kind, 0.5) * 1000:.0f} | {figures.percentile(kind, 0.99) * 1000:.0f} |"
        for kind, seconds in sorted(figures.seconds.items())
    ]
    later = statistics.median(size for _, size in figures.memory[len(figures.memory) // 2 :])
    memory = f"{idle / MIB:.0f} before, at most {figures.peak / MIB:.0f}, {later / MIB:.0f} in the second half (median)"
    return "\n".join(
        [
            "| requests | count | statuses | p50, ms | p99, ms |",
            "| --- | ---: | --- | ---: | ---: |",
            *rows,
            "",
            f"Memory, children included, in MB: {memory}.",
            "",
            f"`{command}`; {describe()}, client and server on the same.",
        ]
    )


def _growth_report(found: Mapping[str, tuple[Figures, int, int]], command: str) -> str:
    rows = [
        f"| {kind} | {len(figures.seconds[kind]):,} | {_statuses(figures.statuses[kind])} "
        f"| {early / MIB:.0f} | {late / MIB:.0f} |"
        for kind, (figures, early, late) in found.items()
    ]
    return "\n".join(
        [
            "| requests | count | statuses | memory after a fifth, MB | at the end, MB |",
            "| --- | ---: | --- | ---: | ---: |",
            *rows,
            "",
            f"`{command}`; {describe()}, client and server on the same.",
        ]
    )


def _statuses(counted: Counter[int]) -> str:
    return ", ".join(f"{status}: {count:,}" for status, count in sorted(counted.items()))


def _load_failures(figures: Figures) -> list[str]:
    failures = sorted(set(figures.unacceptable))[:20]
    if figures.peak > MOST_MEMORY:
        failures.append(f"{figures.peak / MIB:.0f} MB of memory; at most {MOST_MEMORY / MIB:.0f} are promised")
    slow = figures.percentile("health", 0.99)
    if not slow <= SLOWEST_HEALTH:
        failures.append(f"/health took {slow * 1000:.0f} ms (p99); at most {SLOWEST_HEALTH * 1000:.0f} are promised")
    return failures


def _growth_failures(found: Mapping[str, tuple[Figures, int, int]]) -> list[str]:
    failures = [line for figures, _, _ in found.values() for line in sorted(set(figures.unacceptable))[:5]]
    return failures + [
        f"{kind}: memory grew by {(late - early) / MIB:.0f} MB"
        for kind, (_, early, late) in found.items()
        if late - early > MOST_GROWTH
    ]


def _write(page: Path, part: str, text: str) -> None:
    """Put the figures between the page's marks for that part; what else it says stays."""
    mark = re.compile(rf"(?<=<!-- {part} -->\n).*?(?=<!-- end of {part} -->)", re.DOTALL)
    page.write_text(mark.sub(lambda _: f"{text}\n", page.read_text(encoding="utf-8")), encoding="utf-8")


def main() -> int:
    """Run; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__.partition("\n")[0])
    parser.add_argument("what", nargs="?", choices=("load", "growth"), default="load")
    parser.add_argument("--clients", type=int, default=64, help="at once (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of load (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=5000, help="of each kind, for growth (default: %(default)s)")
    parser.add_argument("--page", type=Path, help="a page whose figures are replaced, docs/benchmarks/load.md say")
    given = parser.parse_args()
    with server() as (pid, host, port):
        if given.what == "load":
            command = f"python -m benchmarks.load --clients {given.clients} --seconds {given.seconds:g}"
            idle = resident(pid)
            figures = asyncio.run(load(pid, (host, port), clients=given.clients, seconds=given.seconds))
            text, failures = _load_report(figures, command, idle), _load_failures(figures)
        else:
            command = f"python -m benchmarks.load growth --clients {given.clients} --requests {given.requests}"
            found = asyncio.run(grow(pid, (host, port), clients=given.clients, requests=given.requests))
            text, failures = _growth_report(found, command), _growth_failures(found)
    print(text)
    if given.page:
        _write(given.page, given.what, text)
    for failure in failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
