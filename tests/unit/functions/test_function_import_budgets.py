"""What a function imports before its first request: every module is paid for by a person who waits."""

import json
import os
import subprocess
import sys

import pytest

from tests.stack import ROOT

_LIST = "import importlib, json, sys; importlib.import_module(sys.argv[1]); print(json.dumps(sorted(sys.modules)))"


def last_line_of(program: str, *arguments: str, **environment: str) -> str:
    whole = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=whole, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def modules_of(function: str, **environment: str) -> set[str]:
    return set(json.loads(last_line_of(_LIST, function, **environment)))


HEAVY = {"skopt", "sklearn", "pandas", "matplotlib", "joblib", "scipy.stats", "tensorflow", "fastapi_offline"}
# Powertools touches the package botocore itself, which is next to nothing; a client is made from its session.
HEAVY |= {"boto3", "botocore.session"}


@pytest.mark.parametrize(
    ("function", "forbidden", "most"),
    [
        ("functions.suggest.app", HEAVY | {"scipy.optimize", "PIL", "ai_edge_litert", "captioning"}, 850),
        ("functions.update.app", HEAVY | {"scipy.optimize", "PIL", "ai_edge_litert", "captioning"}, 820),
        ("functions.caption.app", HEAVY | {"scipy", "tuning"}, 670),
    ],
)
def test_a_function_starts_with_what_it_needs_alone(function: str, forbidden: set[str], most: int) -> None:
    modules = modules_of(function)

    assert modules.isdisjoint(forbidden)
    assert len(modules) <= most


def test_a_starting_lambda_has_its_storage_adapter_ready_before_the_first_picture() -> None:
    deployed = modules_of("functions.caption.app", CAPTION_STORE="dynamodb://captions?region=eu-west-1")

    assert "captioning.store_dynamodb" in deployed
    assert deployed.isdisjoint({"boto3", "captioning.store_sqlite"})


def test_a_starting_lambda_has_the_learning_ready_before_the_first_update() -> None:
    assert "skopt" in modules_of("functions.update.app", AWS_LAMBDA_FUNCTION_NAME="update")


def test_the_models_are_loaded_while_the_function_starts() -> None:
    program = "from functions.caption import app; print(app.service()._captioner is not None)"

    assert last_line_of(program) == "True"


@pytest.mark.parametrize("function", ["functions.suggest.app", "functions.update.app"])
def test_the_stores_adapter_is_loaded_while_the_function_starts(function: str) -> None:
    deployed = modules_of(function, OBSERVATION_STORE="dynamodb://observations?region=eu-west-1")

    assert "tuning.store_dynamodb" in deployed
    assert "tuning.store_dynamodb" not in modules_of(function)
    assert function in modules_of(function, OBSERVATION_STORE="sqlite://nonsense")
