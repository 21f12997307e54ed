"""Races on a store: 16 processes write while others read, and arithmetic says what must be there.

First they record and do nothing else; then they record, correct, withdraw and skip, in one study and in one each.
"""

import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.races import NOW, SHARED, WRITERS, batch, rating_of, said, setting_of
from tests.support.stores import ADAPTERS, store_url
from tests.support.thorough import TIMES, examples
from tuning.observations import Observation
from tuning.stores.port import ObservationStore
from tuning.study import Best, Study

READERS = 2
UPDATES = {"sqlite": examples(25), "dynamodb": examples(5)}  # of a writer: a contended emulator does a dozen per second
ROUNDS = {"sqlite": 6, "dynamodb": 2}  # in which a writer also corrects, withdraws and skips

PROLOGUE = f"""
import json, sys, time
sys.path[:0] = {sys.path!r}
from datetime import UTC, datetime
from tests.support.races import batch
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


CORRECT = """
from tests.support.races import turns
writer, study, rounds = int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
store.count(study)
print("ready", flush=True)
input()

def patiently(call, *arguments, **named):
    while True:
        try:
            return call(*arguments, **named)
        except StoreUnavailableError:
            time.sleep(0.05)

for answer in turns(store, writer, study, rounds, patiently):
    print(json.dumps(answer), flush=True)
"""

WATCH = """
from tuning.observations import Observation
studies = sys.argv[2].split(",")
store.count(studies[0])
print("ready", flush=True)
input()
reads, quiet, ends, total = 0, 0, dict.fromkeys(studies, 0), int(sys.argv[3])
while True:
    done = all(end == total for end in ends.values())
    for name in studies:
        before = store.mode_study("structure", study=name, now=None)
        page = store.history(study=name, withdrawn=True, limit=1000)
        made = 0
        for entry in page.entries:
            revisions = (*entry.earlier, entry.revision)
            assert [one.number for one in revisions] == list(range(1, len(revisions) + 1)), "a revision is missing"
            for one in revisions:
                assert one.comment == repr((one.rating, one.withdrawn)), "half a revision"
            assert entry.told.comment == entry.revision.comment, "half an entry"
            made += len(revisions)
        counted, summary = store.count(name), store.summary(name)
        study = store.mode_study("structure", study=name, now=None)
        assert ends[name] <= before.as_of <= study.as_of, "what was seen is gone"
        # Every position is an entry's first revision or a later one, so that a page shows all up to a moment.
        assert before.as_of <= made <= study.as_of, "not all of it, or more than there is"
        assert max(entry.position for entry in page.entries) <= made, "what came later, and not what came before"
        assert all(one.comment == repr((one.rating, False)) for one in study.observations), "what does not count"
        assert summary.best.setting.api == "leonardo"
        if before.as_of == study.as_of:  # nobody wrote meanwhile: all answers are of one moment
            standing = [entry.told for entry in page.entries[::-1] if not entry.revision.withdrawn]
            rated = tuple(one for one in standing if isinstance(one, Observation))
            assert study.observations == rated, "ratings of another moment"
            assert counted == summary.samples_seen == len(rated), "a count of another moment"
            assert summary.best.rating == max(one.rating for one in rated), "the best of another moment"
            quiet += 1
        ends[name] = study.as_of
    reads += 1
    if reads == 1:
        print("reading", flush=True)
    if done:
        break
    time.sleep(0.02)  # leaves the processor to the writers
assert quiet >= 2 * len(studies)
print(json.dumps(reads))
"""


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def url(request: pytest.FixtureRequest, adapter: str) -> str:
    return store_url(request, adapter)


def start(script: str, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PROLOGUE + script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]", say: str = "go\n") -> list[str]:
    printed, _ = process.communicate(say, timeout=280 * TIMES)
    assert process.returncode == 0
    return printed.splitlines()


@pytest.mark.thorough
@pytest.mark.timeout(300 * TIMES)
def test_many_writers_and_readers_of_one_study_agree_on_every_number(
    url: str, store: ObservationStore, adapter: str
) -> None:
    updates = UPDATES[adapter]
    batches = {(writer, update): batch(writer, update) for writer in range(WRITERS) for update in range(updates)}
    everything = [observation for observations in batches.values() for observation in observations]
    writers = [start(WRITE, url, writer, updates) for writer in range(WRITERS)]
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


def assert_counts_exact(answers: list[list[Any]]) -> None:
    """Every acknowledgement saw the count of its own place in the log.

    A study began with one rating. What is recorded adds two, and its positions say when; a withdrawal takes one, and
    says nothing but what it left; other corrections change nothing.
    """
    count, left, visited = 1, Counter[int](), {1}

    def withdraw(until: int) -> None:
        nonlocal count
        while count > until:
            count -= 1
            left[count] += 1
            visited.add(count)

    for _, seen in sorted((positions[-1], seen[0]) for positions, *_, seen in answers):
        withdraw(seen - 2)
        assert count == seen - 2, "more was counted than recorded"
        count = seen
        visited.add(count)
    withdraw(1 + len(answers))
    assert Counter(seen[2] for *_, seen in answers) == left
    assert {seen[at] for *_, seen in answers for at in (1, 3)} <= visited


@pytest.mark.timeout(300)
@pytest.mark.parametrize("studies", [1, WRITERS])
def test_many_who_correct_and_withdraw_what_others_read_agree_on_every_number(
    url: str, store: ObservationStore, studies: int, adapter: str
) -> None:
    rounds = ROUNDS[adapter]
    names = [f"s{index}" for index in range(studies)]
    for name in names:
        store.begin(Study(name, NOW))
        first = Observation("structure", setting_of(99, 0, 0), 1.0, NOW, comment=said(1.0))
        assert store.record([first], study=name, idempotency_key=None).positions == (SHARED,)
    each = WRITERS // studies * rounds  # rounds in a study, of three entries and three revisions
    writers = [start(CORRECT, url, writer, names[writer % studies], rounds) for writer in range(WRITERS)]
    readers = [start(WATCH, url, ",".join(names), 1 + 6 * each) for _ in range(READERS)]
    for process in writers + readers:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for reader in readers:
        assert reader.stdin is not None
        assert reader.stdout is not None
        reader.stdin.write("go\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "reading\n"
    with ThreadPoolExecutor(WRITERS) as pool:
        printed = [[json.loads(line) for line in lines] for lines in pool.map(finish, writers)]
    reads = [int(finish(reader, "")[-1]) for reader in readers]
    assert min(reads) > 1

    for index, name in enumerate(names):
        ours = {writer: printed[writer] for writer in range(index, WRITERS, studies)}
        answers = [answer for lines in ours.values() for answer in lines]
        positions = [position for taken, *_ in answers for position in taken]
        entries = store.history(study=name, withdrawn=True, limit=1_000).entries
        # Every position is an entry's or a revision's, and nobody's twice.
        assert sorted(entry.position for entry in entries) == sorted([SHARED, *positions])
        study = store.mode_study("structure", study=name, now=None)
        assert study.as_of == 1 + 6 * each
        # What all have corrected has every revision, in an order on which they agree, and the last stands.
        (shared,) = (entry for entry in entries if entry.position == SHARED)
        assert shared.revision.number == 1 + each
        made = {number: rating for _, number, rating, _ in answers}
        assert sorted(made) == list(range(2, 2 + each))
        assert [one.rating for one in (*shared.earlier, shared.revision)[1:]] == [made[at] for at in sorted(made)]
        expected = {
            setting_of(writer, turn, 0): rating_of(writer, turn, 2) for writer in ours for turn in range(rounds)
        }
        expected[setting_of(99, 0, 0)] = made[max(made)]
        found = {one.setting: one.rating for one in study.observations}
        assert found == expected
        assert store.count(name) == len(study.observations) == len(expected) == 1 + each
        assert sum(found.values()) == pytest.approx(sum(expected.values()), abs=1e-9)
        assert set(study.failed) == {setting_of(writer, turn, 2) for writer in ours for turn in range(rounds)}
        assert_counts_exact(answers)
        summary = store.summary(name)
        place, rating = max(expected.items(), key=lambda pair: pair[1])
        assert summary.best == Best("structure", place, rating, NOW)
        assert summary.counts == (("structure", 1 + each),)
