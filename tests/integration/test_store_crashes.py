"""A writer of a table killed before and after every call that a large batch, a revision, a study or a suggestion takes.

And answers lost on their way. What becomes of a database file is in `test_database_file_crashes`.
"""

import itertools
import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from tests.support.crashes import (
    ACTS,
    ANSWERS,
    CORRECTION,
    GIVING_WAY,
    KEY,
    NOW,
    RATED,
    SIZE,
    observations,
    setting,
    suggestions,
)
from tests.support.stores import client_of, store_url
from tuning.errors import StoreUnavailableError, StudyExistsError
from tuning.observations import Correction, Suggestion
from tuning.stores import open_store
from tuning.stores.port import MAX_CLAIM, IdempotencyKey, ObservationStore
from tuning.study import Study

CALLS = 3  # that recording the batch makes: head read, batch made visible, the other settings freed
VISIBLE = 2  # the call that makes it visible

# One process per test that imports what all need; each call is made in a fork of it, which has opened no store yet.
FORK = f"""
import json, os, signal, sys
sys.path[:0] = {sys.path!r}
from tests.support.crashes import ACTS
from tuning.stores import dynamodb, open_store
for line in sys.stdin:
    when, call, act = json.loads(line)
    child = os.fork()
    if not child:
        store = open_store(sys.argv[1])
        calls = 0
        def count(**_):
            global calls
            calls += 1
            if calls == call:
                os.kill(os.getpid(), signal.SIGKILL)
        store._table.connect().meta.events.register(when + ".dynamodb", count)
        ACTS[act](store)
        print(json.dumps(calls), flush=True)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        print(json.dumps({{"killed by": -status}}), flush=True)
"""
KILLED = {"killed by": signal.SIGKILL}

Run = Callable[..., object]


@pytest.fixture
def run(url: str) -> Iterator[Run]:
    """Does an act, killed before or after one of its calls; how it ended, or how many calls it made."""
    with subprocess.Popen(
        [sys.executable, "-c", FORK, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        asking, answering = process.stdin, process.stdout

        def ask(when: str, call: int, act: str = "record") -> object:
            asking.write(json.dumps([when, call, act]) + "\n")
            asking.flush()
            return json.loads(answering.readline())

        yield ask


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


def test_recording_the_batch_makes_the_calls_that_are_cut_here(url: str, store: ObservationStore, run: Run) -> None:
    assert run("before-call", 0) == CALLS
    assert_after(url)


@pytest.mark.parametrize("call", range(1, CALLS + 1))
@pytest.mark.parametrize("when", ["before-call", "after-call"])
def test_a_writer_killed_at_any_call_leaves_the_state_before_or_after_and_a_retry_leaves_it_after(
    url: str, store: ObservationStore, run: Run, when: str, call: int
) -> None:
    assert run(when, call) == KILLED
    visible = call > VISIBLE or (call == VISIBLE and when == "after-call")
    (assert_after if visible else assert_before)(url)

    again = store.record(observations(), idempotency_key=KEY)
    assert (again.samples_seen, again.replayed) == (SIZE, visible)
    assert_after(url)

    # Whatever the crash left behind, the settings that were rated can be tried again, and the others cannot.
    claim(store, suggestions("again")[:ANSWERS])
    assert len(store.outstanding(now=NOW)) == ANSWERS + 5


GARDENERS = {  # what is done in the garden: how many calls it takes, and which makes it visible
    "revise": (3, 3),  # head read, log read, revision made visible
    "withdraw": (3, 3),
    "replace": (3, 3),
    "skip": (2, 2),  # head read, failure made visible
    "begin": (1, 1),
    "archive": (2, 2),  # head read, written
    "claim": (2, 2),  # head read, suggestions made outstanding
    "give back": (5, 5),  # found by its id, found outstanding, head read, log read, freed
}


def view(url: str) -> list[object]:
    """Everything that can be seen, by a process that has seen nothing yet."""
    store = open_store(url)
    names = store.study_names()
    seen: list[object] = [store.summary(name) for name in names]
    seen += [store.studies(limit=10), store.find_suggestions({"in the garden", "another"})]
    for name in names:
        study = store.mode_study("structure", study=name, now=NOW)
        seen += [study.observations, study.outstanding, study.as_of, store.outstanding(study=name, now=NOW)]
        seen += [store.history(study=name, limit=10, withdrawn=True), store.count(name)]
        seen.append(store.find_suggested([("structure", setting(7)), ("structure", setting(8))], study=name, now=NOW))
    store.close()
    return seen


@pytest.fixture
def garden(url: str) -> Iterator[ObservationStore]:
    store = open_store(url)
    store.mode_study("structure", now=NOW)
    store.begin(Study("garden", NOW))
    store.record([RATED], study="garden", idempotency_key=None)
    store.claim([GIVING_WAY], now=NOW)
    yield store
    store.close()


@pytest.mark.parametrize("act", GARDENERS)
def test_whatever_is_done_in_a_study_is_done_whole_or_not_at_all(
    act: str, url: str, garden: ObservationStore, run: Run
) -> None:
    calls, visible = GARDENERS[act]
    before, after = view(url), None
    for call, when in itertools.product(range(1, calls + 1), ("before-call", "after-call")):
        assert run(when, call, act) == KILLED
        seen = view(url)
        done = (call, when) == (visible, "after-call")
        assert (seen == before) == (not done)
        after = seen if done else after
    if act in {"begin", "claim", "give back"}:  # has no key: it is there already, and says so
        return
    again = ACTS[act](garden)
    assert view(url) == after
    assert getattr(again, "replayed", True)


@pytest.mark.parametrize("act", GARDENERS)
def test_what_is_done_in_a_study_takes_the_calls_that_are_cut_here(
    act: str, garden: ObservationStore, run: Run
) -> None:
    assert run("before-call", 0, act) == GARDENERS[act][0]


def lose_answers(store: ObservationStore, operation: str, times: int) -> list[str]:
    """From now on, so many answers are lost after the service has done what it was asked. Gives those lost so far."""
    lost: list[str] = []

    def lose(**_: Any) -> None:
        if len(lost) < times:
            lost.append(operation)
            raise ReadTimeoutError(endpoint_url="lost")

    client_of(store).meta.events.register(f"after-call.dynamodb.{operation}", lose)
    return lost


def forget_tokens(store: ObservationStore) -> None:
    """From now on, the service takes every attempt for a new one, as it does with a token that is too old."""

    def renew(params: dict[str, Any], **_: Any) -> None:
        params["ClientRequestToken"] = str(uuid.uuid4())

    client_of(store).meta.events.register("provide-client-params.dynamodb.TransactWriteItems", renew)


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


@pytest.mark.parametrize("forgetful", [False, True])
@pytest.mark.parametrize("key", [KEY, None], ids=["with a key", "without"])
@pytest.mark.parametrize("correction", [CORRECTION, Correction(NOW, rating=3.0)], ids=["change", "no change"])
def test_a_revision_whose_answer_was_lost_is_made_once(
    url: str,
    garden: ObservationStore,
    correction: Correction,
    key: IdempotencyKey | None,
    forgetful: bool,
) -> None:
    if forgetful:
        forget_tokens(garden)
    lost = lose_answers(garden, "TransactWriteItems", 1)
    revised = garden.revise("garden", 1, correction, seen=1, idempotency_key=key)
    changed = correction is CORRECTION
    assert bool(lost) == (changed or key is not None)
    assert (revised.entry.revision.number, revised.samples_seen, revised.replayed) == (1 + changed, 1, False)
    if key:
        again = garden.revise("garden", 1, correction, seen=1, idempotency_key=key)
        assert (again.entry, again.samples_seen, again.replayed) == (revised.entry, 1, True)
    cold = open_store(url)
    assert cold.history(study="garden", limit=5).entries == (revised.entry,)
    cold.close()


def test_a_revision_all_of_whose_answers_were_lost_is_found_by_its_key(garden: ObservationStore) -> None:
    lost = lose_answers(garden, "TransactWriteItems", 3)
    with pytest.raises(StoreUnavailableError):
        garden.revise("garden", 1, CORRECTION, seen=1, idempotency_key=KEY)
    assert len(lost) == 3
    # Corrected further, withdrawn and archived meanwhile: the answer is that of then.
    garden.revise("garden", 1, Correction(NOW, withdrawn=True), seen=2, idempotency_key=None)
    garden.archive("garden", archived_at=NOW)
    again = garden.revise("garden", 1, CORRECTION, seen=1, idempotency_key=KEY)
    assert (again.entry.revision.number, again.entry.revision.rating, again.replayed) == (2, 5.0, True)
    assert not again.entry.revision.withdrawn


@pytest.mark.parametrize("forgetful", [False, True])
def test_a_study_whose_beginning_was_lost_has_begun(url: str, garden: ObservationStore, forgetful: bool) -> None:
    if forgetful:
        forget_tokens(garden)
    lost = lose_answers(garden, "TransactWriteItems", 1)
    garden.begin(Study("meadow", NOW))
    assert lost
    with pytest.raises(StudyExistsError):
        garden.begin(Study("meadow", NOW))


def test_a_study_whose_archiving_was_lost_is_archived(garden: ObservationStore) -> None:
    lost = lose_answers(garden, "PutItem", 1)
    assert garden.archive("garden", archived_at=NOW).study.archived_at == NOW
    assert lost


def test_a_suggestion_whose_return_was_lost_is_given_back(garden: ObservationStore) -> None:
    lost = lose_answers(garden, "TransactWriteItems", 1)
    assert garden.give_back("in the garden", now=NOW) == GIVING_WAY
    assert lost
