"""A function is built from settings, as often as one likes, in any process."""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from functions.caption import status_routes
from functions.caption.resources import Resources
from functions.suggest import routes as suggest
from functions.update import routes as update
from tests.support.stack import ROOT
from tuning.stores.dynamodb import LIMITS
from web.entry import Handler
from web.settings import Settings

LAYERS = ("tuning", "captioning", "storage")


@pytest.fixture(autouse=True)
def levels() -> Iterator[None]:
    """Puts back the levels of the layers' loggers, which all functions of a process share."""
    before = [(logging.getLogger(name), logging.getLogger(name).level) for name in LAYERS]
    yield
    for logger, level in before:
        logger.setLevel(level)


def answer(handler: Handler, event: str) -> tuple[int, Any]:
    found = handler(json.loads((ROOT / f"events/{event}.json").read_text()), None)
    return found["statusCode"], json.loads(found["body"])


def test_two_functions_of_one_process_have_each_its_own_store(tmp_path: Path) -> None:
    one, other = (Settings(observation_store=f"sqlite:///{tmp_path}/{name}.db") for name in ("one", "other"))

    assert answer(update.build(one).handler, "update-model")[1]["samples_seen"] == 1
    assert answer(suggest.build(one).handler, "suggest-health")[1]["optimizer_samples"] == 1
    assert answer(suggest.build(other).handler, "suggest-health")[1]["optimizer_samples"] == 0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(observation_store="sqlite://nonsense"), "OBSERVATION_STORE"),
        (Settings(spaces="/no/such/spaces.toml"), "/no/such/spaces.toml"),
    ],
)
def test_a_function_that_cannot_open_something_is_built_says_so_and_answers_503(
    settings: Settings, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = suggest.build(settings).handler
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert line["level"] == "ERROR"
    assert said in line["message"]
    assert answer(handler, "suggest-parameters")[0] == 503


@pytest.mark.parametrize(("name", "routes"), [("SuggestFunction", suggest), ("UpdateFunction", update)])
def test_what_a_request_has_begun_at_its_deadline_ends_before_the_functions_time_out(
    name: str, routes: ModuleType
) -> None:
    template = (ROOT / "template.yaml").read_text()
    found = re.search(rf"^  {name}:.*?^      Timeout: (\d+)", template, re.DOTALL | re.MULTILINE)
    assert found
    assert routes.ANSWER_SECONDS + LIMITS.connect_seconds + LIMITS.read_seconds <= int(found[1])


@pytest.mark.parametrize("level", ["DEBUG", "ERROR"])
def test_the_log_level_reaches_the_layers_of_a_function(tmp_path: Path, level: str) -> None:
    settings = Settings(
        log_level=level.lower(),
        observation_store=f"sqlite:///{tmp_path}/observations.db",
        caption_store=f"sqlite:///{tmp_path}/captions.db",
        caption_model="file://tests/bundles/tiny",
    )
    suggest.build(settings)
    assert [logging.getLevelName(logging.getLogger(name).level) for name in ("tuning", "storage")] == [level] * 2

    status_routes.build(Resources(settings))
    assert logging.getLevelName(logging.getLogger("captioning").level) == level
    assert logging.getLogger("botocore").getEffectiveLevel() == logging.WARNING
