"""The command line of `python -m tools.deployment`, which `make deploy` calls before and after SAM."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from captioning.errors import CaptioningError
from tools.captioner.errors import PublicationError, ToolchainError
from tools.deployment.checks import PrerequisiteError, check_all, read_environment
from tools.deployment.finishing import address, check, publish_default
from tools.stack import Stack, StackError

_ROOT = Path(__file__).resolve().parents[2]
_BUNDLE = Path("models/flickr8k")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0, or 1 with lines on standard error that say what is missing."""
    options = _parser().parse_args(arguments)
    if options.command == "check":
        return _check(options)
    try:
        return _finish(options)
    except (StackError, PrerequisiteError, PublicationError, ToolchainError, CaptioningError) as error:
        print(f"tools.deployment: {error}", file=sys.stderr)
        return 1


def _check(options: argparse.Namespace) -> int:
    there, missing = check_all(options.environment, options.root)
    if missing:
        print(
            "\n".join(["nothing was deployed; what is missing:", *(f"- {line}" for line in missing)]), file=sys.stderr
        )
        return 1
    print(f"to be deployed: {', '.join(there)}")
    return 0


def _finish(options: argparse.Namespace) -> int:
    environment = read_environment(options.environment, options.root / "samconfig.toml")
    if environment.region:
        os.environ["AWS_DEFAULT_REGION"] = environment.region
    stack = Stack(environment.stack)
    if not options.without_bundle:
        version = publish_default(stack, options.root / _BUNDLE)
        print(f"the caption bundle {version} is published" if version else "a caption bundle was published before")
    status = 0 if options.without_smoke else check(stack)
    print(address(stack, environment.region))
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.deployment", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True, dest="command")
    before = commands.add_parser("check", help="say what a deployment needs and is missing, in one line each")
    after = commands.add_parser("finish", help="publish the default bundle, run the smoke test, say where it answers")
    for command in (before, after):
        command.add_argument("environment", metavar="ENV", help="an environment of samconfig.toml, such as dev")
        command.add_argument("--root", type=Path, default=_ROOT, help=argparse.SUPPRESS)
    after.add_argument("--without-bundle", action="store_true", help="publish none")
    after.add_argument("--without-smoke", action="store_true", help="do not run the smoke test")
    return parser


if __name__ == "__main__":
    sys.exit(main())
