"""What a function imports before its first request: every module is paid for by a person who waits."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.stack import ROOT

_LIST = "import importlib, json, sys; importlib.import_module(sys.argv[1]); print(json.dumps(sorted(sys.modules)))"


def last_line_of(program: str, *arguments: str, **environment: str) -> str:
    whole = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=whole, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def modules_of(function: str, **environment: str) -> set[str]:
    return set(json.loads(last_line_of(_LIST, function, **environment)))


HEAVY = {"skopt", "sklearn", "pandas", "matplotlib", "joblib", "scipy", "tensorflow", "fastapi_offline"}
# Powertools touches the package botocore itself, which is next to nothing; a client is made from its session.
HEAVY |= {"boto3", "botocore.session"}
# Tracing is for where there is a daemon to send to.
HEAVY |= {"aws_xray_sdk"}
# FastAPI would import it only to ask whether a model is one of its.
HEAVY |= {"pydantic.v1.main"}
# Prometheus reads the local stack, and no function.
HEAVY |= {"prometheus_client"}
# The nearest name is looked for only when one is wrong.
HEAVY |= {"difflib"}


@pytest.mark.parametrize(
    ("function", "forbidden", "most"),
    [
        ("functions.suggest.app", HEAVY | {"PIL", "ai_edge_litert", "captioning"}, 700),
        ("functions.update.app", HEAVY | {"PIL", "ai_edge_litert", "captioning"}, 680),
        ("functions.caption.app", HEAVY | {"tuning", "PIL"}, 650),
        ("functions.caption.status", HEAVY | {"tuning", "PIL"}, 650),
        ("functions.caption.on_upload", HEAVY | {"tuning", "PIL", "fastapi", "starlette", "pydantic", "mangum"}, 400),
    ],
)
def test_a_function_starts_with_what_it_needs_alone(function: str, forbidden: set[str], most: int) -> None:
    modules = modules_of(function)

    assert modules.isdisjoint(forbidden)
    assert len(modules) <= most


FUNCTIONS = [
    "functions.suggest.app",
    "functions.update.app",
    "functions.caption.app",
    "functions.caption.status",
    "functions.caption.on_upload",
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_garbage_is_looked_for_once_a_function_has_started_and_not_before(function: str) -> None:
    program = """
import gc, importlib, json, sys
began = gc.get_stats()[0]["collections"]
importlib.import_module(sys.argv[1])
print(json.dumps([gc.get_stats()[0]["collections"] - began, gc.isenabled(), gc.get_freeze_count()]))
"""
    collections, enabled, kept = json.loads(last_line_of(program, function))

    assert enabled
    # One look through what was made since, which is next to nothing.
    assert collections <= 1
    assert kept > 10_000


def test_fastapis_models_of_the_document_are_made_by_no_function_and_can_be_made_later() -> None:
    program = """
import functions.suggest.app, json, pydantic
from fastapi.openapi.models import OpenAPI, Operation, Schema
from functions.history_messages import History
print(json.dumps([
    [model.__pydantic_complete__ for model in (OpenAPI, Operation, Schema, History)],
    "defer_build" in pydantic.BaseModel.model_config,
    OpenAPI.model_validate({"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": {}}).info.title,
]))
"""
    assert json.loads(last_line_of(program)) == [[False, False, False, True], False, "x"]


@pytest.mark.parametrize("module", ["functions.suggest.messages", "functions.caption.resources", "web.entry"])
def test_what_is_no_entry_point_leaves_the_garbage_collector_as_it_is(module: str) -> None:
    program = "import gc, importlib, sys; importlib.import_module(sys.argv[1]); print(gc.isenabled())"

    assert last_line_of(program, module) == "True"


def test_a_function_that_cannot_start_leaves_the_garbage_collector_on() -> None:
    program = """
import gc
try:
    import functions.suggest.app
except ValueError:
    print(gc.isenabled())
"""
    assert last_line_of(program, LOG_LEVEL="loud") == "True"


def test_a_starting_lambda_has_its_storage_adapter_ready_before_the_first_picture() -> None:
    deployed = modules_of("functions.caption.app", CAPTION_STORE="dynamodb://captions?region=eu-west-1")

    assert "captioning.stores.dynamodb" in deployed
    assert deployed.isdisjoint({"boto3", "captioning.stores.sqlite", "captioning.buckets.folder"})


def test_tracing_costs_a_starting_lambda_sixty_modules_and_no_http_client() -> None:
    deployed = {"OBSERVATION_STORE": "dynamodb://observations?region=eu-west-1", "LAMBDA_TASK_ROOT": str(ROOT)}
    untraced = modules_of("functions.suggest.app", **deployed)
    traced = modules_of("functions.suggest.app", **deployed, AWS_XRAY_DAEMON_ADDRESS="127.0.0.1:2000")

    assert "aws_xray_sdk.ext.botocore" in traced
    assert len(traced - untraced) <= 65
    assert traced.isdisjoint({"boto3", "requests", "aiohttp"})


def test_a_starting_lambda_has_the_learning_ready_before_the_first_update() -> None:
    assert "skopt" in modules_of("functions.update.app", AWS_LAMBDA_FUNCTION_NAME="update")


@pytest.mark.parametrize(("entry_point", "loaded"), [("app", True), ("on_upload", True), ("status", False)])
def test_the_models_are_loaded_while_a_function_starts_that_captions(entry_point: str, loaded: bool) -> None:
    program = f"from functions.caption.{entry_point} import resources; print(resources.service._captioner is not None)"

    assert last_line_of(program) == str(loaded)


@pytest.mark.parametrize("function", ["functions.suggest.app", "functions.update.app"])
def test_the_stores_adapter_is_loaded_while_the_function_starts(function: str) -> None:
    deployed = modules_of(function, OBSERVATION_STORE="dynamodb://observations?region=eu-west-1")

    embedded = modules_of(function)
    assert {"tuning.stores.dynamodb", "storage.table"} <= deployed
    assert deployed.isdisjoint({"tuning.stores.sqlite", "storage.sqlite", "sqlite3"})
    assert {"tuning.stores.sqlite", "storage.sqlite"} <= embedded
    assert embedded.isdisjoint({"tuning.stores.dynamodb", "storage.table", "storage.clients", "botocore.session"})


# Each start is in a process of its own, forked from one that has the libraries, which would take most of its time.
_START = """
import importlib, json, os, sys
import aws_lambda_powertools, fastapi, mangum, numpy
said = []
for function, setting, url in json.loads(sys.argv[1]):
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.environ[setting] = url
        try:
            importlib.import_module(function)
            told = "started"
        except Exception as error:
            told = f"{type(error).__name__}: {error}"
        os.write(writing, told.encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as told:
        said.append(told.read())
    os.wait()
print(json.dumps(said))
"""
_NO_STORAGE = {
    "OBSERVATION_STORE": "sqlite://nonsense",
    "CAPTION_STORE": "sqlite:///captions.db?mode=ro",
    "CAPTION_MODEL": "s3://",
    "UPLOAD_BUCKET": "s3://bucket/prefix",
}
_STARTED = ["functions.suggest.app", "functions.update.app", "functions.caption.app", "functions.caption.on_upload"]


@pytest.fixture(scope="module")
def said_at_the_start() -> dict[tuple[str, str], str]:
    """What each function says, by function and setting, where the setting is a URL that names no storage."""
    cases = [(function, setting, url) for function in _STARTED for setting, url in _NO_STORAGE.items()]
    said = json.loads(last_line_of(_START, json.dumps(cases), OMP_NUM_THREADS="1"))
    return {(function, setting): told for (function, setting, _), told in zip(cases, said, strict=True)}


@pytest.mark.parametrize(("setting", "url"), _NO_STORAGE.items())
@pytest.mark.parametrize("function", _STARTED)
def test_a_url_that_names_no_storage_stops_the_start_and_is_named(
    said_at_the_start: dict[tuple[str, str], str], function: str, setting: str, url: str
) -> None:
    assert said_at_the_start[function, setting].startswith(f"SettingError: {setting} is {url!r}: must be ")


_PING = """
import importlib, json, sys, time
handler = importlib.import_module(sys.argv[1]).handler
before = set(sys.modules)
began = time.perf_counter()
answers = [handler(event, None) for event in json.loads(sys.argv[2]) for _ in range(100)]
took = time.perf_counter() - began
print(json.dumps([answers == [{"warm": True}] * len(answers), took / len(answers), sorted(set(sys.modules) - before)]))
"""


@pytest.mark.parametrize("function", ["functions.suggest.app", "functions.caption.on_upload"])
def test_a_ping_takes_a_warm_function_no_time_and_imports_nothing(function: str) -> None:
    pings = [json.loads(path.read_text()) for path in (ROOT / "events").glob("*-ping*.json")]
    assert len(pings) == 6
    # With a tracer, as on Lambda.
    traced = {"AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000", "LAMBDA_TASK_ROOT": str(ROOT)}
    answered, seconds, imported = json.loads(last_line_of(_PING, function, json.dumps(pings), **traced))

    assert answered
    assert seconds < 0.005
    assert imported == []
