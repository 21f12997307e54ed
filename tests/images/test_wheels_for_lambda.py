"""Every wheel loads on Lambda: what its libraries really ask for, of either architecture, is what AWS's image has.

A wheel's name says which C library it was built for; its symbols say which one it needs.
"""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import Version

from tests.conftest import go_without
from tests.images.wheels import ARCHITECTURES, FUNCTIONS, GLIBC, WheelsMissingError, fetch, pins

# Some 200 MB are fetched first.
pytestmark = pytest.mark.timeout(300)

# Amazon Linux 2023: glibc 2.34 for good, and since April 2025 the C++ library of GCC 14; LiteRT for aarch64 needs 12's.
NEWEST = {"GLIBC": Version(".".join(map(str, GLIBC))), "GLIBCXX": Version("3.4.33"), "CXXABI": Version("1.3.15")}
BASE = {
    *("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libgcc_s.so.1", "libstdc++.so.6"),
    *("libz.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"),
}
# LiteRT's drivers of accelerators, which are loaded by who has such a device and its vendor's libraries.
DRIVERS = "ai_edge_litert/vendors/"
MACHINES = {"x86_64": "EM_X86_64", "aarch64": "EM_AARCH64"}


@dataclass(frozen=True, slots=True)
class Library:
    """A shared library in a wheel: what it needs, as the loader will read it."""

    name: str
    machine: str
    needed: frozenset[str]
    versions: frozenset[str]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def wheels(architecture: str) -> tuple[Path, ...]:
    try:
        return fetch(architecture)
    except WheelsMissingError as error:
        go_without(f"the wheels of the images: {error}")


@pytest.fixture(scope="module")
def libraries(wheels: tuple[Path, ...]) -> tuple[Library, ...]:
    return tuple(library for wheel in wheels for library in _libraries(wheel))


def _libraries(wheel: Path) -> Iterator[Library]:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if ".so" in name and (content := archive.read(name)).startswith(b"\x7fELF"):
                yield _library(name, ELFFile(io.BytesIO(content)))


def _library(name: str, elf: ELFFile) -> Library:
    needed, versions = set(), set()
    for section in elf.iter_sections():
        if isinstance(section, DynamicSection):
            needed |= {tag.needed for tag in section.iter_tags("DT_NEEDED")}  # type: ignore[attr-defined]
        elif isinstance(section, GNUVerNeedSection):
            versions |= {version.name for _, wanted in section.iter_versions() for version in wanted}
    return Library(name, elf["e_machine"], frozenset(needed), frozenset(versions))


def test_every_pin_of_every_function_has_a_wheel(architecture: str, wheels: tuple[Path, ...]) -> None:
    wanted = {Requirement(pin.partition(" --hash=")[0]) for lock in FUNCTIONS for pin in pins(lock, architecture)}
    found = {parse_wheel_filename(wheel.name)[:2] for wheel in wheels}

    assert wanted
    assert {(name, f"=={version}") for name, version in found} == {
        (canonicalize_name(pin.name), str(pin.specifier)) for pin in wanted
    }


def test_no_library_asks_for_newer_symbols_than_the_base_image_has(libraries: tuple[Library, ...]) -> None:
    too_new = [
        f"{library.name}: {version}"
        for library in libraries
        for version in library.versions
        for family, _, number in [version.partition("_")]
        if family in NEWEST and number[:1].isdigit() and Version(number) > NEWEST[family]
    ]

    assert any(version.startswith("GLIBC_2.") for library in libraries for version in library.versions)
    assert too_new == []


def test_what_a_library_needs_is_in_a_wheel_or_in_the_base_image(libraries: tuple[Library, ...]) -> None:
    there = BASE | {library.name.rpartition("/")[2] for library in libraries}
    missing = [
        f"{library.name}: {needed}"
        for library in libraries
        if not library.name.startswith(DRIVERS)
        for needed in library.needed - there
    ]

    assert missing == []


def test_the_libraries_are_for_the_machine_that_the_wheel_names(
    architecture: str, libraries: tuple[Library, ...]
) -> None:
    assert {library.machine for library in libraries} == {MACHINES[architecture]}


def test_the_suggest_image_holds_no_scikit_learn() -> None:
    suggest, update = (
        {Requirement(pin.partition(" --hash=")[0]).name for pin in pins(lock, "x86_64")} for lock in FUNCTIONS[:2]
    )

    assert {"scikit-learn", "scikit-optimize"} <= update
    assert suggest.isdisjoint({"scikit-learn", "scikit-optimize", "joblib"})


def test_a_pin_for_other_machines_is_left_out(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text(
        "here==1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    # via x\n"
        "old==1 ; python_full_version < '3.13' \\\n    --hash=sha256:cc\n"
        "windows==1 ; sys_platform == 'win32' \\\n    --hash=sha256:dd\n"
        "arm==2 ; platform_machine == 'aarch64' \\\n    --hash=sha256:ee\n"
    )

    assert pins(lock, "x86_64") == ("here==1 --hash=sha256:aa --hash=sha256:bb",)
    assert pins(lock, "aarch64") == ("here==1 --hash=sha256:aa --hash=sha256:bb", "arm==2 --hash=sha256:ee")
