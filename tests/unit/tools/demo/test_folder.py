"""The demo's folder: nobody else's is used or deleted, and one demo at a time uses it."""

from pathlib import Path

import pytest

from storage.urls import DatabaseFile, Folder, parse_bucket, parse_store
from tools.demo.folder import DemoError, claimed


def test_what_is_done_is_there_at_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "demo"
    with claimed(path, fresh=False) as folder:
        assert folder.done == frozenset()
        folder.mark("structure")
    with claimed(path, fresh=False) as folder:
        assert folder.done == {"structure"}


def test_its_stores_are_in_it_whatever_it_is_called(tmp_path: Path) -> None:
    with claimed(tmp_path / "mine, 100%41 of it", fresh=False) as folder:
        observations, captions = parse_store(folder.observations), parse_store(folder.captions)
        assert isinstance(observations, DatabaseFile)
        assert isinstance(captions, DatabaseFile)
        bucket = parse_bucket(folder.bucket)
        assert isinstance(bucket, Folder)
        assert {observations.path.parent, captions.path.parent, bucket.path} == {folder.path}


@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_with_something_else_in_it_is_refused_and_stays_as_it_is(tmp_path: Path, *, fresh: bool) -> None:
    (tmp_path / "observations.db").write_bytes(b"somebody's ratings")
    with pytest.raises(DemoError, match="not the demo's"), claimed(tmp_path, fresh=fresh):
        pass
    assert [one.name for one in tmp_path.iterdir()] == ["observations.db"]


def test_fresh_deletes_what_was_recorded_and_nothing_beside_the_folder(tmp_path: Path) -> None:
    path, beside = tmp_path / "demo", tmp_path / "observations.db"
    beside.write_bytes(b"somebody's ratings")
    outside = tmp_path / "pictures"
    outside.mkdir()
    (outside / "dog.jpg").write_bytes(b"a dog")
    with claimed(path, fresh=False) as folder:
        folder.mark("structure")
        (path / "uploads").mkdir()
        (path / "uploads" / "dog.jpg").write_bytes(b"a dog")
        (path / "link").symlink_to(outside)
    with claimed(path, fresh=True) as folder:
        assert folder.done == frozenset()
        assert {one.name for one in path.iterdir()} == {"demo.json", "demo.lock"}
    assert beside.exists()
    assert (outside / "dog.jpg").exists()


def test_a_second_demo_is_told_that_one_runs_and_deletes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "demo"
    with claimed(path, fresh=False) as folder:
        folder.mark("structure")
        with pytest.raises(DemoError, match="is running"), claimed(path, fresh=True):
            pass
    with claimed(path, fresh=False) as folder:
        assert folder.done == {"structure"}


def test_a_start_that_was_cut_before_anything_is_gone_on_with(tmp_path: Path) -> None:
    (tmp_path / "demo.lock").touch()
    (tmp_path / ".demo.json.new").write_text("{")
    with claimed(tmp_path, fresh=False) as folder:
        assert folder.done == frozenset()


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"done": 1}'])
def test_a_damaged_mark_is_told_and_begun_anew_on_request(tmp_path: Path, damage: str) -> None:
    (tmp_path / "demo.json").write_text(damage)
    with pytest.raises(DemoError, match="FRESH=1"), claimed(tmp_path, fresh=False):
        pass
    with claimed(tmp_path, fresh=True) as folder:
        assert folder.done == frozenset()
