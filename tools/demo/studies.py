"""The demo's studies, made by the API as any application would: suggestions, ratings, a correction, a withdrawal."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tools.demo.folder import DemoFolder
from tools.demo.people import PEOPLE, STRUCTURE, SURFACES, Taste, Turn
from tools.service import Service, expect

STUDY = "default"
LATER_STUDY = "kitchens-2026"

# Of two people, two settings each, as one update: to learn takes the longest, and an update learns once.
_TOGETHER = 4
FEWEST = 2 * len(PEOPLE)
"""Ratings of the mode `structure`: fewer leave a person out."""
_FAILED = "the enhancer refused it: no answer within 60 s"
_WHOLE_PAGE = 200


@dataclass(frozen=True, slots=True)
class Plan:
    """How many ratings there are to be: of `STUDY` in each mode, and of the study that is based on it."""

    structure: int = 31
    surfaces: int = 10
    later: int = 8


def fill(service: Service, folder: DemoFolder, plan: Plan, say: Callable[[str], None]) -> None:
    """Do what is missing; say what is being done.

    Raises:
        ServiceError: the API does not answer as it should.
    """
    for name, step in _steps(service, plan, say):
        if name not in folder.done:
            step()
            folder.mark(name)


def _steps(service: Service, plan: Plan, say: Callable[[str], None]) -> Iterator[tuple[str, Callable[[], object]]]:
    later = STRUCTURE.moved(0.06, raised=-0.1)
    yield "structure", lambda: _rate(service, STUDY, STRUCTURE, plan.structure, say)
    yield "surfaces", lambda: _rate(service, STUDY, SURFACES, plan.surfaces, say)
    yield "failure", lambda: _fail(service, say)
    yield "second thoughts", lambda: _think_again(service, say)
    yield "later study", lambda: _begin(service, say)
    yield "later ratings", lambda: _rate(service, LATER_STUDY, later, plan.later, say)


def _rate(service: Service, study: str, taste: Taste, ratings: int, say: Callable[[str], None]) -> None:
    """Have a mode of a study rated until the four people have given it `ratings`."""
    there = sum(len(_rated(service, study, taste.mode, person.name)) for person in PEOPLE)
    while there < ratings:
        count = min(_TOGETHER, ratings - there)
        suggested = _suggest(service, study, taste.mode, count)
        results = []
        for nth, (identity, parameters) in enumerate(suggested, there):
            turn = Turn(study, taste.mode, nth)
            rating = turn.rate(taste, parameters)
            result = {"suggestion_id": identity, "parameters": parameters, "rating": rating}
            result |= {"rater": turn.person.name, "picture": turn.picture}
            if comment := turn.comment(rating):
                result["comment"] = comment
            results.append(result)
        expect(service.post("/ml/update_model", {"results": results}), 200)
        there += count
        say(f"{study}, {taste.mode}: {there} of {ratings} ratings")


def _fail(service: Service, say: Callable[[str], None]) -> None:
    ((identity, parameters),) = _suggest(service, STUDY, STRUCTURE.mode, 1)
    result = {"suggestion_id": identity, "parameters": parameters, "failed": _FAILED, "rater": PEOPLE[0].name}
    expect(service.post("/ml/update_model", {"results": [result]}), 200)
    say(f"{STUDY}: a setting that could not be rated")


def _think_again(service: Service, say: Callable[[str], None]) -> None:
    """Have bo raise his first rating, and dmitri withdraw his."""
    raised, withdrawn = (_rated(service, STUDY, STRUCTURE.mode, PEOPLE[at].name)[-1] for at in (1, 3))
    change = {"rating": min(5.0, raised["rating"] + 0.5), "comment": "on a better screen", "reviser": PEOPLE[1].name}
    # Where an earlier start got as far as here, it is corrected already.
    if raised["revision"] == 1:
        expect(service.patch(f"/ml/history/{quote(raised['id'])}", change), 200)
    if not withdrawn["withdrawn"]:
        expect(service.delete(f"/ml/history/{quote(withdrawn['id'])}?reviser={PEOPLE[3].name}"), 200)
    say(f"{STUDY}: one rating corrected, one withdrawn")


def _begin(service: Service, say: Callable[[str], None]) -> None:
    begun = service.post(
        "/ml/studies",
        {"name": LATER_STUDY, "based_on": STUDY, "note": "the next campaign, which goes on from the first"},
    )
    if begun.status != 409:  # noqa: PLR2004 - it is there
        expect(begun, 201)
    say(f"{LATER_STUDY}: begun, based on {STUDY}")


def _suggest(service: Service, study: str, mode: str, count: int) -> list[tuple[str, dict[str, object]]]:
    asked = {"study": study, "mode": mode, "num_suggestions": count}
    found = expect(service.post("/ml/suggest_parameters", asked), 200).json()
    return list(zip(found["suggestion_ids"], found["suggestions"], strict=True))


def _rated(service: Service, study: str, mode: str, rater: str) -> list[dict[str, Any]]:
    """Return the ratings that a person has given to a mode of a study, withdrawn ones too, the newest first."""
    query = f"study={study}&mode={mode}&rater={rater}&include=withdrawn&limit={_WHOLE_PAGE}"
    found: list[dict[str, Any]] = expect(service.get(f"/ml/history?{query}"), 200).json()["observations"]
    return [one for one in found if one["rating"] is not None]
