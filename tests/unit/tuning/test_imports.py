"""What a cold start may import: suggesting and reading must not pay for learning."""

import subprocess
import sys

import tuning

HEAVY = ("skopt", "sklearn", "pandas", "joblib", "matplotlib", "scipy", "boto3", "botocore")


def imported_by(statement: str) -> set[str]:
    script = f"import sys; sys.path[:0] = {sys.path!r}\n{statement}\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_use_cases_and_store_import_nothing_heavy() -> None:
    statement = (
        "import tuning.suggest, tuning.stats, tuning.update, tuning.history, tuning.stores\n"
        "tuning.stores.open_store('sqlite:///never/made.db')"
    )
    modules = imported_by(statement)
    assert not modules & set(HEAVY)
    # What scripts use and the functions do not.
    assert not modules & {"tuning.tuner.facade", "tuning.tuner.file", "tuning.stores.memory"}


def test_the_package_alone_imports_nothing() -> None:
    assert not {name for name in imported_by("import tuning") if name.startswith(("tuning.", "numpy", "scipy"))}


def test_the_tuner_learns_nothing_heavy_before_it_is_told_enough() -> None:
    statement = "from tuning import Tuner; tuner = Tuner(); tuner.ask(); tuner.stats()"
    modules = imported_by(statement)
    assert "tuning.tuner.facade" in modules
    assert not modules & set(HEAVY)


def test_a_study_that_is_read_is_modelled_on_numpy_alone() -> None:
    statement = (
        "from datetime import UTC, datetime\n"
        "from tuning.model.design import initial_design\n"
        "from tuning.observations import Observation\n"
        "from tuning.stats import assess\n"
        "from tuning.suggest import propose\n"
        "from tuning.validation.space_file import load_spaces\n"
        "from tuning.study import ModeStudy\n"
        "mode, now = load_spaces().modes[0], datetime.now(UTC)\n"
        "rated = [Observation(mode.name, s, 3.0, now) for s, _ in zip(initial_design(mode, '1'), range(30))]\n"
        "study = ModeStudy(mode.name, 1, None, tuple(rated), ())\n"
        "propose(mode, study, count=2), assess([(mode, study)])"
    )
    modules = imported_by(statement)
    assert "tuning.model.acquisition" in modules
    assert not modules & set(HEAVY)


def test_the_package_has_no_names_that_it_does_not_list() -> None:
    assert tuning.__all__ == ["Tuner"]
    assert not hasattr(tuning, "Optimizer")


def test_preloading_imports_the_learning_and_nothing_that_draws() -> None:
    modules = imported_by("import tuning.relearning; tuning.relearning.preload()")
    assert {"skopt", "sklearn", "tuning.model.learning"} <= modules
    assert not modules & {"matplotlib", "botocore"}
