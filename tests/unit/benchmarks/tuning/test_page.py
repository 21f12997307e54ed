"""The comparison's arithmetic on a handful of runs, and the page that is made of it."""

import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import astuple, replace
from pathlib import Path

import pytest

from benchmarks.tuning import tables, timing, trial
from benchmarks.tuning.__main__ import main
from benchmarks.tuning.comparison import ENOUGH, Comparison
from benchmarks.tuning.page import plot, render
from benchmarks.tuning.results import append
from benchmarks.tuning.runs import SIZES, Run
from benchmarks.tuning.timing import AGES, Timing
from benchmarks.tuning.worlds import PEOPLE

# Regret after every batch, by method, family and seed.
_REGRETS = {
    ("ours", "smooth"): (0.1, 0.2),
    ("ours", "trap"): (0.3, 0.6),
    ("random", "smooth"): (0.5, 0.6),
    ("random", "trap"): (0.7, 1.4),
    ("optuna-gp", "smooth"): (0.3, 0.2),
    ("optuna-gp", "trap"): (0.7, 0.4),
    ("ax", "smooth"): (0.1,),
    ("ax", "trap"): (0.5,),
}


def _runs() -> Iterator[Run]:
    for (method, family), regrets in _REGRETS.items():
        for seed, regret in enumerate(regrets):
            flat = (regret,) * len(SIZES)
            yield Run(method, f"{method} 1.0", family, seed, "a machine", flat, (0.001 * (seed + 1),) * len(SIZES))


def _about(mean: float, error: float, count: int) -> object:
    return pytest.approx((mean, error, count))


@pytest.fixture
def comparison() -> Comparison:
    return Comparison(list(_runs()))


def test_a_mean_has_the_standard_error_of_its_runs(comparison: Comparison) -> None:
    found = comparison.regret("ours", 20)
    # Of 0.1, 0.2, 0.3, 0.6: mean 0.3, squared deviations 0.04 + 0.01 + 0 + 0.09 over 3, over 4.
    assert astuple(found) == _about(0.3, math.sqrt(0.14 / 3 / 4), 4)
    assert comparison.regret("ours", 20, "trap").mean == pytest.approx(0.45)
    assert math.isnan(comparison.regret("ax", 20, "trap").error)


def test_pairs_are_of_the_same_rater(comparison: Comparison) -> None:
    pairing = comparison.pairing("ours", "random", 30)
    # Differences -0.4, -0.4, -0.4, -0.8.
    assert astuple(pairing.difference) == _about(-0.5, 0.1, 4)
    assert pairing.errors == pytest.approx(5.0)
    assert pairing.share.mean == pytest.approx(1.2 / 3.2)
    assert pairing.won == 1.0


def test_a_tie_is_won_by_half(comparison: Comparison) -> None:
    # 0.1 against 0.3, 0.2 against 0.2, 0.3 against 0.7, 0.6 against 0.4.
    assert comparison.pairing("ours", "optuna-gp", 50).won == pytest.approx(2.5 / 4)


def test_a_method_of_fewer_seeds_is_compared_on_those(comparison: Comparison) -> None:
    pairing = comparison.pairing("ours", "ax", 50)
    assert astuple(pairing.difference) == _about(-0.1, 0.1, 2)
    assert pairing.share.mean == pytest.approx(0.4 / 0.6)


def test_the_best_peer_is_the_one_beside_which_ours_looks_worst(comparison: Comparison) -> None:
    # Shares: 0.375 of random's, 0.75 of Optuna GP's, 0.67 of Ax's, whose own mean is the lowest of all.
    assert comparison.regret("ax", 50).mean < comparison.regret("optuna-gp", 50).mean
    assert comparison.best_peer(50) == "optuna-gp"


def test_a_peer_of_few_raters_is_not_the_best_by_chance() -> None:
    def run(method: str, seed: int, regret: float) -> Run:
        return Run(method, "1", "trap", seed, "a machine", (regret,) * len(SIZES), (0.0,) * len(SIZES))

    many = [run(method, seed, regret) for method, regret in (("ours", 0.2), ("random", 0.8)) for seed in range(ENOUGH)]
    lucky = [run("ax", seed, 0.1) for seed in range(ENOUGH)]
    assert Comparison([*many, *lucky[:-1]]).best_peer(50) == "random"
    assert Comparison([*many, *lucky]).best_peer(50) == "ax"


def test_only_the_version_measured_last_counts() -> None:
    old = [replace(run, version="0.9", regrets=(9.0,) * len(SIZES)) for run in _runs()]
    comparison = Comparison([*old, *(run for run in _runs() if run.method != "ax" and run.seed == 0)])
    # 0.1 and 0.3 are new; what the old version made of the second seed is not among them.
    found = comparison.regret("ours", 10)
    assert (found.mean, found.count) == pytest.approx((0.2, 2))
    assert comparison.regret("ax", 10).mean == pytest.approx(9.0)
    assert comparison.versions == {
        name: "0.9" if name == "ax" else f"{name} 1.0" for name in ("random", "optuna-gp", "ax", "ours")
    }


def test_runs_that_ended_early_count_for_the_ratings_that_they_had() -> None:
    runs = [
        replace(run, regrets=run.regrets[:15], seconds=run.seconds[:15])
        if (run.method, run.seed) == ("random", 0)
        else run
        for run in _runs()
        if run.method in {"ours", "random"}
    ]
    comparison = Comparison(runs)
    assert comparison.regret("random", 30).count == 4
    assert astuple(comparison.regret("random", 40)) == _about(1.0, 0.4, 2)
    assert comparison.pairing("ours", "random", 50).difference.count == 2
    assert comparison.sizes("random")[-1] == 30
    assert comparison.sizes("ours")[-1] == SIZES[-1]
    text = render(comparison, [])
    (row,) = (line for line in text.splitlines() if line.startswith("| random | 4 | 0.80"))
    assert row.endswith("| 1.00 ± 0.40, n = 2 | 1.00 ± 0.40, n = 2 |")
    assert "(3.0; 100%), n = 2 |" in text
    nobody = Comparison([replace(run, regrets=run.regrets[:15], seconds=run.seconds[:15]) for run in _runs()])
    assert "| - | - |" in tables.regrets(nobody, None)


def test_the_page_says_what_was_measured_and_what_was_reached(comparison: Comparison) -> None:
    timings = [
        Timing("original", "1", AGES[0], 900.0, 100.0, "a machine"),
        *(Timing("ours", "1", age, 5.0 + 0.001 * age, 4.0, "a machine") for age in AGES),
        Timing("ours-told", "1", 50, 6.0, 14.0, "a machine"),
        Timing("ours-told", "1", 10_000, 31.0, 4.0, "a machine"),
    ]
    page = render(comparison, timings)
    assert "| CPU ms of ask(2) at 50, told who rated and of what picture | ≤ 12 | 6.0 | yes |" in page
    assert "times that at 50, told who rated and of what picture | ≤ 5 | 5.2 | no |" in page
    assert "| ours, told who and what | 10,000 | 31.0 | 4.0 | 35.0 |" in page
    assert "| ours | 4 | 0.30 ± 0.11 | 0.30 ± 0.11 |" in page
    assert "| random | 4 | 0.50 ± 0.10 (5.0; 100%) |" in page
    assert "| mean regret as a share of the best peer's at n = 20 | ≤ 0.68 | 0.75 (Optuna GP) | no |" in page
    assert "| regret less random's at n = 10, paired | ≤ 0 | -0.50 ± 0.10 | yes |" in page
    assert "| CPU ms of ask(2) and tell(2) with the fit at 50 | ≤ 30 | 9.1 | yes |" in page
    assert "| times less than the original | ≥ 50 | 110 | yes |" in page
    assert "| CPU of a warm ask(2) at 10,000, times that at 50 | ≤ 5 | 3.0 | yes |" in page
    assert "| the original | 50 | 900.0 | 100.0 | 1,000.0 |" in page
    assert "| Ax | ax 1.0 | 0 to 0 |" in page
    assert page.endswith("Measured with a machine.\n")


def test_the_page_can_be_written_before_ours_is_measured() -> None:
    runs = [run for run in _runs() if run.method != "ours"]
    page = render(Comparison(runs), [])
    assert "| random | 4 | 0.80 ± 0.20 |" in page
    assert "Ours against" not in page


def test_the_page_can_be_written_from_whatever_runs_there_are() -> None:
    runs = [run for run in _runs() if (run.method, run.family) in {("ours", "trap"), ("random", "smooth")}]
    comparison = Comparison(runs)
    page = render(comparison, [])
    assert comparison.peers == []
    assert page.count("| ours | 2 | 0.45") == 2
    assert page.count("| random | 2 | 0.55") == 2


def test_a_page_on_other_sources_of_ours_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="needs what benchmarks/requirements.txt lists")
    for run in _runs():
        append(tmp_path / "tuning.csv", run)
    assert main(["--folder", str(tmp_path), "report"]) == 0
    assert "ours was measured from other sources than these" in capsys.readouterr().err
    assert (tmp_path / "tuning.md").exists()


def _of_people(held: float = 0.9) -> Iterator[Run]:
    """Regrets of some rows of the second world; `held` is the share of intervals that hold."""
    regrets = {"optuna-gp": 1.0, "ours": 0.4, "ours-withheld": 0.5, "ours-alike": 0.36, "ours-related": 0.3}
    for method, mean in {**regrets, "ours-unrelated": 0.46}.items():
        for seed in range(ENOUGH):
            regret = (mean * (1.5 if seed % 2 else 0.5) + (0.01 if seed % 4 < 2 else -0.01),) * len(SIZES)
            run = Run(method, "1", "trap", seed, "another machine", regret, (0.001,) * len(SIZES))
            high = 0.5 if seed < held * ENOUGH else -0.1
            ours = method.startswith("ours")
            yield replace(run, lows=(-0.5,) * len(SIZES), highs=(high,) * len(SIZES)) if ours else run


def test_a_share_has_a_standard_error(comparison: Comparison) -> None:
    share = comparison.pairing("ours", "random", 30).share
    # 0.1, 0.2, 0.3, 0.6 less 0.375 times 0.5, 0.6, 0.7, 1.4, over 0.8.
    left = [0.1 - 0.1875, 0.2 - 0.225, 0.3 - 0.2625, 0.6 - 0.525]
    assert sum(left) == pytest.approx(0.0)
    assert share.error == pytest.approx(math.sqrt(sum(one**2 for one in left) / 3 / 4) / 0.8)


def test_an_interval_held_if_the_true_value_lies_within(comparison: Comparison) -> None:
    people = Comparison(list(_of_people()), PEOPLE)
    found = people.coverage("ours", 20)
    assert found is not None
    assert astuple(found) == _about(0.9, math.sqrt(0.9 * 0.1 * ENOUGH / (ENOUGH - 1) / ENOUGH), ENOUGH)
    assert people.width("ours", 20) == pytest.approx(0.9 * 1.0 + 0.1 * 0.4)
    assert people.coverage("optuna-gp", 20) is None
    assert comparison.coverage("ours", 20) is None
    both_ends = [replace(run, lows=(0.1,) * len(SIZES), highs=(0.2,) * len(SIZES)) for run in _of_people()]
    above = Comparison(both_ends, PEOPLE).coverage("ours", 20)
    assert above is not None
    assert above.mean == 0.0


def test_rows_of_ours_are_no_peers() -> None:
    people = Comparison(list(_of_people()), PEOPLE)
    assert people.peers == ["optuna-gp"]
    assert people.best_peer(50) == "optuna-gp"


def test_the_page_has_a_table_of_people_and_what_was_to_be_reached_there(comparison: Comparison) -> None:
    page = render(comparison, [], Comparison(list(_of_people()), PEOPLE))
    table, targets = page[page.index("## People") :].split("What was to be reached")
    assert "4 take turns, each judges 2 settings" in table
    assert "| ours, told who and what | 20 | 0.40 ± 0.05 |" in table
    assert "| ours, not told | 20 | 0.10 ± 0.01 (8.7; 100%) |" in table
    assert "| regret as a share of that where all are alike at n = 20 | ≤ 1.12 | 1.11 ± 0.00 | yes |" in targets
    assert (
        "| told, as a share of not told at n = 30; standard errors better | ≤ 0.85; > 2 | 0.80 ± 0.00; 8.7 | yes |"
        in targets
    )
    assert "| regret as a share of the best peer's at n = 50 | ≤ 0.42 | 0.40 ± 0.00 (Optuna GP) | yes |" in targets
    assert (
        "| based on a related study, regret at n = 10 | ≤ a fresh one's at n = 22, 0.40 | 0.30 ± 0.03 | yes |"
        in targets
    )
    assert "regret less a fresh one's at n = 20, paired | ≤ 0.05 | 0.06 ± 0.01 | no |" in targets
    assert "people, ours, told who and what | 85% to 95% | 90% to 90% | yes |" in targets
    assert "| people: ours, all alike (the limit) | 90 ± 7 (0.94) |" in targets
    assert "Measured with a machine; another machine.\n" in page
    assert "![Mean regret by the number of ratings, people](tuning-people.svg)" in page


def test_intervals_that_hold_too_seldom_or_too_often_are_not_what_was_to_be_reached(comparison: Comparison) -> None:
    for held, reached in ((0.8, "80% to 80% | no |"), (1.0, "100% to 100% | no |"), (0.95, "95% to 95% | yes |")):
        page = render(comparison, [], Comparison(list(_of_people(held)), PEOPLE))
        assert f"people, ours, told who and what | 85% to 95% | {reached}" in page


def test_the_page_can_be_written_before_ours_is_measured_among_people(comparison: Comparison) -> None:
    for kept in ("optuna-gp", "ours", "ours-alike"):
        page = render(comparison, [], Comparison([run for run in _of_people() if run.method == kept], PEOPLE))
        assert "## People" in page
        assert "as a share of" not in page[page.index("## People") :]


def test_ours_is_held_against_what_it_was_before(comparison: Comparison) -> None:
    before = [replace(run, version="1, sources 72377dcb7785") for run in _runs() if run.method == "ours"]
    assert "before it knew of people" not in render(comparison, [])
    for change, reached in ((0.0, "0.00 ± 0.00 | yes |"), (0.1, "0.10 ± 0.00 | no |"), (-0.05, "-0.05 ± 0.00 | yes |")):
        now = [replace(run, regrets=tuple(one + change for one in run.regrets)) for run in _runs()]
        page = render(Comparison([*before, *now]), [])
        assert f"before it knew of people at n = 30, paired | ≤ 1 standard error | {reached}" in page


def test_a_trial_says_how_the_rows_compare_and_with_what_was_kept() -> None:
    kept = [replace(run, regrets=tuple(one + 0.02 for one in run.regrets)) for run in _of_people()]
    text = trial.render(list(_of_people()), PEOPLE, kept)
    assert re.search(r"optuna-gp +1\.000 ±0\.115 +1\.000", text)
    regrets, shares, earlier, intervals = text.split("\n\n")
    assert regrets.startswith("regret (20 runs)")
    assert re.search(r"^ours-alike +1\.111 ±0\.00", shares, re.MULTILINE)
    assert re.search(r"^ours-withheld +-0\.020 ±0\.000", earlier, re.MULTILINE)
    assert re.search(r"^ours +90 ±7 \(0\.94\)", intervals, re.MULTILINE)
    assert "optuna-gp" not in intervals


def test_a_trial_keeps_nothing_unless_it_is_told_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "benchmarks.tuning", "--folder", str(tmp_path), "trial", "--seeds", "1000"]
    command += ["--methods", "random", "--families", "trap", "--jobs", "1"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert said.startswith("regret (1 runs)")
    assert list(tmp_path.iterdir()) == []
    kept = tmp_path / "kept.csv"
    subprocess.run([*command, "--keep", str(kept)], env=environment, capture_output=True, check=True)
    again = subprocess.run(
        [*command, "--against", str(kept)], env=environment, capture_output=True, text=True, check=True
    )
    assert "+0.000 ±nan" in again.stdout


def test_the_same_results_give_the_same_plot(comparison: Comparison, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs what benchmarks/requirements.txt lists")
    for of in (comparison, Comparison(list(_of_people()), PEOPLE)):
        for name in ("one.svg", "other.svg"):
            plot(of, tmp_path / name)
        assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "other.svg").read_bytes()


def test_timings_are_kept_between_pages(tmp_path: Path) -> None:
    path = tmp_path / "timing.csv"
    assert timing.read(path) == []
    kept = [Timing("original", "1, scikit-optimize 0.10.2", 50, 1.25, 0.5, "Python, 2 CPUs")]
    timing.write(path, [replace(kept[0], ratings=200), kept[0]])
    timing.write(path, kept)
    assert timing.read(path) == kept


def test_a_method_is_timed_at_an_age_beyond_a_run() -> None:
    (found,) = timing.time_all([("random", 1_200)])
    assert (found.method, found.ratings) == ("random", 1_200)
    assert found.ask_ms > 0.0


def test_ours_is_timed_where_it_is_told_who_rated() -> None:
    (found,) = timing.time_all([(timing.TOLD, 90)])
    assert (found.method, found.ratings) == (timing.TOLD, 90)
    assert found.ask_ms > 0.0


def test_a_page_without_results_is_refused_with_the_way_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--folder", str(tmp_path), "report"]) == 2
    assert "has no results; the command `run` makes some" in capsys.readouterr().err
