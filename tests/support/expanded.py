"""template.yaml as AWS sees it, once SAM's own transform has expanded it; and the same for an emulator.

What the emulator of CloudFormation (Ministack) does not know is left out: CodeDeploy, and alarms on sums of metrics.
Its Lambda runs no images without Docker: there a function is a few lines that import the same handler.
"""

import json
import os
import subprocess
import sys
from typing import Any

from tests.support.stack import ROOT

_PYTHON = ROOT / ".venv-sam" / "bin" / "python"

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

_UNKNOWN = ("AWS::CodeDeploy::Application", "AWS::CodeDeploy::DeploymentGroup")

_FUNCTION = """
import sys
sys.path[:0] = {path!r}
from {module} import {attribute} as handler
"""


class SamMissingError(Exception):
    """SAM is not installed; the message says how it is."""


def expand() -> dict[str, Any]:
    """The expanded template, its parameters at their defaults. Raises SamMissingError."""
    if not _PYTHON.exists():
        raise SamMissingError(".venv-sam, which `make template` installs")
    environment = {**os.environ, "AWS_DEFAULT_REGION": "eu-west-1"}
    command = [str(_PYTHON), "-c", _EXPAND]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def for_emulator(expanded: dict[str, Any]) -> dict[str, Any]:
    """The same with what the emulator knows alone, and functions that it can run."""
    kept = {
        name: {part: value for part, value in one.items() if part != "UpdatePolicy"}
        for name, one in expanded["Resources"].items()
        if one["Type"] not in _UNKNOWN
        and not (one["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in one["Properties"])
    }
    runnable = {
        name: {**one, "Properties": _from_sources(one["Properties"])} if one["Type"] == "AWS::Lambda::Function" else one
        for name, one in kept.items()
    }
    return {**expanded, "Resources": runnable}


def _from_sources(properties: dict[str, Any]) -> dict[str, Any]:
    module, _, attribute = properties["ImageConfig"]["Command"][0].rpartition(".")
    path = [
        str(ROOT),
        *map(str, sorted(ROOT.glob("layers/*/python"))),
        *(one for one in sys.path if "-packages" in one),
    ]
    of_images = {"PackageType", "ImageConfig", "Code"}
    return {
        **{name: value for name, value in properties.items() if name not in of_images},
        "Runtime": f"python{sys.version_info.major}.{sys.version_info.minor}",
        "Handler": "index.handler",
        "Code": {"ZipFile": _FUNCTION.format(path=path, module=module, attribute=attribute)},
    }
