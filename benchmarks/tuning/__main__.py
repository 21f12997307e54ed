"""`python -m benchmarks.tuning`: does the runs of the comparison, times how methods grow, and writes the page."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from benchmarks.tuning import campaign, page, results, timing
from benchmarks.tuning.alone import MeasurementError
from benchmarks.tuning.comparison import Comparison
from benchmarks.tuning.methods import METHODS, OURS
from benchmarks.tuning.raters import FAMILIES

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "benchmarks"
RESULTS, TIMINGS, PAGE, PLOT = "tuning.csv", "tuning-timing.csv", "tuning.md", "tuning.svg"


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command; the exit status is 1 if a run failed, 2 if the command could not be carried out."""
    options = _parse(arguments)
    try:
        return int(options.command(options))
    except PackageNotFoundError as error:
        print(f"benchmarks.tuning: {error.name} is not installed; `make bench-tuning` installs it", file=sys.stderr)
    except (results.ResultsError, MeasurementError, ValueError, OSError) as error:
        print(f"benchmarks.tuning: {error}", file=sys.stderr)
    return 2


def _run(options: argparse.Namespace) -> int:
    wanted = [
        campaign.Task(method, family, seed)
        for method in options.methods
        for seed in options.seeds
        for family in options.families
    ]
    path = options.folder / RESULTS
    tasks = campaign.missing(wanted, path)
    if len(tasks) < len(wanted):
        print(f"{len(wanted) - len(tasks)} of {len(wanted)} runs are in {path} already", file=sys.stderr)
    return 1 if campaign.work(tasks, path, jobs=options.jobs) else 0


def _timing(options: argparse.Namespace) -> int:
    timing.write(options.folder / TIMINGS, timing.time_all())
    return 0


def _report(options: argparse.Namespace) -> int:
    runs = results.read(options.folder / RESULTS)
    if not runs:
        raise ValueError(f"{options.folder / RESULTS} has no results; the command `run` makes some")
    comparison, timings = Comparison(runs), timing.read(options.folder / TIMINGS)
    measured = {comparison.versions.get(OURS), *(one.version for one in timings if one.method == OURS)} - {None}
    if measured - {METHODS[OURS].version}:
        print("benchmarks.tuning: ours was measured from other sources than these; `run` or `timing`", file=sys.stderr)
    text = page.render(comparison, runs, timings)
    (options.folder / PAGE).write_text(text, encoding="utf-8")
    page.plot(comparison, options.folder / PLOT)
    print(options.folder / PAGE)
    return 0


def _seeds(text: str) -> range:
    first, _, past = text.partition(":")
    if not first.isdecimal() or not (past or first).isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} names no seeds; 0:20 are the first twenty, 7 is the eighth alone")
    seeds = range(int(first), int(past) if past else int(first) + 1)
    if not seeds:
        raise argparse.ArgumentTypeError(f"{text!r} names no seeds; the second number must be the greater")
    return seeds


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tuning", description="Tuning methods side by side, on simulated raters."
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the results and the page (docs/benchmarks)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="do the runs that are not in the results yet, and add them")
    for option, choices in (("--methods", METHODS), ("--families", FAMILIES)):
        run.add_argument(
            option,
            nargs="+",
            choices=choices,
            default=list(choices),
            metavar="NAME",
            help=f"of {', '.join(choices)} (all)",
        )
    run.add_argument("--seeds", type=_seeds, default=range(20), metavar="FIRST:PAST", help="which seeds (0:20)")
    run.add_argument("--jobs", type=_jobs, default=1, help="how many runs at a time, each on one core (1)")
    run.set_defaults(command=_run)
    grow = commands.add_parser("timing", help="time how ours grows, beside the original, in place of earlier timings")
    grow.set_defaults(command=_timing)
    report = commands.add_parser("report", help="write the page and its plot from the results")
    report.set_defaults(command=_report)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
