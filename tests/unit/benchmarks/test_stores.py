"""The benchmark of the stores counts what is consumed, measures every operation, and leaves full stores alone."""

from pathlib import Path

import botocore.session
import pytest

from benchmarks.stores.capacity import Cost, metered
from benchmarks.stores.operations import Measurement, measure
from benchmarks.stores.page import render
from benchmarks.stores.race import Pace, Race, race
from tests.support.dynamodb import make_table
from tests.support.stores import ADAPTERS, store_url


def test_the_meter_counts_units_as_they_are_billed(dynamodb_endpoint: str) -> None:
    table = make_table(dynamodb_endpoint, "ObservationsTable")
    with metered() as meter:
        client = botocore.session.get_session().create_client("dynamodb", endpoint_url=dynamodb_endpoint)
    items = [{"pk": {"S": "a"}, "sk": {"S": f"{n}"}, "content": {"B": b"x" * 3_500}} for n in range(10)]
    client.put_item(TableName=table, Item=items[0])
    assert (meter.read_units, meter.write_units) == (0, 4)
    client.transact_write_items(TransactItems=[{"Put": {"TableName": table, "Item": item}} for item in items])
    assert (meter.read_units, meter.write_units) == (0, 4 + 10 * 2 * 4)
    client.query(
        TableName=table,
        KeyConditionExpression="pk = :a",
        ExpressionAttributeValues={":a": {"S": "a"}},
        ConsistentRead=True,
    )
    assert meter.read_units == 9
    client.close()
    assert botocore.session.get_session.__module__ == "botocore.session"


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_every_operation_is_measured_at_every_size(request: pytest.FixtureRequest, adapter: str) -> None:
    found = measure(store_url(request, adapter), updates=(1, 120), reads=(5, 30), crowds=(0, 300), repeats=3)
    seen = [(one.operation, one.size) for one in found]
    assert seen[:8] == [
        *((read, size) for size in (5, 30) for read in ("cold read", "warm read", "revise")),
        ("update", 1),
        ("update", 120),
    ]
    others = {"answer", "replace", "claim", "give back", "history", "count", "begin", "studies"}
    assert others <= {operation for operation, _ in seen}
    assert seen[-2:] == [("crowded", 0), ("crowded", 300)]
    assert all(one.cost.seconds > 0 for one in found)
    cost = {(one.operation, one.size): one.cost for one in found}
    writing = {operation for (operation, _), one in cost.items() if one.write_units}
    reading = {operation for (operation, _), one in cost.items() if one.read_units}
    if adapter == "sqlite":
        assert not writing | reading
    else:
        assert writing == {"update", "revise", "answer", "replace", "claim", "give back", "begin", "crowded"}
        assert {"cold read", "warm read", "history", "count", "studies"} <= reading
        # A unit for each key that is looked up, and nothing for those that are not.
        assert cost["crowded", 300].read_units == pytest.approx(cost["crowded", 0].read_units, abs=10)
        assert cost["update", 120].write_units > cost["update", 1].write_units
        # Each item of up to a kB is two units in a transaction: a receipt, the head and a record; what they free.
        units = {operation: cost[operation, 1].write_units for operation in ("update", "answer", "replace", "begin")}
        assert units == {"update": 6, "answer": 8, "replace": 8, "begin": 4}
        assert cost["claim", 2].write_units == 2 * 6
        assert cost["give back", 1].write_units == 2
        assert cost["revise", 30].write_units == 6


def test_a_store_that_is_not_empty_is_not_measured(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/observations.db"
    measure(url, updates=(1,), reads=(2,), crowds=(), repeats=1)
    with pytest.raises(ValueError, match="is not empty"):
        measure(url, updates=(1,), reads=(2,), crowds=(), repeats=1)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_writers_race_in_one_study_and_in_one_each_and_nothing_is_lost(
    request: pytest.FixtureRequest, adapter: str
) -> None:
    found = race(store_url(request, adapter), writers=2, rounds=1, seconds=0.5)  # raises if a rating is missing
    assert min(found.together.updates, found.apart.updates) > 0
    assert found.gain == found.apart.updates / found.together.updates
    if adapter == "dynamodb":
        # Whoever writes alone never loses.
        assert (found.apart.transactions, found.apart.write_units) == (1, 8)
        assert found.together.write_units == pytest.approx(8 * found.together.transactions)
        assert found.together.transactions >= 1


def test_the_page_has_both_sides_of_a_race() -> None:
    found = Race("DynamoDB", Pace(10.0, 4.5, 27.0, 0.25), Pace(80.0, 1.0, 6.0, 0.0))
    page = render([Measurement("DynamoDB", "update", 1, Cost(0.1, 1, 6))], [found])
    assert "| DynamoDB | one study | 10.0 | 4.50 | 27.0 | 0.25 |" in page
    assert "| DynamoDB | a study each | 80.0 | 1.00 | 6.0 | 0.00 |" in page
    assert "| DynamoDB | **a study each : one study** | **8.0** | | | |" in page


def test_the_page_has_a_column_for_each_store() -> None:
    costs = {"SQLite": Cost(0.0012, 0, 0), "DynamoDB": Cost(0.0123, 2, 1_004)}
    page = render([Measurement(store, "update", 1_000, cost) for store, cost in costs.items()])
    assert "| operation | SQLite, ms | DynamoDB, ms | read units | write units |" in page
    assert "| update of 1,000 | 1.2 | 12.3 | 2.0 | 1,004.0 |" in page
    assert "units" not in render([Measurement("SQLite", "update", 1, costs["SQLite"])]).split("![")[0]
