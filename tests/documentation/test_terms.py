"""The writing guide of CONTRIBUTING.md, as far as it can be checked: terms, class names, rates, docstrings."""

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stack import ROOT

CODE = ("functions", "layers", "local", "tools", "benchmarks")

TERMS = {
    r"leave to (upload|post)|permiso para (subir|enviar)": "presigned upload, presigned POST; subida prefirmada",
    r"\b(the|a|an|every|one|our) ways? in\b(?! which)": "entry point",
    r"\bbeliefs?\b": "posterior",
}
"""Words that were used once, and the field's term for each."""

CITED = "correlated normal beliefs"  # a title: P. Frazier et al., INFORMS J. Computing 21 (2009)

RATE = (
    r"(?:\d(?:[\d,.]*\d)?|\bone|\bsome) (?:(?:[\w-]+s|id|item|step|image|column) )?an? "
    r"(?:second|minute|day|month|million|GB|kB|word|suggestion|observation|module|epoch)\b"
)
"""The distributive "a": "8 requests a second", "one id a suggestion"."""

SAME_MEANING = {
    "Answer": "an HTTP answer in both `benchmarks.load` and `tools.service`, each of which has a client of its own",
    "SuggestRequest": "a request for suggestions: as the document describes it, and once it is valid",
}
"""Names that two classes may have, and why."""

STILL_WITHOUT_DOCSTRINGS = {
    "benchmarks/tuning/methods/**",
    "tests/**",
}
"""The folders with exceptions from ruff's rules of docstrings. None may be added."""


def _texts() -> Iterator[tuple[str, str]]:
    """What people read: sources, pages, the template and the OpenAPI document, by path."""
    found = [ROOT / "main.py", ROOT / "template.yaml", ROOT / "functions/suggest/openapi.json", *ROOT.glob("*.md")]
    found += [path for folder in (*CODE, "tests") for path in (ROOT / folder).rglob("*.py")]
    found += [path for folder in ("docs", "models") for path in (ROOT / folder).rglob("*.md")]
    for path in found:
        if path != Path(__file__) and path.name != "CONTRIBUTING.md":
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def _matches(pattern: str, texts: Iterator[tuple[str, str]]) -> list[str]:
    return [
        f"{name}: {found[0]}"
        for name, text in texts
        for found in re.finditer(pattern, text.replace(CITED, ""), re.IGNORECASE)
    ]


@pytest.mark.parametrize("pattern", TERMS)
def test_the_fields_terms_are_used(pattern: str) -> None:
    assert not _matches(pattern, _texts()), f"say: {TERMS[pattern]}"


def test_rates_are_said_with_per() -> None:
    """Not in generated pages, and not in decisions and the change log, which are records of their day."""
    texts = (
        (name, " ".join(re.sub(r"^\s*#", "", text, flags=re.MULTILINE).split()))
        for name, text in _texts()
        if not name.startswith(("docs/benchmarks/", "docs/decisions/", "CHANGELOG.md", "tests/"))
    )
    assert not _matches(RATE, texts)


def test_no_two_public_classes_of_one_name_mean_different_things() -> None:
    places = defaultdict(list)
    for folder in CODE:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append(str(path.relative_to(ROOT)))

    assert {name: found for name, found in places.items() if len(found) > 1}.keys() == SAME_MEANING.keys()


def test_the_folders_without_docstrings_only_become_fewer() -> None:
    ignores = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]["per-file-ignores"]
    excepted = {folder for folder, rules in ignores.items() if any(rule.startswith("D") for rule in rules)}
    assert excepted <= STILL_WITHOUT_DOCSTRINGS
