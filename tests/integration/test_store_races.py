"""Races on a store: 16 processes write one study while others read it, and arithmetic says what must be there."""

import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from tests.support.stores import ADAPTERS, store_url
from tuning.observations import Observation, Setting
from tuning.stores.port import ObservationStore

WRITERS, UPDATES, READERS = 16, 50, 2
NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)

PROLOGUE = f"""
import json, sys, time
sys.path[:0] = {sys.path!r}
from datetime import UTC, datetime
from tests.integration.test_store_races import batch
from tuning.errors import StoreUnavailableError
from tuning.stores.port import IdempotencyKey
from tuning.stores import open_store
store, now = open_store(sys.argv[1]), datetime(2030, 1, 2, tzinfo=UTC)
"""

# As a client does that is told to come back: with the same key, whether or not the first call went through.
WRITE = """
store.count()
print("ready", flush=True)
input()
for update in range(int(sys.argv[3])):
    key, observations = IdempotencyKey(f"{sys.argv[2]}-{update}", "body"), batch(int(sys.argv[2]), update)
    while True:
        try:
            recorded = store.record(observations, idempotency_key=key)
            break
        except StoreUnavailableError:
            time.sleep(0.1)
    print(json.dumps([update, recorded.samples_seen]), flush=True)
"""

READ = """
store.count()
print("ready", flush=True)
input()
seen, reads, total = (), 0, int(sys.argv[2])
while len(seen) < total:
    counted = store.count()
    found = store.mode_study("structure", now=now).observations
    assert len(found) >= counted, "counted before they could be read"
    assert found[: len(seen)] == seen, "what was seen has changed"
    place = 0
    while place < len(found):
        name, size = found[place].suggestion_id.split(" of ")
        whole = [observation.suggestion_id for observation in found[place : place + int(size)]]
        assert whole == [f"{name} of {size}"] * int(size), "part of a batch"
        place += int(size)
    seen, reads = found, reads + 1
    if reads == 1:
        print("reading", flush=True)
    time.sleep(0.02)  # leaves the processor to the writers
print(json.dumps(reads))
"""


def batch(writer: int, update: int) -> list[Observation]:
    """One to five ratings, whose names say of which batch they are and how large it is."""
    size = 1 + (writer + update) % 5
    api = ("leonardo", "stablediffusion")[update % 2]
    rating = 1 + ((writer * UPDATES + update) * 7919 % 9973) / 9973 * 4
    setting = Setting(api, (("guidance_scale", 5 + update / 7),))
    return [Observation("structure", setting, rating, NOW, f"{writer}-{update} of {size}")] * size


@pytest.fixture(params=ADAPTERS)
def url(request: pytest.FixtureRequest) -> str:
    return store_url(request, request.param)


def start(script: str, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PROLOGUE + script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]", say: str = "go\n") -> list[str]:
    printed, _ = process.communicate(say, timeout=280)
    assert process.returncode == 0
    return printed.splitlines()


@pytest.mark.timeout(300)
def test_many_writers_and_readers_of_one_study_agree_on_every_number(url: str, store: ObservationStore) -> None:
    batches = {(writer, update): batch(writer, update) for writer in range(WRITERS) for update in range(UPDATES)}
    everything = [observation for observations in batches.values() for observation in observations]
    writers = [start(WRITE, url, writer, UPDATES) for writer in range(WRITERS)]
    readers = [start(READ, url, len(everything)) for _ in range(READERS)]
    for process in writers + readers:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    # The readers first: on few cores the writers would be done before they begin.
    for reader in readers:
        assert reader.stdin is not None
        assert reader.stdout is not None
        reader.stdin.write("go\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "reading\n"
    with ThreadPoolExecutor(WRITERS) as pool:
        printed = list(pool.map(finish, writers))
    reads = [int(finish(reader, "")[-1]) for reader in readers]

    acknowledged: dict[tuple[int, int], int] = {}
    for writer, lines in enumerate(printed):
        acknowledged |= {(writer, update): seen for update, seen in map(json.loads, lines)}
    # Every acknowledgement counts all batches up to its own and none twice.
    counted = 0
    for update in sorted(acknowledged, key=acknowledged.__getitem__):
        counted += len(batches[update])
        assert acknowledged[update] == counted
    assert acknowledged.keys() == batches.keys()

    found = store.mode_study("structure", now=NOW).observations
    assert store.count() == len(found) == len(everything)
    assert Counter(found) == Counter(everything)
    assert min(reads) > 1  # of the empty store, and at least once more
