"""The capacity units of the API's requests: as the page has them, and measured on a store.

`UNITS` are constants, so that the page can be computed without an emulator; a test holds them to `measure`. They are
those of a warm function and of another study than the default one, which has the same items and fewer look-ups.
"""

import itertools
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from benchmarks.stores.capacity import metered
from tuning import history, stats, studies, suggestions
from tuning.errors import StudyMissingError
from tuning.observations import Observation, Setting
from tuning.spaces import Spaces
from tuning.stores import open_store
from tuning.stores.port import ObservationStore
from tuning.study import Hyperparameters, Study
from tuning.suggest import suggest
from tuning.update import update

STUDY, MODE, RATINGS = "campaign", "structure", 1_000
LISTED = 50  # studies, or entries, in a page
BARE = 100  # results without a suggestion and a mode


@dataclass(frozen=True, slots=True)
class Units:
    """What a request takes: units of 4 kB read consistently, and of 1 kB written."""

    read: int
    written: int


SUGGEST, UPDATE, STATS, HISTORY, START = "suggest", "update", "stats", "history", "start"
LIST = "studies"
WITHOUT_IDS = "update without ids"

UNITS: Mapping[str, Units] = {
    SUGGEST: Units(4, 12),
    UPDATE: Units(6, 10),
    WITHOUT_IDS: Units(205, 8),
    "revise": Units(5, 7),
    "skip": Units(2, 8),
    "give back": Units(4, 2),
    STATS: Units(4, 0),
    HISTORY: Units(7, 0),
    "outstanding": Units(3, 0),
    LIST: Units(51, 0),
    "study": Units(1, 0),
    "missing": Units(3, 0),
    "begin": Units(0, 4),
    START: Units(33, 0),
}

TITLES = {
    SUGGEST: "suggest 2 settings",
    UPDATE: "update of 2 that answer suggestions",
    WITHOUT_IDS: f"update of {BARE} that name neither a suggestion nor a mode",
    "revise": "a rating corrected or withdrawn, and learned from",
    "skip": "update of 1 that failed",
    "give back": "a suggestion given back",
    STATS: "`GET /ml/stats`",
    HISTORY: f"a page of {LISTED} of the history, of ratings that came two at a time",
    "outstanding": "`GET /ml/suggestions`, of 20",
    LIST: f"a page of {LISTED} studies",
    "study": "one study",
    "missing": "a study that there is not (404), of 50 studies",
    "begin": "a study begun",
    START: f"a function reads a study of {RATINGS:,} that it does not know",
}


def measure(url: str, spaces: Spaces) -> dict[str, Units]:
    """Make each request once, in an empty store."""
    now = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    found: dict[str, Units] = {}
    with metered() as meter, closing(open_store(url)) as store:

        def note(request: str, call: Callable[[], object]) -> None:
            cost = meter.measure(call)
            found[request] = Units(round(cost.read_units), round(cost.write_units))

        _fill(store, now)

        def ask() -> list[dict[str, object]]:
            given = suggest(store, spaces, mode=MODE, study=STUDY, now=now)
            return [
                {"parameters": {"api": one.setting.api, **dict(one.setting.values)}, "suggestion_id": one.id}
                for one in given
            ]

        def tell(*results: dict[str, object]) -> None:
            update(store, spaces, request={"results": list(results), "study": STUDY}, now=now)

        def start() -> None:
            with closing(open_store(url)) as another:
                another.mode_study(MODE, study=STUDY, now=now)

        def miss() -> None:
            with suppress(StudyMissingError):
                store.summary("study-1x")

        note(START, start)
        note(HISTORY, lambda: history.browse(store, spaces, study=STUDY, limit=LISTED))
        # Once before: the first to look begins the modes in which nothing was rated yet.
        stats.summarize(store, spaces, study=STUDY)
        note(STATS, lambda: stats.summarize(store, spaces, study=STUDY))
        asked = ask()
        note(SUGGEST, ask)
        note(UPDATE, lambda: tell(*({**one, "rating": 4} for one in asked)))
        skipped, given = ask()
        note("skip", lambda: tell({**skipped, "failed": "refused"}))
        note("give back", lambda: suggestions.give_back(store, str(given["suggestion_id"]), now=now))
        corrected = {"rating": 5}
        note("revise", lambda: history.revise(store, spaces, f"{STUDY}-1", request=corrected, time_budget=0.1, now=now))
        for _ in range(9):
            ask()
        note("outstanding", lambda: suggestions.browse(store, spaces, study=STUDY, now=now))
        note("begin", lambda: studies.begin(store, {"name": "study-0"}, now=now))
        for index in range(1, LISTED):
            store.begin(Study(f"study-{index}", now))
        note(LIST, lambda: studies.browse(store, limit=LISTED))
        note("study", lambda: studies.find(store, STUDY))
        note("missing", miss)
        bare = [{"parameters": {"api": one.api, **dict(one.values)}, "rating": 4} for one in _settings(BARE)]
        note(WITHOUT_IDS, lambda: tell(*bare))
    return found


def _fill(store: ObservationStore, now: datetime) -> None:
    """Bring the study to its ratings, two at a time, of which the model has learned already."""
    store.begin(Study(STUDY, now))
    ratings = [
        Observation(MODE, setting, 1 + index % 9 / 2, now + timedelta(seconds=index), f"{index * 7919 % 2**32:024x}")
        for index, setting in enumerate(_settings(RATINGS))
    ]
    for start in range(0, RATINGS, 2):
        store.record(ratings[start : start + 2], study=STUDY, idempotency_key=None)
    as_of = store.mode_study(MODE, study=STUDY, now=None).as_of
    learned = Hyperparameters((("strength", 0.3), ("guidance", 0.3), ("control_weight", 0.3)), 1.0, 0.2, 0.5, RATINGS)
    store.save_hyperparameters(MODE, learned, study=STUDY, as_of=as_of)


def _settings(count: int) -> list[Setting]:
    """Return so many settings of the space that differ."""
    grid = itertools.product(range(10, 41), range(50, 121), (70, 80, 90))
    return [
        Setting(
            "leonardo",
            (("init_strength", strength / 100), ("guidance_scale", guidance / 10), ("controlnet_weight", weight / 100)),
        )
        for strength, guidance, weight in itertools.islice(itertools.cycle(sorted(grid, key=_scattered)), count)
    ]


def _scattered(place: tuple[int, int, int]) -> int:
    strength, guidance, weight = place
    return (strength * 7919 + guidance * 104_729 + weight * 1_299_709) % 9_973
