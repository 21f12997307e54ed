"""A team's own search space, from the setting to the documents: the running stack obeys it, and says what is wrong."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions.suggest import routes as suggest_routes
from functions.update import routes as update_routes
from tests.support.events import EVENTS
from tests.support.spaces import MIXED, assert_legal
from tests.support.stack import ROOT, Stack
from tools.openapi.document import DOCUMENT
from tuning.observations import Setting
from tuning.validation.space_file import load_spaces
from web.settings import Settings

PAINTED = {"api": "painter", "strength": 0.25, "steps": 20, "sampler": "dpm++ 2m"}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("space") / "own.toml"
    path.write_text(MIXED)
    return path


@pytest.fixture(scope="module")
def own(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    running = Stack(tmp_path_factory.mktemp("stack"), SPACES=str(path))
    yield running
    running.stop()


def test_settings_of_the_own_space_are_suggested_and_rated(own: Stack, path: Path) -> None:
    mode = load_spaces(path).modes[0]
    for _ in range(4):
        answer = own.post("/ml/suggest_parameters", json={"num_suggestions": 3}).json()
        for suggestion in answer["suggestions"]:
            assert_legal(mode, Setting.from_plain(suggestion))
        results = [
            {"parameters": {name: str(value) for name, value in parameters.items()}, "rating": 3, "suggestion_id": one}
            for parameters, one in zip(answer["suggestions"], answer["suggestion_ids"], strict=True)
        ]
        assert own.post("/ml/update_model", json={"results": results}).status_code == 200
    stats = own.get("/ml/stats?mode=portraits").json()
    assert stats["samples_seen"] == 12
    assert_legal(mode, Setting.from_plain(stats["recommended_parameters"]))
    (newest,) = own.get("/ml/history?limit=1").json()["observations"]
    assert newest["mode"] == "portraits"
    assert newest["parameters"] == answer["suggestions"][-1]


def test_values_of_the_wrong_kind_are_refused_by_name(own: Stack) -> None:
    parameters = PAINTED | {"steps": 20.5, "sampler": "ddim"}
    answer = own.post("/ml/update_model", json={"results": [{"parameters": parameters, "rating": 3}]})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [
        "#/results/0/parameters/steps",
        "#/results/0/parameters/sampler",
    ]
    assert own.post("/ml/suggest_parameters", json={"mode": "structure"}).status_code == 422


def test_the_document_and_the_greeting_speak_of_the_own_space(own: Stack) -> None:
    served = own.get("/openapi.json")
    document = served.json()
    schemas = document["components"]["schemas"]
    assert schemas["SuggestRequest"]["properties"]["mode"]["description"].endswith("`portraits` if there is none")
    assert (schemas["Mode"]["enum"], schemas["Api"]["enum"]) == (["portraits", "sketches"], ["painter", "printer"])
    assert schemas["Parameters"]["discriminator"]["mapping"].keys() == {"painter", "printer"}
    assert schemas["Parameters.painter"]["properties"] == {
        "api": {"type": "string", "const": "painter"},
        "strength": {"type": "number", "minimum": -0.5, "maximum": 0.5, "x-step": 0.01},
        "steps": {"type": "integer", "minimum": 10, "maximum": 50},
        "sampler": {"type": "string", "enum": ["euler", "heun", "dpm++ 2m"]},
    }
    (example,) = schemas["Parameters"]["examples"]
    (fixed,) = schemas["Fixed"]["examples"]
    asked = own.post("/ml/suggest_parameters", json={"num_suggestions": 1, "fixed": fixed})
    assert asked.json()["suggestions"][0].items() >= fixed.items()
    (update,) = document["components"]["schemas"]["UpdateRequest"]["examples"]
    assert update["results"][0]["parameters"] == example
    # Sent as it is, the example records nothing: nobody has begun its study.
    assert own.post("/ml/update_model", json=update).status_code == 404
    assert own.post("/ml/update_model", json=update | {"study": "default"}).status_code == 200
    for text in (served.text, own.greeting):
        for shipped in ("leonardo", "structure", "init_strength"):
            assert shipped not in text
    shipped = json.loads(DOCUMENT.read_text())
    assert document["paths"] == shipped["paths"]
    known = {f"#/components/schemas/{name}" for name in schemas}
    assert set(re.findall(r'"(#/components/schemas/[^"]+)"', served.text)) == known
    assert schemas.keys() ^ shipped["components"]["schemas"].keys() == {
        f"{kind}.{api}"
        for kind in ("Parameters", "Fixed")
        for api in ("leonardo", "stablediffusion", "painter", "printer")
    }


def test_a_deployed_function_names_a_wrong_file_in_its_log_and_answers_no_request_until_it_is_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(MIXED.replace("high = 50", "high = 5"))
    settings = Settings(observation_store=f"sqlite:///{tmp_path}/observations.db", spaces=str(path))
    suggest, update = suggest_routes.build(settings), update_routes.build(settings)
    complaint = f"{path}: [apis.painter.steps]: high: must be greater than low (10), not 5"
    assert capsys.readouterr().out.count(complaint) == 2  # once for each function, before any request
    answers = [
        *(
            suggest.handler(json.loads((EVENTS / f"suggest-{name}.json").read_text()), None)
            for name in ("health", "stats", "openapi", "parameters")
        ),
        update.handler(json.loads((EVENTS / "update-model.json").read_text()), None),
    ]
    for answer in answers:
        assert answer["statusCode"] == 503
        assert answer["headers"]["content-type"] == "application/problem+json"
        assert "wrong.toml" not in answer["body"]
    # Mended, it is read without a restart.
    path.write_text(MIXED)
    assert suggest.handler(json.loads((EVENTS / "suggest-health.json").read_text()), None)["statusCode"] == 200


def test_on_one_machine_a_file_that_is_wrong_stops_the_start_with_one_line(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(MIXED.replace("high = 50", "high = 5"))
    environment = {**os.environ, "PORT": "0", "SPACES": str(path)}
    done = subprocess.run(
        [sys.executable, "main.py"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"SPACES is '{path}', which cannot be used: {path}: [apis.painter.steps]: high: must be greater than low (10), "
        "not 5\n"
    )
