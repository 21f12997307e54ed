"""The page on the architecture against the tree, and the tree against itself."""

import re
from graphlib import TopologicalSorter

import grimp
import pytest

from tests.support.stack import ROOT

PACKAGES = ("functions", "storage", "web", "tuning", "captioning", "local", "tools", "benchmarks")


def drawn() -> set[str]:
    """The folders of the page's tree, by their paths."""
    tree = re.search(r"## The house\n\n```\n(.*?)```", (ROOT / "docs/architecture.md").read_text(), re.DOTALL)
    assert tree
    folders: set[str] = set()
    above: list[str] = []
    for line in tree[1].splitlines():
        indent, name = re.match(r"( *)(\w+)/", line).groups()  # type: ignore[union-attr]
        above = [*above[: len(indent) // 2], name]
        folders.add("/".join(above))
    return folders


def there() -> set[str]:
    """The folders of code, where a layer's packages stand in the layer itself."""
    folders = {path.parent for top in ("functions", "local", "tools") for path in (ROOT / top).rglob("*.py")}
    folders |= {path.parent for path in (ROOT / "layers").glob("*/python/*/**/*.py")}
    return {re.sub(r"^(layers/\w+)/python/\w+", r"\1", path.relative_to(ROOT).as_posix()) for path in folders}


def test_the_tree_on_the_page_is_the_tree_that_there_is() -> None:
    assert there() | {"layers", "models", "samples", "events", "benchmarks", "tests", "docs"} == drawn()
    assert all((ROOT / folder).is_dir() for folder in drawn() if not folder.startswith("layers/"))


def test_no_room_has_more_modules_than_one_can_see_at_once() -> None:
    crowded = {
        folder.relative_to(ROOT).as_posix()
        for folder in (ROOT / "layers").glob("*/python/*/**/")
        if len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) > 12
    }
    assert crowded == set()


@pytest.mark.parametrize("package", PACKAGES)
def test_there_is_no_import_circle(package: str) -> None:
    graph = grimp.build_graph(package, exclude_type_checking_imports=True)
    # A circle raises CycleError, which names it.
    list(
        TopologicalSorter(
            {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
        ).static_order()
    )
