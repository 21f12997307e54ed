"""What the tests of the expanded template share."""

from typing import Any

import pytest

from tests.conftest import go_without
from tests.support.expanded import SamMissingError, expand


@pytest.fixture(scope="session")
def expanded() -> dict[str, Any]:
    """The expanded template, its parameters at their defaults."""
    try:
        return expand()
    except SamMissingError as error:
        go_without(str(error))


@pytest.fixture(scope="session")
def resources(expanded: dict[str, Any]) -> dict[str, Any]:
    """Its resources."""
    found: dict[str, Any] = expanded["Resources"]
    return found
