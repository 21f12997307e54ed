"""CSV: writes the present state of studies, and reads rows that people and spreadsheets wrote.

The header line decides what separates the columns, and the whole file whether decimals have commas; the notes say both.
Columns may be in any order. A name that is nearly a known one is refused; other unknown columns are ignored, and the
notes say which.
"""

import codecs
import csv
import io
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.observations.archive import new_file
from tools.observations.errors import MoveError
from tools.observations.moving import MovedStudy
from tools.observations.rows import RESULT, Problem, Row, Rows, RowsError, ignored_note
from tuning.spaces import CategoricalParameter, Spaces
from tuning.table import TEXTS, columns, from_cell, to_csv
from tuning.validation.fields import Level, judge

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
# Spreadsheets write these words in their language.
_WORDS = {"true": True, "1": True, "verdadero": True, "false": False, "0": False, "falso": False}
_HINT = "save it as “CSV UTF-8”, or say what it is, such as --encoding cp1252"


def write_table(studies: Sequence[MovedStudy], spaces: Spaces, path: Path | None, *, withdrawn: bool) -> int:
    """Write a new file, one row per entry, oldest first; return the number of rows. None means standard output.

    Raises:
        MoveError: the file exists already, or a study's log is damaged.
        OSError: it cannot be written.
    """
    entries = [entry for moved in studies for entry in moved.entries() if withdrawn or not entry.revision.withdrawn]
    text = to_csv(spaces, entries)
    if path is None:
        sys.stdout.write(text)
        return len(entries)
    with new_file(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return len(entries)


def read_table(path: Path, spaces: Spaces, *, encoding: str | None = None) -> Rows:
    """Read the rows of a CSV file with a header line.

    Raises:
        MoveError: it is no such file, or a name of its header is wrong.
        OSError: it cannot be read.
    """
    text, skipped = _text(path, encoding)
    separator = _separator(text, spaces)
    lines = [(line, cells) for line, cells in _lines(path, text, separator, skipped) if any(map(str.strip, cells))]
    if not lines:
        raise MoveError(f"{path}: is empty")
    (number, heads), *body = lines
    names = [head.strip() for head in heads]
    ignored = _judge_names(path, number, names, spaces)
    problems = []
    kept: list[tuple[int, dict[str, str]]] = []
    for line, cells in body:
        if len(cells) != len(names):
            message = f"has {len(cells)} cells, and the header {len(names)}"
            problems.append(Problem(line, "the row", message))
            continue
        if any(cell.strip() and not name for name, cell in zip(names, cells, strict=True)):
            problems.append(Problem(line, "the row", "has a cell in a column without a name"))
        kept.append((line, {name: cell for name, cell in zip(names, cells, strict=True) if name not in ignored}))
    numeric = _numeric(spaces)
    commas = separator != "," and any("," in named.get(name, "") for _, named in kept for name in numeric)
    rows = []
    for line, named in kept:
        for name in sorted(numeric & named.keys()):
            if commas and "." in named[name]:
                message = f"{named[name]} has a decimal point, and other cells of the file have decimal commas"
                problems.append(Problem(line, name, message))
            elif commas:
                named[name] = named[name].replace(",", ".")
        rows.append(Row(line, _fields(named)))
    decimals = ", decimal commas" if commas else ""
    notes = (f"columns separated by {_SEPARATORS[separator]}{decimals}", *ignored_note(ignored))
    return Rows(path, tuple(rows), notes, tuple(problems))


def _text(path: Path, encoding: str | None) -> tuple[str, int]:
    """Return the text of a file without a hint about its separator, and the number of lines left out."""
    content = path.read_bytes()
    if encoding is None:
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        encoding = "utf-16" if wide else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise MoveError(f"{path}:{line}: is not {error.encoding.upper()}: {_HINT}") from None
    except LookupError:
        raise MoveError(f"{encoding} is no encoding that Python knows, such as cp1252") from None
    # Some spreadsheets begin a file with such a hint.
    first, _, rest = text.partition("\n")
    return (rest, 1) if first.strip().lower() in {f"sep={one}" for one in _SEPARATORS} | {"sep="} else (text, 0)


def _separator(text: str, spaces: Spaces) -> str:
    """Return what separates the columns: with it, more names of the header are known than with any other."""
    known = columns(spaces)

    def found(separator: str) -> int:
        try:
            names = next(csv.reader(io.StringIO(text.lstrip("\r\n"), newline=""), delimiter=separator), [])
        except csv.Error:
            return 0
        return sum(name.strip() in known for name in names)

    return max(_SEPARATORS, key=found)


def _lines(path: Path, text: str, separator: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the records of the file, each with the line on which it begins.

    Raises:
        MoveError: the quotation marks of a row do not match.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        number = skipped + reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise MoveError(f"{path}:{number}: the row cannot be read: {error}") from None
        yield number, cells


def _judge_names(path: Path, line: int, names: Sequence[str], spaces: Spaces) -> dict[str, None]:
    """Return the names of the columns that are ignored.

    Raises:
        RowsError: names are wrong.
    """
    given = [name for name in names if name]
    elsewhere = {"parameters": "each parameter has a column of its own", "time": "did you mean recorded_at?"}
    near, unknown = judge(given, Level(columns(spaces), elsewhere), ())
    problems = [Problem(line, str(one.location[0]), one.message) for one in near]
    problems += [Problem(line, name, "is the name of two columns") for name in {*given} if given.count(name) > 1]
    if "api" not in given:
        problems.append(Problem(line, "api", "is missing from the header"))
    if "rating" not in given and "failed" not in given:
        problems.append(Problem(line, "rating", "is missing from the header"))
    if problems:
        raise RowsError(path, problems)
    return {name: None for name in given if name not in columns(spaces)} if unknown else {}


def _numeric(spaces: Spaces) -> set[str]:
    """Return the names of the columns that hold only numbers."""
    parameters = [parameter for api in spaces.apis for parameter in api.parameters]
    texts = {parameter.name for parameter in parameters if isinstance(parameter, CategoricalParameter)}
    return {"rating", *(parameter.name for parameter in parameters)} - texts


def _fields(cells: dict[str, str]) -> dict[str, object]:
    """Return a row's fields, as an update's result would have them."""
    parameters: dict[str, str] = {}
    fields: dict[str, object] = {"parameters": parameters}
    for name, cell in cells.items():
        text = from_cell(cell) if name in TEXTS else cell.strip()
        if not text or not name:
            continue
        if name == "withdrawn":
            fields[name] = _WORDS.get(text.lower(), text)
        elif name in {*RESULT, "id", "study", "recorded_at", "revision", "revised_at", "reviser"}:
            fields[name] = text
        else:
            parameters[name] = text
    return fields
