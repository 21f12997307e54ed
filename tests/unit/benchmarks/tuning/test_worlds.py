"""The rows of both worlds: who is told what, and what an older study of other people is."""

from pathlib import Path

import pytest

from benchmarks.tuning import methods
from benchmarks.tuning.__main__ import main
from benchmarks.tuning.families import draw
from benchmarks.tuning.methods import METHODS, OURS, _fingerprint
from benchmarks.tuning.methods.ours import Ours
from benchmarks.tuning.methods.random_search import RandomSearch
from benchmarks.tuning.raters import Alike, People
from benchmarks.tuning.runs import BATCH, SIZES, rate_batch, run
from benchmarks.tuning.worlds import ALIKE, LIMIT, PEOPLE, RELATED, UNRELATED, WITHHELD

_BATCHES = 3


def _told(method: Ours) -> list[tuple[object, object]]:
    """Who and what the method was told, the oldest first."""
    return [(one.get("rater"), one.get("picture")) for one in reversed(method._tuner.history())]


def test_ours_is_told_who_rated_and_what_was_enhanced_only_where_it_is_to_be() -> None:
    people = People(draw("smooth", 2))
    for informed in (True, False):
        method = Ours(people.truth.mode, 2)
        for batch in range(_BATCHES):
            rate_batch(method, people, batch * BATCH, informed=informed)
        sittings = [people.sitting(nth) for nth in range(_BATCHES * BATCH)]
        told = [(one.rater, one.picture) if informed else (None, None) for one in sittings]
        assert _told(method) == told


def test_a_method_that_cannot_be_told_is_not_run_as_if_it_were() -> None:
    people = People(draw("smooth", 2))
    with pytest.raises(TypeError, match="RandomSearch cannot be told who rated"):
        rate_batch(RandomSearch(people.truth.mode, 2), people, 0, informed=True)
    assert rate_batch(RandomSearch(people.truth.mode, 2), Alike(people.truth), 0, informed=True)


def test_peers_get_the_ratings_alone_and_every_method_has_a_row_of_either_world() -> None:
    assert list(ALIKE.rows) == list(METHODS)
    assert [name for name, row in PEOPLE.rows.items() if not row.is_ours] == [name for name in METHODS if name != OURS]
    informed = {name for world in (ALIKE, PEOPLE) for name, row in world.rows.items() if row.informed}
    assert informed == {OURS, RELATED, UNRELATED}
    # Results of the second world depend on what people do.
    assert PEOPLE.rows["random"].version != ALIKE.rows["random"].version


def test_all_alike_is_the_same_noise_without_what_people_add() -> None:
    truth = draw("trap", 1)
    assert isinstance(limit := PEOPLE.rows[LIMIT].raters(truth), People)
    assert len(set(limit.people)) == 1
    assert isinstance(people := PEOPLE.rows[WITHHELD].raters(truth), People)
    assert people.people == PEOPLE.rows[OURS].raters(truth).people  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", [RELATED, UNRELATED])
def test_an_older_study_is_by_other_people_of_other_pictures(name: str) -> None:
    truth = draw("bumps", 3)
    row = PEOPLE.rows[name]
    assert row.base is not None
    here, there = row.raters(truth), row.base(truth)
    assert isinstance(here, People)
    assert isinstance(there, People)
    assert there.truth.optimum != here.truth.optimum
    assert not set(here.people) & set(there.people)
    sittings = [{(one.sitting(nth).rater, one.sitting(nth).picture) for nth in range(50)} for one in (here, there)]
    assert not sittings[0] & sittings[1]


@pytest.mark.parametrize("name", [OURS, WITHHELD, LIMIT, RELATED, UNRELATED])
def test_a_run_of_ours_says_how_sure_it_was_and_is_the_same_again(name: str) -> None:
    row = PEOPLE.rows[name]
    one = run(row, "smooth", 5)
    assert (one.method, one.version, len(one.lows), len(one.highs)) == (name, row.version, len(SIZES), len(SIZES))
    assert all(low < high for low, high in zip(one.lows, one.highs, strict=True))
    again = run(row, "smooth", 5)
    assert (again.regrets, again.lows, again.highs) == (one.regrets, one.lows, one.highs)
    if row.base:
        assert one.regrets != run(PEOPLE.rows[OURS], "smooth", 5).regrets


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--methods", "ours,oars"], "oars is no row of the table; there are random, original"),
        (["--world", "alike", "--methods", WITHHELD], f"{WITHHELD} is no row of the table"),
        (["--families", "hill"], "hill is no family; there are smooth, bumps, ridge, trap"),
    ],
)
def test_a_name_that_is_none_is_refused_with_those_there_are(
    tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--folder", str(tmp_path), "run", *options]) == 2
    assert message in capsys.readouterr().err


def test_a_change_of_any_source_that_chooses_settings_is_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(methods, "_NOT_THE_METHOD", tmp_path / "stores")
    for folder in ("model", "stores"):
        (tmp_path / folder).mkdir()
    seen = set()
    for name in ("suggest.py", "spaces.toml", "model/surrogate.py"):
        (tmp_path / name).write_text("one")
        seen.add(_fingerprint(tmp_path))
        (tmp_path / name).write_text("other")
        seen.add(_fingerprint(tmp_path))
    assert len(seen) == 6
    (tmp_path / "stores" / "sqlite.py").write_text("one")
    assert _fingerprint(tmp_path) in seen
