"""The old runtime, `tflite-runtime`, in an environment of its own: what it captions, and what it is not let near."""

import json
import os
import subprocess
import sys

import pytest

from captioning.captioner import Captioner
from captioning.model.bundle import open_bundle
from tests.support.stack import ROOT

PYTHON = ROOT / ".venv-tflite" / "bin" / "python"
SCRIPT = """
import json, sys
import numpy
from captioning.model.bundle import open_bundle
from captioning.captioner import Captioner
from captioning.errors import BundleError
from captioning.model.interpreter import Interpreter
said = {"runtime": Interpreter.__module__, "numpy": numpy.__version__}
try:
    caption = Captioner(open_bundle(sys.argv[1])).caption(sys.stdin.buffer.read())
    said |= {"text": caption.text, "confidence": caption.confidence}
except BundleError as error:
    said |= {"error": str(error)}
print(json.dumps(said))
"""


@pytest.fixture(scope="module", autouse=True)
def old_runtime() -> None:
    """`make test` makes the environment wherever there is a Python 3.11 on Linux."""
    if PYTHON.is_file():
        return
    missing = "the old runtime: `make .venv-tflite/stamp` installs it, given Linux and Python 3.11"
    if os.environ.get("CI") == "true" and sys.platform == "linux" and sys.version_info[:2] == (3, 11):
        pytest.fail(f"needed under continuous integration: {missing}")
    pytest.skip(f"without {missing}")


def ask(bundle: str, picture: bytes) -> dict[str, object]:
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}/layers/storage/python:{ROOT}/layers/captioning/python",
    }
    done = subprocess.run(
        [PYTHON, "-c", SCRIPT, bundle], input=picture, env=environment, capture_output=True, check=True
    )
    said: dict[str, object] = json.loads(done.stdout)
    assert said.pop("runtime") == "tflite_runtime.interpreter"
    assert str(said.pop("numpy")).startswith("1.26.")
    return said


@pytest.mark.parametrize("name", ["tiny-float32", "tiny-topics"])
def test_a_float32_bundle_captions_under_the_old_runtime_as_under_the_present_one(name: str, picture: bytes) -> None:
    here = Captioner(open_bundle(f"file://tests/bundles/{name}")).caption(picture)
    there = ask(f"file://tests/bundles/{name}", picture)
    assert there == {"text": here.text, "confidence": pytest.approx(here.confidence, abs=1e-5)}


@pytest.mark.parametrize("bundle", ["tests/bundles/tiny", "models/flickr8k"])
def test_a_bundle_with_8_bit_kernels_is_refused_with_the_way_out(picture: bytes, bundle: str) -> None:
    refused = ask(f"file://{bundle}", picture)
    assert str(refused.pop("error")).startswith(f"{bundle}/encoder.tflite: has 8-bit kernels, which are not for tflite")
    assert not refused
