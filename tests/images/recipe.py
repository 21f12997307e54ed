"""What the functions' Dockerfile puts into an image, read without an engine; and what is to be in it."""

import ast
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from tests.images.sources import sources
from tests.support.stack import ROOT

DOCKERFILE = ROOT / "functions" / "Dockerfile"
LAYERS = {
    "suggest": ("storage", "web", "tuning"),
    "update": ("storage", "web", "tuning"),
    "caption": ("storage", "web", "captioning"),
}
BUNDLE = {"caption": "models/flickr8k"}
TASK_ROOT = "/var/task"

PAGE = {"suggest": f"{TASK_ROOT}/functions/suggest/studio/index.html"}
"""What a stage of the Dockerfile builds for a function: Studio, whose other files have hashes in their names."""


def wanted(function: str) -> set[str]:
    """The files of ours that the image of `function` is to have."""
    files = {f"/opt/python/{name}" for layer in LAYERS[function] for name in sources(f"layers/{layer}/python")}
    files |= {
        f"{TASK_ROOT}/functions/{function}/{name}"
        for name in sources(f"functions/{function}")
        if not name.startswith("requirements.")
    }
    files |= {f"{TASK_ROOT}/functions/{name}" for name in ("__init__.py", *shared(function))}
    if bundle := BUNDLE.get(function):
        files |= {f"{TASK_ROOT}/{bundle}/{name}" for name in sources(bundle)}
    if page := PAGE.get(function):
        files.add(page)
    return files


def shared(function: str) -> set[str]:
    """The modules of `functions` that `function` is built on, by what its sources import: they are no folder's."""
    found: set[str] = set()
    unread = sorted((ROOT / "functions" / function).rglob("*.py"))
    while unread:
        for module in _imported(unread.pop()):
            path = ROOT / f"{module.replace('.', '/')}.py"
            if path.parent == ROOT / "functions" and path.is_file() and path.name not in found:
                found.add(path.name)
                unread.append(path)
    return found


def _imported(source: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
    return names


@dataclass(slots=True)
class Stage:
    """A stage of the Dockerfile: its files, and what it runs when it is not told."""

    files: set[str] = field(default_factory=set)
    command: list[str] = field(default_factory=list)


def last_stage(function: str) -> Stage:
    """Follow the Dockerfile for `function`: FROM, COPY, CMD, the one `rm`, and what builds the page.

    Of packages it knows nothing.
    """
    text = re.sub(r"\\\n\s*", "", DOCKERFILE.read_text())
    text = text.replace("${FUNCTION}", function).replace("${LAMBDA_TASK_ROOT}", TASK_ROOT)
    stages: dict[str, Stage] = {}
    stage = Stage()
    for line in text.splitlines():
        match line.split():
            case ["FROM", base, *name]:
                found = stages.get(base)
                assert found or "/" in base, f"{line}: there is no such stage before it"
                stage = Stage(set(found.files), list(found.command)) if found else Stage()
                if name:
                    stages[name[-1]] = stage
            case ["COPY", str(origin), path, target] if origin.startswith("--from="):
                assert path == target
                stage.files |= {one for one in stages[origin.partition("=")[2]].files if one.startswith(f"{path}/")}
            case ["COPY", *paths, target]:
                for path in paths:
                    stage.files |= _copied(path, target)
            case ["CMD", *_]:
                stage.command = json.loads(line.removeprefix("CMD "))
            case ["RUN", *words] if "build" in words:
                stage.files |= set(PAGE.values())
            case ["RUN", "rm", str(pattern), *_]:
                stage.files = {one for one in stage.files if not one.startswith(pattern.removesuffix("*"))}
    return stage


def _copied(path: str, target: str) -> set[str]:
    if "*" in path:
        return set()
    if (ROOT / path).is_dir():
        return {f"{target.rstrip('/')}/{name}" for name in sources(path)}
    assert (ROOT / path).is_file(), f"there is no {path} to copy"
    return {f"{target}{path.rpartition('/')[2]}" if target.endswith("/") else target}
