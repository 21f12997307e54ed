"""Any order of recording, correcting, skipping, claiming and archiving: a store says what a model of it says.

The model keeps what was told and every correction in plain lists, and computes all answers from them anew.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from storage.errors import ConflictError
from tests.support.observations import NOW, key, setting
from tests.support.stores import ADAPTERS, another_store, new_store, store_url
from tests.support.thorough import TIMES, examples
from tuning.errors import (
    AlreadyPendingError,
    EntryStateError,
    IdempotencyMismatchError,
    RevisionMismatchError,
    StudyArchivedError,
    StudyExistsError,
)
from tuning.observations import Correction, Failure, Observation, Revision, Suggestion, Told
from tuning.stores.port import ObservationStore, Recorded
from tuning.study import Study

STUDIES, MODES, PLACES = ("default", "garden"), ("structure", "surfaces"), 2
RATINGS = st.sampled_from([1.0, 2.5, 4.0, 5.0])
NAMES = st.sampled_from([None, "ana", "bo"])
STEPS = st.integers(0, PLACES - 1)


@dataclass
class Kept:
    """What the model knows of an entry: what was told, and all its states."""

    told: Told
    states: list[Revision]

    @property
    def now(self) -> Told:
        last = self.states[-1]
        if isinstance(self.told, Observation):
            assert last.rating is not None
            return replace(self.told, rating=last.rating, comment=last.comment)
        return replace(self.told, comment=last.comment)


@dataclass
class Model:
    """A study: its entries by position, where its log ends, and whether it is archived."""

    study: Study
    entries: dict[int, Kept] = field(default_factory=dict)
    end: int = 0
    last: datetime | None = None

    def standing(self, mode: str | None = None) -> list[Told]:
        """What is not withdrawn, in order."""
        return [
            entry.now
            for _, entry in sorted(self.entries.items())
            if not entry.states[-1].withdrawn and mode in {None, entry.told.mode}
        ]

    @property
    def ratings(self) -> list[Observation]:
        return [one for one in self.standing() if isinstance(one, Observation)]

    def append(self, moment: datetime) -> int:
        self.end += 1
        self.last = max(self.last or moment, moment)
        return self.end


@dataclass(frozen=True)
class Draft:
    """What is to be told, of the latest suggestion there if it `answers` one."""

    failed: bool
    mode: str
    step: int
    rating: float
    rater: str | None
    picture: str | None
    comment: str | None
    answers: bool


DRAFTS = st.builds(
    Draft,
    failed=st.booleans(),
    mode=st.sampled_from(MODES),
    step=STEPS,
    rating=RATINGS,
    rater=NAMES,
    picture=st.sampled_from([None, "p"]),
    comment=NAMES,
    answers=st.booleans(),
)


class StoreMachine(RuleBasedStateMachine):
    """A store and its model, taken through the same."""

    new_url: Callable[[], str]

    @initialize()
    def begin_empty(self) -> None:
        url = self.new_url()
        self.store = new_store(url)
        self.other = another_store(self.store, url)
        self.models = {"default": Model(Study("default"))}
        self.suggested: dict[str, Suggestion] = {}
        self.ended: set[str] = set()
        self.now = NOW
        self.keys = 0

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.other.close()

    def refused(self, name: str) -> bool:
        return self.models[name].study.archived_at is not None

    @rule(name=st.sampled_from(STUDIES))
    def begin(self, name: str) -> None:
        study = Study(name, self.now, "default", name * 2)
        if name in self.models:
            with pytest.raises(StudyExistsError):
                self.store.begin(study)
        else:
            self.store.begin(study)
            self.models[name] = Model(study)

    @rule(name=st.sampled_from(STUDIES), archived=st.booleans())
    def archive(self, name: str, archived: bool) -> None:
        if name in self.models:
            model = self.models[name]
            if archived != self.refused(name):
                model.study = replace(model.study, archived_at=self.now if archived else None)
            assert self.store.archive(name, archived_at=self.now if archived else None).study == model.study

    @rule(name=st.sampled_from(STUDIES), batch=st.lists(DRAFTS, max_size=4), again=st.booleans())
    def record(self, name: str, batch: list[Draft], again: bool) -> None:
        if name not in self.models:
            return
        model, told, self.keys = self.models[name], [self.tell(name, draft) for draft in batch], self.keys + 1
        if self.refused(name):
            with pytest.raises(StudyArchivedError):
                self.store.record(told, study=name, idempotency_key=key(f"{self.keys}"))
            return
        recorded = self.store.record(told, study=name, idempotency_key=key(f"{self.keys}"))
        were = set(model.entries)
        positions = tuple(self.note(model, one) for one in told)
        replaced = tuple(dict.fromkeys(position for position in positions if position in were))
        expected = Recorded(len(model.ratings), replayed=False, positions=positions, replaced=replaced, study=name)
        assert recorded == expected
        self.ended |= {one.suggestion_id for one in told if one.suggestion_id is not None}
        if again:
            expected = replace(recorded, replayed=True)
            assert self.other.record(told, study=name, idempotency_key=key(f"{self.keys}")) == expected
            assert self.other.find_receipt(key(f"{self.keys}")) == expected
            with pytest.raises(IdempotencyMismatchError):
                self.store.record(told, study=name, idempotency_key=key(f"{self.keys}", "other"))

    def tell(self, name: str, draft: Draft) -> Told:
        place = name, draft.mode, setting(draft.step)
        ids = [one.id for one in self.suggested.values() if (one.study, one.mode, one.setting) == place]
        who = ids[-1] if draft.answers and ids else None, draft.rater, draft.picture, draft.comment
        if draft.failed:
            return Failure(*place[1:], "skipped", self.now, *who)
        return Observation(*place[1:], draft.rating, self.now, *who)

    def note(self, model: Model, told: Told) -> int:
        """Take what was told into the model, and return the position of its entry."""
        rated = [
            position
            for position, entry in sorted(model.entries.items())
            if isinstance(told, Observation)
            and isinstance(entry.told, Observation)
            and None not in {told.rater, told.suggestion_id}
            and (entry.told.rater, entry.told.suggestion_id) == (told.rater, told.suggestion_id)
            and (entry.told.mode, entry.told.setting) == (told.mode, told.setting)
            and not entry.states[-1].withdrawn
        ]
        pictures = {model.entries[position].told.picture for position in rated}
        picture = pictures.copy().pop() if told.picture is None and len(pictures) == 1 else told.picture
        alike = [position for position in rated if model.entries[position].told.picture == picture]
        if alike:
            before = model.entries[alike[-1]].states[-1]
            assert isinstance(told, Observation)
            if before.rating == told.rating and told.comment in {None, before.comment}:
                return alike[-1]
        position = model.append(told.recorded_at)
        rating = told.rating if isinstance(told, Observation) else None
        if not alike:
            first = Revision(1, rating, told.comment, withdrawn=False, made_at=told.recorded_at)
            model.entries[position] = Kept(told, [first])
            return position
        entry = model.entries[alike[-1]]
        last = entry.states[-1]
        comment = last.comment if told.comment is None else told.comment
        entry.states.append(
            Revision(last.number + 1, rating, comment, withdrawn=False, made_at=told.recorded_at, reviser=told.rater)
        )
        return alike[-1]

    @rule(
        data=st.data(),
        rating=st.none() | RATINGS,
        comment=st.sampled_from([None, "", "said"]),
        withdrawn=st.sampled_from([None, False, True]),
        off=st.sampled_from([None, 0, 0, 1]),
    )
    @precondition(lambda self: any(model.entries for model in self.models.values()))
    def revise(
        self, data: st.DataObject, rating: float | None, comment: str | None, withdrawn: bool | None, off: int | None
    ) -> None:
        places = sorted((name, position) for name, model in self.models.items() for position in model.entries)
        name, position = data.draw(st.sampled_from(places))
        model, self.keys = self.models[name], self.keys + 1
        entry = model.entries[position]
        last = entry.states[-1]
        correction = Correction(self.now, rating, comment, withdrawn, "bo")
        seen = None if off is None else last.number - off
        arguments = name, position, correction
        new = (
            last.rating if rating is None else rating,
            last.comment if comment is None else comment or None,
            last.withdrawn if withdrawn is None else withdrawn,
        )
        error: type[ConflictError] | None = None
        if self.refused(name):
            error = StudyArchivedError
        elif seen not in {None, last.number}:
            error = RevisionMismatchError
        elif (rating is not None and isinstance(entry.told, Failure)) or (
            last.withdrawn and new[2] and new[:2] != (last.rating, last.comment)
        ):
            error = EntryStateError
        if error:
            with pytest.raises(error):
                self.store.revise(*arguments, seen=seen, idempotency_key=key(f"{self.keys}"))
            return
        revised = self.store.revise(*arguments, seen=seen, idempotency_key=key(f"{self.keys}"))
        if new != (last.rating, last.comment, last.withdrawn):
            model.append(self.now)
            entry.states.append(Revision(last.number + 1, *new, self.now, "bo"))
        assert (revised.entry.told, (*revised.entry.earlier, revised.entry.revision)) == (
            entry.now,
            tuple(entry.states),
        )
        assert revised.samples_seen == len(model.ratings)
        assert self.other.revise(*arguments, seen=seen, idempotency_key=key(f"{self.keys}")) == replace(
            revised, replayed=True
        )

    @rule(name=st.sampled_from(STUDIES), mode=st.sampled_from(MODES), step=STEPS, hours=st.integers(1, 30))
    def claim(self, name: str, mode: str, step: int, hours: int) -> None:
        if name not in self.models:
            return
        identity = f"s{len(self.suggested)}"
        one = Suggestion(identity, mode, setting(step), self.now, self.now + timedelta(hours=hours), name)
        taken = any((other.mode, other.setting) == (mode, one.setting) for other in self.outstanding(name))
        if self.refused(name) or taken:
            with pytest.raises(StudyArchivedError if self.refused(name) else AlreadyPendingError):
                self.store.claim([one], now=self.now)
        else:
            self.store.claim([one], now=self.now)
            self.suggested[identity] = one

    def outstanding(self, name: str) -> list[Suggestion]:
        return [
            one
            for one in self.suggested.values()
            if one.study == name and one.id not in self.ended and one.expires_at > self.now
        ]

    @rule(data=st.data())
    @precondition(lambda self: self.suggested)
    def give_back(self, data: st.DataObject) -> None:
        identity = data.draw(st.sampled_from(sorted(self.suggested)))
        one = self.suggested[identity]
        assert self.store.give_back(identity, now=self.now) == (one if one in self.outstanding(one.study) else None)
        self.ended.add(identity)

    @rule(hours=st.integers(1, 12))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @invariant()
    def says_what_the_model_says(self) -> None:
        if not hasattr(self, "store"):
            return
        for store in (self.store, self.other):
            assert store.study_names() == tuple(sorted(self.models))
            assert {one.id: one for one in store.find_suggestions(list(self.suggested))} == self.suggested
            for name, model in self.models.items():
                self.check(store, name, model)

    def check(self, store: ObservationStore, name: str, model: Model) -> None:
        entries = store.history(study=name, withdrawn=True, limit=1_000).entries[::-1]
        assert [(one.position, one.told, (*one.earlier, one.revision)) for one in entries] == [
            (position, entry.now, tuple(entry.states)) for position, entry in sorted(model.entries.items())
        ]
        shown = store.history(study=name, rater="ana", limit=1_000).entries[::-1]
        assert [one.told for one in shown] == [one for one in model.standing() if one.rater == "ana"]
        summary = store.summary(name)
        assert (summary.study, summary.last_activity) == (model.study, model.last)
        assert summary.samples_seen == store.count(name) == len(model.ratings)
        counts = dict(summary.counts)
        assert counts == {mode: sum(one.mode == mode for one in model.ratings) for mode in counts}
        best = min(model.ratings, key=lambda one: (-one.rating, one.recorded_at), default=None)
        found = summary.best
        assert (found is None) == (best is None)
        if found is not None and best is not None:
            assert (found.rating, found.recorded_at) == (best.rating, best.recorded_at)
        assert set(store.outstanding(study=name, now=self.now)) == set(self.outstanding(name))
        for mode in MODES:
            study = store.mode_study(mode, study=name, now=self.now)
            standing = model.standing(mode)
            assert list(study.observations) == [one for one in standing if isinstance(one, Observation)]
            assert list(study.failed) == [one.setting for one in standing if isinstance(one, Failure)]
            assert set(study.outstanding) == {one for one in self.outstanding(name) if one.mode == mode}
            assert (study.study, study.as_of) == (model.study, model.end)
        latest = {(one.mode, one.setting): one for one in self.suggested.values() if one.study == name}
        places = [(mode, setting(step)) for mode in MODES for step in range(PLACES)]
        suggested = store.find_suggested(places, study=name, now=self.now)
        assert {one.id: outstanding for one, outstanding in suggested} == {
            one.id: one in self.outstanding(name) for one in latest.values()
        }


@pytest.mark.thorough
@pytest.mark.timeout(600 * TIMES)
@pytest.mark.parametrize("adapter", [*ADAPTERS, "memory"])
def test_a_store_does_whatever_its_model_does(request: pytest.FixtureRequest, adapter: str, tmp_path: Path) -> None:
    names = itertools.count()

    def new_url() -> str:
        if adapter == "sqlite":
            return f"sqlite:///{tmp_path}/{next(names)}.db"
        return store_url(request, adapter)

    machine = type("Machine", (StoreMachine,), {"new_url": staticmethod(new_url)})
    few, steps = (3, 15) if adapter == "dynamodb" else (40, 30)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples(few),
            # The same calls in every ordinary run.
            derandomize=TIMES == 1,
            database=None,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
