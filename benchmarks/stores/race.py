"""Sixteen writers at once, each a process, in one study and in one study each: updates per second, and what they cost.

Both are measured in turns, so that what else the machine does meets both. Every update has an idempotency key, and one
that is refused because too many write is tried again with the same key, as a caller does.
"""

import multiprocessing
import os
import statistics
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

from tqdm import tqdm

from benchmarks.stores.capacity import metered
from benchmarks.stores.operations import name_of
from tuning.errors import StoreUnavailableError
from tuning.observations import Observation, Setting
from tuning.stores import open_store
from tuning.stores.port import IdempotencyKey
from tuning.study import Study

WRITERS = 16
ROUNDS = 5
SECONDS = 6.0  # of one run
_PATIENCE = 120.0  # seconds for a process to start, or to end


@dataclass(frozen=True, slots=True)
class Pace:
    """What the writers did, all together or the median of several runs.

    `updates` per second; per update the `transactions` that were tried and the `write_units` that they took, those that
    lost included; `refused` counts the 503s per update.
    """

    updates: float
    transactions: float
    write_units: float
    refused: float


@dataclass(frozen=True, slots=True)
class Race:
    """The medians of a store with all writers in one study, and with one study each."""

    store: str
    together: Pace
    apart: Pace

    @property
    def gain(self) -> float:
        """How many times as many updates go into studies of their own."""
        return self.apart.updates / self.together.updates


def race(url: str, *, writers: int = WRITERS, rounds: int = ROUNDS, seconds: float = SECONDS) -> Race:
    """Let them write, in turns together and apart, in studies that are begun for it.

    Raises:
        RuntimeError: a writer's study does not hold what was acknowledged.
    """
    together: list[Pace] = []
    apart: list[Pace] = []
    for turn in tqdm(range(rounds), f"{name_of(url)}, {writers} writers", disable=None, leave=False):
        # Whoever is second gains or loses by it as often as the other.
        for count, found in ((1, together), (writers, apart))[:: 1 if turn % 2 == 0 else -1]:
            names = [f"race-{turn}-{count}-{index}" for index in range(count)]
            with closing(open_store(url)) as store:
                for name in names:
                    store.begin(Study(name, datetime.now(UTC)))
                found.append(_run(url, [names[index % count] for index in range(writers)], seconds))
    return Race(name_of(url), _median(together), _median(apart))


def _run(url: str, studies: Sequence[str], seconds: float) -> Pace:
    """Let a process write in each of the studies, for so long."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(len(studies) + 1)
    pipes, processes = [], []
    for study in studies:
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_write, args=(url, study, seconds, ready, theirs), daemon=True)
        process.start()
        theirs.close()
        pipes.append(ours)
        processes.append(process)
    ready.wait(_PATIENCE)
    counts = [pipe.recv() for pipe in pipes if pipe.poll(seconds + _PATIENCE)]
    for process in processes:
        process.join(_PATIENCE)
    if len(counts) < len(studies):
        raise RuntimeError("a writer did not end")
    updates = sum(done for done, *_ in counts)
    with closing(open_store(url)) as store:
        if (held := sum(store.count(study) for study in set(studies))) != updates:
            raise RuntimeError(f"{held:,} ratings are there, and {updates:,} were acknowledged")
    longest = max(count[1] for count in counts)
    transactions, units, refused = (sum(column) / max(updates, 1) for column in list(zip(*counts, strict=True))[2:])
    return Pace(updates / longest, transactions, units, refused)


def _write(url: str, study: str, seconds: float, ready: Barrier, answer: Connection) -> None:
    """Record one rating after the other, and send their number, the seconds, and what they cost."""
    done = refused = 0
    writer = f"{os.getpid()}"
    with metered() as meter, closing(open_store(url)) as store:
        store.count(study)
        ready.wait(_PATIENCE)
        tried, units, began = meter.transactions, meter.write_units, time.perf_counter()
        while time.perf_counter() - began < seconds:
            setting = Setting("leonardo", (("guidance_scale", 5 + done / 100),))
            rating = Observation("structure", setting, 4.0, datetime.now(UTC), f"{writer}-{done}")
            key = IdempotencyKey(f"{study}-{writer}-{done}", "body")
            for attempt in range(100):
                try:
                    store.record([rating], study=study, idempotency_key=key)
                except StoreUnavailableError:
                    refused += 1
                    time.sleep(min(1.0, 0.1 * 2**attempt))
                else:
                    done += 1
                    break
        passed = time.perf_counter() - began
        answer.send((done, passed, meter.transactions - tried, meter.write_units - units, refused))


def _median(paces: Sequence[Pace]) -> Pace:
    return Pace(*(statistics.median(getattr(pace, one.name) for pace in paces) for one in fields(Pace)))
