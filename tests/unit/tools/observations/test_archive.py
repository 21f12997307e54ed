"""Archives: what went to a file comes back as it was, of this release and the one before, or is refused by its line."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.stores import ADAPTERS, store_url
from tests.support.studies import everything, known
from tools.observations.__main__ import main
from tools.observations.archive import read_archive
from tools.observations.errors import ArchiveError
from tuning.stores import open_store

DATABASES = Path(__file__).parents[3] / "databases"
EARLY = DATABASES / "observations-1.jsonl"
# The moment at which what the release before held was outstanding.
THEN = datetime(2030, 1, 2, 3, 4, 6, tzinfo=UTC)


@pytest.fixture(params=ADAPTERS)
def elsewhere(request: pytest.FixtureRequest) -> str:
    """An empty store of each adapter, to move to."""
    return store_url(request, request.param)


@pytest.fixture
def archive(studies: str, tmp_path: Path) -> Path:
    path = tmp_path / "ratings.jsonl"
    assert main(["export", "--from", studies, "--to", str(path)]) == 0
    return path


@pytest.fixture
def early(tmp_path: Path) -> Path:
    """A copy of an archive of format 1 that may be damaged."""
    path = tmp_path / "early.jsonl"
    path.write_bytes(EARLY.read_bytes())
    return path


def test_what_went_to_a_file_and_came_back_is_equal(
    studies: str, archive: Path, elsewhere: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["import", "--from", str(archive), "--to", elsewhere]) == 0
    assert capsys.readouterr().out.endswith("\n30 moved; all verified\n")
    again = tmp_path / "again.jsonl"
    assert main(["export", "--from", elsewhere, "--to", str(again)]) == 0
    assert again.read_bytes() == archive.read_bytes()
    assert everything(elsewhere) == everything(studies)


def test_an_archive_is_a_header_per_study_and_a_line_per_suggestion_and_record(archive: Path) -> None:
    lines = [json.loads(line) for line in archive.read_text().splitlines()]
    headers = {at: line for at, line in enumerate(lines) if "format" in line}
    assert [(line["study"], line["suggestions"], line["records"]) for line in headers.values()] == [
        ("default", 1, 5),
        ("past", 0, 1),
        ("garden", 4, 24),
    ]
    assert list(headers) == [0, 7, 9]
    assert len(lines) == 3 + 5 + 30
    assert [line["position"] for line in lines[14:]] == list(range(1, 25))
    revision = next(line for line in lines if line.get("revises") == 1)
    assert revision.keys() == {
        "position", "revises", "number", "rating", "comment", "withdrawn", "made_at", "reviser",
    }  # fmt: skip


def test_one_study_goes_out_and_comes_in(studies: str, archive: Path, target: str, tmp_path: Path) -> None:
    alone = tmp_path / "garden.jsonl"
    assert main(["export", "--from", studies, "--to", str(alone), "--study", "garden"]) == 0
    assert [one.name for one in read_archive(alone)] == ["garden"]
    assert main(["import", "--from", str(archive), "--to", target, "--study", "garden"]) == 0
    assert everything(target)["garden"] == everything(studies)["garden"]
    assert everything(target).keys() == {"default", "garden"}


def test_a_study_that_the_archive_lacks_is_said(archive: Path, target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "--from", str(archive), "--to", target, "--study", "gardens"]) == 1
    assert "has no study gardens; it has default, past, garden" in capsys.readouterr().err


def test_standard_output_holds_the_archive_and_nothing_else(
    studies: str, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["export", "--from", studies, "--to", "-"]) == 0
    said = capsys.readouterr()
    assert said.out == archive.read_text()
    assert "30 records written" in said.err


def test_an_export_never_replaces_a_file(studies: str, archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = archive.read_bytes()
    capsys.readouterr()
    assert main(["export", "--from", studies, "--to", str(archive)]) == 1
    assert "ratings.jsonl exists already" in capsys.readouterr().err
    assert archive.read_bytes() == before


def test_an_archive_of_the_release_before_becomes_the_default_study_as_its_file_does(
    elsewhere: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(tmp_path / "early.db")) as connection:
        connection.executescript((DATABASES / "observations-1.sql").read_text(encoding="utf-8"))
    migrated = f"sqlite:///{tmp_path}/early.db"
    for _ in range(2):
        assert main(["import", "--from", str(EARLY), "--to", elsewhere]) == 0
    assert capsys.readouterr().out.endswith("0 moved, 7 were there already; all verified\n")
    told = []
    for url in (migrated, elsewhere):
        with closing(open_store(url)) as store:
            summary = store.summary("default")
            learned = [store.mode_study(mode, now=None).hyperparameters for mode, _ in summary.counts]
            told.append((summary, store.records("default", limit=100), store.outstanding(now=THEN), learned))
    assert told[0] == told[1]
    ids = ["rated", "rated elsewhere", "of the caller's own", "expired", "outstanding", "elsewhere"]
    assert known(migrated, ids) == known(elsewhere, ids)
    assert len(known(elsewhere, ids)) == 6


def test_an_archive_of_the_release_before_goes_out_again_as_one_of_this(target: str, tmp_path: Path) -> None:
    assert main(["import", "--from", str(EARLY), "--to", target]) == 0
    path = tmp_path / "now.jsonl"
    assert main(["export", "--from", target, "--to", str(path)]) == 0
    assert json.loads(path.read_text().splitlines()[0])["format"] == 2
    (study,), (before,) = read_archive(path), read_archive(EARLY)
    assert study.log == before.log
    assert study.learned == before.learned


def changed(path: Path, number: int, /, **changes: object) -> None:
    """Change fields of a line; a change to `...` removes the field."""
    lines = path.read_text().splitlines()
    plain = {**json.loads(lines[number - 1]), **changes}
    lines[number - 1] = json.dumps({name: value for name, value in plain.items() if value is not ...})
    path.write_text("\n".join(lines) + "\n")


def refused(path: Path, target: str) -> str:
    """What is said of a file that is refused, before anything is recorded."""
    with pytest.raises(ArchiveError) as caught:
        read_archive(path)
    assert main(["import", "--from", str(path), "--to", target]) == 1
    assert not Path(target.removeprefix("sqlite:///")).exists()
    return str(caught.value).removeprefix(str(path))


# Line 10 is the header of `garden`, 11 a suggestion of it, 15 its first record, 20 the first revision.
@pytest.mark.parametrize(
    ("number", "changes", "complaint"),
    [
        (1, {"format": 3}, ":1: format is 3; this release reads 1 to 2"),
        (1, {"format": True}, ":1: format is true"),
        (10, {"format": ...}, ":10: format is null; a header of format 2 was to follow here"),
        (10, {"study": "default"}, ":10: created_at must be null of the default study, and of no other"),
        (10, {"study": "past"}, ":10: study 'past' has a header already"),
        (10, {"study": "Garden/1"}, ":10: study must be 1 to 64 of a-z"),
        (10, {"created_at": None}, ":10: created_at must be null of the default study"),
        (10, {"created_at": "yesterday"}, ":10: created_at must be a moment in ISO 8601, not 'yesterday'"),
        (10, {"note": 7}, ":10: note must be a text, not 7"),
        (10, {"unheard": 7}, ":10: unheard is not known"),
        (10, {"records": -1}, ":10: records must be a whole number of at least 0"),
        (10, {"records": 25}, ": is cut short: study garden lacks 1 lines"),
        (10, {"records": 23}, ":38: format is null; a header of format 2 was to follow here"),
        (10, {"suggestions": 3}, ":14: position must be 1: a line before this one is missing"),
        (10, {"learned": {"surfaces": {}}}, ":10: learned.surfaces.fitted_on is missing"),
        (10, {"learned": None}, ":10: learned must be an object, not null"),
        (11, {"id": ""}, ":11: id must be a text, not ''"),
        (11, {"outstanding": "yes"}, ":11: outstanding must be true or false, not 'yes'"),
        (11, {"expires_at": ...}, ":11: expires_at is missing"),
        (15, {"position": 2}, ":15: position must be 1: a line before this one is missing, or there is one too many"),
        (15, {"mode": ""}, ":15: mode must be a text, not ''"),
        (15, {"rating": 6}, ":15: rating must lie within 1 to 5, not 6"),
        (15, {"rating": None}, ":15: rating must be a number, not null"),
        (15, {"rating": float("nan")}, ":15: rating must be a finite number"),
        (15, {"failed": "no"}, ":15: rating is that of a failure, which has none"),
        (15, {"parameters": [1]}, ":15: parameters must be an object, not a list"),
        (15, {"parameters": {"api": "leonardo", "p": None}}, ":15: parameters.p must be a number, not null"),
        (15, {"recorded_at": "2030-01-02T03:04:05"}, ":15: recorded_at must say its offset from UTC"),
        (15, {"suggestion_id": 7}, ":15: suggestion_id must be a text, not 7"),
        (15, {"note": "x"}, ":15: note is not known"),
        (20, {"revises": 6}, ":20: revises must be a whole number from 1 to 5"),
        (21, {"revises": 6}, ":21: revises must be the position of a rating or a failure, not 6"),
        (20, {"number": 1}, ":20: number must be a whole number of at least 2"),
        (20, {"withdrawn": 0}, ":20: withdrawn must be true or false, not 0"),
        (20, {"made_at": ...}, ":20: made_at is missing"),
    ],
)
def test_a_malformed_line_is_named_and_nothing_is_recorded(
    archive: Path, target: str, number: int, changes: dict[str, object], complaint: str
) -> None:
    changed(archive, number, **changes)
    assert refused(archive, target).startswith(complaint)


@pytest.mark.parametrize("number", [2, 15, 20, 25])
def test_a_line_that_is_missing_or_twice_is_noticed(archive: Path, target: str, number: int) -> None:
    lines = archive.read_bytes().splitlines(keepends=True)
    archive.write_bytes(b"".join([*lines[: number - 1], *lines[number:]]))
    refused(archive, target)
    archive.write_bytes(b"".join([*lines[:number], *lines[number - 1 :]]))
    refused(archive, target)


def test_a_revision_that_does_not_follow_is_refused_before_anything_is_recorded(
    archive: Path, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(archive, 20, number=5)
    assert main(["import", "--from", str(archive), "--to", target, "--study", "garden"]) == 1
    assert "the log of study garden is damaged: the record at position 6 revises what is not there" in (
        capsys.readouterr().err
    )
    assert not Path(target.removeprefix("sqlite:///")).exists()


@pytest.mark.parametrize(
    "cut", [lambda whole: whole[: whole.rindex(b"\n{") + 1], lambda whole: whole[:-30], lambda whole: whole[:1_500]]
)
def test_an_archive_cut_short_is_refused(archive: Path, target: str, cut: Callable[[bytes], bytes]) -> None:
    archive.write_bytes(cut(archive.read_bytes()))
    refused(archive, target)


@pytest.mark.parametrize(
    ("number", "changes", "complaint"),
    [
        (2, {"format": 2}, ":2: format is 2; this release reads 1"),
        (2, {"observations": 6}, ": holds 5 observations of study structure, and its header says 6"),
        (2, {"outstanding": None}, ":2: outstanding must be a list, not null"),
        (2, {"outstanding": [{"id": "a"}]}, ":2: outstanding[0].suggested_at must be a text, not null"),
        (2, {"hyperparameters": 3}, ":2: hyperparameters must be an object, not 3"),
        (3, {"study": "structure"}, ":3: study 'structure' has a header already"),
        (3, {"study": "third"}, ":6: study 'surfaces' has no header before this line"),
        (7, {"rating": "good"}, ":7: rating must be a number, not 'good'"),
        (7, {"parameters": {}}, ":7: parameters.api must be a text, not null"),
        (7, {"suggestion_id": 7}, ":7: suggestion_id must be a text, not 7"),
    ],
)
def test_a_malformed_line_of_the_release_before_is_named(
    early: Path, target: str, number: int, changes: dict[str, object], complaint: str
) -> None:
    changed(early, number, **changes)
    assert refused(early, target).startswith(complaint)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (["--create"], "--create"),
        (["--timezone", "UTC"], "--timezone"),
        (["--off-grid", "keep"], "--off-grid"),
        (["--mode", "structure"], "--mode"),
        (["--encoding", "cp1252"], "--encoding"),
    ],
)
def test_what_is_for_rows_is_not_for_archives(
    archive: Path, target: str, name: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", "--from", str(archive), "--to", target, *name]) == 1
    assert f"{said} is for rows; {archive} is an archive" in capsys.readouterr().err
