"""What the tests of moving ratings stand on."""

from pathlib import Path

import pytest

from tests.support.studies import fill_with_studies


@pytest.fixture
def studies(tmp_path: Path) -> str:
    """A store with three studies in which everything was done that may be."""
    url = f"sqlite:///{tmp_path}/studies.db"
    fill_with_studies(url)
    return url


@pytest.fixture
def target(tmp_path: Path) -> str:
    """A store that nobody has used yet."""
    return f"sqlite:///{tmp_path}/target.db"
