"""Studio's journeys in a real browser, studio/e2e/*.journey.ts, each with a stack of real handlers of its own.

They need Chromium, and what `make studio` installs and builds; without these the tests say so.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser.test_pages import CHROMIUM
from tests.conftest import go_without
from tests.support.node import npm
from tests.support.stack import ROOT

JOURNEYS = sorted((ROOT / "studio" / "e2e").glob("*.journey.ts"))

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; on Debian: apt install chromium"),
    # Each has limits of its own, which name the step that took too long.
    pytest.mark.timeout(600),
]


def test_every_view_has_a_journey() -> None:
    assert {"rate", "progress", "history", "captions"} <= {one.name.partition(".")[0] for one in JOURNEYS}


# Each view's journey looks at it in light, in dark and on a phone; this one shows all with the demo's data, for people.
SHOWN = pytest.mark.skipif("PICTURES" not in os.environ, reason="PICTURES names no folder for pictures of every view")


@pytest.mark.parametrize(
    "journey",
    [pytest.param(one, marks=SHOWN) if one.name.startswith("pictures.") else one for one in JOURNEYS],
    ids=lambda path: path.name.partition(".")[0],
)
def test_a_journey_through_studio(journey: Path) -> None:
    node = npm()
    if not (ROOT / "functions" / "suggest" / "studio" / "index.html").exists():
        go_without("the page: `make studio` builds it")
    command = [*node.command, "run", "journeys", "--workspace", "studio", "--", f"e2e/{journey.name}"]
    environment = {**node.environment, "PYTHON": sys.executable, "CHROMIUM": str(CHROMIUM), "NO_COLOR": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
