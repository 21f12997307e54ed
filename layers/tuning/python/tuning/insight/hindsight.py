"""Hindsight: what would have been recommended after the first ratings of a study, by the hyperparameters of now.

A process remembers what it has worked out of the latest studies, as far as their first ratings and hyperparameters are
what they were. Whoever asks again pays for what is new.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, takewhile
from operator import is_

from storage.deadline import Deadline
from tuning.insight.knowledge import Knowledge
from tuning.insight.recommendation import Recommendation, recommend
from tuning.model.ancestors import pool_study, start_of
from tuning.observations import Observation
from tuning.spaces import Mode
from tuning.study import Hyperparameters, ModeStudy

_REMEMBERED = 32  # modes of studies


@dataclass(frozen=True, slots=True, eq=False)
class _Memory:
    """Recommendations by the number of first ratings; None where the mode admits too few of them."""

    observations: tuple[Observation, ...]
    inherited: tuple[Observation, ...]
    hyperparameters: Hyperparameters | None
    found: dict[int, Recommendation | None]


def look_back(
    mode: Mode, study: ModeStudy, counts: Iterable[int], *, deadline: Deadline | None = None
) -> dict[int, Recommendation | None]:
    """Return what would have been recommended after so many first ratings, for each of the counts, in their order.

    None of a count as long as the model did not speak (`Knowledge.speaks`). After the deadline nothing further is
    worked out: then counts are missing.
    """
    observations = study.observations
    # The memory keeps the first rating alive, so that no other gets its id meanwhile.
    key = (mode, study.seed, id(observations[0]) if observations else None)
    found = _still_true(_memories.get(key), study)
    worked_out = False
    answer: dict[int, Recommendation | None] = {}
    for count in counts:
        if count not in found:
            if deadline is not None and deadline.is_over:
                continue
            worked_out = True
            known = Knowledge.of(mode, study, first=count)
            found[count] = recommend(known) if known is not None and known.speaks else None
        answer[count] = found[count]
    if worked_out:
        pool_study(mode, study)  # what is pooled last is remembered, and others will ask for all ratings
    _memories.pop(key, None)
    while len(_memories) >= _REMEMBERED:
        _memories.pop(next(iter(_memories)), None)
    _memories[key] = _Memory(observations, _inherited(study), start_of(study), found)
    return answer


def _still_true(memory: _Memory | None, study: ModeStudy) -> dict[int, Recommendation | None]:
    if memory is None or memory.hyperparameters != start_of(study):
        return {}
    inherited = _inherited(study)
    if len(memory.inherited) != len(inherited) or not all(map(is_, memory.inherited, inherited)):
        return {}
    alike = sum(1 for _ in takewhile(bool, map(is_, memory.observations, study.observations)))
    return {count: one for count, one in memory.found.items() if count <= alike}


def _inherited(study: ModeStudy) -> tuple[Observation, ...]:
    return tuple(chain.from_iterable(ancestor.observations for ancestor in study.ancestors))


# By mode, seed and first rating, what this process worked out last of each study, the latest last.
_memories: dict[tuple[Mode, int, int | None], _Memory] = {}
