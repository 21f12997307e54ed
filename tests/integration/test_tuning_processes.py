"""Tuning across processes: killed ones lose nothing, many at once never collide, a restart changes nothing."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from tests.support.stores import ADAPTERS, store_url
from tests.support.thorough import TIMES, examples
from tuning.errors import SpaceExhaustedError, StoreUnavailableError
from tuning.observations import Suggestion
from tuning.spaces import Api, CategoricalParameter, IntegerParameter, Mode, RealParameter, Spaces
from tuning.stats import summarize
from tuning.stores.port import ObservationStore
from tuning.suggest import suggest
from tuning.update import update
from tuning.validation.space_file import load_spaces

PROLOGUE = f"""
import sys
sys.path[:0] = {sys.path!r}
from datetime import UTC, datetime
from tuning.observations import Observation, Setting
from tuning.suggest import suggest
from tuning.update import update
from tuning.validation.space_file import load_spaces
from tuning.stores.port import IdempotencyKey
from tuning.stores import open_store
spaces, now = load_spaces(), datetime.now(UTC)
store = open_store(sys.argv[1])
"""

# Each batch has a size of its own, so that a part of it could not pass for a whole one.
WRITE_FOREVER = """
batch = 0
while True:
    batch += 1
    setting = Setting("leonardo", (("init_strength", 0.3), ("guidance_scale", 7.0), ("controlnet_weight", 0.8)))
    name = f"{sys.argv[2]}-{batch}"
    size = 1 + batch % 7
    found = [Observation("structure", setting, 3.0, now, f"{name} of {size}")] * size
    store.record(found, idempotency_key=IdempotencyKey(name, "body"))
    print(name, flush=True)
"""

UPDATE_FOREVER = """
batch = 0
while True:
    batch += 1
    found = suggest(store, spaces, mode="structure", count=2, now=now)
    results = [{"parameters": s.setting.to_plain(), "rating": 3, "suggestion_id": s.id} for s in found]
    update(store, spaces, request={"results": results}, idempotency_key=f"{sys.argv[2]}-{batch}", now=now)
    print(found[0].id, found[1].id, flush=True)
"""

ASK = """
input()
for _ in range(4):
    for suggestion in suggest(store, spaces, mode="structure", count=3, now=now):
        print(suggestion.setting.key)
"""

WRITE = """
input()
setting = Setting("leonardo", (("init_strength", 0.3), ("guidance_scale", 7.0), ("controlnet_weight", 0.8)))
for _ in range(20):
    print(store.record([Observation("structure", setting, 3.0, now)] * 2, idempotency_key=None).samples_seen)
"""


@pytest.fixture(params=ADAPTERS)
def url(request: pytest.FixtureRequest) -> str:
    return store_url(request, request.param)


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROLOGUE + script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def run_together(script: str, url: str, processes: int) -> list[str]:
    """Starts them all, lets them go at one moment, and gathers the lines that they print."""
    running = [start(script, url) for _ in range(processes)]
    with ThreadPoolExecutor(processes) as pool:
        outputs = list(pool.map(lambda process: process.communicate("go\n", timeout=60)[0], running))
    assert [process.returncode for process in running] == [0] * processes
    return [line for output in outputs for line in output.splitlines()]


def killed_after(process: subprocess.Popen[str], lines: int, delay: float) -> list[str]:
    """Kills the process somewhat after it acknowledged so many batches; everything that it acknowledged."""
    assert process.stdout is not None
    acknowledged = [process.stdout.readline().strip() for _ in range(lines)]
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    # The last line may have been cut by the kill; then nobody can have read it as an acknowledgement.
    return acknowledged + [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]


@pytest.mark.thorough
@pytest.mark.timeout(120 * TIMES)
def test_a_writer_killed_at_any_moment_loses_nothing_and_leaves_no_half_batch(
    url: str, store: ObservationStore
) -> None:
    acknowledged: set[str] = set()
    for attempt in range(examples(4)):
        process = start(WRITE_FOREVER, url, f"run{attempt}")
        acknowledged |= {line.strip() for line in killed_after(process, 20, 0.003 * (attempt % 10))}
        recorded = Counter(
            o.suggestion_id or "" for o in store.mode_study("structure", now=datetime.now(UTC)).observations
        )
        batches = dict(name.split(" of ") for name in recorded)
        assert acknowledged <= batches.keys()
        assert all(count == int(name.split(" of ")[1]) for name, count in recorded.items())
        assert store.count() == recorded.total()
        # At most the one batch in flight was recorded without being acknowledged.
        assert len(batches) - len(acknowledged) <= attempt + 1


@pytest.mark.thorough
@pytest.mark.timeout(120 * TIMES)
def test_updates_killed_at_any_moment_keep_ratings_and_suggestions_in_step(url: str, store: ObservationStore) -> None:
    acknowledged: set[str] = set()
    for attempt in range(examples(2)):
        lines = killed_after(start(UPDATE_FOREVER, url, f"run{attempt}"), 5, 0.02)
        acknowledged |= {identity for line in lines for identity in line.split()}
    study = store.mode_study("structure", now=datetime.now(UTC))
    rated = {observation.suggestion_id for observation in study.observations}
    assert acknowledged <= rated
    assert len(rated) == len(study.observations)
    assert len(rated) % 2 == 0
    assert not rated & {suggestion.id for suggestion in study.outstanding}


def test_processes_asking_at_once_get_different_settings(url: str, store: ObservationStore) -> None:
    designed = run_together(ASK, url, 4)
    assert len(designed) == len(set(designed)) == 48
    now = datetime.now(UTC)
    results = [
        {"parameters": s.setting.to_plain(), "rating": 1 + i % 5} for i, s in enumerate(store.outstanding(now=now))
    ]
    update(store, load_spaces(), request={"results": results[:12]}, now=now)
    modelled = run_together(ASK, url, 4)
    assert len(modelled) == len(set(modelled)) == 48
    assert len(store.outstanding(now=now)) == 48 - 12 + 48


def test_threads_asking_at_once_get_different_settings(store: ObservationStore) -> None:
    spaces, now = load_spaces(), datetime.now(UTC)
    with ThreadPoolExecutor(16) as pool:
        asked = pool.map(lambda _: suggest(store, spaces, mode="structure", count=2, now=now), range(32))
        settings = [suggestion.setting for batch in asked for suggestion in batch]
    assert len(settings) == len(set(settings)) == 64


def test_threads_share_out_a_small_space_and_nobody_gets_what_another_has(store: ObservationStore) -> None:
    sampler = CategoricalParameter("sampler", "sampler", ("euler", "heun", "dpm++ 2m"))
    apis = (
        Api("a", (sampler, IntegerParameter("steps", "steps", 1, 3))),
        Api("b", (RealParameter("p", "p", 0, 0.4, 1),)),
    )
    spaces, now = Spaces((Mode("small", apis),), "small"), datetime.now(UTC)

    def ask(_: int) -> list[Suggestion]:
        while True:
            try:
                return list(suggest(store, spaces, mode="small", count=1, now=now))
            except StoreUnavailableError:
                continue  # so many races lost: a rater would ask again
            except SpaceExhaustedError:
                return []

    for _ in range(2):  # by the initial design, and then by the model
        with ThreadPoolExecutor(4) as pool:
            given = [suggestion for batch in pool.map(ask, range(20)) for suggestion in batch]
        assert len(given) == len({suggestion.setting.key for suggestion in given}) == 9 + 5
        results = [{"parameters": s.setting.to_plain(), "rating": 3, "suggestion_id": s.id} for s in given]
        update(store, spaces, request={"results": results}, now=now)


def test_counts_are_exact_whoever_writes(url: str, store: ObservationStore) -> None:
    counted = sorted(int(line) for line in run_together(WRITE, url, 4))
    assert counted == list(range(2, 162, 2))
    assert store.count() == 160


def test_after_a_restart_everything_goes_on_as_before(url: str, store: ObservationStore) -> None:
    spaces, now = load_spaces(), datetime.now(UTC)
    for rating in (2, 3, 4, 5):
        batch = suggest(store, spaces, mode="surfaces", count=2, now=now)
        results = [{"parameters": s.setting.to_plain(), "rating": rating} for s in batch]
        update(store, spaces, request={"results": results}, now=now)
    before = summarize(store, spaces)
    script = "from tuning.stats import summarize\nprint(summarize(store, spaces))"
    process = start(script, url)
    printed, _ = process.communicate(timeout=60)
    assert before.samples_seen == 8
    assert before.recommendation is not None
    assert before.recommendation.mode == "surfaces"
    assert printed.strip() == repr(before)
