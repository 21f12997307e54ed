"""Node's tools of the clients and of Studio, which `npm ci` in the repository's root installs."""

import shutil
import subprocess
from pathlib import Path

from tests.conftest import go_without
from tests.support.stack import ROOT

MODULES = ROOT / "node_modules"


def node_tool(name: str) -> Path:
    """The program of an installed package, or Node itself; without it the test says so, and is skipped or fails."""
    node = shutil.which("node")
    tool = Path(node) if node and name == "node" else MODULES / ".bin" / name
    if node is None or not MODULES.exists() or not tool.exists():
        go_without("Node 20 and its packages: install Node, then `npm ci`")
    return tool


def run_node(name: str, *arguments: object, at: Path) -> subprocess.CompletedProcess[str]:
    """Runs a tool in a folder; what it said is on standard output and standard error."""
    command = [str(node_tool(name)), *map(str, arguments)]
    return subprocess.run(command, cwd=at, capture_output=True, text=True, check=False)
