"""Progress on stderr, so that what a command prints stays clean."""

import sys
from typing import TYPE_CHECKING, Protocol, TypeVar

from tools.captioner.toolchain import require

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["announce", "progress"]

T_co = TypeVar("T_co", covariant=True)


class Finite(Protocol[T_co]):
    """What a bar needs: items, and how many there are. Lists are such, and so are arrays."""

    def __len__(self) -> int: ...

    def __iter__(self) -> "Iterator[T_co]": ...


def progress(items: "Finite[T_co]", title: str) -> "Iterator[T_co]":
    """Give the items one by one under a bar that vanishes at the end. Raises ToolchainError without tqdm."""
    yield from require("tqdm").tqdm(items, desc=title, leave=False, dynamic_ncols=True)


def announce(line: str) -> None:
    """Say what a command does now, or found."""
    print(line, file=sys.stderr, flush=True)
