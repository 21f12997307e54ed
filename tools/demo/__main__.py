"""`make demo`: the local stack with rated studies and captioned pictures, opened in the browser.

It starts the stack on a data folder of its own, has four simulated people rate, captions the pictures of samples/, and
leaves the stack running until Ctrl-C. Nothing of it goes into another study. A second start goes on with what is there.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.demo import browser, captions, studies
from tools.demo.folder import DemoError, DemoFolder, claimed
from tools.demo.server import LocalStack, running
from tools.service import Service, ServiceError

_FOLDER = Path("data/demo")
_PAGE = "/studio"

_SETTINGS = """\
settings, from the environment:
  HOST, PORT, API_KEY   as those of `make run`
  FRESH=1               delete what the demo has recorded, and begin anew (0)
  OPEN=no               do not open the page in a browser (yes)
"""


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """Whether to begin anew, whether to open the page, and the key that requests need."""

    fresh: bool
    opens: bool
    api_key: str | None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "DemoSettings":
        """Read FRESH, OPEN and API_KEY; an empty variable counts as not set.

        Raises:
            DemoError: FRESH is neither 0 nor 1, or OPEN neither yes nor no.
        """
        fresh, opens = environment.get("FRESH") or "0", environment.get("OPEN") or "yes"
        if fresh not in {"0", "1"}:
            raise DemoError(f"FRESH is {fresh!r}; it must be 0 or 1")
        if opens not in {"yes", "no"}:
            raise DemoError(f"OPEN is {opens!r}; it must be yes or no")
        return cls(fresh == "1", opens == "yes", environment.get("API_KEY") or None)


class Clock:
    """Says things with the seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """Print a line."""
        print(f"{time.monotonic() - self._began:6.1f} s  {text}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo until it is stopped; return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    plan = studies.Plan(options.structure, options.surfaces, options.later)
    if plan.structure < studies.FEWEST:
        parser.error(f"--structure is {plan.structure}; it must be at least {studies.FEWEST}, two ratings per person")
    # Whoever ends this process ends the stack too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    clock, is_ready = Clock(), False
    try:
        settings = DemoSettings.from_environment(os.environ)
        with claimed(options.folder, fresh=settings.fresh) as folder:
            print(
                f"The demo keeps its data in {folder.path}/ and touches no other study. FRESH=1 begins anew.",
                flush=True,
            )
            with running(folder) as stack:
                page = _fill(stack, folder, plan, settings, clock)
                is_ready = True
                clock.say(f"ready: {page}" + (" (it asks for API_KEY)" if settings.api_key else ""))
                _show(page, opens=settings.opens)
                stack.wait()
    except (DemoError, ServiceError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nThe stack has stopped." + ("" if is_ready else " The next start goes on from here."))
        return 0 if is_ready else 130
    return 0


def _fill(stack: LocalStack, folder: DemoFolder, plan: studies.Plan, settings: DemoSettings, clock: Clock) -> str:
    """Do what is missing, and return the page's address."""
    url = browser.reachable(stack.url)
    service = Service(url, settings.api_key)
    page = service.get(_PAGE, keyed=False)
    clock.say(f"the first page: {url}{_PAGE}")
    if page.status != 200:  # noqa: PLR2004 - there is a page, and it is not the one that is wanted
        clock.say(f"Studio is not built (status {page.status}): `make studio` builds it, also while this runs")
    paths = captions.upload(service, folder)
    studies.fill(service, folder, plan, clock.say)
    captions.await_captions(service, paths, clock.say)
    return f"{url}{_PAGE}"


def _show(page: str, *, opens: bool) -> None:
    if not (opens and browser.has_screen(os.environ, sys.platform) and browser.show(page)):
        print(f"Open {page} in a browser.")
    print("Ctrl-C stops it.", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.demo",
        description=__doc__,
        epilog=_SETTINGS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", type=Path, default=_FOLDER, help=f"the demo's data folder ({_FOLDER})")
    plan = studies.Plan()
    for mode, ratings in (("structure", plan.structure), ("surfaces", plan.surfaces)):
        parser.add_argument(f"--{mode}", type=int, default=ratings, help=f"ratings of the mode {mode} ({ratings})")
    later = f"ratings of the study that is based on it ({plan.later})"
    parser.add_argument("--later", type=int, default=plan.later, help=later)
    return parser


if __name__ == "__main__":
    sys.exit(main())
