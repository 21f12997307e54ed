"""What would have been recommended earlier, and that it is remembered only as long as it is true."""

from dataclasses import replace

import pytest

from storage.deadline import Deadline
from tests.unit.tuning.insight.conftest import Study
from tuning.insight import hindsight
from tuning.insight.hindsight import look_back
from tuning.insight.knowledge import Knowledge
from tuning.insight.recommendation import Recommendation, recommend
from tuning.spaces import Mode
from tuning.study import Hyperparameters, ModeStudy

LEARNED = Hyperparameters((("strength", 0.2), ("guidance", 1.0), ("control_weight", 1.0)), 1.0, 0.1, 0.8, 20)


def afresh(mode: Mode, study: ModeStudy, count: int) -> Recommendation:
    known = Knowledge.of(mode, replace(study, observations=tuple(map(replace, study.observations[:count]))))
    assert known is not None
    return recommend(known)


def test_it_is_what_the_first_ratings_alone_would_have_given(mode: Mode, study: Study) -> None:
    known = study(20)

    assert look_back(mode, known, [5, 6, 12, 20]) == {
        5: None,
        **{count: afresh(mode, known, count) for count in (6, 12, 20)},
    }


def test_what_was_worked_out_is_not_worked_out_again(mode: Mode, study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    known = study(20)
    before = look_back(mode, known, [10, 20])
    monkeypatch.setattr(Knowledge, "of", None)

    more = replace(known, observations=(*known.observations, study(1, seed=2).observations[0]))
    assert look_back(mode, more, [10, 20]) == before


def test_a_corrected_rating_changes_all_that_follows_it(mode: Mode, study: Study) -> None:
    known = study(20)
    before = look_back(mode, known, [6, 8, 20])
    corrected = list(known.observations)
    corrected[7] = replace(corrected[7], rating=1.0 if corrected[7].rating > 3 else 5.0)
    after = look_back(mode, replace(known, observations=tuple(corrected)), [6, 8, 20])

    assert after[6] == before[6]
    assert all(after[count] != before[count] for count in (8, 20))


def test_other_hyperparameters_change_everything(mode: Mode, study: Study) -> None:
    known = study(20)
    before = look_back(mode, known, [10])
    learned = replace(known, hyperparameters=LEARNED)

    assert look_back(mode, learned, [10])[10] == afresh(mode, learned, 10) != before[10]


def test_another_study_of_the_same_first_rating_is_another(mode: Mode, study: Study) -> None:
    known = study(20)
    other = replace(known, observations=(known.observations[0], *study(19, seed=2).observations))
    look_back(mode, known, [10])

    assert look_back(mode, other, [10])[10] == afresh(mode, other, 10)


def test_after_the_deadline_only_what_is_remembered_is_told(mode: Mode, study: Study) -> None:
    known = study(20)
    before = look_back(mode, known, [10])

    assert look_back(mode, known, [10, 11], deadline=Deadline(0)) == before


def test_a_bounded_number_of_studies_is_remembered(mode: Mode, study: Study) -> None:
    for seed in range(40):
        look_back(mode, study(6, seed=seed), [6])

    assert len(hindsight._memories) <= 32
