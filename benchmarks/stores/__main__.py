"""How an observation store grows: the time and the consumed capacity of what it does, by size, and writers at once.

`make bench-stores` measures a new SQLite file and DynamoDB Local, and writes docs/benchmarks/stores.md and stores.svg.
Every operation is one call of the port; times are medians. The times of DynamoDB Local are those of an emulator on this
machine: they show how an operation grows, and nothing of the service's latency.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.stores.operations import Measurement, measure
from benchmarks.stores.page import plot, render
from benchmarks.stores.race import Race, race
from tests.support.dynamodb import DynamoDBMissingError, dynamodb_local, make_table, nobodys_account
from tuning.errors import TuningError

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "benchmarks"

SQLITE, DYNAMODB_LOCAL = "sqlite", "dynamodb-local"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures the stores named; the exit status is 1 if one cannot be measured."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stores", description=(__doc__ or "").partition("\n\n")[0]
    )
    parser.add_argument(
        "stores",
        nargs="*",
        metavar="STORE",
        default=[SQLITE, DYNAMODB_LOCAL],
        help=f"{SQLITE} (a new file), {DYNAMODB_LOCAL} (a new one; needs Java and Maven), or the URL of an empty store",
    )
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder to write to (docs/benchmarks)")
    options = parser.parse_args(arguments)
    measurements: list[Measurement] = []
    races: list[Race] = []
    loads = [os.getloadavg()[0]]
    try:
        for name in options.stores:
            with ExitStack() as stack:
                url = _open(name, stack)
                measurements += measure(url)
                loads.append(os.getloadavg()[0])
                races.append(race(url))
    except (DynamoDBMissingError, TuningError, ValueError, RuntimeError) as error:
        print(f"benchmarks.stores: {name}: {error}", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    page = render(measurements, races, load=sum(loads) / len(loads))
    (options.out / "stores.md").write_text(page, encoding="utf-8")
    plot(measurements, options.out / "stores.svg")
    print(page)
    return 0


def _open(name: str, stack: ExitStack) -> str:
    """Return the URL of the empty store that is meant; the stack holds what is made for it."""
    if name == SQLITE:
        # Not in the system's folder for temporary files, which may be in memory, where durability costs nothing.
        (ROOT / "build").mkdir(exist_ok=True)
        return f"sqlite:///{stack.enter_context(tempfile.TemporaryDirectory(dir=ROOT / 'build'))}/observations.db"
    if name == DYNAMODB_LOCAL:
        stack.enter_context(nobodys_account())
        endpoint = stack.enter_context(dynamodb_local())
        return f"dynamodb://{make_table(endpoint, 'ObservationsTable')}?endpoint={endpoint}"
    return name


if __name__ == "__main__":
    sys.exit(main())
