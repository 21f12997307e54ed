"""The command line of `python -m tools.data`: `make backup`, `make restore` and `make reset`."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from storage.errors import UrlError
from storage.urls import DatabaseFile, parse_store
from tools.data.backups import make_backup, read_backup, restore, set_aside
from tools.data.errors import DataError
from tools.observations.errors import MoveError
from tuning.errors import TuningError
from web.settings import SettingError, Settings

_BACKUPS = Path("backups")

_DESCRIPTION = """\
Back up what a system keeps, restore it, or start over. The stores are those of OBSERVATION_STORE and CAPTION_STORE,
without which they are those of `make run`."""

_BACKUP = """\
Copy ratings and captions into a new folder; the server may go on. Of DynamoDB the studies are written as an archive;
captions there are a cache. Pictures are not copied."""

_RESTORE = """\
Put a backup in the place of what is there. The server must be stopped. A SQLite database that is replaced is kept under
backups/. Into DynamoDB an archive is imported, which replaces nothing."""

_RESET = """\
Start over: move ratings and captions of this machine away, into a folder under backups/ that can be restored. The
server must be stopped. Nothing is deleted. Pictures stay, and are captioned again."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, or 1 with a line on standard error that says what is wrong."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options, Settings.from_environment(), datetime.now(UTC).replace(microsecond=0))
    except (DataError, MoveError, TuningError, SettingError, UrlError, OSError) as error:
        print(f"tools.data: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tools.data: interrupted", file=sys.stderr)
        return 130
    return 0


def _backup(options: argparse.Namespace, settings: Settings, now: datetime) -> None:
    folder = options.to or _BACKUPS / _name(now)
    made = make_backup(settings.observation_store, settings.caption_store, folder, now=now)
    print(f"{folder}: {', '.join(part.name for part in made.parts)}; copied and checked")


def _restore(options: argparse.Namespace, settings: Settings, now: datetime) -> None:
    backup = read_backup(options.source)
    stores = settings.observation_store, settings.caption_store
    named = " and ".join(url for url, of in zip(stores, ("observations", "captions"), strict=True) if backup.path(of))
    if _agreed(options, f"{named}: to be replaced by the backup of {backup.made_at}"):
        for line in restore(backup, *stores, _BACKUPS / f"{_name(now)}-before-restore", now=now):
            print(line)


def _reset(options: argparse.Namespace, settings: Settings, now: datetime) -> None:
    places = parse_store(settings.observation_store), parse_store(settings.caption_store)
    paths = {
        of: place.path
        for of, place in zip(("observations", "captions"), places, strict=True)
        if isinstance(place, DatabaseFile) and place.path.exists()
    }
    if not isinstance(places[0], DatabaseFile):
        raise DataError(
            f"{places[0]} is a table, which is not emptied: begin a study of its own for each campaign (POST "
            "/ml/studies), or deploy another stack"
        )
    if not paths:
        print("nothing is kept yet: there is nothing to set aside")
        return
    folder = _BACKUPS / f"{_name(now)}-before-reset"
    if _agreed(options, f"{' and '.join(map(str, paths.values()))}: to be moved to {folder}"):
        set_aside(paths, folder, now=now)
        print(f"started over; `make restore FROM={folder}` goes back")


def _agreed(options: argparse.Namespace, what: str) -> bool:
    """Say what will be done, and ask whether it may.

    Raises:
        DataError: there is nobody to ask.
    """
    print(what)
    if options.dry_run:
        print("nothing was changed (a dry run)")
        return False
    if options.yes:
        return True
    if not sys.stdin.isatty():
        raise DataError("nothing was changed: nobody can be asked here; say --yes (make: YES=1)")
    if input("Go on? [y/N] ").strip().lower() in {"y", "yes"}:
        return True
    print("nothing was changed")
    return False


def _name(now: datetime) -> str:
    return f"{now:%Y-%m-%dT%H-%M-%SZ}"


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m tools.data", description=_DESCRIPTION, formatter_class=form)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    made = commands.add_parser("backup", help="copy all into a new folder", description=_BACKUP, formatter_class=form)
    made.add_argument("--to", type=Path, metavar="FOLDER", help="the new folder (backups/<time>)")
    made.set_defaults(run=_backup)
    back = commands.add_parser("restore", help="go back to a backup", description=_RESTORE, formatter_class=form)
    back.add_argument("--from", dest="source", type=Path, metavar="FOLDER", required=True, help="the backup")
    back.set_defaults(run=_restore)
    over = commands.add_parser("reset", help="start over", description=_RESET, formatter_class=form)
    over.set_defaults(run=_reset)
    for command in (back, over):
        command.add_argument("--dry-run", action="store_true", help="say what would be done, and change nothing")
        command.add_argument("--yes", action="store_true", help="do not ask")
    return parser


if __name__ == "__main__":
    sys.exit(main())
