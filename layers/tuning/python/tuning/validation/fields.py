"""Fields that a request has and nobody knows: refused if they are nearly one that is known, else listed as ignored.

A field is nearly a known one if it differs in case or in separators (`suggestionId`), if it is a letter or two off, or
if it is a known one of another level.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tuning.errors import InvalidField, Location, Root

MAX_INVALID_FIELDS = 1_000  # reported of one request, so that no request makes its own answer too large to send

# What people put behind the name of a thing.
_ENDINGS = ("id", "name")
_SHORT = 5  # letters up to which a name may be one letter off, beyond two
_MAX_NAME = 64  # characters of a name that are looked at and shown
_MAX_IGNORED = 100  # listed of one request, so that no request makes its own answer large


@dataclass(frozen=True, slots=True)
class Level:
    """The fields known at one level of a request. `elsewhere` says of other names where they belong, in words."""

    known: Sequence[str]
    elsewhere: Mapping[str, str]


def judge(
    names: Iterable[object], level: Level, at: Location, *, root: Root = "body"
) -> tuple[list[InvalidField], list[str]]:
    """Return the names that are nearly known as invalid fields, and JSON pointers of the others that are not known."""
    invalid: list[InvalidField] = []
    ignored: list[str] = []
    elsewhere = {_plain(name): where for name, where in level.elsewhere.items()}
    for name in names:
        if name in level.known:
            continue
        # JSON can smuggle in half a surrogate pair, which no answer could be encoded with.
        shown = str(name)[:_MAX_NAME].encode(errors="replace").decode()
        place = elsewhere.get(_plain(shown))
        near = None if place else nearest_field(shown, level.known)
        if place:
            invalid.append(InvalidField((*at, shown), f"is not known here; {place}", root))
        elif near:
            invalid.append(InvalidField((*at, shown), f"is not known; did you mean {near}?", root))
        else:
            ignored.append("".join(f"/{_escaped(part)}" for part in (*at, shown)))
    return invalid, ignored


def capped(ignored: Sequence[str]) -> tuple[str, ...]:
    """Return as many of the pointers as an answer lists, and say how many more there are."""
    if len(ignored) <= _MAX_IGNORED:
        return tuple(ignored)
    return (*ignored[:_MAX_IGNORED], f"and {len(ignored) - _MAX_IGNORED:,} more")


def capped_fields(invalid: Sequence[InvalidField], at: Location) -> tuple[InvalidField, ...]:
    """Return as many of the invalid fields as an answer lists; the last says, of `at`, how many more there are."""
    if len(invalid) <= MAX_INVALID_FIELDS:
        return tuple(invalid)
    hidden = len(invalid) - (MAX_INVALID_FIELDS - 1)
    return (*invalid[: MAX_INVALID_FIELDS - 1], InvalidField(at, f"and {hidden:,} more problems"))


def nearest_field(name: str, known: Iterable[str]) -> str | None:
    """Return the known field that the name nearly is; None if it is like none, or is one."""
    plain = _plain(name)
    best: tuple[int, str] | None = None
    for one in known:
        if one == name:
            return None
        target = _plain(one)
        allowed = 1 if len(target) <= _SHORT else 2
        alike = plain in {target, *(f"{target}{ending}" for ending in _ENDINGS)}
        away = 0 if alike else _distance(plain, target, allowed)
        if away <= allowed and (best is None or away < best[0]):
            best = away, one
    return best[1] if best else None


def _plain(name: str) -> str:
    return re.sub(r"[\s_.-]", "", name).casefold()


def _distance(one: str, other: str, most: int) -> int:
    """Return how many letters are to be added, dropped, exchanged or swapped with the next; above `most`, most + 1.

    The optimal string alignment distance (F. Damerau, "A technique for computer detection and correction of spelling
    errors", Communications of the ACM 7 (1964)), by dynamic programming.
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        this = [row]
        for column, wanted in enumerate(other, 1):
            cost = min(last[column] + 1, this[column - 1] + 1, last[column - 1] + (letter != wanted))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == wanted:
                cost = min(cost, before[column - 2] + 1)
            this.append(cost)
        before, last = last, this
    return min(last[-1], most + 1)


def _escaped(part: str | int) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")
