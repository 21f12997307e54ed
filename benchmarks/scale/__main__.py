"""Write docs/scale.md: what studies take of each limit, which is met first, and what they cost.

`make scale` computes it from the units in `benchmarks.scale.requests`, the arithmetic in `benchmarks.scale.load`, the
prices in `benchmarks.prices` and template.yaml. It measures nothing and asks nobody.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import prices
from benchmarks.scale import load
from benchmarks.scale.load import Deployment
from benchmarks.scale.requests import BARE, HISTORY, LIST, STATS, SUGGEST, TITLES, UNITS, UPDATE, WITHOUT_IDS
from local.template import parse
from tuning.stores.port import MAX_BATCH

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "scale.md"

_PAGE = """\
# Scale

What a study, a table and an account can take, which limit is met first, and what it costs. `make scale` computes this
page from the units of each request, which a test measures on DynamoDB Local, from template.yaml, and from AWS's
documented limits and list prices ({prices}). AWS itself has not been tried, and its latency is not known here: where
seconds count, they are assumptions, and named.

## What a request takes

Capacity units by a warm function that knows the study. A read unit is 4 kB read consistently; a write unit is 1 kB, and
what is written in a transaction, as nearly everything is, takes two.

{requests}

An update looks every setting up that comes without a known `suggestion_id`: a unit for each, in its `mode`, or without
one in every mode that has its API.

## What one study takes

{one}

A study's updates are made one after the other. Writers at once lose races and try again: the more there are, the more
each update costs, and past 10 s it is a 503 with `Retry-After`
([the race](benchmarks/stores.md#16-writers-at-once)). People who rate are far from that; a program that sends ratings
should send many in an update. Studies do not wait for each other.

## How many studies

A study in use is one in which people rate: {ratings_per_day} ratings per day, asked for and given two at a time, so
{asks} requests for suggestions and {updates} updates, with {stats} of stats and {pages} page each of its history and of
the list of studies; in {hours} hours, at the peak {peak} times the mean; {days} days' ratings are in it. Studies that
nobody uses cost their storage, and take nothing of any limit.

{limits}

A suggestion is taken to keep a function for {suggest_seconds:g} s and an update for {update_seconds:g} s, the other
requests as long as a suggestion. A copy of a function remembers {remembered:,} records: with more than {known:,.0f}
studies in use it reads some of them anew for each request, which is in the sums.

{summary}

Whoever raises one limit meets the next of the table. The list of studies is read by the page, and a 404 compares no
more than the 250 names before and the 250 after the one that is missing: neither grows with their number. Tests use a
store of 10,000 studies.

## What it costs

Dollars per month of {days} days, at list prices ({prices}, without free tiers), once the limits that are in the way
have been raised. Captions come on top ([what a stack costs](operations.md#what-a-stack-costs)).

{costs}
"""


def deployment(text: str) -> Deployment:
    """Return what that template says, with its parameters at their defaults."""
    document = parse(text)
    parameters = {name: one.get("Default") for name, one in document["Parameters"].items()}
    functions = {name: document["Resources"][name]["Properties"] for name in ("SuggestFunction", "UpdateFunction")}
    reserves = {name: one["ReservedConcurrentExecutions"]["Fn::If"][1] for name, one in functions.items()}
    return Deployment(
        per_second=parameters["RequestsPerSecond"],
        per_day=parameters["DailyQuota"],
        suggest_at_once=reserves["SuggestFunction"],
        update_at_once=reserves["UpdateFunction"],
        gigabytes=functions["UpdateFunction"]["MemorySize"] / 1024,
    )


def render(deployed: Deployment) -> str:
    """Return the page."""
    return _PAGE.format(
        prices=prices.WHERE_AND_WHEN,
        requests="\n".join(_requests()),
        one="\n".join(_one_study(deployed)),
        ratings_per_day=load.RATINGS_PER_DAY,
        asks=load.REQUESTS[SUGGEST],
        updates=load.REQUESTS[UPDATE],
        stats=load.REQUESTS[STATS],
        pages=_same(load.REQUESTS[HISTORY], load.REQUESTS[LIST]),
        hours=load.HOURS,
        peak=load.PEAK,
        days=load.DAYS,
        limits="\n".join(_limits(deployed)),
        suggest_seconds=load.SECONDS[SUGGEST],
        update_seconds=load.SECONDS[UPDATE],
        remembered=load.REMEMBERED,
        known=load.REMEMBERED / (load.RATINGS_PER_DAY * load.DAYS),
        summary="\n".join(_summary(deployed)),
        costs="\n".join(_costs(deployed)),
    )


def _same(one: int, other: int) -> int:
    if one != other:
        raise ValueError("the page says both in one number")
    return one


def _requests() -> Iterator[str]:
    yield "| Request | Read units | Write units |"
    yield "| --- | ---: | ---: |"
    for request, title in TITLES.items():
        yield f"| {title} | {UNITS[request].read:,} | {UNITS[request].written:,} |"


def _one_study(deployed: Deployment) -> Iterator[str]:
    seconds, bare = load.SECONDS[UPDATE], UNITS[WITHOUT_IDS].read
    reserve = deployed.update_at_once / seconds
    head = load.PARTITION_WRITES / 2
    sizes = (1_000, 10_000, 100_000)
    starts = " / ".join(f"{load.starts_per_second(size):.0f}" for size in sizes)
    units = " / ".join(f"{load.units_to_read(size):,}" for size in sizes)
    yield "| What | Limit | Why |"
    yield "| --- | ---: | --- |"
    for what, limit, why in (
        ("updates per second", f"{deployed.per_second:g}", "the gateway's rate of the method"),
        (
            "updates per second",
            f"{reserve:g}",
            f"update's reserve: {deployed.update_at_once} at once, {seconds:g} s each",
        ),
        (
            "updates and corrections per second",
            f"{head:,.0f}",
            f"each writes the study's head: two units of the {load.PARTITION_WRITES:,} per second of a partition",
        ),
        (
            "ratings per second",
            f"{min(reserve, deployed.per_second) * MAX_BATCH:,.0f}",
            f"{MAX_BATCH:,} in each of the updates that the gateway lets through",
        ),
        ("suggestions per second", f"{head:,.0f}", "each writes two units into a partition of what is outstanding"),
        (
            "ratings per second without a suggestion's id and a mode",
            f"{load.PARTITION_READS * BARE / bare:,.0f}",
            f"{bare / BARE:.1f} units each, mostly of one partition, which takes {load.PARTITION_READS:,} per second",
        ),
        (
            "starting functions per second, in a study of 1,000 / 10,000 / 100,000",
            starts,
            f"each reads its log, one partition, whole: {units} units",
        ),
        (
            "ratings in a study",
            "none",
            f"a function keeps them in memory: 2 kB each, of {round(deployed.gigabytes * 1024):,} MB",
        ),
    ):
        yield f"| {what} | {limit} | {why} |"


def _limits(deployed: Deployment) -> Iterator[str]:
    yield "| Limit | Value | One study takes | Met at studies in use | Then |"
    yield "| --- | ---: | ---: | ---: | --- |"
    for studies, limit in load.ranked(deployed):
        takes = load.used(limit, studies) * limit.value / studies
        value = f"{limit.value:,g} {limit.unit}"
        yield f"| {limit.name} | {value} | {takes:.2g} | {studies:,} | {limit.way} |"


def _summary(deployed: Deployment) -> Iterator[str]:
    yield from _heads()
    first = [load.first(deployed, size) for size in load.SIZES]
    shares = [f"{limit.name} ({share:,.0%} of it)" for limit, share in first]
    met = [
        shown if share >= 1 else f"none; nearest is {shown}" for shown, (_, share) in zip(shares, first, strict=True)
    ]
    yield f"| first limit met | {' | '.join(met)} |"
    passed = [[limit.name for studies, limit in load.ranked(deployed) if studies <= size] for size in load.SIZES]
    yield f"| all that are met | {' | '.join(', '.join(one) or 'none' for one in passed)} |"
    per_second = [load.peak(sum(load.REQUESTS.values())) * size for size in load.SIZES]
    yield f"| requests per second at the peak | {' | '.join(f'{one:,.3g}' for one in per_second)} |"


def _costs(deployed: Deployment) -> Iterator[str]:
    yield from _heads()
    columns = [load.dollars(deployed, size) for size in load.SIZES]
    for name in columns[0]:
        yield f"| {name} | {' | '.join(f'${column[name]:,.2f}' for column in columns)} |"
    yield f"| **in all** | {' | '.join(f'**${sum(column.values()):,.2f}**' for column in columns)} |"
    each = (sum(column.values()) / size for column, size in zip(columns, load.SIZES, strict=True))
    yield f"| for each study | {' | '.join(f'${one:,.2f}' for one in each)} |"


def _heads() -> Iterator[str]:
    yield f"| Studies in use | {' | '.join(f'{size:,}' for size in load.SIZES)} |"
    yield f"| --- |{' ---: |' * len(load.SIZES)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale", description=(__doc__ or "").partition("\n\n")[0]
    )
    parser.add_argument("--page", type=Path, default=PAGE, help="the file to write (docs/scale.md)")
    options = parser.parse_args(arguments)
    options.page.write_text(render(deployment((ROOT / "template.yaml").read_text(encoding="utf-8"))), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
