"""What the tests of the expanded template share: the template as AWS sees it, once SAM's transform has expanded it."""

import json
import os
import subprocess
from typing import Any

import pytest

from tests.conftest import go_without
from tests.support.stack import ROOT

_SAM = ROOT / ".venv-sam" / "bin" / "python"

_EXPAND = """
import json, sys
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

class Policies:
    def load(self):
        return {"AWSLambdaBasicExecutionRole": "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"}

document = yaml_parse(open("template.yaml").read())
for one in document["Resources"].values():
    if one["Type"] == "AWS::Serverless::Function":  # as `sam package` does once the image is pushed
        one["Properties"]["ImageUri"] = "000000000000.dkr.ecr.eu-west-1.amazonaws.com/pictures:1"
parameters = {name: one["Default"] for name, one in document["Parameters"].items()}
print(json.dumps(transform(document, parameters, Policies())))
"""


@pytest.fixture(scope="session")
def expanded() -> dict[str, Any]:
    if not _SAM.exists():
        go_without(".venv-sam, which `make template` installs")
    environment = {**os.environ, "AWS_DEFAULT_REGION": "eu-west-1"}
    command = [str(_SAM), "-c", _EXPAND]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="session")
def resources(expanded: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = expanded["Resources"]
    return found
