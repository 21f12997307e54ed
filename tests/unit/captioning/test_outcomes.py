"""The order of the versions of an upload is the order of their events, however S3 writes their sequencers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captioning.caption import Caption
from captioning.outcomes import Outcome, Status, comparable

SEQUENCERS = st.text("0123456789ABCDEF", min_size=1, max_size=20)


def as_documented(one: str, other: str) -> int:
    """Amazon's rule to the letter: pad the shorter one on its right with zeros, then compare as text."""
    width = max(len(one), len(other))
    padded = one.ljust(width, "0"), other.ljust(width, "0")
    return (padded[0] > padded[1]) - (padded[0] < padded[1])


@given(SEQUENCERS, SEQUENCERS)
def test_comparable_sequencers_are_in_the_documented_order(one: str, other: str) -> None:
    ours = comparable(one), comparable(other)
    assert (ours[0] > ours[1]) - (ours[0] < ours[1]) == as_documented(one, other)
    # Stores compare bytes.
    assert (ours[0].encode() > ours[1].encode()) == (ours[0] > ours[1])


@given(SEQUENCERS, st.integers(0, 8))
def test_zeros_on_the_right_and_small_letters_make_no_difference(sequencer: str, zeros: int) -> None:
    assert comparable(sequencer.lower() + "0" * zeros) == comparable(sequencer) != ""


@pytest.mark.parametrize("sequencer", ["", " ", "0x1", "12G", "-1", "٣"])
def test_what_is_not_a_hexadecimal_number_is_no_sequencer(sequencer: str) -> None:
    with pytest.raises(ValueError, match="not a hexadecimal number"):
        comparable(sequencer)


def test_an_outcome_is_a_caption_a_reason_or_neither() -> None:
    assert Outcome("uploads/a", "1", caption=Caption("a dog", 0.5, "v1")).status is Status.CAPTIONED
    assert Outcome("uploads/a", "1", reason="").status is Status.FAILED
    assert Outcome("uploads/a", "1").status is Status.GONE
