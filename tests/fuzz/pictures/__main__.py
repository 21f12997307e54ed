"""The run: see `tests.fuzz.pictures`."""

import argparse
import multiprocessing
import os
import random
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.fuzz.pictures.judge import Find, Judge
from tests.fuzz.pictures.run import keep, picture, run
from tests.fuzz.pictures.seeds import seeds

MOST_PROCESSES = 2


def _only(seed: int, number: int, folder: Path) -> bool:
    judge = Judge()
    kind, content = picture(seeds(), seed, number)
    outcome, find = judge.judge(content)
    judge.close()
    print(f"{seed}-{number}: {kind}, {len(content)} bytes: {outcome}")
    keep(folder, f"{seed}-{number}", kind, content, find or Find("judged", outcome), Counter())
    return find is None


def main() -> int:
    """Runs as the command line says; 1 if anything was found."""
    parser = argparse.ArgumentParser(
        prog="tests.fuzz.pictures", description="Sends mutated pictures to the picture reader."
    )
    parser.add_argument("--seconds", type=float, default=600, help="how long (600)")
    parser.add_argument("--each", type=int, default=None, help="how many pictures of each format, in place of a time")
    parser.add_argument("--seed", type=int, default=None, help="a whole number; another run's makes its pictures again")
    parser.add_argument("--only", type=int, default=None, help="make and judge this one picture of the seed")
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"), help="folder for what is found (build/fuzz)")
    wanted = parser.parse_args()
    seed = random.randrange(1 << 32) if wanted.seed is None else wanted.seed  # noqa: S311 - no secret
    if wanted.only is not None:
        return 0 if _only(seed, wanted.only, wanted.out) else 1

    processes = min(MOST_PROCESSES, os.cpu_count() or 1)
    how_long = f"{wanted.seconds:g} s" if wanted.each is None else f"{wanted.each} pictures of each format"
    print(f"seed {seed}, {processes} processes, {how_long}", flush=True)
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        given = (wanted.seconds, wanted.each, wanted.out)
        parts = [pool.submit(run, seed, first, processes, *given) for first in range(processes)]
        results = [part.result() for part in parts]
    outcomes = sum((result.outcomes for result in results), Counter[str]())
    finds = sum((result.finds for result in results), Counter[str]())
    for outcome, count in outcomes.most_common():
        print(f"{count:8}  {outcome}")
    print(f"{outcomes.total()} pictures, {finds.total()} finds of {len(finds)} kinds")
    slowest, largest = max(result.seconds for result in results), max(result.megabytes for result in results)
    print(f"at most {slowest:.1f} s for a picture, and {largest} MB in the process that reads")
    for signature, count in finds.most_common():
        print(f"{count:8}  {signature}")
    return 1 if finds else 0


if __name__ == "__main__":
    sys.exit(main())
