"""What the tests of the images share: a Docker engine with the base image, the images, a report of what was seen."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.images.base import npm_cache, prepare, wheelhouse
from tests.images.engine import Engine, EngineMissingError, engine
from tests.images.sam import BUILT, Function, Sam
from tests.images.wheels import WheelsMissingError
from tests.support.events import HANDLERS, events_for


@dataclass(frozen=True, slots=True)
class Measured:
    """An image and the function in it: sizes and memory in MB, medians of the times to an answer."""

    image: str
    megabytes: float
    megabytes_of_ours: float
    first_seconds: float
    first_processor_seconds: float
    later_seconds: float
    later_processor_seconds: float
    peak_memory: float

    def cells(self) -> tuple[str, ...]:
        """What a row of the report shows."""
        sizes = (f"{self.megabytes:.0f} MB", f"{self.megabytes_of_ours:.0f} MB")
        first = (f"{self.first_seconds:.2f} s", f"{self.first_processor_seconds:.2f} s")
        later = (f"{self.later_seconds * 1000:.0f} ms", f"{self.later_processor_seconds * 1000:.0f} ms")
        return (self.image, *sizes, *first, *later, f"{self.peak_memory:.0f} MB")


@dataclass(slots=True)
class Report:
    """What was measured, printed in the end and kept as build/images/report.md."""

    base: str
    rows: list[Measured] = field(default_factory=list)

    def add(self, measured: Measured) -> None:
        """Adds an image."""
        self.rows.append(measured)

    def __str__(self) -> str:
        head: tuple[str, ...] = ("image", "size", "beyond the base", "first call", "of it processor")
        head += ("later calls", "of it processor", "peak memory")
        rows = [head, ("---", *("---:",) * (len(head) - 1)), *(row.cells() for row in self.rows)]
        return "\n".join([f"On {self.base}:", "", *("| " + " | ".join(row) + " |" for row in rows), ""])


@pytest.fixture(scope="session")
def docker() -> Iterator[Engine]:
    """The Docker engine."""
    try:
        with engine() as running:
            yield running
    except EngineMissingError as error:
        pytest.exit(str(error), returncode=2)


@pytest.fixture(scope="session")
def report(docker: Engine) -> Iterator[Report]:
    """The report, begun with the base image, without which nothing can be seen."""
    try:
        made = Report(prepare(docker))
    except (EngineMissingError, WheelsMissingError) as error:
        pytest.exit(str(error), returncode=2)
    yield made
    if made.rows:
        BUILT.mkdir(parents=True, exist_ok=True)
        (BUILT / "report.md").write_text(str(made))
        print(f"\n{made}")


@pytest.fixture(scope="session")
def sam(docker: Engine) -> Sam:
    """SAM."""
    return Sam(docker)


@pytest.fixture(scope="session")
def functions(sam: Sam, report: Report) -> dict[str, Function]:
    """The functions by their handlers, their images built."""
    with wheelhouse(), npm_cache():
        return {function.handler: function for function in sam.build()}


@pytest.fixture(scope="session")
def answers(sam: Sam, functions: dict[str, Function]) -> Iterator[dict[Path, Future[Any]]]:
    """What `sam local invoke` gives for every event: two at a time, for each has a container to start."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield {
            event: pool.submit(sam.invoke, functions[handler].name, event)
            for recipient, handler in HANDLERS.items()
            for event in events_for(recipient)
        }
        pool.shutdown(wait=True, cancel_futures=True)
