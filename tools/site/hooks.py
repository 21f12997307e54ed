"""MkDocs' hooks for `make docs`: pages and files that are not under docs/, and the links to them.

The pages are written for people who read them in the repository, where a link may lead anywhere. In the site each
linked page of the repository is a page, each other linked file a file, and a linked folder its list of pages. The
OpenAPI document is shown by ReDoc, with the document in the page: a page that is opened as a file may fetch nothing.
"""

import json
import re
from pathlib import Path
from posixpath import dirname, relpath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_ROOT = Path(__file__).resolve().parents[2]
_DOCUMENT = _ROOT / "functions/suggest/openapi.json"
_HOME = {"README.md": "index.md", "README.es.md": "es/index.md"}
"""Pages of the repository with a place of their own in the site; others are under project/."""

_LINK = re.compile(r"(?P<text>\[[^\]]*\])\((?P<target>[^)\s#]+)(?P<anchor>(?:#[^)\s]*)?)\)")
_METHODS = ("get", "post", "patch", "delete")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what the pages link to, the list of the decisions, and the OpenAPI document."""
    waiting = [Path(str(file.abs_src_path)) for file in files if file.is_documentation_page()]
    waiting += [_ROOT / name for name in _HOME]
    placed = {Path(str(file.abs_src_path)).resolve() for file in files}
    while waiting:
        page = waiting.pop()
        if page not in placed:
            placed.add(page)
            files.append(File.generated(config, _place(page), abs_src_path=str(page)))
        for target in _targets(page):
            if target not in placed and target.is_file():
                if target.suffix == ".md":
                    waiting.append(target)
                else:
                    placed.add(target)
                    files.append(File.generated(config, _place(target), abs_src_path=str(target)))
    files.append(File.generated(config, "decisions/index.md", content=_decisions()))
    document = _DOCUMENT.read_text(encoding="utf-8")
    files.append(File.generated(config, "openapi.md", content=_operations(json.loads(document))))
    files.append(File.generated(config, "reference.html", content=_reference(document)))
    files.append(
        File.generated(config, "iframe-worker.js", abs_src_path=str(Path(__file__).with_name("iframe-worker.js")))
    )
    files.append(File.generated(config, "redoc.standalone.js", abs_src_path=str(_redoc())))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - MkDocs names them
    """Let links lead to the places in the site of what they name in the repository."""
    source = page.file.abs_src_path
    if source is None:
        return markdown
    here = Path(source)
    by_path = {Path(str(file.abs_src_path)).resolve(): file.src_uri for file in files if file.abs_src_path}

    def led(found: re.Match[str]) -> str:
        target = (here.parent / found["target"]).resolve()
        if "://" in found["target"] or not target.exists():
            return found[0]
        if target.is_dir():
            target /= "index.md"
        place = by_path.get(target) or _place(target)
        if files.get_file_from_path(place) is None:
            # A folder of sources, which is no page.
            return f"`{found['text'][1:-1]}`"
        return f"{found['text']}({relpath(place, dirname(page.file.src_uri) or '.')}{found['anchor']})"

    return _LINK.sub(led, markdown)


def _targets(page: Path) -> list[Path]:
    """Return what a page links to within the repository."""
    found = (found["target"] for found in _LINK.finditer(page.read_text(encoding="utf-8")))
    return [(page.parent / target).resolve() for target in found if "://" not in target]


def _place(path: Path) -> str:
    name = path.relative_to(_ROOT).as_posix()
    return _HOME.get(name) or (name.removeprefix("docs/") if name.startswith("docs/") else f"project/{name}")


def _decisions() -> str:
    pages = sorted((_ROOT / "docs/decisions").glob("0*.md"))
    titles = [(page.name, page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")) for page in pages]
    return "# Decisions\n\n" + "\n".join(f"- [{title}]({name})" for name, title in titles) + "\n"


def _operations(document: dict[str, Any]) -> str:
    rows = [
        f"| `{method.upper()} {path}` | {operation['summary']} |"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method in _METHODS
    ]
    return "\n".join(
        [
            "# The OpenAPI document",
            "",
            (
                "[Every operation with its fields](reference.html), or [the document itself]"
                "(project/functions/suggest/openapi.json) for programs that make clients of it."
            ),
            "",
            "| Operation | |",
            "| --- | --- |",
            *rows,
            "",
        ]
    )


def _reference(document: str) -> str:
    # In a script, `</` would end it. ReDoc's own search is a worker, which a page opened as a file may not start.
    inline = document.replace("</", "<\\/")
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>The OpenAPI document</title></head>
<body><div id="redoc"></div>
<script src="redoc.standalone.js"></script>
<script>
Redoc.init({inline}, {{disableSearch: true, hideDownloadButton: true}}, document.getElementById("redoc"))
</script>
</body>
</html>
"""


def _redoc() -> Path:
    """Return ReDoc's script, which the suggest function serves too.

    Raises:
        PluginError: the product's own environment is not there.
    """
    found = sorted((_ROOT / ".venv").glob("lib/python3*/site-packages/fastapi_offline/static/redoc.standalone.js"))
    if not found:
        raise PluginError("ReDoc is not there: `make .venv/local.stamp` installs it, and `make docs` does so by itself")
    return found[0]
