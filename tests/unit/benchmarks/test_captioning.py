"""What the comparison of captioning reports, and that it does not report what did not happen."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks.captioning.__main__ import BenchmarkError, Process, _lines, _table, event_of, main, medians, run

SECONDS = {"caption": 0.1, "encode": 0.08, "decode": 0.005, "beam": 0.02, "matrix": 0.2, "words": 12}


def slower(factor: float) -> dict[str, float]:
    return {name: factor * value for name, value in SECONDS.items()}


def test_the_table_gives_both_sides_their_ratio_and_the_target() -> None:
    first, again = [Process("", 30.0, 750.0)], [Process("", 1.5, 150.0)] * 3
    lines = list(_lines(slower(20), SECONDS, slower(0.5), first, again, rate=200.0, same=999, count=1_000))
    table = list(_table(lines))
    assert "| warm caption of 12 words, exact bundle | 2.0 s | 100.0 ms | 20.0x | >= 12x faster |" in table
    assert "| warm caption of 12 words, default profile | 2.0 s | 50.0 ms | 40.0x | >= 40x faster |" in table
    assert "| fresh process to first caption | 30.0 s | 1,500.0 ms | 20.0x | >= 20x faster |" in table
    assert "| peak memory | 750 MB | 150 MB | 5.0x | <= 160 MB |" in table
    assert "| encoder, float32, of the bound by matrix products | 1,600.0 ms | 71% |  | >= 60 % |" in table
    assert "| captions identical to the source model, exact bundle |  | 999 of 1,000 |  | all |" in table


def test_of_several_runs_the_medians_count() -> None:
    runs = [Process(f"noise\n{json.dumps({'caption': value})}\n", 0, 0) for value in (3.0, 1.0, 2.0)]
    assert medians(runs) == {"caption": 2.0}


def test_a_process_is_charged_with_its_own_cpu_time_and_memory() -> None:
    idle = run([sys.executable, "-c", "print('said')"])
    busy = run([sys.executable, "-c", "block = bytearray(200_000_000); sum(range(20_000_000))"])
    assert idle.output == "said\n"
    assert busy.seconds > idle.seconds + 0.1
    assert busy.megabytes >= 190


def test_a_process_that_fails_stops_the_comparison(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("benchmarks.captioning.__main__.KERAS", tmp_path / "nothing")
    with pytest.raises(BenchmarkError, match="ended with 3"):
        run([sys.executable, "-c", "raise SystemExit(3)"])
    assert main(["--data", str(tmp_path / "nowhere"), "--work", str(tmp_path)]) == 1
    assert "benchmarks.captioning: " in capsys.readouterr().err


def test_the_picture_goes_in_as_api_gateway_sends_it(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8 a picture")
    event = json.loads(event_of(tmp_path / "a.jpg", tmp_path / "event.json").read_text())
    assert (event["httpMethod"], event["path"]) == ("POST", "/generate-caption/")
    assert event["isBase64Encoded"] is True
