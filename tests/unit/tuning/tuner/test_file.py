"""The file that a tuner is saved to: it goes on from it, nothing else is overwritten, and damage is found by line."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.spaces import MIXED, modes, write_toml
from tests.support.thorough import examples
from tuning import Tuner
from tuning.errors import SpaceError, StoreCorruptError, TuningError
from tuning.spaces import Api, IntegerParameter, Mode, Spaces
from tuning.tuner.file import FORMAT
from tuning.validation.space_file import judge_document, load_spaces, to_document

LEONARDO = {"api": "leonardo", "init_strength": 0.284, "guidance_scale": 7.2, "controlnet_weight": 0.89}


def lived() -> Tuner:
    """A tuner that has been through everything: ratings, revisions, failures, and suggestions of every fate."""
    tuner = Tuner("surfaces", seed=11)
    for step in range(4):
        tuner.tell([(one, 1 + (step + place) % 5) for place, one in enumerate(tuner.ask(3))], rater="ana «ñ»")
    again, skipped, given_back, *_ = tuner.ask(5)
    (identity,) = tuner.tell(again, 1, rater="bo", picture="dog.jpg", comment="dark\nand small")
    tuner.tell(again, 4.5, rater="bo")
    tuner.tell(again, 4.5, rater="bo")  # which changes nothing and is a revision all the same
    tuner.skip(skipped, "the enhancer refused it")
    tuner.give_back(given_back)
    tuner.correct("default-3", rating=2 + 2 / 3, comment="better said", reviser="eve")
    tuner.withdraw("default-5")
    tuner.withdraw(tuner.skip(LEONARDO))
    tuner.tell(LEONARDO | {"guidance_scale": 5.1}, 3)
    assert identity == "default-13"
    return tuner


@pytest.fixture(scope="module")
def tuner() -> Tuner:
    return lived()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "monday.tuner"


def test_a_tuner_goes_on_from_its_file_as_it_would_have(path: Path) -> None:
    tuner = lived()
    tuner.save(path)
    loaded = Tuner.load(path)
    assert repr(loaded) == repr(tuner)
    for one in range(3):
        assert loaded.history(withdrawn=True) == tuner.history(withdrawn=True)
        assert [(held.id, held.parameters) for held in loaded.pending()] == [
            (held.id, held.parameters) for held in tuner.pending()
        ]
        assert loaded.stats() == tuner.stats()
        assert loaded.recommend() == tuner.recommend()
        asked = [each.ask(2) for each in (tuner, loaded)]
        assert asked[0] == asked[1]
        for each, trials in zip((tuner, loaded), asked, strict=True):
            each.give_back(trials[1])
            each.skip(trials[0])
        if one == 1:
            for each in (tuner, loaded):
                each.correct("default-5", withdrawn=False, rating=1)
        # Moments differ from here on.
        loaded.save(path)
        tuner = Tuner.load(path)


def test_the_earlier_revisions_are_there_after_loading(tuner: Tuner, path: Path) -> None:
    tuner.save(path)
    kept, loaded = (one._store.history(limit=1_000, withdrawn=True).entries for one in (tuner, Tuner.load(path)))
    assert kept == loaded
    assert max(len(entry.earlier) for entry in loaded) >= 1


def test_a_trial_from_before_is_told_after(path: Path) -> None:
    tuner = Tuner()
    first, second = tuner.ask(2)
    tuner.tell(first, 1, rater="ana")
    tuner.save(path)
    loaded = Tuner.load(path)
    assert loaded.pending() == [second]
    assert loaded.tell(first, 5, rater="ana") == ["default-1"]
    loaded.tell(second, 3)
    assert (loaded.pending(), loaded.stats().samples_seen) == ([], 2)


def test_the_space_is_in_the_file(path: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(MIXED)
    tuner = Tuner("portraits", seed=4, space=own)
    tuner.tell([(one, 3) for one in tuner.ask(8)])
    tuner.save(path)
    own.unlink()
    loaded = Tuner.load(path)
    assert loaded.ask(4) == tuner.ask(4)
    assert repr(loaded) == "<Tuner portraits: 8 of 50 ratings, best 3, 4 pending>"


@settings(max_examples=examples(50), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mode=modes(digits=5))
def test_any_space_is_read_as_it_was_written(tmp_path: Path, mode: Mode) -> None:
    file = tmp_path / "space.toml"
    file.write_text(write_toml(Spaces((mode,), mode.name)))
    spaces = load_spaces(file)
    document = json.loads(json.dumps(to_document(spaces)))
    assert judge_document(document, file) == spaces


def test_a_space_that_no_file_can_hold_is_not_saved(path: Path) -> None:
    one, other = (Api("a", (IntegerParameter("p", "p", 0, high),)) for high in (5, 6))
    spaces = Spaces((Mode("m", (one,)), Mode("n", (other,))), "m")
    with pytest.raises(SpaceError, match="have one name and are not the same"):
        Tuner("m", space=spaces).save(path)
    assert not path.exists()


def test_a_tuners_file_is_replaced_and_no_other(tuner: Tuner, path: Path, tmp_path: Path) -> None:
    Tuner().save(path)
    tuner.save(str(path))
    assert Tuner.load(str(path)).stats() == tuner.stats()
    others = {
        "empty": b"",
        "notes.txt": "my notes «ñ»".encode(),
        "numbers.json": b"[1, 2]\n",
        "named.json": b'{"tuner": "mine"}\n',
        "picture.jpg": b"\xff\xd8\xff\xe0" * 9,
        "deep.json": b"[" * 100_000,
    }
    for name, content in others.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FileExistsError, match=f"{name} is there and is not a tuner's file: name another"):
            tuner.save(tmp_path / name)
        assert (tmp_path / name).read_bytes() == content
    with pytest.raises(OSError, match="directory"):
        tuner.save(tmp_path)
    with pytest.raises(FileNotFoundError):
        tuner.save(tmp_path / "nowhere" / "a.tuner")
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted([*others, path.name])


def test_what_a_link_leads_to_is_replaced_and_the_link_stays(path: Path, tmp_path: Path) -> None:
    Tuner(seed=1).save(path)
    link = tmp_path / "latest.tuner"
    link.symlink_to(path)
    Tuner("surfaces").save(link)
    assert link.is_symlink()
    assert repr(Tuner.load(path)) == "<Tuner surfaces: 0 of 50 ratings, 0 pending>"


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_file_that_cannot_be_written_leaves_the_old_one(
    tuner: Tuner, path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    Tuner().save(path)
    before = path.read_bytes()
    monkeypatch.setattr(*{"fsync": (os, "fsync"), "replace": (Path, "replace")}[failing], fail)
    with pytest.raises(OSError, match="No space left"):
        tuner.save(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def edited(path: Path, line: int, change: Callable[[dict[str, Any]], object]) -> None:
    lines = path.read_text().splitlines(keepends=True)
    plain = json.loads(lines[line - 1])
    change(plain)
    lines[line - 1] = json.dumps(plain) + "\n"
    path.write_text("".join(lines))


def find(path: Path, part: str) -> int:
    """The number of the first line with this text in it."""
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if part in line)


@pytest.mark.parametrize(
    ("part", "field", "value", "message"),
    [
        ('"tuner"', "tuner", FORMAT + 1, "line 1: tuner is 2; this release reads 1"),
        ('"tuner"', "tuner", True, "is not a tuner's file"),
        ('"tuner"', "mode", "colour", "mode is not one of the space's modes: 'colour'"),
        ('"tuner"', "mood", "colour", "mood is not known"),
        ('"tuner"', "space", None, "space must be an object, not null"),
        ('"tuner"', "space", {"modes": {}}, "space: apis: is missing"),
        ('"tuner"', "seed", 1.5, "seed must be a whole number, not 1.5"),
        ('"tuner"', "records", -1, "records must be a whole number of at least 0"),
        ('"tuner"', "suggestions", 5, "there is more than the header counts"),
        ('"tuner"', "suggestions", 50, "is cut short"),
        ('"as_of"', "hyperparameters", {"similarity": 1}, "line 2: hyperparameters.fitted_on is missing"),
        ('"as_of"', "as_of", 99, "mode surfaces has learned of more than there is"),
        ('"as_of"', "mode", "structure", "mode surfaces has records and has not begun"),
        ('"recorded_at"', "rating", 6, "line 3: rating must lie within 1 to 5, not 6"),
        ('"recorded_at"', "rating", None, "rating must be a number, not null"),
        ('"recorded_at"', "failed", "it did", "rating is that of a failure"),
        ('"recorded_at"', "recorded_at", "yesterday", "recorded_at must be a moment"),
        ('"recorded_at"', "parameters", [], "parameters must be an object, not a list"),
        ('"recorded_at"', "mode", "colour", "mode colour has records and has not begun"),
        ('"revises"', "revises", 999, "revises what is not there"),
        ('"revises"', "revises", None, "line 16: failed is missing"),
        ('"revises"', "number", 7, "revises what is not there"),
        ('"revises"', "withdrawn", "no", "withdrawn must be true or false, not 'no'"),
        ('"outstanding": true', "outstanding", 1, "outstanding must be true or false, not 1"),
        ('"outstanding": true', "id", 7, "id must be a text, not 7"),
        ('"outstanding": true', "expires_at", None, "expires_at must be a text, not null"),
    ],
)
def test_what_is_not_as_it_was_written_is_found(
    tuner: Tuner, path: Path, part: str, field: str, value: object, message: str
) -> None:
    tuner.save(path)
    edited(path, find(path, part), lambda plain: plain.update({field: value}))
    with pytest.raises(StoreCorruptError, match=message) as caught:
        Tuner.load(path)
    assert str(caught.value).startswith("monday.tuner")


def heir() -> Tuner:
    """A tuner that is based on one that is based on another."""
    older = Tuner("surfaces", seed=1)
    older.tell([(one, 1 + place % 5) for place, one in enumerate(older.ask(7))], rater="ana «ñ»", picture="dog.jpg")
    old = Tuner("surfaces", seed=2, based_on=older)
    old.tell([(one, 2) for one in old.ask(3)])
    tuner = Tuner("surfaces", seed=3, based_on=old)
    for _ in range(3):
        tuner.tell([(one, 1 + place) for place, one in enumerate(tuner.ask(3))])
    return tuner


def test_what_a_tuner_is_based_on_is_in_the_file(path: Path) -> None:
    tuner = heir()
    tuner.save(path)
    loaded = Tuner.load(path)
    assert loaded._store.snapshot() == tuner._store.snapshot()  # type: ignore[attr-defined]
    assert [len(one.observations) for one in loaded._known().ancestors] == [3, 7]
    assert loaded._known().ancestors[1].hyperparameters is not None
    for _ in range(2):
        assert loaded.recommend() == tuner.recommend()
        asked = [each.ask(2) for each in (tuner, loaded)]
        assert asked[0] == asked[1]
        for each, trials in zip((tuner, loaded), asked, strict=True):
            each.tell([(one, 4) for one in trials])
    assert loaded.history()[0].keys() == tuner.history()[0].keys()


def test_a_tuner_that_is_based_on_none_is_saved_as_earlier_releases_read_it(tuner: Tuner, path: Path) -> None:
    tuner.save(path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0].keys() == {"tuner", "mode", "space", "seed", "modes", "records", "suggestions"}
    (learned,) = (line["hyperparameters"] for line in lines if "as_of" in line)
    assert learned.keys() == {"lengthscales", "signal_variance", "noise_variance", "similarity", "fitted_on"}


@pytest.mark.parametrize(
    ("part", "field", "value", "message"),
    [
        ('"tuner"', "ancestors", 1, "there is more than the header counts"),
        ('"tuner"', "ancestors", 3, "is cut short"),
        ('"tuner"', "ancestors", 0, "ancestors must be a whole number of at least 1"),
        ('"ratings"', "ratings", 2, "is missing"),
        ('"ratings"', "mode", "structure", "mode must be structure, that of the ancestor, not 'surfaces'"),
        ('"ratings"', "hyperparameters", {}, "is missing"),
        ('"rating": 2.0', "withdrawn", True, "is not known"),
        ('"task_similarity"', "hyperparameters", {"task_similarity": 2}, "is missing"),
    ],
)
def test_an_ancestor_that_is_not_as_it_was_written_is_found(
    path: Path, part: str, field: str, value: object, message: str
) -> None:
    heir().save(path)
    edited(path, find(path, part), lambda plain: plain.update({field: value}))
    with pytest.raises(StoreCorruptError, match=message):
        Tuner.load(path)


def test_a_file_with_ancestors_cut_anywhere_is_not_loaded(path: Path) -> None:
    heir().save(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(StoreCorruptError):
            Tuner.load(path)


def test_a_suggestion_is_there_once(tuner: Tuner, path: Path) -> None:
    tuner.save(path)
    twice = [line for line in path.read_text().splitlines() if '"outstanding": true' in line]
    for change in ({}, {"id": "another"}):
        tuner.save(path)
        plain = json.loads(twice[0]) | change
        path.write_text(path.read_text() + json.dumps(plain) + "\n")
        edited(path, 1, lambda header: header.update(suggestions=header["suggestions"] + 1))
        with pytest.raises(StoreCorruptError, match=r"is there twice|hold the same setting"):
            Tuner.load(path)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"SQLite format 3\x00", b"\xff\xfe", b"[" * 100_000, b"null\n", b"{}\n"]
)
def test_a_file_of_something_else_is_not_loaded(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreCorruptError, match=r"monday\.tuner.* is not a tuner's file"):
        Tuner.load(path)


def test_a_file_that_is_not_there_is_not_made(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Tuner.load(path)
    assert not path.exists()


def test_a_file_cut_anywhere_is_not_loaded(tuner: Tuner, path: Path) -> None:
    tuner.save(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(StoreCorruptError):
            Tuner.load(path)
    path.write_bytes(whole[:-1])
    with pytest.raises(StoreCorruptError, match="is cut short"):
        Tuner.load(path)


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_value_anywhere_is_more_than_an_error_of_ours(tuner: Tuner, path: Path, data: st.DataObject) -> None:
    path.unlink(missing_ok=True)
    tuner.save(path)
    lines = len(path.read_text().splitlines())
    values: st.SearchStrategy[object] = (
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just([[]]) | st.just({})
    )

    def change(plain: dict[str, Any]) -> None:
        field = data.draw(st.sampled_from(sorted(plain)))
        inner = plain[field]
        while isinstance(inner, dict) and inner and data.draw(st.booleans()):
            plain, field = inner, data.draw(st.sampled_from(sorted(inner)))
            inner = plain[field]
        if data.draw(st.booleans()):
            del plain[field]
        else:
            plain[field] = data.draw(values)

    edited(path, data.draw(st.integers(1, lines)), change)
    try:
        loaded = Tuner.load(path)
    except StoreCorruptError as error:
        assert str(error).startswith("monday.tuner")  # noqa: PT017 - what is drawn need not be wrong
        return
    repr(loaded)
    loaded.history(withdrawn=True)
    try:
        loaded.ask(1)
        loaded.recommend()
    except TuningError:
        pass
