"""schemathesis against the whole API as a person runs it: `make fuzz-api`.

Every operation of the document gets so many examples, valid and not, under all of schemathesis's checks: from a
`python main.py` of its own, on a free port of the loopback, with its data in a temporary folder; once without a key and
once with one. It ends with status 1 if an answer was a 5xx, or one that the document does not declare.
"""

import argparse
import json
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.support.stack import ROOT, Stack

SCHEMATHESIS = ROOT / ".venv-schemathesis" / "bin" / "schemathesis"
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


def fuzz(key: str | None, examples: int, seed: int | None) -> bool:
    """Whether nothing was found. What was, is on standard output, each with a request to repeat it by."""
    with tempfile.TemporaryDirectory(prefix="fuzz-api-") as folder:
        stack = Stack(Path(folder), **({"API_KEY": key} if key else {}))
        document = Path(folder) / "openapi.json"
        document.write_text(json.dumps(_described(stack, keyed=key is not None)))
        command = [str(SCHEMATHESIS), "--config-file", str(CONFIGURATION), "run", str(document), "--url", stack.url]
        command += ["--checks", "all", "--max-examples", str(examples)]
        command += ["--seed", str(seed)] if seed is not None else []
        command += ["--header", f"x-api-key: {key}"] if key else []
        try:
            done = subprocess.run(command, cwd=folder, check=False)
        finally:
            stopped = stack.stop()
        # What the caller saw may be fine, and what the log has may not.
        errors = [line for line in stack.output.splitlines() if '"level":"ERROR"' in line]
        sys.stdout.writelines(f"{line}\n" for line in errors)
        return done.returncode == 0 and stopped == 0 and not errors


def _described(stack: Stack, *, keyed: bool) -> dict[str, Any]:
    """The document that the stack serves; without keys where none is asked for, which the functions cannot know."""
    document: dict[str, Any] = stack.get("/openapi.json").json()
    if not keyed:
        del document["security"], document["components"]["securitySchemes"]
        for operations in document["paths"].values():
            for operation in operations.values():
                operation.pop("security", None)
    return document


def main() -> int:
    """Runs it both ways; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.api", description=__doc__.partition("\n")[0])
    parser.add_argument("--examples", type=int, default=400, help="for each operation and phase (%(default)s)")
    parser.add_argument("--seed", type=int, help="repeat the run that had this seed")
    arguments = parser.parse_args()
    found = [fuzz(key, arguments.examples, arguments.seed) for key in (None, secrets.token_hex(16))]
    return 0 if all(found) else 1


if __name__ == "__main__":
    sys.exit(main())
