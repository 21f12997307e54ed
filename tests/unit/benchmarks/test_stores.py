"""The benchmark of the stores counts what is consumed, measures every operation, and leaves full stores alone."""

from pathlib import Path

import botocore.session
import pytest

from benchmarks.stores import Cost, Measurement, measure, metered, render
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
    assert seen[:6] == [
        *((read, size) for size in (5, 30) for read in ("cold read", "warm read")),
        ("update", 1),
        ("update", 120),
    ]
    assert {"answer", "claim", "history", "count"} <= {operation for operation, _ in seen}
    assert seen[-2:] == [("crowded", 0), ("crowded", 300)]
    assert all(one.cost.seconds > 0 for one in found)
    cost = {(one.operation, one.size): one.cost for one in found}
    writing = {operation for (operation, _), one in cost.items() if one.write_units}
    reading = {operation for (operation, _), one in cost.items() if one.read_units}
    if adapter == "sqlite":
        assert not writing | reading
    else:
        assert writing == {"update", "answer", "claim", "crowded"}
        assert {"cold read", "warm read", "history", "count"} <= reading
        # So many keys are looked up in a large crowd, each for a unit; a small one is read as a whole.
        assert cost["crowded", 300].read_units > 1_500 > cost["crowded", 0].read_units
        assert cost["update", 120].write_units > cost["update", 1].write_units


def test_a_store_that_is_not_empty_is_not_measured(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/observations.db"
    measure(url, updates=(1,), reads=(2,), crowds=(), repeats=1)
    with pytest.raises(ValueError, match="is not empty"):
        measure(url, updates=(1,), reads=(2,), crowds=(), repeats=1)


def test_the_page_has_a_column_for_each_store() -> None:
    costs = {"SQLite": Cost(0.0012, 0, 0), "DynamoDB": Cost(0.0123, 2, 1_004)}
    page = render([Measurement(store, "update", 1_000, cost) for store, cost in costs.items()])
    assert "| operation | SQLite, ms | DynamoDB, ms | read units | write units |" in page
    assert "| update of 1,000 | 1.2 | 12.3 | 2.0 | 1,004.0 |" in page
    assert "units" not in render([Measurement("SQLite", "update", 1, costs["SQLite"])]).split("![")[0]
