"""What a stranger without a key can cost per day, added up from the template's rates and the answers' sizes.

The prices and assumptions are those that docs/operations.md states in "What a stranger can cost"; its table is held to
these sums.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from benchmarks.prices import CALL, GB_SECOND, LOG_BYTE, READ_UNIT, REQUEST, SENT_BYTE, TRACE, WHERE_AND_WHEN
from functions.suggest import pages, studio
from local.template import Route, parse, read
from tests.http.test_events import replay
from tests.support.events import EVENTS
from tests.support.stack import ROOT

DAY = 86_400
MOST = 1.00  # dollars

# Assumptions, as the page has them.
SECONDS = 0.1
LOG_BYTES = 2_000
HEADER_BYTES = 1_000
START_SECONDS = 3.0
STARTS_A_DAY = 96  # a function's idle copies are gone after a quarter of an hour
REFUSAL_LOG_BYTES = 600

DOCUMENT = parse((ROOT / "template.yaml").read_text())
API: dict[str, Any] = DOCUMENT["Resources"]["Api"]["Properties"]
SUGGEST: dict[str, Any] = DOCUMENT["Resources"]["SuggestFunction"]["Properties"]
GIGABYTES = SUGGEST["MemorySize"] / 1024


@dataclass(frozen=True, slots=True)
class Row:
    """A kind of request: how it is throttled, how many there are per day, and dollars per day."""

    rate: str
    requests: float
    dollars: float


def _said(per_second: float, burst: int) -> str:
    return f"{per_second:g} per second, {burst} at once"


def _keyless(template_routes: tuple[Route, ...]) -> list[Route]:
    return [route for route in template_routes if not route.needs_key]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Row]:
    template = read(ROOT / "template.yaml")
    events = ("suggest-root", "suggest-health", "suggest-studio", "suggest-docs", "suggest-redoc", "suggest-openapi")
    folder = tmp_path_factory.mktemp("data")
    answers = replay("suggest", folder, *(EVENTS / f"{name}.json" for name in events))
    sizes = {json.loads(path.read_text())["path"]: len(one["body"].encode()) for path, one in answers.items()}
    # Whoever says that nothing compressed is taken gets it as it is.
    sizes["/studio/{asset}"] = studio.LARGEST_ASSET
    sizes["/docs/{asset}"] = max(len(pages._asset(name).content) for name in pages._ASSETS)

    found = {}
    for route in _keyless(template.routes):
        assert route.rate is not None
        assert route.function == "SuggestFunction"
        count = route.rate.per_second * DAY + route.rate.burst
        each = REQUEST + CALL + SECONDS * GIGABYTES * GB_SECOND + LOG_BYTES * LOG_BYTE + TRACE
        # To HEAD the function answers without the body.
        size = sizes[route.path] if route.method == "GET" else 0
        each += (size + HEADER_BYTES) * SENT_BYTE + READ_UNIT * (route.path == "/health")
        found[f"`{route.method} {route.path}`"] = Row(
            _said(route.rate.per_second, route.rate.burst), count, count * each
        )
    (preflights,) = (one for one in API["MethodSettings"] if one["ResourcePath"] == "/*")
    rate, burst = preflights["ThrottlingRateLimit"], preflights["ThrottlingBurstLimit"]
    paths = len({route.path for route in template.routes})
    count = paths * (rate * DAY + burst)
    each = REQUEST + LOG_BYTES * LOG_BYTE + TRACE + HEADER_BYTES * SENT_BYTE
    found[f"preflights of {paths} paths"] = Row(_said(rate, burst), count, count * each)
    at_once = sum(route.rate.burst for route in _keyless(template.routes) if route.rate)
    starts = STARTS_A_DAY * min(at_once, SUGGEST["ReservedConcurrentExecutions"]["Fn::If"][1])
    found["starts of the function"] = Row(
        f"{starts // STARTS_A_DAY} at once", starts, starts * START_SECONDS * GIGABYTES * GB_SECOND
    )
    return found


def test_a_stranger_costs_at_most_a_dollar_a_day(rows: dict[str, Row]) -> None:
    assert sum(row.dollars for row in rows.values()) <= MOST


def _section() -> str:
    page = (ROOT / "docs/operations.md").read_text()
    return page.partition("## What a stranger can cost\n")[2].partition("\n## ")[0]


def _documented() -> Iterator[tuple[str, Row]]:
    pattern = r"^\| (.+?) \| (.+?) \| ([\d,]+) \| \$([\d.]+) \|$"
    for what, rate, requests, dollars in re.findall(pattern, _section(), re.MULTILINE):
        yield what, Row(rate, float(requests.replace(",", "")), float(dollars))


def test_the_page_has_these_sums(rows: dict[str, Row]) -> None:
    shown = {what: Row(row.rate, round(row.requests), round(row.dollars, 2)) for what, row in rows.items()}

    assert dict(_documented()) == shown
    (total,) = re.findall(r"^\| \*\*in all\*\* \| \| \| \*\*\$([\d.]+)\*\* \|$", _section(), re.MULTILINE)
    assert float(total) == pytest.approx(sum(row.dollars for row in rows.values()), abs=0.005)


def test_the_page_states_the_prices_and_assumptions(rows: dict[str, Row]) -> None:
    text = " ".join(_section().split())

    assert WHERE_AND_WHEN in text
    for said in (
        f"${REQUEST * 1e6:.2f} per million requests",
        f"${CALL * 1e6:.2f} per million calls",
        f"${GB_SECOND * 1e6:.2f} per million GB-s",
        f"${READ_UNIT * 1e6:.3f} per million read units",
        f"${TRACE * 1e6:.2f} per million traces",
        f"${LOG_BYTE * 1e9:.2f} per GB of logs",
        f"${SENT_BYTE * 1e9:.2f} per GB sent",
        f"{SECONDS:g} s of Lambda",
        f"{LOG_BYTES // 1000} kB of logs",
        f"{HEADER_BYTES // 1000} kB of headers",
        f"starts of {START_SECONDS:g} s",
        f"{STARTS_A_DAY} times per day",
    ):
        assert said in text


def test_the_alarm_on_refusals_goes_off_before_they_cost_a_dollar_a_day() -> None:
    alarm = DOCUMENT["Resources"]["Refusals"]["Properties"]
    refused = alarm["Threshold"] / alarm["Period"] * DAY
    dollars = refused * (REFUSAL_LOG_BYTES * LOG_BYTE + HEADER_BYTES * SENT_BYTE)

    assert dollars <= MOST
    # A line has the format, and in place of its variables what they stand for.
    assert len(API["AccessLogSetting"]["Format"]) < REFUSAL_LOG_BYTES
    text = " ".join(_section().split())
    assert f"{alarm['Threshold'] / alarm['Period']:g} refusals per second" in text
    assert f"${dollars:.2f} per day" in text
