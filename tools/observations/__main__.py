"""The command line of `python -m tools.observations`."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from storage.urls import DatabaseFile, parse_store
from tools.observations.archive import is_archive, read_archive, write_archive
from tools.observations.errors import MoveError
from tools.observations.importing import import_rows
from tools.observations.moving import MovedStudy, bring, collect, without_base
from tools.observations.optuna import require_optuna, write_storage
from tools.observations.rows import judge_rows, read_json_lines
from tools.observations.table import read_table, write_table
from tuning.errors import TuningError
from tuning.observations import Failure
from tuning.spaces import Spaces
from tuning.stores import open_store
from tuning.stores.port import ObservationStore
from tuning.validation.space_file import load_spaces

_ENDINGS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}
_DATABASES = frozenset({".db", ".sqlite", ".sqlite3"})
_STANDARD_OUTPUT = "-"

_DESCRIPTION = """\
Move ratings: whole studies from one observation store to another, directly (copy) or through a file (export, import);
the present state to CSV or to Optuna (export --format); CSV and JSON Lines of your own into a study (import).
A store is named as in OBSERVATION_STORE:

  sqlite:///data/observations.db                relative to the working directory (four slashes: absolute)
  dynamodb://TABLE?region=REGION&endpoint=URL   region and endpoint may be left to AWS's own settings"""

_EPILOG = """\
examples:
  python -m tools.observations copy --from sqlite:///data/observations.db --to dynamodb://observations?region=eu-west-1
  python -m tools.observations export --from dynamodb://observations --to ratings.jsonl
  python -m tools.observations import --from ratings.jsonl --to sqlite:///data/observations.db
  python -m tools.observations export --from dynamodb://observations --to ratings.csv --study kitchens-2026
  python -m tools.observations import --from old.csv --to dynamodb://observations --study kitchens-2026 --create

Before you move studies, stop the functions that write to either store. In the new store a study must be absent, or have
the first records of what is moved. After an interruption run the same command again: nothing is recorded twice."""

_EXPORT = """\
Write a new file.

  jsonl   an archive for import: whole studies with revisions, pending suggestions and learned hyperparameters
  csv     one row per rating or failure, as it is now, oldest first
  optuna  a storage that optuna-dashboard opens; needs Optuna (make .venv-optuna/stamp, then .venv-optuna/bin/python)

Without --format, a file that ends in .csv is CSV, and others are archives. The file - is standard output."""

_IMPORT = """\
Import a file: an archive of whole studies (export --format jsonl, of this release or an earlier one), or rows.

Rows are CSV or JSON Lines. CSV has a header with these columns in any order: api, the parameters of the API, and rating
(1 to 5) or failed (why there is no rating); optionally mode, rater, picture, comment, recorded_at, suggestion_id and
study. Columns are separated by commas, semicolons or tabs; with semicolons or tabs decimals may have commas. A line of
JSON has the fields of a result of POST /ml/update_model, and recorded_at. All errors are named by line and column; with
any error nothing is imported. Rows that are there already, by content or id, are not recorded again."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, or 1 with lines on standard error that say what is wrong."""
    options = _parser().parse_args(arguments)
    commands: dict[str, Callable[[argparse.Namespace, datetime], None]] = {
        "export": _export,
        "import": _import,
        "copy": _copy,
    }
    try:
        commands[options.command](options, datetime.now(UTC))
    except (MoveError, TuningError, OSError) as error:
        print(f"tools.observations: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tools.observations: interrupted; run the same command again to go on", file=sys.stderr)
        return 130
    return 0


def _export(options: argparse.Namespace, now: datetime) -> None:
    form = _format(options)
    spaces = _spaces()
    path = None if options.target == _STANDARD_OUTPUT else Path(options.target)
    with closing(_existing(options.source)) as source:
        studies = collect(source, names=options.study, now=now)
    # Standard output has the export alone.
    said = sys.stderr if path is None else sys.stdout
    if form == "csv":
        count = write_table(studies, spaces, path, withdrawn=options.include == "withdrawn")
        done = f"{count:,} rows written"
    elif form == "optuna" and path:
        done = f"{write_storage(studies, spaces, path):,} trials written; open it with optuna-dashboard {path}"
    else:
        write_archive(studies, path)
        done = f"{sum(len(moved.log) for moved in studies):,} records written{'; all verified' if path else ''}"
    print("\n".join([*map(_described, studies), done]), file=said)
    for name, base in without_base(studies) if form == "jsonl" else ():
        print(
            f"note: study {name} is based on {base}, which is not in the archive: import takes it only where {base} is;"
            f" add --study {base} to have both",
            file=sys.stderr,
        )


def _import(options: argparse.Namespace, now: datetime) -> None:
    path = Path(options.source)
    table = path.suffix.lower() == ".csv"
    if not table and is_archive(path):
        for name in ("create", "timezone", "off_grid", "mode", "encoding"):
            if getattr(options, name):
                raise MoveError(f"--{name.replace('_', '-')} is for rows; {path} is an archive")
        studies = read_archive(path)
        if options.study and options.study not in (names := [moved.name for moved in studies]):
            raise MoveError(f"{path} has no study {options.study}; it has {', '.join(names)}")
        _bring([moved for moved in studies if options.study in {None, moved.name}], options.target, now)
        return
    spaces = _spaces()
    if options.mode and spaces.find_mode(options.mode) is None:
        raise MoveError(f"--mode must be one of {', '.join(mode.name for mode in spaces.modes)}, not {options.mode}")
    zone = _zone(options.timezone)
    rows = read_table(path, spaces, encoding=options.encoding) if table else read_json_lines(path)
    judged, notes = judge_rows(rows, spaces, zone=zone, off_grid=options.off_grid, now=now)
    with closing(open_store(options.target)) as target:
        done = import_rows(
            path, judged, target, spaces, study=options.study, create=options.create, mode=options.mode, now=now
        )
    for note in (*rows.notes, *notes, *done.notes):
        print(note)
    for study, count in done.recorded.items():
        print(f"{study}: {count:,} recorded{_there(done.there[study])}")
    if done.differing:
        recorded, there = sum(done.recorded.values()), sum(done.there.values()) - done.differing
        raise MoveError(f"{recorded:,} recorded{_there(there)}; {done.differing:,} differ from what is there")
    print(f"{sum(done.recorded.values()):,} recorded{_there(sum(done.there.values()))}; all verified")


def _existing(url: str) -> ObservationStore:
    """Open a store to read it: a file that is not there is not made.

    Raises:
        MoveError: it is not there.
        StoreUrlError: the URL names no store.
    """
    store = open_store(url)
    place = parse_store(url)
    if isinstance(place, DatabaseFile) and not place.path.exists():
        raise MoveError(f"{url}: there is no such file")
    return store


def _copy(options: argparse.Namespace, now: datetime) -> None:
    with closing(_existing(options.source)) as source:
        studies = collect(source, names=options.study, now=now)
    _bring(studies, options.target, now)


def _bring(studies: Sequence[MovedStudy], url: str, now: datetime) -> None:
    with closing(open_store(url)) as target:
        done = bring(studies, target, now=now)
    for moved in studies:
        print(_described(moved))
    if done.left:
        print(f"{len(done.left):,} suggestions were not moved: their settings are pending there under other ids")
    print(f"{done.written:,} moved{_there(done.there)}; all verified")


def _described(moved: MovedStudy) -> str:
    """Return a line that says what a study has."""
    entries = moved.entries()
    failed = sum(isinstance(entry.told, Failure) for entry in entries)
    counts = {
        "rated": len(entries) - failed,
        "failed": failed,
        "corrected": sum(entry.revision.number > 1 for entry in entries),
        "withdrawn": sum(entry.revision.withdrawn for entry in entries),
        "pending": len(moved.outstanding),
    }
    said = [f"{count:,} {what}" for what, count in counts.items() if count] or ["nothing yet"]
    return f"{moved.name}: {', '.join([*said, *(['archived'] if moved.study.archived_at else [])])}"


def _there(count: int) -> str:
    return f", {count:,} were there already" if count else ""


def _format(options: argparse.Namespace) -> str:
    """Return the format of an export.

    Raises:
        MoveError: it contradicts the file's name, or what else was asked for.
    """
    ending = Path(options.target).suffix.lower()
    implied = _ENDINGS.get(ending)
    form: str = options.format or implied or "jsonl"
    if implied and form != implied:
        raise MoveError(f"{options.target} has the ending of {implied}, and --format is {form}: use another ending")
    if options.format is None and ending in _DATABASES:
        raise MoveError(
            f"{options.target} has the ending of a database: for an archive use .jsonl; or give --format optuna; or"
            f" copy to sqlite:///{options.target}"
        )
    if options.include and form != "csv":
        raise MoveError("--include is for CSV: an archive has withdrawn entries anyway, and Optuna has none")
    if form == "optuna":
        if options.target == _STANDARD_OUTPUT:
            raise MoveError("a storage of Optuna cannot be standard output: name a file")
        require_optuna()
    return form


def _spaces() -> Spaces:
    """Return the search space of the functions, which SPACES names."""
    return load_spaces(os.environ.get("SPACES", "").strip() or None)


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise MoveError(f"--timezone must be the name of a time zone, such as Europe/Madrid, not {name}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.observations",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True, dest="command")
    copy = "Bring whole studies from one store to another."
    export = _command(commands, "export", "a store to a new file", _EXPORT)
    imported = _command(commands, "import", "a file to a store", _IMPORT)
    copied = _command(commands, "copy", "a store to another store", copy)
    for command, source, target in ((export, "URL", "FILE"), (imported, "FILE", "URL"), (copied, "URL", "URL")):
        command.add_argument("--from", dest="source", metavar=source, required=True, help="where the ratings are")
        command.add_argument("--to", dest="target", metavar=target, required=True, help="where to write them")
    for command in (export, copied):
        command.add_argument(
            "--study", metavar="NAME", action="append", default=[], help="only this study; may be given several times"
        )
    export.add_argument("--format", choices=("jsonl", "csv", "optuna"), help="what to write")
    export.add_argument("--include", choices=("withdrawn",), help="write withdrawn entries too (CSV)")
    imported.add_argument(
        "--study", metavar="NAME", help="of an archive: only this study; of rows: record all of them in this study"
    )
    imported.add_argument("--create", action="store_true", help="begin studies that are not there (rows)")
    imported.add_argument("--mode", metavar="NAME", help="the mode of rows without one")
    imported.add_argument("--timezone", metavar="ZONE", help="the zone of times without one, such as Europe/Madrid")
    imported.add_argument(
        "--off-grid",
        choices=("keep", "snap"),
        help="take values off the grid of the search space as they are, or the nearest on it",
    )
    imported.add_argument("--encoding", metavar="NAME", help="of a CSV file that is not in UTF-8, such as cp1252")
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str, description: str
) -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    return commands.add_parser(name, help=summary, description=description, formatter_class=formatter)


if __name__ == "__main__":
    sys.exit(main())
