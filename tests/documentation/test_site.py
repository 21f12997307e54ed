"""The pages as a site, as far as it can be held without MkDocs: every page has its place, and every anchor is there."""

import re
from pathlib import Path
from typing import Any

import yaml

from tests.support.readme import blocks
from tests.support.stack import ROOT

DOCS = ROOT / "docs"
MADE = {"index.md", "es/index.md", "openapi.md", "decisions/index.md"}
"""Pages that `tools/site/hooks.py` makes."""


class _Loader(yaml.CSafeLoader):
    """YAML whose Python objects count for nothing here."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


def _settings() -> dict[str, Any]:
    found: dict[str, Any] = yaml.load((ROOT / "tools/site/mkdocs.yml").read_text(), _Loader)  # noqa: S506 - as above
    return found


def _pages(node: Any) -> list[str]:
    if isinstance(node, str):
        return [node]
    return [page for one in (node.values() if isinstance(node, dict) else node) for page in _pages(one)]


def test_every_page_has_its_place_in_the_site() -> None:
    there = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    placed = _pages(_settings()["nav"])

    assert len(placed) == len(set(placed))
    # The decisions are listed on a page of their own.
    assert set(placed) == MADE | {page for page in there if not page.startswith("decisions/")}


def test_nothing_of_it_is_fetched_from_elsewhere() -> None:
    settings = _settings()

    assert settings["theme"]["font"] is False
    assert "offline" in settings["plugins"]
    # Else the offline plugin names one on a CDN.
    assert settings["extra"]["polyfills"] == ["iframe-worker.js"]


def _anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub and the site make it."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")


def _anchors(page: Path) -> set[str]:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return {_anchor(heading) for heading in re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE)}


def test_every_anchor_that_a_page_links_to_is_there() -> None:
    for page in [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "models").glob("*.md")]:
        for target, anchor in re.findall(r"\]\(([^)\s#:]*)#([^)\s]+)\)", page.read_text()):
            there = page if not target else page.parent / target
            assert anchor in _anchors(there), f"{page.name}: {target}#{anchor}"


def _outline(text: str) -> list[tuple[str, int]]:
    """Each section: the rank of its heading, and how many items its list has."""
    plain = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"^(#+) .*\n((?:(?!#).*\n?)*)", plain, re.MULTILINE)
    return [(rank, len(re.findall(r"^(?:-|\d\.) ", section, re.MULTILINE))) for rank, section in found]


def _commands(text: str) -> list[str]:
    """What the page names as code and no language changes: paths with their methods, queries, targets of make."""
    return sorted(set(re.findall(r"`((?:[A-Z, ]+ /|\?|make )[^`]*)`", text.replace("carpeta", "folder"))))


def test_the_spanish_readme_has_the_same_sections_tables_and_commands() -> None:
    english, spanish = ((ROOT / name).read_text() for name in ("README.md", "README.es.md"))

    assert _outline(english) == _outline(spanish)
    assert _commands(english) == _commands(spanish)
    rows = [re.findall(r"^\| (`.*?) \|", text, re.MULTILINE) for text in (english, spanish)]
    assert rows[0] == rows[1]


def test_the_apis_page_in_spanish_has_the_same_sections_examples_and_statuses() -> None:
    english, spanish = ((DOCS / name).read_text() for name in ("api.md", "es/api.md"))

    assert blocks("docs/es/api.md") == blocks("docs/api.md")
    assert _outline(english) == _outline(spanish)
    rows = [re.findall(r"^\| (`?[\w, {}/()+.-]+`?) \|", text, re.MULTILINE) for text in (english, spanish)]
    assert len(rows[0]) == len(rows[1])
    # Statuses, parameters and fields are the same; the words beside them are not.
    names = [[row for row in found if re.fullmatch(r"[\d, ]+|`.*`", row)] for found in rows]
    assert names[0] == names[1]
    numbers = [
        sorted(re.findall(r"\d+(?=[ .,]?\d* ?(?:MiB|MB|million|millones))", text)) for text in (english, spanish)
    ]
    assert numbers[0] == numbers[1]


def test_studios_page_in_spanish_has_the_same_sections_keys_commands_and_pictures() -> None:
    english, spanish = ((DOCS / name).read_text() for name in ("studio.md", "es/studio.md"))

    assert blocks("docs/es/studio.md") == blocks("docs/studio.md")
    assert _outline(english) == _outline(spanish)
    # Paths, settings, names and keys are the same in every language.
    spans = [sorted(re.findall(r"`([^`\n]+)`", text.replace("```", ""))) for text in (english, spanish)]
    assert spans[0] == spans[1]
    assert {"FRESH=1 make demo", "OPEN=no make demo", "data/demo/"} <= set(spans[0])
    drawn = [
        re.findall(r"^!\[.+\]\((?:\.\./)?(studio/[a-z-]+\.png)\)$", text, re.MULTILINE) for text in (english, spanish)
    ]
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == len(drawn[0]) > 0
    assert all((DOCS / name).exists() for name in drawn[0])


def test_the_glossary_has_what_the_field_calls_things() -> None:
    text = (DOCS / "glossary.md").read_text()
    terms = [
        "mode", "study", "based on", "leniency", "chance", "importance", "90 % interval", "pending, outstanding",
        "bundle", "posterior mean", "surrogate", "knowledge gradient", "beam", "length penalty", "CIDEr-D",
    ]  # fmt: skip
    for term in terms:
        assert re.search(rf"^\| {re.escape(term)}", text, re.MULTILINE), term
