"""Tables: written as the API writes them, and read however spreadsheets write them, or refused by line and column."""

import csv
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.studies import rated
from tools.observations.__main__ import main
from tools.observations.errors import MoveError
from tools.observations.rows import Problem, Row, Rows, RowsError
from tools.observations.table import read_table
from tuning.observations import Failure, Observation, Setting, Told
from tuning.stores import open_store
from tuning.validation.space_file import load_spaces

SPACES = load_spaces()
NAMES = "api,init_strength,guidance_scale,controlnet_weight,rating"
LINE = "leonardo,0.28,7.0,0.89,4"
PARAMETERS = {"api": "leonardo", "init_strength": "0.28", "guidance_scale": "7.0", "controlnet_weight": "0.89"}


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str | bytes], Rows]:
    """What reads a file of that content."""

    def read(content: str | bytes) -> Rows:
        path = tmp_path / "rows.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(path, SPACES)

    return read


Read = Callable[[str | bytes], Rows]


def test_a_row_has_the_fields_of_an_updates_result(read: Read) -> None:
    rows = read(f"{NAMES},mode,rater,comment\n{LINE},surfaces,ana,\n\n,,,,,,,\n{LINE},,,«ñ» ok\n")
    assert rows.rows == (
        Row(2, {"parameters": PARAMETERS, "rating": "4", "mode": "surfaces", "rater": "ana"}),
        Row(5, {"parameters": PARAMETERS, "rating": "4", "comment": "«ñ» ok"}),
    )
    assert rows.notes == ("columns separated by commas",)
    assert rows.problems == ()


def test_columns_stand_in_any_order(read: Read) -> None:
    assert read("rating,controlnet_weight,api,guidance_scale,init_strength\n4,0.89,leonardo,7.0,0.28\n").rows == (
        Row(2, {"parameters": PARAMETERS, "rating": "4"}),
    )


@pytest.mark.parametrize("mark", ["\ufeff", ""])
@pytest.mark.parametrize("ending", ["\r\n", "\n", "\r\n\r\n"])
@pytest.mark.parametrize("hint", ["sep=;{}", "{}"])
def test_a_spanish_spreadsheet_is_read(read: Read, mark: str, ending: str, hint: str) -> None:
    lines = [NAMES.replace(",", ";"), "leonardo;0,28;7;0,89;4,5", "leonardo;0,3;7,5;0,9;3"]
    rows = read(mark + hint.format(ending if hint.startswith("sep") else "") + ending.join(lines) + ending)
    assert [row.fields["rating"] for row in rows.rows] == ["4.5", "3"]
    assert rows.rows[1].fields["parameters"] == {
        "api": "leonardo", "init_strength": "0.3", "guidance_scale": "7.5", "controlnet_weight": "0.9",
    }  # fmt: skip
    assert rows.notes == ("columns separated by semicolons, decimal commas",)
    assert rows.rows[0].line == (2 + (hint != "{}")) * (1 + (ending == "\r\n\r\n")) - (ending == "\r\n\r\n")


def test_what_separates_the_columns_is_what_the_line_of_names_says(read: Read) -> None:
    assert read(f"{NAMES.replace(',', chr(9))}\tcomment\n{LINE.replace(',', chr(9))}\ta, b; c\n").rows == (
        Row(2, {"parameters": PARAMETERS, "rating": "4", "comment": "a, b; c"}),
    )
    rows = read(f"{NAMES.replace(',', ';')};comment\n{LINE.replace(',', ';')};a, b\n")
    assert rows.notes == ("columns separated by semicolons",)
    assert rows.rows[0].fields["comment"] == "a, b"


def test_decimal_commas_and_points_do_not_go_together(read: Read) -> None:
    rows = read(f"{NAMES.replace(',', ';')}\nleonardo;0,28;7.5;0,89;4\nleonardo;0,28;1.000,5;0,89;4\n")
    assert [(problem.line, problem.column) for problem in rows.problems] == [
        (2, "guidance_scale"),
        (3, "guidance_scale"),
    ]
    assert "7.5 has a decimal point, and other cells of the file have decimal commas" in rows.problems[0].message


def test_a_comment_keeps_its_commas_quotes_and_lines(read: Read) -> None:
    rows = read(f'{NAMES},comment\n{LINE},"1,5 ""or"" so\nand more"\n{LINE},\'=1+1\n')
    assert [(row.line, row.fields["comment"]) for row in rows.rows] == [(2, '1,5 "or" so\nand more'), (4, "=1+1")]


def test_other_encodings_are_refused_or_named(read: Read, tmp_path: Path) -> None:
    spanish = f"{NAMES},comment\n{LINE},más\n"
    with pytest.raises(MoveError, match=r"rows.csv:2: is not UTF-8: save it as “CSV UTF-8”.*--encoding cp1252"):
        read(spanish.encode("cp1252"))
    named = read_table(tmp_path / "rows.csv", SPACES, encoding="cp1252")
    assert named.rows[0].fields["comment"] == "más"
    assert read(spanish.encode("utf-16")).rows[0].fields["comment"] == "más"
    with pytest.raises(MoveError, match="nonsense is no encoding"):
        read_table(tmp_path / "rows.csv", SPACES, encoding="nonsense")


@pytest.mark.parametrize(
    ("names", "column", "complaint"),
    [
        (f"{NAMES},Rater", "Rater", "is not known; did you mean rater?"),
        (f"{NAMES},recordedAt", "recordedAt", "is not known; did you mean recorded_at?"),
        (f"{NAMES},init_strenght", "init_strenght", "is not known; did you mean init_strength?"),
        (f"{NAMES},rating", "rating", "is the name of two columns"),
        ("init_strength,rating", "api", "is missing from the header"),
        ("api,init_strength", "rating", "is missing from the header"),
        ("leonardo,0.28,7.0,0.89,4", "api", "is missing from the header"),
        (f"{NAMES},parameters", "parameters", "is not known here; each parameter has a column of its own"),
    ],
)
def test_names_that_are_nearly_known_or_missing_are_refused(
    read: Read, names: str, column: str, complaint: str
) -> None:
    with pytest.raises(RowsError) as caught:
        read(f"{names}\n{LINE}\n")
    assert Problem(1, column, complaint) in caught.value.problems


def test_a_column_that_nobody_knows_is_said(read: Read) -> None:
    rows = read(f"{NAMES},weather,\n{LINE},sunny,\n")
    assert rows.notes == ("columns separated by commas", "ignored, because they are unknown: weather")
    assert rows.rows == (Row(2, {"parameters": PARAMETERS, "rating": "4"}),)


def test_a_row_that_does_not_fit_the_names_is_named(read: Read) -> None:
    rows = read(f"{NAMES},\n{LINE},\n{LINE},,\nleonardo,0.28\n{LINE},what\n")
    assert [(one.line, one.message) for one in rows.problems] == [
        (3, "has 7 cells, and the header 6"),
        (4, "has 2 cells, and the header 6"),
        (5, "has a cell in a column without a name"),
    ]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "is empty"),
        ("\ufeff", "is empty"),
        (f'{NAMES}\n"leonardo,0.28\n', "rows.csv:2: the row cannot be read"),
        (f'{NAMES}\n{LINE}\n"leo"nardo,0.28,7,0.89,4\n', "rows.csv:3: the row cannot be read"),
    ],
)
def test_what_is_no_table_is_refused(read: Read, content: str, complaint: str) -> None:
    with pytest.raises(MoveError, match=complaint):
        read(content)


@pytest.mark.parametrize(
    ("word", "expected"),
    [("true", True), ("TRUE", True), ("VERDADERO", True), ("false", False), ("FALSO", False), ("si", "si")],
)
def test_whether_a_row_is_withdrawn_is_read_in_the_words_of_spreadsheets(
    read: Read, word: str, expected: object
) -> None:
    assert read(f"{NAMES},withdrawn\n{LINE},{word}\n").rows[0].fields["withdrawn"] == expected


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_an_exported_table_has_the_present_state_oldest_first(
    studies: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ratings.csv"
    assert main(["export", "--from", studies, "--to", str(path)]) == 0
    assert capsys.readouterr().out.endswith("\n17 rows written\n")
    rows = rows_of(path)
    assert [row["id"] for row in rows if row["study"] == "garden"] == [
        f"garden-{position}" for position in (1, 2, 4, 5, 8, 10, 17, 18, 19, 20, 22)
    ]
    assert {row["study"] for row in rows} == {"default", "past", "garden"}
    (first,) = [row for row in rows if row["id"] == "garden-1"]
    assert (first["rating"], first["rater"], first["revision"], first["withdrawn"]) == ("2.25", "bo", "3", "false")
    assert float(first["init_strength"]) == dict(rated(1).setting.values)["init_strength"]
    assert datetime.fromisoformat(first["recorded_at"]) == rated(1).recorded_at


def test_with_what_is_withdrawn_it_has_that_too(studies: str, tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    options = ["--study", "garden", "--include", "withdrawn"]
    assert main(["export", "--from", studies, "--to", str(path), *options]) == 0
    (row,) = [row for row in rows_of(path) if row["withdrawn"] == "true"]
    assert (row["id"], row["failed"], row["rating"], row["comment"]) == ("garden-3", "refused", "", "again")


def test_standard_output_holds_the_table_and_nothing_else(
    studies: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "--from", studies, "--to", str(tmp_path / "x.csv")]) == 0
    capsys.readouterr()
    assert main(["export", "--from", studies, "--to", "-", "--format", "csv"]) == 0
    assert capsys.readouterr().out.encode() == (tmp_path / "x.csv").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--to", "x.csv", "--format", "jsonl"], "x.csv has the ending of csv, and --format is jsonl"),
        (["--to", "x.CSV", "--format", "optuna"], "x.CSV has the ending of csv, and --format is optuna"),
        (["--to", "x.jsonl", "--format", "csv"], "x.jsonl has the ending of jsonl, and --format is csv"),
        (["--to", "x.db"], "x.db has the ending of a database"),
        (["--to", "x.jsonl", "--include", "withdrawn"], "--include is for CSV"),
    ],
)
def test_a_file_holds_what_its_name_says(
    studies: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", "--from", studies, *arguments]) == 1
    assert complaint in capsys.readouterr().err
    assert list(tmp_path.glob("x*")) == []


def test_what_was_exported_reads_back_as_it_was(tmp_path: Path, target: str) -> None:
    hard = Setting("leonardo", (("init_strength", 0.28), ("guidance_scale", 7.0), ("controlnet_weight", 0.89)))
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    told: list[Told] = [
        Observation("structure", hard, 1 + 2 / 3, at, "=id", "+ana", "@p", "-1;\n'quoted', \"twice\"\t"),
        Failure("surfaces", hard, "'=refused", at, None, "'bo", None, "=1+1"),
    ]
    with closing(open_store(target)) as store:
        store.record(told, idempotency_key=None)
    path = tmp_path / "ratings.csv"
    assert main(["export", "--from", target, "--to", str(path)]) == 0
    copy = f"sqlite:///{tmp_path}/copy.db"
    assert main(["import", "--from", str(path), "--to", copy]) == 0
    with closing(open_store(copy)) as store:
        assert [record for _, _, record in store.records("default", limit=9)] == told
