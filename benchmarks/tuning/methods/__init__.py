"""The methods that are compared, by name, and what every one of them can do.

Each is an adapter in a module of its own, imported only when it is run: a peer need not be installed where another is
measured. A method is asked for settings, told their ratings, and says which setting it would recommend. It sees no
rater: what is true is known to `benchmarks.tuning.families` alone.
"""

import hashlib
import importlib
import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from benchmarks.tuning.raters import Sitting
from benchmarks.tuning.settings import Parameters
from tuning.spaces import Mode

_OURS = Path(__file__).resolve().parents[3] / "layers" / "tuning" / "python" / "tuning"
# The databases' adapters choose no setting.
_NOT_THE_METHOD = _OURS / "stores"


class Method(Protocol):
    """One study of one method. Settings are asked for in batches, and a batch is told before the next is asked for."""

    def ask(self, n: int) -> list[Parameters]:
        """`n` settings to rate, as the method proposes them; they need not lie on the space's grid."""

    def tell(self, ratings: Sequence[tuple[Parameters, float]]) -> None:
        """Return the ratings of the batch asked for last, in its order; the parameters are those that were rated."""

    def recommend(self) -> Parameters:
        """Return the setting that the method holds for the best so far."""


@runtime_checkable
class InformedMethod(Method, Protocol):
    """A method that can be told who rated, says how sure it is, and can base a study on another."""

    def tell_of(self, ratings: Sequence[tuple[Parameters, float]], sitting: Sitting) -> None:
        """As `tell`, with who rated the batch, and of what picture."""

    def interval(self) -> tuple[float, float]:
        """Return the 90 % interval of the true rating of what was recommended last, its low and its high end."""

    def successor(self, seed: int) -> "InformedMethod":
        """Return a new study that is based on this one."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A method of the comparison: where its adapter is, and which distributions make it what it is.

    `revision` is raised when the adapter comes to use its method differently, so that results are measured anew.
    `ratings`, if given, is after how many a run ends, of a method that takes too long for all of them.
    """

    name: str
    title: str
    adapter: str
    distributions: tuple[str, ...] = ()
    revision: int = 1
    ratings: int | None = None

    @property
    def version(self) -> str:
        """What results are cached under. Raises PackageNotFoundError where the method is not installed."""
        if self.name == OURS:
            return f"{self.revision}, sources {_fingerprint(_OURS)}"
        versions = (f"{name} {importlib.metadata.version(name)}" for name in self.distributions)
        return ", ".join((str(self.revision), *versions))

    def load(self) -> Callable[[Mode, int], Method]:
        """Return what makes a study of a mode and a seed. Raises ImportError where the method is not installed."""
        module, _, name = self.adapter.partition(":")
        adapter: Callable[[Mode, int], Method] = getattr(importlib.import_module(f"{__name__}.{module}"), name)
        return adapter


OURS = "ours"
METHODS: dict[str, Contender] = {
    entry.name: entry
    for entry in (
        Contender("random", "random", "random_search:RandomSearch"),
        Contender("original", "the original", "original:OriginalOptimizer", ("scikit-optimize", "scikit-learn")),
        Contender("optuna-tpe", "Optuna TPE", "optuna_samplers:tpe", ("optuna",)),
        Contender("bayesian-optimization", "bayesian-optimization", "bayes_opt:BayesOpt", ("bayesian-optimization",)),
        Contender("optuna-gp", "Optuna GP", "optuna_samplers:gp", ("optuna", "torch")),
        Contender("smac3", "SMAC3", "smac3:Smac3", ("smac",)),
        Contender("ax", "Ax", "ax_client:AxClient", ("ax-platform", "botorch"), ratings=30),
        Contender(OURS, "ours", "ours:Ours"),
    )
}


def _fingerprint(folder: Path) -> str:
    """Return a digest of the sources that choose settings, so that a change of them is a new version."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")) + sorted(folder.rglob("*.toml")):
        if not path.is_relative_to(_NOT_THE_METHOD):
            digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
