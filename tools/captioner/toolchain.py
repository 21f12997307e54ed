"""The packages that only the tools need, asked for where they are used.

They live in an environment of their own (`make model` makes it), so that help, errors and most of the code do without
them. Refuses to install anything by itself.
"""

import importlib
import importlib.metadata
import os
from typing import TYPE_CHECKING, Final

from tools.captioner.errors import ToolchainError

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["REQUIREMENTS", "installed_versions", "require", "require_tensorflow"]

REQUIREMENTS: Final = "tools/captioner/requirements.txt"
_OWN: Final = (".venv-model/stamp", REQUIREMENTS)
_STACK: Final = (".venv/local.stamp", "tools/requirements.txt")
_WITH_THE_STACK: Final = {"boto3", "botocore", "tqdm"}  # TensorFlow's environment, 2 GB, is not needed for these
_TOOLS: Final = ("tensorflow", "tensorflow-cpu", "keras", "h5py", "ai-edge-litert", "numpy", "pillow", "sacrebleu")


def require(name: str) -> "ModuleType":
    """Import a module of the tools' requirements.

    Raises:
        ToolchainError: it is not installed; the text says how to install it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise
        stamp, requirements = _STACK if error.name in _WITH_THE_STACK else _OWN
        raise ToolchainError(
            f"{error.name} is not installed: run `make {stamp}`, or pip install --require-hashes -r {requirements}"
        ) from error


def require_tensorflow() -> "ModuleType":
    """Import TensorFlow, its start-up notices off. Raises ToolchainError when it is not installed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    return require("tensorflow")


def installed_versions() -> dict[str, str]:
    """Return the versions of the tools that shape a bundle, of those that are installed."""
    installed = {
        distribution.name.lower().replace("_", "-"): distribution.version
        for distribution in importlib.metadata.distributions()
    }
    return {tool: installed[tool] for tool in _TOOLS if tool in installed}
