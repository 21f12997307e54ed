"""A small page in the place of Studio, built as Vite builds one: the tests of how a page is served need no Node.

Whether the real one is built so, tests/documentation/test_studio.py looks.
"""

from pathlib import Path

from tests.support.stack import ROOT, Stack

SCRIPT, STYLE, LATER = "index-Ab3_d-fG.js", "index-0123abcd.css", "progress-Zy-x_w98.js"

PAGE = f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Studio</title>
<link rel="icon" href="data:,">
<script type="module" crossorigin src="./studio/{SCRIPT}"></script>
<link rel="modulepreload" crossorigin href="./studio/{LATER}">
<link rel="stylesheet" crossorigin href="./studio/{STYLE}">
</head>
<body><div id="app"></div></body>
</html>
"""


def write_page(folder: Path, *, script: str = SCRIPT) -> Path:
    """Writes the page and its files into `folder`, and returns it."""
    (folder / "studio").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE.replace(SCRIPT, script))
    # Enough for the gateway to compress.
    (folder / "studio" / script).write_text(f'import("./{LATER}");\n' * 60)
    (folder / "studio" / LATER).write_text("export const later = 1;\n")
    (folder / "studio" / STYLE).write_text("p { color: teal; }\n")
    return folder


SERVING = "from pathlib import Path; from functions.suggest import studio; studio.FOLDER = Path({!r})"
"""A statement after which the suggest function of a process serves the page in a folder."""


class StackWithPage(Stack):
    """A running stack that serves the small page, `page` below the folder of its data."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.prepare(folder / "page")
        before = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import main"
        self.program = ("-c", f"{before}; {SERVING.format(str(folder / 'page'))}; sys.exit(main.main())")
        super().__init__(folder, **environment)

    def prepare(self, page: Path) -> None:
        """Writes the page."""
        write_page(page)


class StackWithoutPage(StackWithPage):
    """A running stack whose page was not built."""

    def prepare(self, page: Path) -> None:
        """Writes none."""
