"""Making and judging one picture after the other, and keeping what is found."""

import logging
import random
import re
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.pictures.judge import Find, Judge
from tests.fuzz.pictures.mutations import mutated
from tests.fuzz.pictures.pieces import FORMATS
from tests.fuzz.pictures.seeds import seeds

KEPT_OF_A_KIND = 3


class Result(NamedTuple):
    """How many pictures came to which outcome, and to which find; the most seconds and megabytes that one took."""

    outcomes: Counter[str]
    finds: Counter[str]
    seconds: float
    megabytes: int


def picture(originals: dict[str, list[bytes]], seed: int, number: int) -> tuple[str, bytes]:
    """The format and the bytes of picture `number` of `seed`; the formats take turns."""
    chance = random.Random(f"{seed}:{number}")  # noqa: S311 - no secret
    name = list(FORMATS)[number // 2 % len(FORMATS)]
    one, other = chance.choices(originals[name], k=2)
    return name, mutated(FORMATS[name], one, other, chance)


def run(seed: int, first: int, step: int, seconds: float, each: int | None, folder: Path) -> Result:
    """Judges pictures `first`, `first` + `step` and so on, for so long, or so many of each format."""
    logging.disable()
    judge, originals = Judge(), seeds()
    outcomes, finds = Counter[str](), Counter[str]()
    until = time.monotonic() + seconds
    number = first
    last = None if each is None else each * len(FORMATS)
    while number < last if last is not None else time.monotonic() < until:
        name, content = picture(originals, seed, number)
        outcome, find = judge.judge(content)
        outcomes[f"{name}: {_alike(outcome)}"] += 1
        if find:
            keep(folder, f"{seed}-{number}", name, content, find, finds)
        number += step
    judge.close()
    return Result(outcomes, finds, judge.most_seconds, judge.most_megabytes)


def _alike(text: str) -> str:
    return re.sub(r"[0-9.]+", "N", text)


def keep(folder: Path, name: str, kind: str, content: bytes, find: Find, finds: Counter[str]) -> None:
    """Counts a find, and writes it to the folder unless there are enough of its kind."""
    signature = f"{kind} {find.kind}: {_alike(find.why)}"
    finds[signature] += 1
    if finds[signature] <= KEPT_OF_A_KIND:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}-{find.kind}.{kind.lower()}").write_bytes(content)
        print(f"{name}: {kind} {find.kind}: {find.why} ({len(content)} bytes)", flush=True)
