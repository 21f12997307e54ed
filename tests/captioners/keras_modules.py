"""The two Kerases by their versions: 3, and 2 as `tf_keras`."""

import importlib
from typing import Any, Final

import pytest

MODULES: Final = {"keras2": "tf_keras", "keras3": "keras"}


def keras_module(version: str) -> Any:
    """Import a Keras, or skip the test where it is not installed."""
    pytest.importorskip("tensorflow", reason="TensorFlow: `make captioners` installs it")
    return importlib.import_module(MODULES[version])
