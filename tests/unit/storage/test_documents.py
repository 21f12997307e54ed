"""Documents: each value is what it must be, or is refused by its name, whatever it is."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.documents import DocumentError, Node, parse


class Colour(StrEnum):
    RED = "red"
    NONE = "none"


READERS: dict[str, Callable[[Node], object]] = {
    "text": Node.text,
    "word": lambda node: node.text(re.compile("[a-z]+"), least=1),
    "json": Node.json,
    "moment": Node.moment,
    "integer": lambda node: node.integer(1, 9),
    "number": lambda node: node.number(1, 5),
    "positive": Node.positive,
    "boolean": Node.boolean,
    "choice": lambda node: node.choice(Colour),
    "entries": Node.entries,
    "pair": lambda node: node.entries(2),
    "members": lambda node: node.members({"a"}, {"b"}),
    "version": lambda node: node.version(1),
}


@pytest.mark.parametrize(
    ("reader", "value", "found"),
    [
        ("text", "", ""),
        ("text", "\ud800", "\ud800"),
        ("word", "dog", "dog"),
        ("moment", "2030-01-02T03:04:05+02:00", datetime(2030, 1, 2, 1, 4, 5, tzinfo=UTC)),
        ("integer", 9, 9),
        ("number", 1, 1.0),
        ("number", 4.999, 4.999),
        ("positive", 5e-324, 5e-324),
        ("boolean", False, False),
        ("choice", "none", Colour.NONE),
        ("version", 1, None),
    ],
)
def test_a_value_that_is_what_it_must_be_is_returned(reader: str, value: object, found: object) -> None:
    read = READERS[reader](Node(value, "x"))
    assert (read, type(read)) == (found, type(found))


@pytest.mark.parametrize(
    ("reader", "value", "complaint"),
    [
        ("text", None, "x must be a text, not null"),
        ("text", b"dog", "x must be a text, not a value of type bytes"),
        ("word", "", "x must be a text, not ''"),
        ("word", "dog\n", r"x must match [a-z]+, not 'dog\n'"),
        ("word", "\ud800", r"x must match [a-z]+, not '\ud800'"),
        ("word", "D" * 999, f"x must match [a-z]+, not '{'D' * 39}…"),
        ("json", "{", "x is not JSON: "),
        ("json", "[" * 100_000, "x is not JSON: "),
        ("json", "1" * 5_000, "x is not JSON: "),
        ("moment", "yesterday", "x must be a moment in ISO 8601, not 'yesterday'"),
        ("moment", "2030-01-02T03:04:05", "x must say its offset from UTC, as in 2030-01-02T03:04:05+00:00"),
        ("moment", "0001-01-01T00:00:00+14:00", "x is beyond the end of time"),
        ("integer", True, "x must be a whole number from 1 to 9, not true"),
        ("integer", 3.0, "x must be a whole number from 1 to 9, not 3"),
        ("integer", 10, "x must be a whole number from 1 to 9, not 10"),
        ("integer", 10**400, "x must be a whole number from 1 to 9, not a number too large to tell"),
        ("number", True, "x must be a number, not true"),
        ("number", "4", "x must be a number, not '4'"),
        ("number", float("nan"), "x must be a finite number"),
        ("number", 10**400, "x must be a finite number"),
        ("number", 5.1, "x must lie within 1 to 5, not 5.1"),
        ("positive", 0, "x must be greater than 0, not 0"),
        ("boolean", 1, "x must be true or false, not 1"),
        ("choice", None, "x must be one of red, none, not null"),
        ("entries", "ab", "x must be a list, not 'ab'"),
        ("pair", [1, 2, 3], "x must have 2 entries, not 3"),
        ("members", [], "x must be an object, not a list"),
        ("members", {"b": 1}, "x.a is missing"),
        ("members", {"a": 1, "c": 1}, "x.c is not known; the fields are a, b"),
        ("members", {"a": 1, "\ud800": 1}, r"x.\ud800 is not known"),
        ("version", True, "x is true; this release reads 1"),
        ("version", 2, "x is 2; this release reads 1"),
    ],
)
def test_a_value_that_is_not_is_refused_by_its_name(reader: str, value: object, complaint: str) -> None:
    with pytest.raises(DocumentError) as caught:
        READERS[reader](Node(value, "x"))
    assert str(caught.value).startswith(complaint)


def test_a_value_is_named_by_its_way_through_the_document() -> None:
    document = parse(b'{"a": [0, {"b": null}]}')
    assert document.get("a").entries()[1].get("b").name == "a[1].b"
    assert document.members()["a"].entries()[0].name == "a[0]"
    assert document.get("absent").value is None
    with pytest.raises(DocumentError, match=r"^must be a list, not an object$"):
        document.entries()


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"  {} x"])
def test_bytes_that_are_no_json_are_refused(content: bytes) -> None:
    with pytest.raises(DocumentError, match=r"^is not JSON: "):
        parse(content)


def test_a_document_has_a_greatest_size() -> None:
    assert parse(b"[]", most=2).entries() == []
    with pytest.raises(DocumentError, match=r"^is larger than 2 bytes$"):
        parse(b"[] ", most=2)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
)


@given(value=ANYTHING, reader=st.sampled_from(sorted(READERS)))
def test_no_value_is_more_than_a_refusal_that_can_be_written(value: object, reader: str) -> None:
    try:
        READERS[reader](Node(value, "x"))
    except DocumentError as error:
        message = str(error)
    else:
        return
    assert message.encode().startswith((b"x ", b"x.", b"x["))
