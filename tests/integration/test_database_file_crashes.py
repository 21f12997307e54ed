"""A writer killed before every statement of whatever it writes to a database file: the state before, or after."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from storage.errors import ConflictError
from tests.support.observations import DAY, NOW, failure, key, observation, setting, suggestion
from tuning.observations import Correction, Told
from tuning.stores.sqlite import SqliteObservationStore
from tuning.study import Hyperparameters, Study

RATED = observation(0, rating=1.0, suggestion_id="a", rater="ana")
# A rating that replaces one, one that answers a suggestion, a failure that frees one, and one of a mode that begins.
BATCH: list[Told] = [
    replace(RATED, rating=5.0),
    observation(1, suggestion_id="b"),
    failure(2, suggestion_id="c"),
    observation(3, mode="surfaces"),
]
LEARNED = Hyperparameters((("strength", 0.3),), 1.0, 0.2, 0.5, 1)

WRITES: dict[str, Callable[[SqliteObservationStore], object]] = {
    "record": lambda store: store.record(BATCH, idempotency_key=key()),
    "correct": lambda store: store.revise(
        "default", 1, Correction(NOW + DAY, 5.0, "better", reviser="bo"), seen=1, idempotency_key=None
    ),
    "withdraw": lambda store: store.revise(
        "default", 2, Correction(NOW + DAY, withdrawn=True), seen=1, idempotency_key=key()
    ),
    "begin": lambda store: store.begin(Study("garden", NOW)),
    "archive": lambda store: store.archive("default", archived_at=NOW),
    "claim": lambda store: store.claim(
        [suggestion("d", 4), suggestion("e", 5)], giving_way=[suggestion("b", 1)], now=NOW
    ),
    "give back": lambda store: store.give_back("b", now=NOW),
    "begin a mode": lambda store: store.mode_study("relief", now=NOW).observations,
    "learn": lambda store: store.save_hyperparameters("structure", LEARNED, as_of=3),
}

# Each in a process of its own, which another forks that has no connection yet.
KILL = f"""
import json, os, shutil, signal, sqlite3, sys
sys.path[:0] = {sys.path!r}
from functools import partial
from tests.integration.test_database_file_crashes import WRITES
from tuning.stores.sqlite import SqliteObservationStore
file, write = sys.argv[1:]
class Killing(sqlite3.Connection):
    left = 0
    def execute(self, *arguments):
        self.count()
        return super().execute(*arguments)
    def executemany(self, *arguments):
        self.count()
        return super().executemany(*arguments)
    def count(self):
        Killing.left -= 1
        if not Killing.left:
            os.kill(os.getpid(), signal.SIGKILL)
sqlite3.connect = partial(sqlite3.connect, factory=Killing)
statuses = []
while not statuses or statuses[-1] == signal.SIGKILL:
    copy = f"{{file}}.{{len(statuses)}}"
    shutil.copy(file, copy)
    child = os.fork()
    if not child:
        Killing.left = len(statuses) + 1
        WRITES[write](SqliteObservationStore(copy))
        os._exit(0)
    statuses.append(os.waitpid(child, 0)[1])
print(json.dumps(statuses))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed file, with a rating that is to be replaced, another, and three suggestions outstanding."""
    store = SqliteObservationStore(tmp_path / "observations.db")
    store.claim([suggestion("a", 0), suggestion("b", 1), suggestion("c", 2)], now=NOW)
    store.record([RATED, observation(9)], idempotency_key=None)
    store.close()
    return tmp_path / "observations.db"


def state(path: Path) -> list[object]:
    """All that a file says, seeds aside, which are drawn."""
    store = SqliteObservationStore(path)
    store.verify(now=NOW)
    found: list[object] = [
        store.studies(limit=10),
        store.history(withdrawn=True, limit=100),
        store.outstanding(now=NOW),
        store.find_suggestions("abcde"),
        store.find_suggested([("structure", setting(step)) for step in range(6)], now=NOW),
        replace(store.mode_study("structure", now=NOW), seed=0),
    ]
    store.close()
    connection = sqlite3.connect(path)
    found.append(connection.execute("SELECT * FROM receipts").fetchall())
    connection.close()
    return found


@pytest.mark.parametrize("write", WRITES)
def test_a_writer_killed_at_any_statement_leaves_the_state_before_or_after(path: Path, write: str) -> None:
    done = path.with_name("done.db")
    shutil.copy(path, done)
    store = SqliteObservationStore(done)
    WRITES[write](store)
    store.close()
    before, after = state(path), state(done)
    assert before != after

    run = subprocess.run([sys.executable, "-c", KILL, path, write], capture_output=True, text=True, check=True)
    statuses = json.loads(run.stdout)
    assert statuses[-1] == 0
    found = [state(Path(f"{path}.{killed}")) for killed in range(len(statuses))]
    # What is killed after the commit was done, and nothing between.
    committed = found.index(after)
    assert found == [before] * committed + [after] * (len(found) - committed)
    assert committed > 5

    for killed in range(len(statuses)):
        store = SqliteObservationStore(Path(f"{path}.{killed}"))
        try:
            WRITES[write](store)
        except ConflictError:
            assert killed >= committed  # it was begun or claimed already
        store.close()
        assert state(Path(f"{path}.{killed}")) == after
