"""The functions may do to the observations table what they do, and nothing else."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.template import parse
from tests.support.stack import ROOT
from tests.support.stores import store_url
from tuning.history import browse
from tuning.observations import Suggestion
from tuning.stats import check, summarize
from tuning.stores import dynamodb as store_dynamodb
from tuning.stores import open_store
from tuning.stores.port import ObservationStore
from tuning.suggest import suggest
from tuning.update import update
from tuning.validation.space_file import load_spaces

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
SPACES = load_spaces()


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    return store_url(request, "dynamodb")


@pytest.fixture
def watched(url: str) -> Iterator[tuple[ObservationStore, set[str]]]:
    """A store, and the actions that it needs permission for, as it comes to need them."""
    needed: set[str] = set()

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        if model.name == "TransactWriteItems":
            # IAM knows no transactions, only what they are made of.
            needed.update(f"dynamodb:{kind}Item" for change in params["TransactItems"] for kind in change)
        else:
            needed.add(f"dynamodb:{model.name}")

    store = open_store(url)
    events = store._table.connect().meta.events  # type: ignore[attr-defined]
    events.register("provide-client-params.dynamodb", note)
    yield store, needed
    store.close()


def allowed(function: str) -> set[str]:
    document = parse((ROOT / "template.yaml").read_text())
    policies = document["Resources"][function]["Properties"]["Policies"]
    return {action for policy in policies for statement in policy["Statement"] for action in statement["Action"]}


def test_the_suggest_function_may_do_what_it_does(
    url: str, watched: tuple[ObservationStore, set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, needed = watched
    found = suggest(store, SPACES, mode="structure", count=2, now=NOW)
    # An update that dies before it has tidied up leaves the tidying to whoever wants the setting next.
    with monkeypatch.context() as patch:
        patch.setattr(store_dynamodb, "MAX_CHANGES", 3)
        patch.setattr(store_dynamodb.DynamoDbObservationStore, "_tidy", lambda *_: None)
        other = open_store(url)
        update(
            other,
            SPACES,
            request={"results": [{"parameters": s.setting.to_plain(), "rating": 3} for s in found]},
            now=NOW,
        )
        other.close()
    store.claim([Suggestion("new", "structure", found[0].setting, NOW, NOW + timedelta(days=1))], now=NOW)
    summarize(store, SPACES)
    browse(store, SPACES)
    store.studies(limit=10)
    check(store, now=NOW)
    assert needed == allowed("SuggestFunction")


def test_the_update_function_may_do_what_it_does(watched: tuple[ObservationStore, set[str]]) -> None:
    store, needed = watched
    found = suggest(store, SPACES, mode="structure", count=5, now=NOW)
    needed.clear()
    results = [{"parameters": s.setting.to_plain(), "rating": 1 + i} for i, s in enumerate(found)]
    assert update(store, SPACES, request={"results": results}, idempotency_key="key", now=NOW).learned
    assert needed == allowed("UpdateFunction")
