"""Documents: what was stored or published, read value by value. Each is what it must be, or is refused by its name.

For JSON files and for the columns of rows, which damage or another hand may have changed: no value is taken to be of a
type. A caller turns the DocumentError into an error of its own. Requests are no documents: what callers send is judged
by `web` and `tuning.validation`, which find everything that is wrong.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence, Set
from datetime import UTC, datetime
from enum import StrEnum
from numbers import Real
from typing import NoReturn, TypeVar

_MAX_QUOTED_LENGTH = 40

_Choice = TypeVar("_Choice", bound=StrEnum)


class DocumentError(ValueError):
    """A value of a document is not what it must be; the message names it, and says what it is and what would do."""


class Node:
    """A value in a document, and its name there, such as `input.width` or `previous[2]`; "" names the document.

    Every method raises DocumentError if the value is not what it returns. True and false are no numbers.
    """

    __slots__ = ("name", "value")

    def __init__(self, value: object, name: str = "") -> None:
        self.value = value
        self.name = name

    def refuse(self, complaint: str) -> NoReturn:
        """Refuse the value: say `complaint` of it by its name.

        Raises:
            DocumentError: always.
        """
        # Half of a surrogate pair, which JSON can have in a name, could not be written to a log.
        message = f"{self.name} {complaint}".lstrip()
        raise DocumentError(message.encode(errors="backslashreplace").decode())

    def json(self) -> "Node":
        """Return what a text says as JSON, under the name of the text."""
        text = self.text()
        try:
            return Node(json.loads(text), self.name)
        except (ValueError, RecursionError) as error:
            self.refuse(f"is not JSON: {error}")

    def get(self, name: str) -> "Node":
        """Return a member of an object; one that is absent is None."""
        return Node(self._object().get(name), self._member(name))

    def members(self, required: Set[str] | None = None, optional: Set[str] = frozenset()) -> dict[str, "Node"]:
        """Return the members of an object by name: all the required ones, perhaps optional ones, and no others.

        With None as `required` they may have any names.
        """
        found = self._object()
        if required is not None and found.keys() != required:
            for name in sorted(required - found.keys()):
                self.get(name).refuse("is missing")
            for name in sorted(found.keys() - required - optional):
                self.get(name).refuse(f"is not known; the fields are {', '.join(sorted(required | optional))}")
        return {name: Node(value, self._member(name)) for name, value in found.items()}

    def entries(self, count: int | None = None) -> list["Node"]:
        """Return the entries of a list or a tuple, of which there must be `count` (None: any number)."""
        if not isinstance(self.value, list | tuple):
            self._must_be("a list")
        if count is not None and len(self.value) != count:
            self.refuse(f"must have {count} entries, not {len(self.value):,}")
        return [Node(value, f"{self.name}[{index}]") for index, value in enumerate(self.value)]

    def text(self, pattern: re.Pattern[str] | None = None, *, least: int = 0) -> str:
        """Return a text of at least so many characters, all of which the pattern, if there is one, matches."""
        if not isinstance(self.value, str) or len(self.value) < least:
            self._must_be("a text")
        if pattern and not pattern.fullmatch(self.value):
            self.refuse(f"must match {pattern.pattern}, not {quote(self.value)}")
        return self.value

    def moment(self) -> datetime:
        """Return the moment that a text says in ISO 8601, in UTC."""
        text = self.text()
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self._must_be("a moment in ISO 8601")
        # One without a zone cannot be compared with the others.
        if moment.tzinfo is None:
            self.refuse(f"must say its offset from UTC, as in {text}+00:00")
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            self.refuse(f"is beyond the end of time: {text}")

    def integer(self, low: int = 0, high: int | None = None) -> int:
        """Return a whole number of at least `low` and at most `high` (None: any)."""
        if type(self.value) is not int or self.value < low or (high is not None and self.value > high):
            limits = f"of at least {low}" if high is None else f"from {low} to {high}"
            self._must_be(f"a whole number {limits}")
        return self.value

    def number(self, low: float = -math.inf, high: float = math.inf) -> float:
        """Return a finite number of at least `low` and at most `high`."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            self._must_be("a number")
        try:
            number = float(self.value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self.refuse("must be a finite number")
        if not low <= number <= high:
            self.refuse(f"must lie within {low:g} to {high:g}, not {quote(number)}")
        return number

    def positive(self) -> float:
        """Return a finite number greater than 0."""
        number = self.number()
        if number <= 0:
            self._must_be("greater than 0")
        return number

    def boolean(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            self._must_be("true or false")
        return self.value

    def choice(self, choices: type[_Choice]) -> _Choice:
        """Return the choice whose text the value is."""
        found = next((choice for choice in choices if choice == self.value), None)
        if found is None:
            self._must_be(f"one of {', '.join(choices)}")
        return found

    def version(self, supported: int) -> None:
        """See that the value is the version of a format that is supported."""
        if type(self.value) is not int or self.value != supported:
            self.refuse(f"is {quote(self.value)}; this release reads {supported}")

    def _object(self) -> Mapping[str, object]:
        if not isinstance(self.value, Mapping):
            self._must_be("an object")
        return self.value

    def _member(self, name: str) -> str:
        return f"{self.name}.{name}" if self.name else name

    def _must_be(self, kind: str) -> NoReturn:
        self.refuse(f"must be {kind}, not {quote(self.value)}")


def parse(content: bytes, *, most: int | None = None) -> Node:
    """Read a document of JSON from its bytes, of which there may be `most` (None: any number).

    Raises:
        DocumentError: they are too many, or not JSON.
    """
    document = Node(None)
    if most is not None and len(content) > most:
        document.refuse(f"is larger than {most} bytes")
    try:
        text = content.decode(json.detect_encoding(content), "surrogatepass")
    except UnicodeDecodeError as error:
        document.refuse(f"is not JSON: {error}")
    return Node(text).json()


def quote(value: object) -> str:
    """Return a value as JSON would name it, cut short, for error messages."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return "a list"
    if not isinstance(value, Real | str):
        return f"a value of type {type(value).__name__}"
    # Cut before formatting: the text of a huge string or integer is not worth making.
    text = repr(value[: _MAX_QUOTED_LENGTH + 1]) if isinstance(value, str) else _numeral(value)
    return text if len(text) <= _MAX_QUOTED_LENGTH else f"{text[:_MAX_QUOTED_LENGTH]}…"


def _numeral(number: Real) -> str:
    try:
        return repr(float(number)).removesuffix(".0")
    except OverflowError:
        return "a number too large to tell"
