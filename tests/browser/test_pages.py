"""The pages in a real browser that reaches this machine alone. Needs Chromium; without it the tests say so."""

import shutil
import subprocess
from pathlib import Path

import pytest

from functions.suggest import studio
from tests.conftest import go_without
from tests.support.stack import Stack

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; on Debian: apt install chromium")


def _rendered(url: str, profile: Path) -> str:
    assert CHROMIUM is not None
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--virtual-time-budget=20000",
        f"--user-data-dir={profile}",
    ]
    done = subprocess.run([CHROMIUM, *flags, "--dump-dom", url], capture_output=True, text=True, check=True, timeout=90)
    return done.stdout


def test_swagger_ui_lists_the_operations_of_all_functions(stack: Stack, tmp_path: Path) -> None:
    page = _rendered(f"{stack.url}/docs", tmp_path)

    for path in ("/ml/suggest_parameters", "/ml/update_model", "/generate-caption/"):
        assert f'data-path="{path}"' in page
    assert "Failed to load" not in page


def test_redoc_lists_the_operations_of_all_functions(stack: Stack, tmp_path: Path) -> None:
    page = _rendered(f"{stack.url}/redoc", tmp_path)

    for summary in ("Suggest settings to try next", "Record ratings and learn", "Say in words what a picture shows"):
        assert summary in page


def test_studio_shows_itself_under_its_own_policy(stack: Stack, tmp_path: Path) -> None:
    if not (studio.FOLDER / "index.html").is_file():
        go_without("Studio's page: `make studio` builds it")
    page = _rendered(f"{stack.url}/studio/", tmp_path)

    for tab in ("Rate", "Progress", "History", "Captions"):
        assert tab in page
