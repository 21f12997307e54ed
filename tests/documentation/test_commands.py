"""Every command that a page shows is run here, or by the test named below, or is marked as needing an account.

Of commands that take minutes (training, images, all tests) what is held here is that they can be called so.
"""

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import botocore.session
import pytest

from local import tables
from tests.support.stack import ROOT
from tools.captioner.__main__ import _parser as captioner_parser
from tuning.observations import Observation, Setting
from tuning.stores import open_store

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "models").glob("*.md"))
    if "decisions" not in path.parts
)
ACCOUNT = "<!-- needs an account -->"
OF_AN_ACCOUNT = re.compile(r"\baws \w|\bsam (deploy|sync|logs|delete)\b|STACK=|make deploy|\$URL|\$\(output")

RUN_ELSEWHERE = {
    r"curl -X \w+ http://127\.0\.0\.1": "tests/documentation/test_pages.py",
    r"(GET|POST|PATCH) /": "tests/documentation/test_pages.py",
    r"pip install \.$": "tests/integration/test_distribution.py",
    r"(pip install )?openapi-python-client ": "tests/integration/test_python_recipe.py",
    r"docker compose up": "tests/integration/test_compose.py",
    r"sam (build|local )": "tests/images/sam.py",
    r"make run$|CAPTION_MODEL=\S+ make run$": "tests/integration/test_local_stack.py",
    r"make demo$": "tests/integration/test_demo.py",
    r"make (test|images|model|\.venv)": "tests/documentation/test_contributing.py",
    r"\.venv/bin/(pytest|ruff)": "tests/documentation/test_contributing.py",
    r"\.venv-optuna/bin/": "tests/unit/tools/observations/test_optuna.py",
}
"""Commands by how they begin, and the test that runs them or holds them to what is there."""

NO_COMMAND = re.compile(r"\{'api'|id,study|[ <]|functions/ ")
"""How a block begins that shows something else: what a script prints, a table, a drawing."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A block of commands on a page; `marked` if the page says that it needs an account."""

    page: str
    content: str
    marked: bool

    @property
    def commands(self) -> Iterator[str]:
        """Each command on one line."""
        lines = self.content.replace("\\\n", " ").splitlines()
        while lines:
            command = lines.pop(0)
            # A text in quotes, or a function, may go on.
            while lines and (command.count("'") % 2 or command.count("{") > command.count("}")):
                command += " " + lines.pop(0)
            yield re.sub(r"\s+", " ", command)


def shown() -> Iterator[Shown]:
    for page in PAGES:
        text = (ROOT / page).read_text()
        for found in re.finditer(r"^```(\w*)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            if not found[1] and not NO_COMMAND.match(found[2]):
                yield Shown(page, found[2], text[: found.start()].endswith(f"{ACCOUNT}\n"))


BLOCKS = list(shown())
HERE = re.compile(r"\.venv/bin/python -m tools\.|\.venv-model/bin/python -m tools\.|make [a-z]")


def test_a_command_needs_an_account_or_is_run_by_a_test() -> None:
    for block in BLOCKS:
        needing = [command for command in block.commands if OF_AN_ACCOUNT.search(command)]
        assert bool(needing) == block.marked or (block.marked and "s3://" in block.content), f"{block.page}: {needing}"
        for command in () if block.marked else block.commands:
            elsewhere = [test for start, test in RUN_ELSEWHERE.items() if re.match(start, command)]
            assert elsewhere or HERE.match(command), f"{block.page}: run it in a test, or mark its block: {command}"
            assert all((ROOT / test).is_file() for test in elsewhere)


def test_bash_understands_them() -> None:
    for block in BLOCKS:
        if not re.match(r"(GET|POST|PATCH) /", block.content):
            script = re.sub(r"<\w+>", "x", block.content)
            done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{block.page}: {done.stderr}"


def test_training_and_converting_can_be_called_so() -> None:
    of_models = [
        command
        for block in BLOCKS
        for command in block.commands
        if re.match(r"\.venv(-model)?/bin/python -m tools\.captioner", command)
    ]
    assert len(of_models) >= 5
    for command in of_models:
        words = shlex.split(re.sub(r"\$\(output \w+\)|<\w+>", "bucket", command))
        captioner_parser().parse_args(words[words.index("tools.captioner") + 1 :])


@pytest.fixture
def desk(
    tmp_path: Path, dynamodb_endpoint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], int]:
    """Runs a command as a person does beside a local stack with a rating; the table `observations` is in AWS."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_endpoint)
    client = botocore.session.get_session().create_client("dynamodb")
    tables.make_table(client, "observations", "ObservationsTable")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "y")
    (tmp_path / "old.csv").write_text(
        "api,init_strength,guidance_scale,controlnet_weight,rating\nleonardo,0.2,7.0,0.8,3\n"
    )

    def run(command: str) -> int:
        if not (tmp_path / "data/observations.db").exists():  # at first, and after starting over
            _rate()
        words = shlex.split(command)
        if words[0] == "make":
            # What make would run, and no installing.
            dry = ["make", "--no-print-directory", "--dry-run", "--old-file=.venv/local.stamp", *words[1:]]
            told = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=True).stdout
            words = shlex.split(told.splitlines()[-1])
        tool = words[words.index("-m") + 1]
        status: int = import_module(f"{tool}.__main__").main(words[words.index(tool) + 1 :])
        # Each backup has its own time; the page shows one.
        for made in (tmp_path / "backups").glob("*Z"):
            made.rename(tmp_path / "backups/2026-11-26T18-00-00Z")
        # A file is never replaced, and the page's commands are each on their own.
        (tmp_path / "ratings.csv").unlink(missing_ok=True)
        return status

    return run


def _rate() -> None:
    setting = Setting("leonardo", (("init_strength", 0.28), ("guidance_scale", 7.2), ("controlnet_weight", 0.89)))
    with closing(open_store("sqlite:///data/observations.db")) as store:
        store.record([Observation("structure", setting, 4.0, datetime.now(UTC))], idempotency_key=None)


def test_moving_backing_up_and_starting_over_work_as_shown(desk: Callable[[str], int]) -> None:
    ran = []
    for block in BLOCKS:
        if block.page == "docs/operations.md" and not block.marked:
            for command in block.commands:
                if HERE.match(command) and not command.startswith("make .venv"):
                    assert desk(command) == 0, command
                    ran.append(command)
    assert len(ran) >= 9
