"""Studies, corrections, skips and fixed values as callers meet them, on the running stack."""

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from tests.http.test_bad_input import LEONARDO, assert_is_a_problem
from tests.support.stack import Stack


def begin(stack: Stack, name: str, **more: object) -> dict[str, Any]:
    answer = stack.post("/ml/studies", json={"name": name, **more})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def suggest(stack: Stack, **body: object) -> list[tuple[str, dict[str, Any]]]:
    answer = stack.post("/ml/suggest_parameters", json=body)
    assert answer.status_code == 200, answer.text
    return list(zip(answer.json()["suggestion_ids"], answer.json()["suggestions"], strict=True))


def update(stack: Stack, *results: dict[str, Any], **more: object) -> dict[str, Any]:
    answer = stack.post("/ml/update_model", json={"results": list(results), **more})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def history(stack: Stack, study: str, **more: str) -> list[dict[str, Any]]:
    answer = stack.get("/ml/history", params={"study": study, **more})
    assert answer.status_code == 200, answer.text
    entries: list[dict[str, Any]] = answer.json()["observations"]
    return entries


def test_a_study_begins_is_listed_archived_and_restored(stack: Stack) -> None:
    begun = begin(stack, "life", note="spring\ncampaign", colour="green")
    assert begun["ignored"] == ["/colour"]
    assert (begun["samples_seen"], begun["counts"], begun["best"]) == (0, {"structure": 0, "surfaces": 0}, None)
    assert begin(stack, "life.2", based_on="life")["based_on"] == "life"
    update(stack, {"parameters": LEONARDO, "rating": 4}, study="life", mode="surfaces")
    listed = {one["name"]: one for one in stack.get("/ml/studies").json()["studies"]}
    assert {"default", "life", "life.2"} <= listed.keys()
    assert listed["life"]["counts"] == {"structure": 0, "surfaces": 1}
    assert listed["life"]["best"] == {"mode": "surfaces", "parameters": LEONARDO, "rating": 4.0}
    assert listed["life"] == stack.get("/ml/studies/life").json()

    assert stack.patch("/ml/studies/life", json={"archived": True}).json()["archived_at"] is not None
    refused = stack.post("/ml/update_model", json={"results": [{"parameters": LEONARDO, "rating": 5}], "study": "life"})
    assert_is_a_problem(refused, 409)
    assert_is_a_problem(stack.post("/ml/suggest_parameters", json={"study": "life"}), 409)
    assert_is_a_problem(stack.patch("/ml/history/life-1", json={"rating": 5}), 409)
    assert stack.get("/ml/stats?study=life").json()["samples_seen"] == 1
    assert stack.patch("/ml/studies/life", json={"archived": False}).json()["archived_at"] is None
    assert update(stack, {"parameters": LEONARDO, "rating": 5}, study="life")["samples_seen"] == 2


def worth(parameters: dict[str, Any]) -> float:
    """What people say who like leonardo at a strength of 0.42."""
    strength = parameters.get("init_strength")
    return 2.0 if strength is None else round(5 - 10 * abs(strength - 0.42), 2)


def test_a_study_goes_on_from_another(stack: Stack) -> None:
    begin(stack, "old")
    strengths = np.linspace(0.2, 0.5, 24).round(2).tolist()
    known = [{**LEONARDO, "init_strength": one, "guidance_scale": 5 + place % 5} for place, one in enumerate(strengths)]
    update(stack, *({"parameters": one, "rating": worth(one)} for one in known), study="old", mode="structure")
    assert stack.patch("/ml/studies/old", json={"archived": True}).status_code == 200
    begin(stack, "middle", based_on="old")  # in which nobody rates
    begin(stack, "new", based_on="middle")
    assert stack.get("/ml/stats?study=new&mode=structure").json()["recommended_parameters"] is None
    first = suggest(stack, study="new", mode="structure", num_suggestions=6)
    results = ({"parameters": one, "suggestion_id": identity, "rating": worth(one)} for identity, one in first)
    update(stack, *results, study="new")
    stats = stack.get("/ml/stats?study=new&mode=structure").json()
    assert stats["samples_seen"] == 6
    assert stats["recommended_parameters"]["api"] == "leonardo"
    assert abs(stats["recommended_parameters"]["init_strength"] - 0.42) < 0.1
    # Nobody has rated anything like it here so well.
    assert stats["recommended_mean"] > 3.8
    near = [one.get("init_strength", 0.0) for _, one in suggest(stack, study="new", mode="structure")]
    assert any(abs(strength - 0.42) < 0.12 for strength in near)


def test_studies_are_paged_by_name(stack: Stack) -> None:
    for number in range(5):
        begin(stack, f"page-{number}")
    names, cursor = [], None
    while True:
        page = stack.get("/ml/studies", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        names += [one["name"] for one in page["studies"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert names == sorted(names)
    assert {f"page-{number}" for number in range(5)} <= set(names)
    assert_is_a_problem(stack.get("/ml/studies?cursor=A"), 422)
    assert_is_a_problem(stack.get("/ml/studies?limit=0"), 422)


def test_a_name_that_is_taken_or_reserved_or_none_is_refused(stack: Stack) -> None:
    begin(stack, "taken")
    assert_is_a_problem(stack.post("/ml/studies", json={"name": "taken"}), 409)
    assert_is_a_problem(stack.post("/ml/studies", json={"name": "default"}), 409)
    for name in ("undefined", "null", "all", "A", "a/b", "..", ".", "x" * 65, "", None, 7):
        assert_is_a_problem(stack.post("/ml/studies", json={"name": name}), 422)
    for based_on in ("takem", "b", "B", "", 7, ["taken"]):  # one that is not there, itself, and names that are none
        problem = assert_is_a_problem(stack.post("/ml/studies", json={"name": "b", "based_on": based_on}), 422)
        assert [error["pointer"] for error in problem["errors"]] == ["#/based_on"]
    # A study that is there cannot be begun again, based on one that is based on it.
    begin(stack, "taken.2", based_on="taken")
    assert_is_a_problem(stack.post("/ml/studies", json={"name": "taken", "based_on": "taken.2"}), 409)
    assert_is_a_problem(stack.patch("/ml/studies/taken", json={"archived": False, "based_on": "taken.2"}), 422)
    assert stack.get("/ml/studies/taken").json()["based_on"] is None
    assert_is_a_problem(stack.patch("/ml/studies/default", json={"archived": True}), 422)


def test_a_typo_creates_nothing_and_is_told_the_nearest(stack: Stack) -> None:
    begin(stack, "bathrooms")
    before = stack.get("/ml/studies?limit=200").json()
    for answer in (
        stack.post("/ml/suggest_parameters", json={"study": "bathroms"}),
        stack.post("/ml/update_model", json={"results": [{"parameters": LEONARDO, "rating": 4}], "study": "bathroms"}),
        stack.get("/ml/stats?study=bathroms"),
        stack.get("/ml/history?study=bathroms"),
        stack.get("/ml/suggestions?study=bathroms"),
        stack.get("/ml/studies/bathroms"),
        stack.patch("/ml/studies/bathroms", json={"archived": True}),
    ):
        assert "did you mean bathrooms?" in assert_is_a_problem(answer, 404)["detail"]
    assert stack.get("/ml/studies?limit=200").json() == before


def test_what_published_calls_mean_is_the_default_study(stack: Stack) -> None:
    begin(stack, "apart")
    before = stack.get("/health").json()["optimizer_samples"]
    update(stack, {"parameters": LEONARDO, "rating": 4}, study="apart")
    assert stack.get("/health").json()["optimizer_samples"] == before
    answer = update(stack, {"parameters": LEONARDO, "rating": 4})
    assert (answer["study"], answer["samples_seen"]) == ("default", before + 1)
    assert stack.get("/health").json()["optimizer_samples"] == before + 1
    assert stack.get("/ml/stats").json()["samples_seen"] == before + 1


def test_the_top_level_mode_counts(stack: Stack) -> None:
    begin(stack, "modes")
    update(stack, {"parameters": LEONARDO, "rating": 4}, study="modes", mode="surfaces")
    assert history(stack, "modes")[0]["mode"] == "surfaces"
    for wrong in ({"Mode": "surfaces"}, {"modus": "surfaces"}, {"modes": "surfaces"}):
        answer = stack.post("/ml/update_model", json={"results": [{"parameters": LEONARDO, "rating": 4}], **wrong})
        if "modus" in wrong:
            assert answer.json()["ignored"] == ["/modus"]
        else:
            assert "did you mean mode?" in assert_is_a_problem(answer, 422)["detail"]


def test_a_suggestion_decides_study_and_mode_answered_or_not(stack: Stack) -> None:
    begin(stack, "decided")
    ((identity, parameters),) = suggest(stack, study="decided", mode="surfaces", num_suggestions=1)
    for count in (1, 2):
        told = update(stack, {"suggestion_id": identity, "parameters": parameters, "rating": 4})
        assert (told["study"], told["samples_seen"]) == ("decided", count)
    assert {entry["mode"] for entry in history(stack, "decided")} == {"surfaces"}
    result = {"suggestion_id": identity, "parameters": parameters, "rating": 4}
    for more, words in (
        ({"study": "default"}, "was suggested in study decided"),
        ({"mode": "structure"}, "was made in mode surfaces"),
    ):
        refused = stack.post("/ml/update_model", json={"results": [result], **more})
        assert words in assert_is_a_problem(refused, 422)["detail"]
    other = {**result, "parameters": {**parameters, "guidance_scale": 11.9}}
    refused = stack.post("/ml/update_model", json={"results": [other]})
    assert "was suggested as" in assert_is_a_problem(refused, 422)["detail"]
    begin(stack, "elsewhere")
    ((second, others),) = suggest(stack, study="elsewhere", num_suggestions=1)
    both = [result, {"suggestion_id": second, "parameters": others, "rating": 3}]
    refused = stack.post("/ml/update_model", json={"results": both})
    assert "send them apart" in assert_is_a_problem(refused, 422)["detail"]
    assert len(history(stack, "decided")) == 2


@pytest.mark.parametrize("named", [True, False])
def test_parameters_that_single_precision_rounded_are_those_suggested(stack: Stack, named: bool) -> None:
    study = f"float32-{named}".lower()
    begin(stack, study)
    for identity, parameters in suggest(stack, study=study, mode="surfaces", num_suggestions=4):
        rounded = {n: v if isinstance(v, str) else float(np.float32(v)) for n, v in parameters.items()}
        result = {"parameters": rounded, "rating": 4} | ({"suggestion_id": identity} if named else {})
        update(stack, result, study=study)
        assert history(stack, study)[0]["parameters"] == parameters
        assert history(stack, study)[0]["mode"] == "surfaces"


def test_the_same_rater_corrects_and_others_add(stack: Stack) -> None:
    begin(stack, "raters")
    ((identity, parameters),) = suggest(stack, study="raters", num_suggestions=1)
    result = {"suggestion_id": identity, "parameters": parameters}
    first = update(stack, {**result, "rating": 1, "rater": "ana", "picture": "p1", "comment": "dark"})
    again = update(stack, {**result, "rating": 5, "rater": "ana"})
    assert (first["replaced"], again["replaced"]) == ([], first["observation_ids"])
    assert again["observation_ids"] == first["observation_ids"]
    assert again["samples_seen"] == 1
    assert update(stack, {**result, "rating": 2, "rater": "bo"})["samples_seen"] == 2
    assert update(stack, {**result, "rating": 3})["samples_seen"] == 3
    assert update(stack, {**result, "rating": 3})["samples_seen"] == 4
    assert update(stack, {**result, "rating": 3, "rater": "ana", "picture": "p2"})["samples_seen"] == 5
    (corrected,) = history(stack, "raters", rater="ana", picture="p1", include="withdrawn")
    assert (corrected["rating"], corrected["comment"], corrected["revision"]) == (5.0, "dark", 2)
    assert corrected["reviser"] == "ana"
    assert [one["rating"] for one in corrected["earlier"]] == [1.0]
    assert stack.get("/ml/stats?study=raters").json()["best_rating"] == 5.0


def test_a_rating_can_be_corrected_withdrawn_and_restored(stack: Stack) -> None:
    begin(stack, "corrected")
    told = update(stack, *[{"parameters": LEONARDO, "rating": rating} for rating in (2, 3, 5)], study="corrected")
    identity = told["observation_ids"][2]
    corrected = stack.patch(f"/ml/history/{identity}", json={"rating": "1", "comment": "slipped", "reviser": "ana"})
    assert corrected.json()["observation"]["rating"] == 1.0
    assert stack.get("/ml/stats?study=corrected").json()["best_rating"] == 3.0
    withdrawn = stack.delete(f"/ml/history/{identity}", params={"reviser": "bo"})
    assert (withdrawn.json()["samples_seen"], withdrawn.json()["observation"]["withdrawn"]) == (2, True)
    assert stack.delete(f"/ml/history/{identity}").json()["observation"]["revision"] == 3
    assert identity not in [one["id"] for one in history(stack, "corrected")]
    (shown,) = [one for one in history(stack, "corrected", include="withdrawn") if one["id"] == identity]
    assert [(one["revision"], one["rating"], one["reviser"]) for one in shown["earlier"]] == [
        (1, 5.0, None),
        (2, 1.0, "ana"),
    ]
    assert (shown["withdrawn"], shown["reviser"]) == (True, "bo")
    assert_is_a_problem(stack.patch(f"/ml/history/{identity}", json={"rating": 4}), 409)
    restored = stack.patch(f"/ml/history/{identity}", json={"rating": 4, "withdrawn": False})
    assert (restored.json()["samples_seen"], restored.json()["observation"]["rating"]) == (3, 4.0)


def test_corrections_can_be_made_safe(stack: Stack) -> None:
    begin(stack, "safe")
    (identity,) = update(stack, {"parameters": LEONARDO, "rating": 2}, study="safe")["observation_ids"]
    path = f"/ml/history/{identity}"
    assert stack.patch(path, json={"rating": 3}, headers={"If-Match": '"1"'}).status_code == 200
    stale = assert_is_a_problem(stack.patch(path, json={"rating": 4}, headers={"If-Match": "1"}), 412)
    assert "revision 2" in stale["detail"]
    assert_is_a_problem(stack.delete(path, headers={"If-Match": "1"}), 412)
    assert_is_a_problem(stack.patch(path, json={"rating": 4}, headers={"If-Match": "abc"}), 422)
    key = {"Idempotency-Key": "safe-1"}
    first = stack.patch(path, json={"rating": 4}, headers=key).json()
    stack.patch(path, json={"rating": 5})
    assert stack.patch(path, json={"rating": 4}, headers=key).json() == first
    assert_is_a_problem(stack.patch(path, json={"rating": 1}, headers=key), 422)
    assert history(stack, "safe")[0]["rating"] == 5.0


@pytest.mark.parametrize(
    "identity", ["default-99999", "nothing-1", "default", "default-0", "default--1", "-1", "a%2Fb-1"]
)
def test_what_does_not_exist_cannot_be_corrected(stack: Stack, identity: str) -> None:
    assert_is_a_problem(stack.patch(f"/ml/history/{identity}", json={"rating": 4}), 404)
    assert_is_a_problem(stack.delete(f"/ml/history/{identity}"), 404)


@pytest.mark.parametrize(
    "body", [{}, {"rating": 0}, {"rating": 6}, {"rating": "five"}, {"Rating": 3}, {"mode": "x"}, []]
)
def test_a_correction_that_makes_no_sense_is_refused(stack: Stack, body: object) -> None:
    assert_is_a_problem(stack.patch("/ml/history/default-1", json=body), 422)


def test_one_of_a_thousand_the_only_one_and_the_best_can_be_withdrawn(stack: Stack) -> None:
    begin(stack, "thousand")
    ids = update(
        stack, *[{"parameters": LEONARDO, "rating": 3}] * 999, {"parameters": LEONARDO, "rating": 5}, study="thousand"
    )
    best = ids["observation_ids"][999]
    assert stack.delete(f"/ml/history/{best}").json()["samples_seen"] == 999
    assert stack.get("/ml/stats?study=thousand").json()["best_rating"] == 3.0
    begin(stack, "only")
    (only,) = update(stack, {"parameters": LEONARDO, "rating": 3}, study="only")["observation_ids"]
    assert stack.delete(f"/ml/history/{only}").json()["samples_seen"] == 0
    stats = stack.get("/ml/stats?study=only").json()
    assert (stats["samples_seen"], stats["best_rating"], stats["best_parameters"]) == (0, None, None)
    assert stack.get("/ml/studies/only").json()["best"] is None


def test_a_suggestion_is_given_back_or_fails(stack: Stack) -> None:
    begin(stack, "skips")
    (first, second) = suggest(stack, study="skips", num_suggestions=2)
    shown = stack.get("/ml/suggestions?study=skips&mode=structure").json()["suggestions"]
    assert [(one["suggestion_id"], one["parameters"]) for one in shown] == [first, second]
    assert stack.delete(f"/ml/suggestions/{first[0]}").json() == {"suggestion_id": first[0], "freed": True}
    assert stack.delete(f"/ml/suggestions/{first[0]}").json()["freed"] is False
    failed = update(stack, {"suggestion_id": second[0], "parameters": second[1], "failed": "the enhancer refused"})
    assert failed["samples_seen"] == 0
    assert stack.get("/ml/suggestions?study=skips").json()["suggestions"] == []
    (entry,) = history(stack, "skips")
    assert (entry["rating"], entry["failed"]) == (None, "the enhancer refused")
    again = suggest(stack, study="skips", num_suggestions=10)
    assert second[1] not in [parameters for _, parameters in again]
    assert_is_a_problem(stack.delete("/ml/suggestions/nobodys"), 404)
    assert_is_a_problem(stack.patch(f"/ml/history/{entry['id']}", json={"rating": 3}), 409)


def test_every_suggestion_has_what_is_fixed(stack: Stack) -> None:
    begin(stack, "fixed")
    for fixed in ({"api": "leonardo"}, {"guidance_scale": 7.0}, {"api": "stablediffusion", "strength": "0.25"}):
        for _, parameters in suggest(stack, study="fixed", num_suggestions=5, fixed=fixed):
            for name, value in fixed.items():
                assert str(parameters[name]) == str(value)
    update(stack, *[{"parameters": LEONARDO, "rating": rating} for rating in (1, 2, 3, 4, 5, 4)] * 2, study="fixed")
    asked = suggest(stack, study="fixed", num_suggestions=10, fixed={"api": "stablediffusion"})
    assert {parameters["api"] for _, parameters in asked} == {"stablediffusion"}
    everything = suggest(stack, study="fixed", num_suggestions=1, fixed=LEONARDO)
    assert [parameters for _, parameters in everything] == [LEONARDO]
    assert_is_a_problem(stack.post("/ml/suggest_parameters", json={"study": "fixed", "fixed": LEONARDO}), 409)


@pytest.mark.parametrize(
    "fixed",
    [
        {},
        [],
        "leonardo",
        {"api": "dalle"},
        {"colour": 1},
        {"guidance_scale": 4.9},
        {"guidance_scale": 7.04},
        {"guidance_scale": "seven"},
        {"api": "leonardo", "strength": 0.3},
        {"init_strength": 0.2, "strength": 0.3},
    ],
)
def test_what_cannot_be_fixed_is_refused(stack: Stack, fixed: object) -> None:
    body = assert_is_a_problem(stack.post("/ml/suggest_parameters", json={"fixed": fixed}), 422)
    assert body["errors"][0]["pointer"].startswith("#/fixed")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"Mode": "surfaces"}, "did you mean mode?"),
        ({"num_sugestions": 3}, "did you mean num_suggestions?"),
        ({"api": "leonardo"}, "did you mean"),
        ({"guidance_scale": 7}, "did you mean"),
    ],
)
def test_a_request_that_is_nearly_right_is_refused(stack: Stack, body: dict[str, Any], words: str) -> None:
    assert words in assert_is_a_problem(stack.post("/ml/suggest_parameters", json=body), 422)["detail"]


def test_the_history_comes_as_a_table(stack: Stack) -> None:
    begin(stack, "table")
    comments = ["=1+1", 'ñ, "quoted"\nand broken', "'quoted", "-0.5 worse"]
    update(
        stack,
        *[{"parameters": LEONARDO, "rating": 4, "comment": comment, "rater": "ana"} for comment in comments],
        study="table",
    )
    for answer in (
        stack.get("/ml/history?study=table", headers={"Accept": "text/csv"}),
        stack.get("/ml/history?study=table&format=csv"),
    ):
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8"), newline="")))
        assert [row["id"] for row in rows] == [f"table-{number}" for number in (4, 3, 2, 1)]
        assert [row["comment"] for row in reversed(rows)] == ["'=1+1", comments[1], "''quoted", "'-0.5 worse"]
        assert rows[0]["init_strength"] == "0.28"
    both = {"Accept": "application/json, text/csv"}
    assert stack.get("/ml/history?study=table", headers=both).json()["next_cursor"] is None
    page = stack.get("/ml/history?study=table&format=csv&limit=3")
    following = page.links["next"]["url"]
    (last,) = csv.DictReader(io.StringIO(stack.get(f"/ml/history{following}").text))
    assert last["id"] == "table-1"
    assert_is_a_problem(stack.get("/ml/history?format=xml"), 422)


LONG = "\N{GRINNING FACE}" * 500


def test_a_table_that_a_lambda_could_not_answer_is_shorter(stack: Stack) -> None:
    begin(stack, "long")
    for _ in range(2):
        update(stack, *[{"parameters": LEONARDO, "failed": LONG, "comment": LONG}] * 300, study="long")
    found, following = 0, "?study=long&format=csv"
    while following:
        answer = stack.get(f"/ml/history{following}")
        assert answer.status_code == 200, answer.text
        found += len(list(csv.DictReader(io.StringIO(answer.text))))
        following = answer.links["next"]["url"] if answer.links else ""
    assert found == 600


def test_a_page_of_many_corrections_is_shorter_and_shows_the_last_of_them(stack: Stack) -> None:
    begin(stack, "corrections")
    ((identity, parameters),) = suggest(stack, study="corrections", num_suggestions=1)
    result = {"suggestion_id": identity, "parameters": parameters, "comment": LONG}
    for _ in range(3):
        told = [{**result, "rating": 1 + n % 5, "rater": f"{n % 12}"} for n in range(444)]
        update(stack, *told, study="corrections")
    first = stack.get("/ml/history?study=corrections&include=withdrawn&limit=12")
    assert first.status_code == 200, first.text
    page = first.json()
    assert 1 <= len(page["observations"]) < 12
    assert page["next_cursor"]
    for entry in page["observations"]:
        assert (entry["revision"], len(entry["earlier"]), entry["earlier"][-1]["revision"]) == (111, 100, 110)


def test_history_is_filtered_by_rater_and_picture(stack: Stack) -> None:
    begin(stack, "filters")
    results = [
        {"parameters": LEONARDO, "rating": 4, "rater": rater, "picture": picture}
        for rater in ("ana", "bo")
        for picture in ("p1", "p2")
    ]
    update(stack, *results, {"parameters": LEONARDO, "rating": 1}, study="filters")
    assert len(history(stack, "filters", rater="ana")) == 2
    assert len(history(stack, "filters", picture="p2")) == 2
    assert len(history(stack, "filters", rater="bo", picture="p1")) == 1
    assert history(stack, "filters", rater="nobody") == []
    assert_is_a_problem(stack.get("/ml/history", params={"rater": "x" * 65}), 422)
    assert_is_a_problem(stack.get("/ml/history", params={"ratter": "ana"}), 422)


def test_a_study_that_is_archived_while_ratings_are_on_their_way_counts_those_it_took(stack: Stack) -> None:
    begin(stack, "race")
    result = {"results": [{"parameters": LEONARDO, "rating": 4}], "study": "race"}

    def rate(_: int) -> int:
        return stack.post("/ml/update_model", json=result).status_code

    with ThreadPoolExecutor(8) as pool:
        rated = [pool.submit(rate, number) for number in range(24)]
        stack.patch("/ml/studies/race", json={"archived": True})
        statuses = [one.result() for one in rated]
    assert set(statuses) <= {200, 409}
    assert stack.get("/ml/studies/race").json()["samples_seen"] == statuses.count(200) == len(history(stack, "race"))
