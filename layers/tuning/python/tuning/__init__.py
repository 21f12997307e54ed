"""Tuning: learn from ratings which image-enhancement API and which parameters please people, and suggest the next.

For scripts and notebooks: `from tuning import Tuner`. Use cases: `tuning.suggest.suggest`, `tuning.update.update`,
`tuning.stats.summarize`, `tuning.history.browse`. This file imports nothing until it is asked for the tuner, so that
each function pays only for what it uses.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuning.tuner.facade import Tuner

__all__ = ["Tuner"]


def __getattr__(name: str) -> object:
    if name != "Tuner":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tuning.tuner.facade import Tuner  # noqa: PLC0415 - the functions never need it

    return Tuner
