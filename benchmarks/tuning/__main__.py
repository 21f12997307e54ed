"""`python -m benchmarks.tuning`: does the runs of the comparison, times how methods grow, and writes the page."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from benchmarks.tuning import campaign, page, results, timing, trial
from benchmarks.tuning.alone import MeasurementError
from benchmarks.tuning.comparison import Comparison
from benchmarks.tuning.families import FAMILIES
from benchmarks.tuning.methods import METHODS, OURS
from benchmarks.tuning.worlds import ALIKE, PEOPLE, WORLDS, TableRow, World

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "benchmarks"
TIMINGS, PAGE, PLOT, PEOPLE_PLOT = "tuning-timing.csv", "tuning.md", "tuning.svg", "tuning-people.svg"


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
    failed = False
    chosen = _rows(options)
    for world in WORLDS.values():
        wanted = _tasks(world, chosen.get(world.name, []), options)
        path = options.folder / world.results
        tasks = campaign.missing(wanted, path)
        if len(tasks) < len(wanted):
            print(f"{len(wanted) - len(tasks)} of {len(wanted)} runs are in {path} already", file=sys.stderr)
        failed |= bool(campaign.work(tasks, path, jobs=options.jobs))
    return int(failed)


def _trial(options: argparse.Namespace) -> int:
    (name, rows), *others = _rows(options).items()
    if others:
        raise ValueError(f"a trial is of one world: --world {name}, say")
    before = results.read(options.against) if options.against else []
    if not options.methods:
        rows = [row for row in rows if row.is_ours]
    tasks = _tasks(WORLDS[name], rows, options)
    runs, failures = trial.do(tasks, jobs=options.jobs, keep=options.keep)
    print(trial.render(runs, WORLDS[name], before))
    return int(bool(failures))


def _rows(options: argparse.Namespace) -> dict[str, list[TableRow]]:
    """Return the rows that are chosen, by world; of the methods that are named those that a world has.

    Raises:
        ValueError: no chosen world has a row of such a name.
    """
    worlds = [WORLDS[options.world]] if options.world else list(WORLDS.values())
    named = _split(options.methods)
    for method in named:
        if not any(method in world.rows for world in worlds):
            known = dict.fromkeys(row for world in worlds for row in world.rows)
            raise ValueError(f"{method} is no row of the table; there are {', '.join(known)}")
    return {world.name: [row for name, row in world.rows.items() if not named or name in named] for world in worlds}


def _tasks(world: World, rows: Sequence[TableRow], options: argparse.Namespace) -> list[campaign.Task]:
    families = _split(options.families) or list(FAMILIES)
    for family in families:
        if family not in FAMILIES:
            raise ValueError(f"{family} is no family; there are {', '.join(FAMILIES)}")
    return [
        campaign.Task(world.name, row.name, family, seed)
        for row in rows
        for seed in options.seeds
        for family in families
    ]


def _timing(options: argparse.Namespace) -> int:
    timing.write(options.folder / TIMINGS, timing.time_all())
    return 0


def _report(options: argparse.Namespace) -> int:
    runs, of_people = (results.read(options.folder / world.results) for world in (ALIKE, PEOPLE))
    if not runs:
        raise ValueError(f"{options.folder / ALIKE.results} has no results; the command `run` makes some")
    comparison, timings = Comparison(runs), timing.read(options.folder / TIMINGS)
    people = Comparison(of_people, PEOPLE) if of_people else None
    measured = {comparison.versions.get(OURS), *(one.version for one in timings if one.method == OURS)} - {None}
    of_people_now = {} if people is None else {PEOPLE.rows[name]: one for name, one in people.versions.items()}
    stale = any(row.is_ours and row.version != one for row, one in of_people_now.items())
    if stale or measured - {METHODS[OURS].version}:
        print("benchmarks.tuning: ours was measured from other sources than these; `run` or `timing`", file=sys.stderr)
    text = page.render(comparison, timings, people)
    (options.folder / PAGE).write_text(text, encoding="utf-8")
    page.plot(comparison, options.folder / PLOT)
    if people:
        page.plot(people, options.folder / PEOPLE_PLOT)
    print(options.folder / PAGE)
    return 0


def _split(texts: Sequence[str]) -> list[str]:
    """Return the names that stand in the texts, between commas or as texts of their own."""
    return [name for text in texts for name in text.split(",") if name]


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
    _add_choice(run, world=None, seeds=range(20), jobs=1)
    run.set_defaults(command=_run)
    look = commands.add_parser("trial", help="do some runs at low priority and print how they compare; keep nothing")
    _add_choice(look, world=PEOPLE.name, seeds=range(1000, 1010), jobs=os.cpu_count() or 1)
    look.add_argument("--keep", type=Path, metavar="FILE", help="results to which the runs are added all the same")
    look.add_argument("--against", type=Path, metavar="FILE", help="results with which to compare each row")
    look.set_defaults(command=_trial)
    grow = commands.add_parser("timing", help="time how ours grows, beside the original, in place of earlier timings")
    grow.set_defaults(command=_timing)
    report = commands.add_parser("report", help="write the page and its plot from the results")
    report.set_defaults(command=_report)
    return parser.parse_args(arguments)


def _add_choice(parser: argparse.ArgumentParser, *, world: str | None, seeds: range, jobs: int) -> None:
    """Add the options that say which runs."""
    names = dict.fromkeys(row for one in WORLDS.values() for row in one.rows)
    parser.add_argument("--world", choices=WORLDS, default=world, help=f"of {', '.join(WORLDS)} ({world or 'all'})")
    for option, choices in (("--methods", names), ("--families", FAMILIES)):
        parser.add_argument(
            option, nargs="+", default=[], metavar="NAME", help=f"of {', '.join(choices)}, or with commas (all)"
        )
    default = f"{seeds.start}:{seeds.stop}"
    parser.add_argument("--seeds", type=_seeds, default=seeds, metavar="FIRST:PAST", help=f"which seeds ({default})")
    parser.add_argument("--jobs", type=_jobs, default=jobs, help=f"how many runs at a time, each on one core ({jobs})")


if __name__ == "__main__":
    sys.exit(main())
