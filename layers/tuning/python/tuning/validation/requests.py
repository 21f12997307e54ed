"""Requests: modes, studies, pages, keys and corrections as callers name them, judged before any store is asked."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from storage.documents import quote
from tuning.errors import InvalidField, InvalidRequestError, Location, Root
from tuning.observations import DEFAULT_STUDY, MAX_POSITION, MAX_RATING, MIN_RATING, Correction
from tuning.spaces import Fixed, Mode, Spaces
from tuning.validation.fields import Level, capped, judge, nearest_field
from tuning.validation.settings import parse_fixed, parse_number

MAX_COUNT = 10  # suggestions in one request
KEY_HEADER = "Idempotency-Key"
MAX_KEY_LENGTH = 255
MAX_PAGE = 200  # entries, or studies, on one page
MAX_SUGGESTION_ID_LENGTH = 64
MAX_STUDY_LENGTH = 64
MAX_RATER_LENGTH = 64
MAX_PICTURE_LENGTH = 128
MAX_COMMENT_LENGTH = 500
MAX_NOTE_LENGTH = 500

STUDY_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")

# What a program sends as a name that it does not have, and what people may take for "every study".
RESERVED_STUDIES = frozenset({"all", "any", "none", "null", "undefined"})

# As `tuning.suggest` makes them; what people copy may have other letters.
_GIVEN_ID = re.compile(r"[0-9a-fA-F]{24}")
# Parameters of queries, and fields that look like them: where a call does not know one, it must not seem to.
_PARAMETERS = (
    *("study", "mode", "rater", "picture", "include", "withdrawn", "suggestion_id", "archived", "reviser"),
    *("limit", "cursor", "format", "api", "parameter", "fixed", "points"),
)
_NO_CURSOR = "is not one that an earlier page gave"
# Control characters, halves of surrogate pairs, and what breaks a line or a paragraph.
_UNWRITABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})

_SUGGEST = Level(
    known=("mode", "num_suggestions", "study", "fixed"),
    elsewhere={
        "api": 'did you mean "fixed": {"api": ...}?',
        "parameters": "did you mean fixed?",
        **dict.fromkeys(("studies", "studie"), "did you mean study?"),
        "fix": "did you mean fixed?",
        "fixed_api": "did you mean fixed?",
        "fixed_parameters": "did you mean fixed?",
        "count": "did you mean num_suggestions?",
        "n": "did you mean num_suggestions?",
    },
)
_STUDY_REQUEST = Level(
    known=("name", "based_on", "note"),
    elsewhere={
        "study": "did you mean name?",
        "base": "did you mean based_on?",
        "archived": "it belongs to PATCH /ml/studies/{name}",
    },
)
_CORRECTION = Level(
    known=("rating", "comment", "withdrawn", "reviser"),
    elsewhere={
        "rater": "who corrects is the reviser; who rated stays as it is",
        "parameters": "it stays as it is: withdraw the entry, and record another",
        "failed": "it stays as it is: withdraw the entry, and record another",
        "mode": "it stays as it is: withdraw the entry, and record another",
        "picture": "it stays as it is: withdraw the entry, and record another",
    },
)
_ARCHIVING = Level(known=("archived",), elsewhere=dict.fromkeys(("name", "based_on", "note"), "it stays as it is"))


@dataclass(frozen=True, slots=True)
class SuggestRequest:
    """A valid request for suggestions. `ignored` are JSON pointers to fields that nobody knows."""

    study: str
    mode: Mode
    count: int
    fixed: Fixed | None = None
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StudyRequest:
    """A valid request for a new study. `ignored` are JSON pointers to fields that nobody knows."""

    name: str
    based_on: str | None
    note: str | None
    ignored: tuple[str, ...] = field(default=())


def parse_suggest(request: object, spaces: Spaces, *, default_count: int) -> SuggestRequest:
    """Validate a request for suggestions: `mode`, `num_suggestions`, `study` and `fixed`, all of them optional.

    Raises:
        InvalidRequestError: anything is wrong; it lists every field that is.
    """
    body = _mapping(request)
    invalid, ignored = judge(body, _SUGGEST, ())
    for name in body:
        # A parameter's name at this level is what people try before they find `fixed`.
        named = any(parameter.name == name for api in spaces.apis for parameter in api.parameters)
        if named and name not in _SUGGEST.known:
            invalid.append(InvalidField((str(name),), f'is not known here; did you mean "fixed": {{"{name}": ...}}?'))
            ignored = [pointer for pointer in ignored if pointer != f"/{name}"]
    study = parse_study(body.get("study"), ("study",), invalid) or DEFAULT_STUDY
    mode = find_mode(body.get("mode", spaces.default_mode), ("mode",), spaces, invalid)
    count = body.get("num_suggestions", default_count)
    invalid.extend(_judge_count(count, ("num_suggestions",)))
    fixed = None
    if mode is not None:
        try:
            fixed = parse_fixed(body.get("fixed"), mode)
        except InvalidRequestError as error:
            invalid.extend(error.fields)
    if invalid or mode is None or not isinstance(count, int):
        raise InvalidRequestError(tuple(invalid))
    return SuggestRequest(study, mode, count, fixed, capped(ignored))


def parse_study_request(request: object) -> StudyRequest:
    """Validate a request for a new study.

    Raises:
        InvalidRequestError: anything is wrong; it lists every field that is.
    """
    body = _mapping(request)
    invalid, ignored = judge(body, _STUDY_REQUEST, ())
    name = parse_study(body.get("name"), ("name",), invalid)
    if name is None and body.get("name") is None:
        invalid.append(InvalidField(("name",), "is required"))
    if name in RESERVED_STUDIES:
        invalid.append(InvalidField(("name",), f"{name} is reserved: programs send it when they have no name"))
    based_on = parse_study(body.get("based_on"), ("based_on",), invalid)
    # An empty field of a form says as much as none.
    note = parse_text(
        None if body.get("note") == "" else body.get("note"), ("note",), MAX_NOTE_LENGTH, invalid, breaks=True
    )
    if name is not None and name == based_on:
        invalid.append(InvalidField(("based_on",), "a study cannot be based on itself"))
    if invalid or name is None:
        raise InvalidRequestError(tuple(invalid))
    return StudyRequest(name, based_on, note, capped(ignored))


def parse_archiving(request: object) -> tuple[bool, tuple[str, ...]]:
    """Return whether a study is to be archived (else restored), and pointers to the fields that nobody knows.

    Raises:
        InvalidRequestError: anything is wrong; it lists every field that is.
    """
    body = _mapping(request)
    invalid, ignored = judge(body, _ARCHIVING, ())
    archived = body.get("archived")
    if not isinstance(archived, bool):
        found = f"must be true or false, not {quote(archived)}" if "archived" in body else "is required"
        invalid.append(InvalidField(("archived",), found))
    if invalid:
        raise InvalidRequestError(tuple(invalid))
    return archived is True, capped(ignored)


def parse_correction(request: object, *, now: datetime) -> tuple[Correction, tuple[str, ...]]:
    """Return the correction that a request asks for, and pointers to the fields that nobody knows.

    A `comment` of null or "" removes it.

    Raises:
        InvalidRequestError: anything is wrong, or nothing is to be corrected; it lists every field that is.
    """
    body = _mapping(request)
    invalid, ignored = judge(body, _CORRECTION, ())
    rating = parse_rating(body, ("rating",), invalid) if "rating" in body else None
    comment = None
    if "comment" in body:
        given = body["comment"]
        empty = given is None or given == ""
        comment = "" if empty else parse_text(given, ("comment",), MAX_COMMENT_LENGTH, invalid, breaks=True)
    withdrawn = body.get("withdrawn")
    if "withdrawn" in body and not isinstance(withdrawn, bool):
        invalid.append(InvalidField(("withdrawn",), f"must be true or false, not {quote(withdrawn)}"))
    reviser = parse_rater(body.get("reviser"), ("reviser",), invalid)
    if not invalid and not {"rating", "comment", "withdrawn"} & body.keys():
        raise InvalidRequestError((InvalidField((), "says nothing to correct: rating, comment or withdrawn"),))
    if invalid:
        raise InvalidRequestError(tuple(invalid))
    return Correction(now, rating, comment, withdrawn if isinstance(withdrawn, bool) else None, reviser), capped(
        ignored
    )


def validate_mode(spaces: Spaces, mode: object) -> Mode:
    """Return the mode that a query names.

    Raises:
        InvalidRequestError: there is no such mode.
    """
    invalid: list[InvalidField] = []
    space = find_mode(mode, ("mode",), spaces, invalid, root="query")
    if space is None:
        raise InvalidRequestError(tuple(invalid))
    return space


def validate_study(study: object, *, root: Root = "body", field_name: str = "study") -> str:
    """Return a study's name, which the request has in that field.

    Raises:
        InvalidRequestError: no study can have that name.
    """
    invalid: list[InvalidField] = []
    name = parse_study(study, (field_name,), invalid, root=root)
    if name is None:
        raise InvalidRequestError(tuple(invalid) or (InvalidField((field_name,), "must not be null", root),))
    return name


def parse_filters(*, rater: object, picture: object) -> tuple[str | None, str | None]:
    """Return a query's rater and picture, as ratings have them; None of what it does not have.

    Raises:
        InvalidRequestError: they can be none; it lists those that are wrong.
    """
    invalid: list[InvalidField] = []
    found = (
        parse_rater(rater, ("rater",), invalid, root="query"),
        parse_picture(picture, ("picture",), invalid, root="query"),
    )
    if invalid:
        raise InvalidRequestError(tuple(invalid))
    return found


def validate_count(count: object, at: Location) -> None:
    """Check that a number of suggestions is a whole one from 1 to MAX_COUNT.

    Raises:
        InvalidRequestError: it is not; the field is `at`.
    """
    if invalid := _judge_count(count, at):
        raise InvalidRequestError(invalid)


def validate_limit(limit: object, most: int = MAX_PAGE) -> None:
    """Check that the length of a page is a whole number from 1 to `most`.

    Raises:
        InvalidRequestError: it is not.
    """
    if type(limit) is not int or not 1 <= limit <= most:
        raise InvalidRequestError((InvalidField(("limit",), f"must be a whole number from 1 to {most:,}", "query"),))


def parse_cursor(cursor: str | None) -> int:
    """Return the position before which a page begins; None, which is the first page, gives MAX_POSITION.

    Raises:
        InvalidRequestError: no page gave this cursor.
    """
    if cursor is None:
        return MAX_POSITION
    numeral = cursor.isascii() and cursor.isdecimal() and len(cursor) <= len(str(MAX_POSITION))
    if not numeral or int(cursor) > MAX_POSITION:
        raise InvalidRequestError((InvalidField(("cursor",), _NO_CURSOR, "query"),))
    return int(cursor)


def parse_study_cursor(cursor: str | None) -> str:
    """Return the name after which a page of studies begins; None, which is the first page, gives the empty text.

    Raises:
        InvalidRequestError: no page gave this cursor.
    """
    if cursor is None:
        return ""
    if not STUDY_NAME.fullmatch(cursor):
        raise InvalidRequestError((InvalidField(("cursor",), _NO_CURSOR, "query"),))
    return cursor


def validate_key(key: object) -> str | None:
    """Return an idempotency key; None if there is none.

    Raises:
        InvalidRequestError: it is not a text of 1 to MAX_KEY_LENGTH printable characters.
    """
    if key is None:
        return None
    if not isinstance(key, str) or not 1 <= len(key) <= MAX_KEY_LENGTH or not key.isprintable():
        message = f"must be a text of 1 to {MAX_KEY_LENGTH} printable characters"
        raise InvalidRequestError((InvalidField((KEY_HEADER,), message, root="header"),))
    return key


def validate_query(names: Iterable[str], known: Sequence[str], body: Sequence[str] = ()) -> None:
    """Check that no parameter of a query is nearly a known one, a field of the `body`, or one that other calls know.

    Raises:
        InvalidRequestError: some are; it lists them.
    """
    others = dict.fromkeys(_PARAMETERS, "this call does not take it")
    if "study" in known:
        others |= dict.fromkeys(("studies", "studie"), "did you mean study?")
    elsewhere = {**others, **dict.fromkeys(body, "it belongs to the body")}
    level = Level(known, {name: where for name, where in elsewhere.items() if name not in known})
    invalid, _ = judge(names, level, (), root="query")
    if invalid:
        raise InvalidRequestError(tuple(invalid))


def refuse_several(values: Mapping[str, Sequence[str]]) -> None:
    """Check that no parameter of a query, all of which may have one value, has several that differ.

    Raises:
        InvalidRequestError: some have; it lists them.
    """
    invalid = [
        InvalidField((name,), f"must have one value, not {quote(given[0])} and {quote(other)}", "query")
        for name, given in values.items()
        if (other := next((one for one in given if one != given[0]), None)) is not None
    ]
    if invalid:
        raise InvalidRequestError(tuple(invalid))


def find_mode(
    raw: object, at: Location, spaces: Spaces, invalid: list[InvalidField], *, root: Root = "body"
) -> Mode | None:
    """Return the mode of that name; None, and one invalid field more, if there is none."""
    mode = spaces.find_mode(raw)
    if mode is None:
        names = [known.name for known in spaces.modes]
        near = nearest_field(raw, names) if isinstance(raw, str) else None
        hint = f"; did you mean {near}?" if near else ""
        invalid.append(InvalidField(at, f"must be one of {', '.join(names)}, not {quote(raw)}{hint}", root))
    return mode


def parse_study(raw: object, at: Location, invalid: list[InvalidField], *, root: Root = "body") -> str | None:
    """Return a study's name; None if there is none, and one invalid field more if none can be called so."""
    if raw is None:
        return None
    if not isinstance(raw, str) or not STUDY_NAME.fullmatch(raw):
        grammar = f"1 to {MAX_STUDY_LENGTH} of a-z, 0-9, dot, hyphen and underscore, the first a letter or a digit"
        meant = raw.strip().lower() if isinstance(raw, str) else ""
        hint = f"; did you mean {meant}?" if STUDY_NAME.fullmatch(meant) else ""
        invalid.append(InvalidField(at, f"must be {grammar}, not {quote(raw)}{hint}", root))
        return None
    return raw


def parse_suggestion_id(raw: object, at: Location, invalid: list[InvalidField]) -> str | None:
    """Return a suggestion's id, as it was given out; None, and one invalid field more if it is no such text."""
    plain = raw.strip() if isinstance(raw, str) and raw.strip() else raw
    text = parse_text(plain, at, MAX_SUGGESTION_ID_LENGTH, invalid)
    return text.lower() if text and _GIVEN_ID.fullmatch(text) else text


def parse_rater(raw: object, at: Location, invalid: list[InvalidField], *, root: Root = "body") -> str | None:
    """Return a rater's pseudonym, without spaces around it and in one Unicode form, so that a person is one rater."""
    plain = unicodedata.normalize("NFC", raw).strip() if isinstance(raw, str) else raw
    if plain == "":
        invalid.append(InvalidField(at, "must not be blank", root))
        return None
    return parse_text(plain, at, MAX_RATER_LENGTH, invalid, what="a pseudonym of ", root=root)


def parse_picture(raw: object, at: Location, invalid: list[InvalidField], *, root: Root = "body") -> str | None:
    """Return a picture's id, as given; None if there is none."""
    return parse_text(raw, at, MAX_PICTURE_LENGTH, invalid, what="an id of ", root=root)


def parse_rating(raw: Mapping[str, object], at: Location, invalid: list[InvalidField]) -> float | None:
    """Return the member `rating` of a mapping; None, and one invalid field more, if it is none or is not there."""
    if "rating" not in raw:
        invalid.append(InvalidField(at, "is missing"))
        return None
    try:
        rating = parse_number(raw["rating"])
    except ValueError as error:
        invalid.append(InvalidField(at, str(error)))
        return None
    if not MIN_RATING <= rating <= MAX_RATING:
        invalid.append(InvalidField(at, f"must lie within {MIN_RATING:g} to {MAX_RATING:g}, not {rating:g}"))
        return None
    return rating


def parse_text(
    raw: object,
    at: Location,
    most: int,
    invalid: list[InvalidField],
    *,
    breaks: bool = False,
    what: str = "a text of ",
    root: Root = "body",
) -> str | None:
    """Return a text of 1 to `most` characters, no control characters but line breaks and tabs if there may be `breaks`.

    None if there is none, and one invalid field more if it is no such text.
    """
    if raw is None:
        return None
    if not isinstance(raw, str) or not 1 <= len(raw) <= most:
        found = f"{len(raw):,} characters" if isinstance(raw, str) else quote(raw)
        invalid.append(InvalidField(at, f"must be {what}1 to {most} characters, not {found}", root))
        return None
    for place, character in enumerate(raw):
        if unicodedata.category(character) in _UNWRITABLE and not (breaks and character in "\n\r\t"):
            message = f"must be {what}1 to {most} characters without control characters: U+{ord(character):04X} is one"
            invalid.append(InvalidField(at, f"{message}, at place {place + 1}", root))
            return None
    return raw


def _mapping(request: object) -> Mapping[str, object]:
    """Return the body of a request.

    Raises:
        InvalidRequestError: it is no object.
    """
    if not isinstance(request, Mapping):
        raise InvalidRequestError((InvalidField((), f"must be an object, not {quote(request)}"),))
    return request


def _judge_count(count: object, at: Location) -> tuple[InvalidField, ...]:
    if type(count) is int and 1 <= count <= MAX_COUNT:
        return ()
    return (InvalidField(at, f"must be a whole number from 1 to {MAX_COUNT}"),)
