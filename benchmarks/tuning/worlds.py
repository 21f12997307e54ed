"""The two worlds of the comparison, and which rows each table has: a method, who rates, and what it is told of them."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.tuning.families import Truth, related, unrelated
from benchmarks.tuning.methods import METHODS, OURS, Contender
from benchmarks.tuning.raters import REVISION, Alike, People, Raters


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a world's table.

    A row that is `informed` is told who rated and of what picture. `base` makes those who rated an older study, whose
    ratings, as many as a run's, the method knows from the start. `rules` is the version of what people do.
    """

    name: str
    title: str
    method: Contender
    raters: Callable[[Truth], Raters]
    informed: bool = False
    base: Callable[[Truth], Raters] | None = None
    rules: str = ""

    @property
    def version(self) -> str:
        """What results are cached under. Raises PackageNotFoundError where the method is not installed."""
        return self.method.version + self.rules

    @property
    def is_ours(self) -> bool:
        """Whether this project's method is in it."""
        return self.method.name == OURS


@dataclass(frozen=True, slots=True)
class World:
    """A world of raters: its rows by name, in the order of its table, and the file of its results."""

    name: str
    rows: dict[str, TableRow]
    results: str


def _all_alike(truth: Truth) -> People:
    return People(truth, differ=False)


def _of_related(truth: Truth) -> People:
    return People(related(truth), team="others")


def _of_unrelated(truth: Truth) -> People:
    return People(unrelated(truth), team="others")


_RULES = f", people {REVISION}"
_OURS = METHODS[OURS]
WITHHELD, LIMIT, RELATED, UNRELATED = "ours-withheld", "ours-alike", "ours-related", "ours-unrelated"
_OF_OURS = (
    TableRow(OURS, "ours, told who and what", _OURS, People, informed=True, rules=_RULES),
    TableRow(WITHHELD, "ours, not told", _OURS, People, rules=_RULES),
    TableRow(LIMIT, "ours, all alike (the limit)", _OURS, _all_alike, rules=_RULES),
    TableRow(RELATED, "ours, based on a related study", _OURS, People, informed=True, base=_of_related, rules=_RULES),
    TableRow(
        UNRELATED, "ours, based on an unrelated study", _OURS, People, informed=True, base=_of_unrelated, rules=_RULES
    ),
)

ALIKE = World("alike", {one.name: TableRow(one.name, one.title, one, Alike) for one in METHODS.values()}, "tuning.csv")
PEOPLE = World(
    "people",
    {
        row.name: row
        for row in (
            *(TableRow(one.name, one.title, one, People, rules=_RULES) for one in METHODS.values() if one.name != OURS),
            *_OF_OURS,
        )
    },
    "tuning-people.csv",
)
WORLDS = {world.name: world for world in (ALIKE, PEOPLE)}
