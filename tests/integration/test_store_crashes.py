"""A writer killed before and after every call that recording a large batch makes, and answers lost on their way."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from tests.support.stores import store_url
from tuning.errors import StoreUnavailableError
from tuning.observations import Observation, Setting, Suggestion
from tuning.stores import open_store
from tuning.stores.port import MAX_CLAIM, IdempotencyKey, ObservationStore

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = IdempotencyKey("the key", "body")
SIZE, ANSWERS = 250, 120  # more answers than one transaction can free settings
CALLS = 4  # that recording the batch makes: suggestions read, head read, batch made visible, the other settings freed
VISIBLE = 3  # the call that makes it visible

RECORD = f"""
import os, signal, sys
sys.path[:0] = {sys.path!r}
from tests.integration.test_store_crashes import KEY, observations
from tuning.stores import open_store
store = open_store(sys.argv[1])
calls = 0
def count(**_):
    global calls
    calls += 1
    if calls == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
store._table.connect().meta.events.register(sys.argv[2] + ".dynamodb", count)
store.record(observations(), idempotency_key=KEY)
print(calls)
"""


def setting(step: int) -> Setting:
    return Setting("leonardo", (("init_strength", 0.28), ("guidance_scale", 5 + step / 100)))


def mode(step: int) -> str:
    return ("structure", "surfaces")[step % 3 == 0]


def observations() -> list[Observation]:
    """A batch across both modes, the first of which answer suggestions."""
    named = [f"s{step}" if step < ANSWERS else None for step in range(SIZE)]
    return [Observation(mode(step), setting(step), 1 + step % 9 / 2, NOW, named[step]) for step in range(SIZE)]


def suggestions(prefix: str = "s") -> list[Suggestion]:
    return [
        Suggestion(f"{prefix}{step}", mode(step), setting(step), NOW, NOW + timedelta(days=1))
        for step in range(ANSWERS + 5)
    ]


def claim(store: ObservationStore, claimed: list[Suggestion]) -> None:
    for start in range(0, len(claimed), MAX_CLAIM):
        store.claim(claimed[start : start + MAX_CLAIM], now=NOW)


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return store_url(request, "dynamodb")


@pytest.fixture
def store(url: str) -> Iterator[ObservationStore]:
    store = open_store(url)
    claim(store, suggestions())
    yield store
    store.close()


def run(url: str, when: str, call: int) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", RECORD, url, when, str(call)]
    return subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, check=False)


def assert_before(url: str) -> None:
    store = open_store(url)
    assert store.count() == 0
    assert {suggestion.id for suggestion in store.outstanding(now=NOW)} == {s.id for s in suggestions()}
    assert not any(store.mode_study(name, now=NOW).observations for name in ("structure", "surfaces"))
    assert store.history(limit=10).entries == ()
    store.close()


def assert_after(url: str) -> None:
    store = open_store(url)
    batch = observations()
    unanswered = [suggestion.id for suggestion in suggestions()[ANSWERS:]]
    assert store.count() == SIZE
    assert sorted(suggestion.id for suggestion in store.outstanding(now=NOW)) == sorted(unanswered)
    for name in ("structure", "surfaces"):
        study = store.mode_study(name, now=NOW)
        assert study.observations == tuple(o for o in batch if o.mode == name)
        assert {suggestion.id for suggestion in study.outstanding} <= set(unanswered)
    assert [entry.told for entry in store.history(limit=SIZE + 1).entries] == batch[::-1]
    store.close()


def test_recording_the_batch_makes_the_calls_that_are_cut_here(url: str, store: ObservationStore) -> None:
    done = run(url, "before-call", 0)
    assert done.stdout == f"{CALLS}\n", done.stderr
    assert_after(url)


@pytest.mark.parametrize("call", range(1, CALLS + 1))
@pytest.mark.parametrize("when", ["before-call", "after-call"])
def test_a_writer_killed_at_any_call_leaves_the_state_before_or_after_and_a_retry_leaves_it_after(
    url: str, store: ObservationStore, when: str, call: int
) -> None:
    assert run(url, when, call).returncode == -signal.SIGKILL
    visible = call > VISIBLE or (call == VISIBLE and when == "after-call")
    (assert_after if visible else assert_before)(url)

    again = store.record(observations(), idempotency_key=KEY)
    assert (again.samples_seen, again.replayed) == (SIZE, visible)
    assert_after(url)

    # Whatever the crash left behind, the settings that were rated can be tried again, and the others cannot.
    claim(store, suggestions("again")[:ANSWERS])
    assert len(store.outstanding(now=NOW)) == ANSWERS + 5


def lose_answers(store: ObservationStore, operation: str, times: int) -> list[str]:
    """From now on, so many answers are lost after the service has done what it was asked. Gives those lost so far."""
    lost: list[str] = []

    def lose(**_: Any) -> None:
        if len(lost) < times:
            lost.append(operation)
            raise ReadTimeoutError(endpoint_url="lost")

    client = store._table.connect()  # type: ignore[attr-defined]
    client.meta.events.register(f"after-call.dynamodb.{operation}", lose)
    return lost


def forget_tokens(store: ObservationStore) -> None:
    """From now on, the service takes every attempt for a new one, as it does with a token that is too old."""

    def renew(params: dict[str, Any], **_: Any) -> None:
        params["ClientRequestToken"] = str(uuid.uuid4())

    client = store._table.connect()  # type: ignore[attr-defined]
    client.meta.events.register("provide-client-params.dynamodb.TransactWriteItems", renew)


@pytest.mark.parametrize("forgetful", [False, True])
@pytest.mark.parametrize("key", [KEY, None], ids=["with a key", "without"])
def test_a_batch_whose_answer_was_lost_is_recorded_once(
    url: str, store: ObservationStore, key: IdempotencyKey | None, forgetful: bool
) -> None:
    if forgetful:
        forget_tokens(store)
    lost = lose_answers(store, "TransactWriteItems", 1)
    recorded = store.record(observations(), idempotency_key=key)
    assert lost
    assert (recorded.samples_seen, recorded.replayed) == (SIZE, False)
    assert_after(url)


def test_a_batch_all_of_whose_answers_were_lost_is_found_by_its_key(url: str, store: ObservationStore) -> None:
    lost = lose_answers(store, "TransactWriteItems", 3)
    with pytest.raises(StoreUnavailableError):
        store.record(observations(), idempotency_key=KEY)
    assert len(lost) == 3
    assert store.record(observations(), idempotency_key=KEY).replayed
    assert_after(url)


@pytest.mark.parametrize("forgetful", [False, True])
def test_a_claim_whose_answer_was_lost_is_a_claim(store: ObservationStore, forgetful: bool) -> None:
    if forgetful:
        forget_tokens(store)
    claimed = [Suggestion("new", "structure", setting(500), NOW, NOW + timedelta(days=1))]
    lost = lose_answers(store, "TransactWriteItems", 1)
    store.claim(claimed, now=NOW)
    assert lost
    assert claimed[0] in store.outstanding(now=NOW)
