"""Mutation testing of tuning's model and stores: `make mutants`. All of it takes hours, so that a sample is taken.

mutmut works in a copy, in which the tuning lies where it looks for code (`src/`). It makes every mutant of a module,
and tries those of the sample, each in a fork of one process with the tests that reach its function. What no test sees
is printed with its difference. The copy stays under build/mutants, for a closer look:
`cd build/mutants && ../../.venv-mutants/bin/mutmut show NAME`.

It makes no mutants of a module's constants, of the fields of a dataclass, nor of functions with a decorator.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, chdir
from dataclasses import dataclass
from pathlib import Path

from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.utils.format_utils import get_mutant_name

from tests.support.dynamodb import RUNNING, DynamoDBMissingError, dynamodb_local, nobodys_account

ROOT = Path(__file__).resolve().parents[2]
TUNING = "layers/tuning/python/tuning"
COPY = ROOT / "build" / "mutants"
PARTS = ("docs", "layers", "local", "functions", "tests", "tools", "events", "template.yaml", "pyproject.toml")
MUTMUT = Path(sys.executable).with_name("mutmut")

MODEL_TESTS = ("tests/unit/tuning/model", "tests/unit/tuning/test_suggest.py", "tests/unit/tuning/test_stats.py")
STORE_TESTS = ("tests/contract/test_observation_store.py", "tests/contract/test_damaged_observations.py")
# The tests that speak for a module, or for all of its folder.
TESTS = {
    "model": MODEL_TESTS,
    "stores/sqlite.py": (*STORE_TESTS, "tests/unit/tuning/stores/test_sqlite.py"),
    "stores/dynamodb.py": (*STORE_TESTS, "tests/unit/tuning/stores/test_dynamodb.py"),
    "stores/records.py": STORE_TESTS,
}
# Tests left out, for the module has no part in them: of another adapter, of its damaged rows, or of a second emulator.
_NOT_OF_FILES = "dynamodb or ministack or garbled_item or any_item or met_damage"
WITHOUT = {
    "stores/sqlite.py": _NOT_OF_FILES,
    "stores/records.py": _NOT_OF_FILES,
    "stores/dynamodb.py": "sqlite or ministack or of_a_file or any_column or any_item",
}

# mutmut's codes; every other is of a mutant that was seen, or took too long.
SURVIVED, UNREACHED = 0, 33


@dataclass(frozen=True, slots=True)
class Run:
    """Modules that one run of mutmut tries with the same tests."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    without: str


def runs(modules: Iterable[str]) -> list[Run]:
    """What is to be run for these modules, each a path within the tuning: `model/design.py`."""
    grouped: dict[tuple[tuple[str, ...], str], list[str]] = {}
    for module in modules:
        tests = TESTS.get(module) or TESTS[module.partition("/")[0]]
        grouped.setdefault((tests, WITHOUT.get(module, "")), []).append(module)
    return [Run(tuple(found), tests, without) for (tests, without), found in grouped.items()]


def all_modules() -> list[str]:
    """The modules that have mutants."""
    within = ROOT / TUNING
    found = [
        path.relative_to(within).as_posix() for folder in ("model", "stores") for path in within.glob(f"{folder}/*.py")
    ]
    return sorted(module for module in found if module in TESTS or module.startswith("model/"))


def mutants(module: str) -> list[str]:
    """The names of all mutants of a module in the copy."""
    path = Path("src/tuning") / module
    with chdir(COPY):  # where mutmut looks for its options
        made = mutate_file_contents(str(path), path.read_text())
    return [get_mutant_name(path, name) for name in made.mutant_names]


def sampled(module: str, size: int, seed: int) -> list[str]:
    """So many of the module's mutants, the same for the same seed, whatever other modules are tried."""
    every = mutants(module)
    return sorted(random.Random(f"{seed} {module}").sample(every, min(size, len(every))))  # noqa: S311 - no secret


def copy(run: Run) -> None:
    """Make the copy anew."""
    shutil.rmtree(COPY, ignore_errors=True)
    COPY.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, COPY / part, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy(source, COPY / part)
    shutil.move(COPY / TUNING, COPY / "src" / "tuning")
    project = COPY / "pyproject.toml"
    text = project.read_text().replace('"layers/tuning/python"', '"src"')
    options = {
        "source_paths": ["src/tuning"],
        "only_mutate": [f"src/tuning/{module}" for module in run.modules],
        "also_copy": [part for part in PARTS if part not in {"tests", "pyproject.toml"}],
        "pytest_add_cli_args_test_selection": list(run.tests),
        "pytest_add_cli_args": ["-p", "no:cacheprovider", *(["-k", f"not ({run.without})"] if run.without else [])],
        "timeout_multiplier": 5,
        "timeout_constant": 10,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in options.items()]
    project.write_text("\n".join([text, "[tool.mutmut]", *lines, ""]))


def _try(names: list[str]) -> None:
    with (COPY / "mutmut.log").open("wb") as log:
        done = subprocess.run(
            [MUTMUT, "run", "--max-children", "1", *names], cwd=COPY, stdout=log, stderr=log, check=False
        )
    if done.returncode:
        raise SystemExit(f"mutmut ended with status {done.returncode}; see {COPY}/mutmut.log")


def results(module: str) -> Mapping[str, int | None]:
    """mutmut's code for each mutant of the module; None for those that were not tried."""
    meta = COPY / "mutants" / "src" / "tuning" / f"{module}.meta"
    found: dict[str, int | None] = json.loads(meta.read_text())["exit_code_by_key"]
    return found


def report(module: str, wanted: list[str]) -> None:
    """Say how many of the module's mutants were seen, and show the others."""
    codes = results(module)
    kinds = Counter(
        {SURVIVED: "survived", UNREACHED: "reached by no test"}.get(codes[name] or 0, "seen") for name in wanted
    )
    counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    print(f"\n{module}: {len(wanted)} mutants: {counts}")
    for name in wanted:
        if codes[name] in {SURVIVED, UNREACHED}:
            shown = subprocess.run([MUTMUT, "show", name], cwd=COPY, capture_output=True, text=True, check=True)
            print(f"\n{shown.stdout.strip()}", flush=True)


def main() -> int:
    """Run as the command line says; 0 whatever survived, for a person has to judge it."""
    parser = argparse.ArgumentParser(prog="tests.mutants", description="Mutates tuning's model and stores.")
    parser.add_argument("modules", nargs="*", default=all_modules(), help="model/design.py stores/sqlite.py (all)")
    parser.add_argument("--sample", type=int, default=40, help="how many mutants of each module (40)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (1)")
    asked = parser.parse_args()
    if unknown := set(asked.modules) - set(all_modules()):
        parser.error(f"{', '.join(sorted(unknown))}: not one of {' '.join(all_modules())}")
    with ExitStack() as stack:
        stack.enter_context(nobodys_account())
        if "stores/dynamodb.py" in asked.modules:
            try:
                os.environ[RUNNING] = stack.enter_context(dynamodb_local())
            except DynamoDBMissingError as error:
                print(f"DynamoDB Local is needed: {error}", file=sys.stderr)
                return 1
        for run in runs(asked.modules):
            copy(run)
            wanted = {module: sampled(module, asked.sample, asked.seed) for module in run.modules}
            names = [name for module in wanted.values() for name in module]
            print(f"trying {len(names)} mutants of {', '.join(run.modules)}", flush=True)
            _try(names)
            for module, of_it in wanted.items():
                report(module, of_it)
    return 0


if __name__ == "__main__":
    sys.exit(main())
