"""Progress on stderr, so that what a command prints stays clean."""

import sys
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tools.captioner.toolchain import require

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["announce", "byte_bar", "progress"]

T_co = TypeVar("T_co", covariant=True)


class Finite(Protocol[T_co]):
    """What a bar needs: items, and how many there are. Lists are such, and so are arrays."""

    def __len__(self) -> int: ...

    def __iter__(self) -> "Iterator[T_co]": ...


def progress(items: "Finite[T_co]", title: str) -> "Iterator[T_co]":
    """Give the items one by one under a bar that vanishes at the end.

    Raises:
        ToolchainError: tqdm is not installed.
    """
    yield from require("tqdm").tqdm(items, desc=title, leave=False, dynamic_ncols=True)


def byte_bar(total: int, title: str) -> Any:
    """Make a bar over so many bytes, which `update` moves on; it vanishes at the end of its `with`.

    Raises:
        ToolchainError: tqdm is not installed.
    """
    return require("tqdm").tqdm(
        total=total, desc=title, unit="B", unit_scale=True, unit_divisor=1024, leave=False, dynamic_ncols=True
    )


def announce(line: str) -> None:
    """Say what a command does now, or found."""
    print(line, file=sys.stderr, flush=True)
