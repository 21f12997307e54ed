"""The command line of `python -m tools.uploads`."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing

from tqdm import tqdm

from captioning.buckets import open_bucket
from captioning.buckets.port import UPLOADS
from captioning.errors import CaptioningError
from captioning.lookup import MAX_EXAMINED, UploadedPicture, UploadStatus, browse
from captioning.stores import open_caption_store
from storage.errors import UrlError
from tools.stack import Stack, StackError, connect
from tools.uploads.letters import Letter, Queue, region_of
from tools.uploads.redriving import Choice, giver, redrive
from web.settings import SettingError, Settings

_STATUSES = tuple(status.value for status in UploadStatus)

_DESCRIPTION = """\
What became of uploads (list), and the dead letters given to the upload function again (redrive).

A deployed stack is found by its name (--stack pictures-prod); AWS's own settings say in which account and region."""

_LIST = """\
List what lies under uploads/ and what became of each picture: captioned, failed (it cannot be read), or pending.
Without --stack: of the bucket UPLOAD_BUCKET and the store CAPTION_STORE, which without these settings are those of
`make run`."""

_REDRIVE = """\
Give the events in the dead-letter queue to the upload function again, all or those that are chosen. Remove the cause
first; --dry-run shows what would be given. A letter is deleted once Lambda has taken its event. An upload that was
captioned meanwhile is not captioned twice, and what fails again comes back after some minutes. With --queue and
--function no stack is looked up, and the region is that of the queue's URL."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, or 1 with a line on standard error that says what is wrong."""
    options = _parser().parse_args(arguments)
    try:
        done: bool = options.run(options)
    except BrokenPipeError:
        return 1
    except (StackError, CaptioningError, SettingError, UrlError, OSError) as error:
        print(f"tools.uploads: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tools.uploads: interrupted; what was not given is in the queue still", file=sys.stderr)
        return 130
    return 0 if done else 1


def _list(options: argparse.Namespace) -> bool:
    settings = Settings.from_environment()
    bucket, captions = settings.upload_bucket, settings.caption_store
    if options.stack:
        stack = Stack(options.stack)
        bucket = f"s3://{stack.physical('UploadBucket')}"
        captions = f"dynamodb://{stack.physical('CaptionsTable')}"
    counts: Counter[str] = Counter()
    for row in _rows(bucket, captions, options.prefix):
        counts[row.status] += 1
        if (not options.status or row.status in options.status) and not options.quiet:
            print(json.dumps(_plain(row), ensure_ascii=False) if options.json else _line(row))
    told = ", ".join(f"{counts[status]:,} {status}" for status in _STATUSES if counts[status])
    print(f"{counts.total():,} uploads{f': {told}' if told else ''}", file=sys.stderr)
    return True


def _rows(bucket: str, captions: str, prefix: str) -> Iterator[UploadedPicture]:
    cursor: str | None = None
    with closing(open_caption_store(captions)) as store, closing(open_bucket(bucket)) as there:
        while True:
            page = browse(store, there, prefix=prefix, limit=MAX_EXAMINED, cursor=cursor)
            yield from page.pictures
            if (cursor := page.next_cursor) is None:
                return


def _said(row: UploadedPicture) -> str:
    """Return a picture's caption, or the reason why it has none; empty while it is pending."""
    outcome = row.outcome
    if outcome is None:
        return ""
    return outcome.caption.text if outcome.caption else outcome.reason or ""


def _plain(row: UploadedPicture) -> dict[str, str | int]:
    return {
        "key": row.picture.key,
        "status": row.status,
        "size": row.picture.size,
        "uploaded_at": row.picture.uploaded_at.isoformat(),
        "said": _said(row),
    }


def _line(row: UploadedPicture) -> str:
    picture = row.picture
    facts = f"{row.status:9}  {picture.uploaded_at:%Y-%m-%d %H:%M}  {picture.size / 1000:9,.1f} kB"
    return f"{facts}  {_shown(picture.key)}  {_shown(_said(row))}".rstrip()


def _shown(text: str) -> str:
    """Return a text without characters that a terminal would obey: keys are other people's."""
    return text if text.isprintable() else ascii(text)[1:-1]


def _redrive(options: argparse.Namespace) -> bool:
    if not options.stack and not (options.queue and options.function):
        raise StackError("name the stack (--stack), or both --queue and --function")
    stack = Stack(options.stack) if options.stack else None
    url = options.queue or (stack.physical("UploadDeadLetters") if stack else "")
    function = options.function or (f"{stack.physical('UploadFunction')}:live" if stack else "")
    # Lambda keeps a function's dead letters in the function's own region.
    region = region_of(url)
    queue = Queue(connect("sqs", region_name=region), url)
    choice = Choice(keys=tuple(options.key), error=options.error, limit=options.limit)
    with tqdm(total=queue.count(), unit=" letters", disable=None, leave=False, dynamic_ncols=True) as bar:

        def tell(letter: Letter, became: str) -> None:
            bar.update()
            keys = ", ".join(map(_shown, letter.keys)) or f"no event of S3 ({letter.id})"
            tqdm.write(f"{keys}  {_shown(became)}  (it had failed with: {_shown(letter.error)})", file=sys.stdout)

        done = redrive(
            queue,
            giver(connect("lambda", region_name=region), function),
            choice,
            dry_run=options.dry_run,
            tell=tell,
        )
    given = "would be given; nothing was changed" if options.dry_run else "given to the function again"
    print(f"{done.given:,} {given}; {done.left:,} left, {len(done.failed):,} could not be given", file=sys.stderr)
    return not done.failed


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m tools.uploads", description=_DESCRIPTION, formatter_class=form)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    listed = commands.add_parser("list", help="what became of uploads", description=_LIST, formatter_class=form)
    given = commands.add_parser(
        "redrive", help="the dead letters to the function again", description=_REDRIVE, formatter_class=form
    )
    for command, run in ((listed, _list), (given, _redrive)):
        command.set_defaults(run=run)
        command.add_argument("--stack", metavar="NAME", help="a deployed stack, such as pictures-prod")
    listed.add_argument("--status", action="append", choices=_STATUSES, help="only these; may be given several times")
    listed.add_argument("--prefix", default=UPLOADS, type=_prefix, help="only keys that begin so (%(default)s)")
    listed.add_argument("--json", action="store_true", help="write one object of JSON per line")
    listed.add_argument("--quiet", action="store_true", help="write the summary alone")
    given.add_argument("--dry-run", action="store_true", help="show what would be given, and change nothing")
    given.add_argument(
        "--key", metavar="PATTERN", action="append", default=[], help="only keys such as 'uploads/2026*'"
    )
    given.add_argument("--error", metavar="TEXT", default="", help="only letters whose error has this text in it")
    given.add_argument("--limit", metavar="N", type=_count, help="give at most N")
    given.add_argument("--queue", metavar="URL", help="the queue, in place of the stack's")
    given.add_argument("--function", metavar="NAME", help="the function, in place of the stack's")
    return parser


def _prefix(text: str) -> str:
    if not text.startswith(UPLOADS):
        raise argparse.ArgumentTypeError(f"must begin with {UPLOADS}, not {text}")
    return text


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
