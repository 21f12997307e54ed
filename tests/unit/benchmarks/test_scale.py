"""docs/scale.md: its units are what the requests take, its sums are computed, and it is what is computed now."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import prices
from benchmarks.scale import load
from benchmarks.scale.__main__ import PAGE, ROOT, deployment, main, render
from benchmarks.scale.requests import START, STUDY, SUGGEST, TITLES, UNITS, UPDATE, measure
from benchmarks.stores.capacity import stored_bytes
from tests.support.observations import DAY, NOW, key, observation, suggestion
from tests.support.stores import items_of, new_store, store_url
from tuning.study import Study
from tuning.validation.space_file import load_spaces

TEMPLATE = (ROOT / "template.yaml").read_text()
DEPLOYED = deployment(TEMPLATE)


def test_each_request_takes_the_units_that_the_page_says(request: pytest.FixtureRequest) -> None:
    found = measure(store_url(request, "dynamodb"), load_spaces())
    assert found.keys() == UNITS.keys() == TITLES.keys()
    assert {name: one.written for name, one in found.items()} == {name: one.written for name, one in UNITS.items()}
    for name, one in found.items():
        # What was compressed takes a byte more or less by the release of zlib.
        assert one.read == pytest.approx(UNITS[name].read, abs=1 if name == START else 0), name


def test_a_rating_and_its_suggestion_take_the_bytes_that_the_page_computes_with(request: pytest.FixtureRequest) -> None:
    url = store_url(request, "dynamodb")
    with closing(new_store(url)) as store:
        store.begin(Study(STUDY, NOW))
        before = sum(map(stored_bytes, items_of(url).values()))
        for first in range(0, 40, 2):
            pair = [suggestion(f"{index:024}", index, study=STUDY, lasting=DAY) for index in (first, first + 1)]
            store.claim(pair, now=NOW)
            told = [observation(index, suggestion_id=f"{index:024}") for index in (first, first + 1)]
            store.record(told, study=STUDY, idempotency_key=key(f"{first:032}", f"{first:064}"))
    each = (sum(map(stored_bytes, items_of(url).values())) - before) / 40
    assert each == pytest.approx(load.STORED, rel=0.1)


def test_the_page_is_what_is_computed(tmp_path: Path) -> None:
    assert main(["--page", str(tmp_path / "scale.md")]) == 0
    written = (tmp_path / "scale.md").read_text()
    assert written == PAGE.read_text() == render(DEPLOYED), "run `make scale`"


def test_the_deployments_limits_are_those_of_the_template() -> None:
    assert (DEPLOYED.per_second, DEPLOYED.per_day) == (20, 20_000)
    assert (DEPLOYED.suggest_at_once, DEPLOYED.update_at_once) == (20, 10)
    changed = TEMPLATE.replace("Default: 20000", "Default: 50000")
    assert deployment(changed) == replace(DEPLOYED, per_day=50_000)


def test_a_limit_is_met_at_the_first_number_of_studies_that_takes_all_of_it() -> None:
    for studies, limit in load.ranked(DEPLOYED):
        assert load.used(limit, studies) >= 1 > load.used(limit, studies - 1), limit.name


def test_whoever_raises_the_first_limit_meets_the_next() -> None:
    first, share = load.first(DEPLOYED, 1_000)
    assert first.name == "a key's quota"
    assert share == pytest.approx(1_000 * sum(load.REQUESTS.values()) / DEPLOYED.per_day)
    raised, share = load.first(replace(DEPLOYED, per_day=1e9), 1_000)
    assert raised.name == "a key's rate"
    assert share < 1


def test_what_is_not_remembered_is_read_anew() -> None:
    held = load.REMEMBERED // (load.RATINGS_PER_DAY * load.DAYS)
    assert load.unknown(held) == 0
    assert load.unknown(2 * held) == pytest.approx(0.5, abs=0.01)
    assert load.read_units(held) == sum(UNITS[one].read * count for one, count in load.REQUESTS.items())
    assert load.read_units(100 * held) > 2 * load.read_units(held)


def test_twice_the_studies_cost_twice_as_much_but_for_what_is_there_anyway() -> None:
    fixed = "metrics, alarms, the dashboard"
    some, more = load.dollars(DEPLOYED, 100), load.dollars(DEPLOYED, 10_000)
    assert some[fixed] == more[fixed] == pytest.approx(18 * 0.30 + 26 * 0.10 + 3)
    for name in some.keys() - {fixed, "DynamoDB, units"}:
        assert more[name] == pytest.approx(100 * some[name])
    # Of many studies a function does not remember all.
    assert more["DynamoDB, units"] > 100 * some["DynamoDB, units"]
    assert some["API Gateway"] == pytest.approx(100 * 30 * sum(load.REQUESTS.values()) * 3.5e-6)


def test_operations_computes_its_month_with_the_same_units_and_prices() -> None:
    text = " ".join((ROOT / "docs/operations.md").read_text().split())
    requests, starts = 15_000, 6_000
    first = starts * load.units_to_read(10_000)
    read = requests * (UNITS[SUGGEST].read + UNITS[UPDATE].read) + first
    written = requests * (UNITS[SUGGEST].written + UNITS[UPDATE].written)
    reading, writing = read * prices.READ_UNIT, written * prices.WRITE_UNIT
    for said in (
        f"suggestions ({requests * UNITS[SUGGEST].read:,} read, {requests * UNITS[SUGGEST].written:,} write units)",
        f"updates ({requests * UNITS[UPDATE].read:,} and {requests * UNITS[UPDATE].written:,})",
        f"first reads ({first:,} read units)",
        f"${reading:.2f} + ${writing:.2f} = ${reading + writing:.2f}",
        f"Storage is {load.STORED / 1_000:.1f} kB per rating",
        f"${prices.STORED_GB_MONTH:.2f} per GB and month",
        f"${prices.WRITE_UNIT * 1e6:.3f} per million write units",
    ):
        assert said in text
