"""What is sent to Docker for a build, and what the Dockerfile makes of it: our sources, and nothing beside them."""

import json
import subprocess

import pytest

from local.template import read
from tests.conftest import go_without
from tests.images.recipe import LAYERS, last_stage, wanted
from tests.images.sources import sources
from tests.support.stack import ROOT

# As SAM does: its Docker library decides what .dockerignore leaves in.
_LIST = """
import json
from pathlib import Path
from docker.utils.build import exclude_paths
lines = [line.strip() for line in Path(".dockerignore").read_text().splitlines()]
rules = [line for line in lines if line and not line.startswith("#")]
print(json.dumps([path for path in exclude_paths(".", rules) if Path(path).is_file()]))
"""


def test_the_build_context_holds_what_the_images_copy_and_nothing_else() -> None:
    python = ROOT / ".venv-sam" / "bin" / "python"
    if not python.is_file():
        go_without("SAM: `make .venv-sam/stamp` installs it")
    done = subprocess.run([python, "-c", _LIST], cwd=ROOT, capture_output=True, text=True, check=True)
    # The rules go along with what they leave in; what a machine gives pip and npm is its own affair.
    own = ("build/pip/", "build/npm/")
    sent = {path for path in json.loads(done.stdout) if path != ".dockerignore" and not path.startswith(own)}

    folders = ("clients/typescript", "functions", "layers", "local", "models/flickr8k", "studio", "tools/node")
    files = {".npmrc", "main.py", "package-lock.json", "package.json", "template.yaml", "tsconfig.base.json"}
    assert sent == {f"{folder}/{name}" for folder in folders for name in sources(folder)} | files


@pytest.mark.parametrize("function", LAYERS)
def test_the_image_of_a_function_gets_its_layers_its_function_and_no_other_code(function: str) -> None:
    stage = last_stage(function)

    assert stage.files == wanted(function)
    assert stage.command == [f"functions.{function}.app.handler"]
    assert stage.command[0] in read(ROOT / "template.yaml").handlers.values()
