"""Rows of people's own in studies: what is wrong is named and stops all of it, what is right is recorded once."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.stores import ADAPTERS, store_url
from tools.observations import importing, patience
from tools.observations.__main__ import main
from tools.observations.rows import SHOWN
from tuning.observations import Correction, Entry, Failure, Observation, Setting, Suggestion
from tuning.stores import open_store
from tuning.study import Study

HEAD = "api,init_strength,guidance_scale,controlnet_weight,rating"
ROW = "leonardo,0.28,7.0,0.89,4"
SETTING = Setting("leonardo", (("init_strength", 0.28), ("guidance_scale", 7.0), ("controlnet_weight", 0.89)))
OLD = datetime(2024, 5, 1, 10, 30, tzinfo=UTC)


class Importer:
    """Imports files of some content into a store, and shows what is there then."""

    def __init__(self, url: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.url = url
        self.said = ""
        self._folder = folder
        self._capsys = capsys

    def __call__(self, content: str, *options: str, name: str = "rows.csv") -> int:
        path = self._folder / name
        path.write_text(content, encoding="utf-8")
        self._capsys.readouterr()
        status = main(["import", "--from", str(path), "--to", self.url, *options])
        out, err = self._capsys.readouterr()
        self.said = (out + err).replace(str(path), name)
        return status

    def entries(self, study: str = "default") -> list[Entry]:
        """All entries of a study, oldest first."""
        with closing(open_store(self.url)) as store:
            return list(store.history(study=study, withdrawn=True, limit=100_000).entries)[::-1]

    def ratings(self, study: str = "default") -> list[float | None]:
        return [entry.revision.rating for entry in self.entries(study)]


@pytest.fixture
def load(target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Importer:
    """Imports into a SQLite store."""
    return Importer(target, tmp_path, capsys)


@pytest.fixture(params=ADAPTERS)
def load_anywhere(request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Importer:
    """Imports into a store of each adapter."""
    return Importer(store_url(request, request.param), tmp_path, capsys)


def test_a_table_is_recorded_with_its_dates_and_everything_that_it_says(load: Importer) -> None:
    assert not load(
        f"{HEAD},failed,mode,rater,picture,comment,recorded_at,suggestion_id\n"
        f"{ROW},,surfaces,ana,p1,fine,2024-05-01T12:30:00+02:00,mine\n"
        "leonardo,0.28,7.0,0.89,,refused,structure,,,,2024-05-01T10:30:00Z,\n"
    )
    assert [entry.told for entry in load.entries()] == [
        Observation("surfaces", SETTING, 4.0, OLD, "mine", "ana", "p1", "fine"),
        Failure("structure", SETTING, "refused", OLD),
    ]
    assert load.said == "columns separated by commas\ndefault: 2 recorded\n2 recorded; all verified\n"


def test_rows_are_recorded_in_the_order_of_their_dates(load: Importer) -> None:
    days = ("2024-05-03", "2024-05-01", "", "2024-05-02")
    rows = "".join(f"leonardo,0.28,7.0,0.89,{at},{day}\n" for at, day in enumerate(days, 1))
    assert not load(f"{HEAD},recorded_at\n{rows}", "--timezone", "UTC")
    assert load.ratings() == [2, 4, 1, 3]
    assert datetime.now(UTC) - load.entries()[-1].told.recorded_at < timedelta(minutes=1)


def test_json_lines_are_recorded_likewise(load: Importer) -> None:
    plain = {"parameters": SETTING.to_plain(), "rating": "4", "recorded_at": "2024-05-01T10:30:00Z", "mode": "surfaces"}
    lines = [
        plain,
        {**plain, "parameters": {**SETTING.to_plain(), "init_strength": "0.28"}, "rating": None, "failed": "no"},
        {**plain, "id": "x", "study": "default", "revision": 1, "withdrawn": True, "weather": 1},
    ]
    assert not load("\ufeff" + "\n\n".join(map(json.dumps, lines)), name="rows.jsonl")
    assert [entry.told for entry in load.entries()] == [
        Observation("surfaces", SETTING, 4.0, OLD),
        Failure("surfaces", SETTING, "no", OLD),
    ]
    assert load.said == (
        "ignored, because they are unknown: weather\n1 withdrawn rows are left out\n"
        "default: 2 recorded\n2 recorded; all verified\n"
    )


def test_a_row_without_a_mode_is_of_the_default_one_or_of_what_is_said(load: Importer) -> None:
    assert not load(f"{HEAD}\n{ROW}\n")
    assert "1 rows have no mode; they are recorded in structure" in load.said
    assert not load(f"{HEAD},mode\n{ROW},\nleonardo,0.28,7.0,0.89,5,structure\n", "--mode", "surfaces")
    assert "1 rows have no mode; they are recorded in surfaces" in load.said
    assert [entry.told.mode for entry in load.entries()] == ["structure", "surfaces", "structure"]
    assert load(f"{HEAD}\n{ROW}\n", "--mode", "relief")
    assert "--mode must be one of structure, surfaces, not relief" in load.said


WRONG = [
    ("leonardo,0.05,7.0,0.89,4", "init_strength", "must lie within 0.1 to 0.5, not 0.05"),
    ("leonardo,0.284,7.0,0.89,4", "init_strength", "0.284 is off the grid of the search space; the nearest"),
    ("leonardo,0.28,7.0,0.89,6", "rating", "must lie within 1 to 5, not 6"),
    ("leonardo,0.28,7.0,0.89,", "rating", "is missing"),
    ("leonardo,0.28,7.0,0.89,good", "rating", "must be a number, not 'good'"),
    ("leonardo,0.28,7.0,,4", "controlnet_weight", "is missing"),
    ('leonardo,"0,28",7.0,0.89,4', "init_strength", "must be a number, not '0,28'"),
    ("dalle,0.28,7.0,0.89,4", "api", "must be one of leonardo, stablediffusion, not 'dalle'"),
    ("stablediffusion,0.28,7.0,0.89,4", "init_strength", "belongs to leonardo"),
]  # fmt: skip


def test_everything_that_is_wrong_is_named_by_line_and_column_and_nothing_is_imported(load: Importer) -> None:
    rows = [ROW] + [row for row, _, _ in WRONG] + [ROW]
    assert load(f"{HEAD}\n" + "\n".join(rows) + "\n") == 1
    assert load.said.startswith("tools.observations: nothing is imported:\n")
    for line, (_, column, complaint) in enumerate(WRONG, 3):
        assert f"\nrows.csv:{line}: {column}: {complaint}" in load.said
    assert f"rows.csv:{len(rows) + 1}:" not in load.said
    assert not Path(load.url.removeprefix("sqlite:///")).exists()


def test_of_very_many_problems_the_first_are_named_and_the_others_counted(load: Importer) -> None:
    assert load(f"{HEAD}\n" + "leonardo,0.05,7.04,0.89,6\n" * 2_500)
    assert load.said.count("\nrows.csv:") == SHOWN
    assert load.said.endswith(f"and {2 * 2_500 - SHOWN:,} more problems\n")


@pytest.mark.parametrize(
    ("extra", "value", "column", "complaint"),
    [
        ("recorded_at", "2024-05-01 12:30", "recorded_at", "must have a zone, such as 2026-05-01T12:30:00+02:00"),
        ("recorded_at", "01/05/2024 12:30", "recorded_at", "must be a time in ISO 8601"),
        ("recorded_at", "2124-05-01T12:30Z", "recorded_at", "lies in the future"),
        ("recorded_at", "0001-01-01T00:00+14:00", "recorded_at", "is beyond the end of time"),
        ("mode", "relief", "mode", "must be one of structure, surfaces, not 'relief'"),
        ("study", "Gärten", "study", "must be 1 to 64 of a-z"),
        ("withdrawn", "perhaps", "withdrawn", "must be true or false, not 'perhaps'"),
        ("failed", "refused", "failed", "cannot stand beside a rating"),
        ("rater", "x" * 65, "rater", "must be a pseudonym of 1 to 64"),
        ("comment", "x" * 501, "comment", "must be a text of 1 to 500"),
    ],
)
def test_what_is_wrong_beside_the_numbers_is_named_too(
    load: Importer, extra: str, value: str, column: str, complaint: str
) -> None:
    assert load(f"{HEAD},{extra}\n{ROW},{value}\n")
    assert f"rows.csv:2: {column}: {complaint}" in load.said


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"rating": 4}', "rows.jsonl:2: parameters: is missing"),
        ('{"api": "leonardo", "rating": 4}', "rows.jsonl:2: api: is not known here; it belongs to parameters"),
        ('{"parameters": {}, "Rating": 4}', "rows.jsonl:2: Rating: is not known; did you mean rating?"),
        ('{"parameters": 5', "rows.jsonl:2: the row: is not JSON"),
        ("[]", "rows.jsonl:2: the row: must be an object, not a list"),
        ('{"parameters": {}, "recorded_at": 5}', "rows.jsonl:2: recorded_at: must be a time in ISO 8601"),
        ('{"position": 5, "rating": 4}', "rows.jsonl:2: position: is of an archive, whose header is missing"),
    ],
)
def test_a_wrong_line_of_json_is_named(load: Importer, line: str, complaint: str) -> None:
    right = json.dumps({"parameters": SETTING.to_plain(), "rating": 4})
    assert load(f"{right}\n{line}\n", name="rows.jsonl")
    if "recorded_at" not in complaint:
        assert complaint in load.said
    else:
        assert "rows.jsonl:2: api: must be one of" in load.said


def test_an_empty_file_is_refused(load: Importer) -> None:
    for name in ("rows.csv", "rows.jsonl"):
        assert load("", name=name)
        assert f"{name}: is empty" in load.said


def test_the_zone_of_all_is_that_which_is_said(load: Importer) -> None:
    assert not load(f"{HEAD},recorded_at\n{ROW},2024-05-01 12:30\n", "--timezone", "Europe/Madrid")
    assert load.entries()[0].told.recorded_at == OLD
    assert load(f"{HEAD},recorded_at\n{ROW},2024-05-01 12:30\n", "--timezone", "Europe/Mardid")
    assert "--timezone must be the name of a time zone, such as Europe/Madrid, not Europe/Mardid" in load.said


def test_values_off_the_grid_are_kept_or_snapped_as_is_said(load: Importer) -> None:
    rows = f"{HEAD}\nleonardo,0.284,7.04,0.89,4\n{ROW}\n"
    assert load(rows)
    assert "--off-grid snap takes that, --off-grid keep the value as it is" in load.said
    assert not load(rows, "--off-grid", "keep")
    assert not load(rows, "--off-grid", "snap", "--study", "snapped", "--create")
    assert "1 rows were moved to the grid of the search space" in load.said
    assert dict(load.entries()[0].told.setting.values)["init_strength"] == 0.284
    assert [entry.told.setting for entry in load.entries("snapped")] == [SETTING, SETTING]
    # Single precision is no other value.
    assert not load(f"{HEAD}\nleonardo,0.2800000011920929,7,0.89,4\n", "--study", "snapped")


def test_a_study_begins_only_if_that_is_said(load: Importer) -> None:
    rows = f"{HEAD}\n{ROW}\n"
    assert load(rows, "--study", "kitchens")
    assert load.said == "tools.observations: there is no study kitchens; --create begins it\n"
    assert not load(rows, "--study", "kitchens", "--create")
    assert load(rows, "--study", "kitchen")
    assert "there is no study kitchen; did you mean kitchens? --create begins it" in load.said
    assert not load(f"{HEAD},comment\n{ROW},more\n", "--study", "kitchens")
    assert load.ratings("kitchens") == [4, 4]
    assert load.ratings() == []
    for name in ("Kitchens", "all"):
        assert load(rows, "--study", name, "--create")
        assert "name:" in load.said


def test_rows_go_to_the_studies_that_they_say(load: Importer) -> None:
    rows = f"{HEAD},study\n{ROW},a\n{ROW},b\n{ROW},\n"
    assert load(rows)
    assert not load(rows, "--create")
    assert [len(load.entries(study)) for study in ("a", "b", "default")] == [1, 1, 1]
    assert load.said.endswith("a: 1 recorded\nb: 1 recorded\ndefault: 1 recorded\n3 recorded; all verified\n")


def test_an_archived_study_takes_nothing(load: Importer) -> None:
    with closing(open_store(load.url)) as store:
        store.begin(Study("past", OLD))
        store.archive("past", archived_at=OLD)
    assert load(f"{HEAD},study\n{ROW},\n{ROW},past\n")
    assert "study past is archived and takes nothing" in load.said
    assert load.ratings() == []


DATED = f"{HEAD},recorded_at,rater\n" + "".join(
    f"leonardo,0.28,7.0,0.89,{1 + at % 5},2024-05-01T10:{at // 60:02}:{at % 60:02}Z,{'ana' * (at % 2)}\n"
    for at in range(450)
)
UNDATED = f"{HEAD}\n{ROW}\nleonardo,0.28,7.0,0.89,5\n{ROW}\n"


@pytest.mark.parametrize("rows", [DATED, UNDATED], ids=["dated", "undated"])
def test_a_file_imported_again_records_nothing_and_one_that_grew_what_is_new(
    load_anywhere: Importer, rows: str
) -> None:
    count = rows.count("\n") - 1
    assert not load_anywhere(rows)
    assert not load_anywhere(rows)
    assert f"0 recorded, {count} were there already; all verified" in load_anywhere.said
    assert len(load_anywhere.entries()) == count
    head, _, body = rows.partition("\n")
    new = f"leonardo,0.28,7.0,0.89,3{',2024-05-01T10:00:30Z,bo' if rows == DATED else ''}\n"
    assert not load_anywhere(f"{head}\n{new}{body}{new}")
    assert f"2 recorded, {count} were there already; all verified" in load_anywhere.said
    assert len(load_anywhere.entries()) == count + 2


def test_equal_rows_are_as_many_ratings(load: Importer) -> None:
    dated = f"{HEAD},recorded_at\n" + f"{ROW},2024-05-01T10:30Z\n" * 401
    for _ in range(2):
        assert not load(dated)
    assert len(load.entries()) == 401


def test_an_import_interrupted_anywhere_goes_on(load: Importer, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = DATED + "".join(f"leonardo,0.3,7.0,0.89,{at},,\n" for at in (1, 2, 3))
    whole, told = patience.patiently, []

    def interrupted(call: Callable[..., object], *arguments: object, **named: object) -> object:
        if getattr(call, "__name__", "") == "record":
            told.append(call)
            if len(told) in {2, 5}:
                whole(call, *arguments, **named)
                raise KeyboardInterrupt
        return whole(call, *arguments, **named)

    monkeypatch.setattr(importing, "patiently", interrupted)
    assert load(rows) == 130
    assert "run the same command again to go on" in load.said
    assert load(rows) == 130
    assert not load(rows)
    assert len(load.entries()) == 453


def test_two_imports_of_one_file_at_once_record_it_once(load_anywhere: Importer, tmp_path: Path) -> None:
    path = tmp_path / "both.csv"
    path.write_text(DATED + f"{ROW},,\n" * 3, encoding="utf-8")
    command = [sys.executable, "-m", "tools.observations", "import", "--from", str(path), "--to", load_anywhere.url]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    for process in both:
        _, err = process.communicate()
        assert process.returncode == 0, err
    assert len(load_anywhere.entries()) == 453


def test_a_killed_import_goes_on(load: Importer, tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    rows = [f"leonardo,0.28,7.0,0.89,4,2024-05-01T10:30:00.{at:06}Z" for at in range(6_000)]
    path.write_text(f"{HEAD},recorded_at\n" + "\n".join(rows) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "tools.observations", "import", "--from", str(path), "--to", load.url]
    with closing(open_store(load.url)) as store:
        importing_ = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while store.count() < 400:
            assert importing_.poll() is None
        importing_.send_signal(signal.SIGKILL)
        importing_.communicate()
        there = store.count()
    assert 400 <= there < 6_000
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{6_000 - there:,} recorded, {there:,} were there already; all verified" in done.stdout
    assert len(load.entries()) == 6_000


@pytest.fixture
def exported(load: Importer, tmp_path: Path) -> str:
    """An exported table of three ratings, of which one was corrected and one withdrawn."""
    assert not load(DATED.partition("10:00:03Z")[0].rpartition("\n")[0] + "\n")
    with closing(open_store(load.url)) as store:
        now = datetime.now(UTC)
        store.revise("default", 2, Correction(now, rating=4.5), seen=None, idempotency_key=None)
        store.revise("default", 3, Correction(now, withdrawn=True), seen=None, idempotency_key=None)
    path = tmp_path / "exported.csv"
    assert main(["export", "--from", load.url, "--to", str(path), "--include", "withdrawn"]) == 0
    return path.read_text(encoding="utf-8")


def test_an_exported_table_comes_in_elsewhere_without_what_is_withdrawn(
    load: Importer, exported: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = Importer(f"sqlite:///{tmp_path}/elsewhere.db", tmp_path, capsys)
    for _ in range(2):
        assert not elsewhere(exported)
        assert "1 withdrawn rows are left out" in elsewhere.said
    assert elsewhere.ratings() == [1, 4.5]
    assert [entry.told for entry in elsewhere.entries()] == [entry.told for entry in load.entries()[:2]]


def test_an_exported_table_is_there_already_whatever_was_corrected_since(load: Importer, exported: str) -> None:
    assert not load(exported)
    with closing(open_store(load.url)) as store:
        store.revise("default", 1, Correction(datetime.now(UTC), rating=3.0), seen=None, idempotency_key=None)
    assert not load(exported)
    assert "0 recorded, 2 were there already" in load.said
    assert "differ from" not in load.said
    assert load.ratings() == [3, 4.5, 3]


def test_a_row_changed_under_its_id_corrects_nothing_and_is_said(load: Importer, exported: str) -> None:
    lines = exported.splitlines()
    lines[1] = lines[1].replace(",1.0,", ",5.0,")
    assert load("\n".join(lines) + "\n") == 1
    assert "1 rows differ from the entry of their id, and were not recorded" in load.said
    assert "lines 2\n" in load.said
    assert load.ratings() == [1, 4.5, 3]


def test_rows_of_one_study_come_into_another_of_the_same_store(load: Importer, exported: str) -> None:
    for _ in range(2):
        assert not load(exported, "--study", "copy", "--create")
    assert load.ratings("copy") == [1, 4.5]
    assert load.said.endswith("0 recorded, 2 were there already; all verified\n")


@pytest.fixture
def suggested(load: Importer) -> Suggestion:
    """A suggestion of study `a`, in mode surfaces."""
    start = datetime.now(UTC)
    one = Suggestion("known", "surfaces", SETTING, start, start + timedelta(days=1), "a")
    with closing(open_store(load.url)) as store:
        store.begin(Study("a", start))
        store.claim([one], now=start)
    return one


def test_a_suggestion_decides_study_and_mode_and_is_answered(load: Importer, suggested: Suggestion) -> None:
    assert not load(f"{HEAD},suggestion_id\n{ROW},known\n")
    assert [(entry.told.mode, entry.told.suggestion_id) for entry in load.entries("a")] == [("surfaces", "known")]
    with closing(open_store(load.url)) as store:
        assert store.outstanding(study="a", now=datetime.now(UTC)) == ()


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (f"{ROW},known,structure", "mode: the suggestion was made in mode surfaces"),
        ("leonardo,0.3,7.0,0.89,4,known,", "suggestion_id: was suggested as {"),
    ],
)
def test_a_contradiction_to_a_suggestion_is_named(
    load: Importer, suggested: Suggestion, row: str, complaint: str
) -> None:
    assert load(f"{HEAD},suggestion_id,mode\n{row}\n")
    assert f"rows.csv:2: {complaint}" in load.said
    assert load.entries("a") == []


def test_a_suggestion_of_another_study_stays_that_of_its_own(load: Importer, suggested: Suggestion) -> None:
    for _ in range(2):
        assert not load(f"{HEAD},suggestion_id\n{ROW},known\n", "--study", "default")
        assert "1 rows have a suggestion_id of another study; they are recorded without it" in load.said
    assert [entry.told.suggestion_id for entry in load.entries()] == [None]
    with closing(open_store(load.url)) as store:
        assert store.outstanding(study="a", now=datetime.now(UTC)) == (suggested,)


def test_a_rating_again_by_its_rater_replaces_the_first_once(load: Importer) -> None:
    more = "suggestion_id,rater,comment,recorded_at"
    rows = f"{HEAD},{more}\n{ROW},s,ana,hm,2024-05-01T10:30Z\nleonardo,0.28,7.0,0.89,2,s,ana,,2024-05-02T10:30Z\n"
    assert not load(rows)
    (entry,) = load.entries()
    assert (entry.revision.number, entry.revision.rating, entry.revision.comment) == (2, 2.0, "hm")
    assert not load(rows)
    assert "0 recorded, 2 were there already" in load.said
    assert not load(rows + f"{ROW},s,ana,,2024-05-03T10:30Z\n")
    assert "1 rows replaced an earlier rating of the same suggestion by the same rater" in load.said
    assert load.entries()[0].revision.number == 3


def test_a_space_of_ones_own_judges_the_rows(load: Importer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.spaces import MIXED  # noqa: PLC0415

    (tmp_path / "space.toml").write_text(MIXED, encoding="utf-8")
    monkeypatch.setenv("SPACES", str(tmp_path / "space.toml"))
    assert not load("api;strength;steps;sampler;rating\npainter;-0,25;30;dpm++ 2m;4,5\n")
    assert load.entries()[0].told == Observation(
        "portraits",
        Setting("painter", (("strength", -0.25), ("steps", 30), ("sampler", "dpm++ 2m"))),
        4.5,
        load.entries()[0].told.recorded_at,
    )
    assert load("api;passes;sampler;rating\nprinter;2,5;heun;4\nprinter;2;euler;4\n", "--mode", "sketches")
    assert "rows.csv:2: passes: must be a whole number" in load.said
    assert "rows.csv:3: sampler: must be one of heun, ancestral, not 'euler'" in load.said
    assert load("api;strength;steps;sampler;rating\npainter;-0,25;30;heun;4\n", "--mode", "sketches")
    assert "rows.csv:2: api: mode sketches has no API painter" in load.said
