"""How much of each limit studies in use take, how many there may be, and what they cost: arithmetic, and nothing read.

The limits of AWS are those of its documentation in November 2025, before anybody asks for more.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import prices
from benchmarks.scale.requests import HISTORY, LIST, RATINGS, START, STATS, SUGGEST, UNITS, UPDATE

SIZES = (10, 1_000, 100_000)  # studies in use

# Of a study in use, each day. Settings are asked for and rated two at a time.
RATINGS_PER_DAY = 20
REQUESTS = {SUGGEST: 10, UPDATE: 10, STATS: 2, HISTORY: 1, LIST: 1}
HOURS = 8  # of the day in which people rate
PEAK = 3  # times the mean rate of those hours
DAYS = 30  # that a study is in use: so many days' ratings are in it
SECONDS = {SUGGEST: 0.1, UPDATE: 0.5, STATS: 0.1, HISTORY: 0.1, LIST: 0.1}  # of a function
REMEMBERED = 100_000  # ratings, failures and revisions that a copy of a function keeps of all studies
STORED = 1_170  # bytes per rating, and of the suggestion that it answers
LOG_BYTES = 2_000  # per request

PARTITION_READS, PARTITION_WRITES = 3_000, 1_000  # units per second of one partition, and so of one item
TABLE_UNITS = 40_000  # read, and likewise written, per second: a table on demand, until AWS raises it
NEW_TABLE_READS, NEW_TABLE_WRITES = 12_000, 4_000  # per second: a table on demand before it has had more
GATEWAY_PER_SECOND = 10_000  # requests of an account in a region
LAMBDA_AT_ONCE = 1_000  # calls of an account in a region
METRICS, ALARM_METRICS = 18, 26  # as docs/operations.md says


@dataclass(frozen=True, slots=True)
class Deployment:
    """What template.yaml says: requests per second and per day, calls at once, and gigabytes of memory."""

    per_second: float
    per_day: float
    suggest_at_once: int
    update_at_once: int
    gigabytes: float


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit, in the unit that `unit` says; `way` is what to do when it is met."""

    name: str
    value: float
    unit: str
    way: str


def peak(requests: float) -> float:
    """Return requests per second at the peak, of so many per day."""
    return requests / (HOURS * 3_600) * PEAK


def unknown(studies: int) -> float:
    """Return the share of requests whose study the function's copy does not remember."""
    return max(0.0, 1 - REMEMBERED / (studies * RATINGS_PER_DAY * DAYS))


def read_units(studies: int) -> float:
    """Return the read units per day of one study, of so many in use."""
    known = sum(UNITS[request].read * count for request, count in REQUESTS.items())
    anew = UNITS[START].read / RATINGS * RATINGS_PER_DAY * DAYS
    return known + unknown(studies) * anew * sum(REQUESTS[one] for one in (SUGGEST, UPDATE, STATS))


def write_units() -> float:
    """Return the write units per day of one study."""
    return sum(UNITS[request].written * count for request, count in REQUESTS.items())


def limits(deployed: Deployment) -> list[Limit]:
    """Return every limit that more studies come nearer to."""
    return [
        Limit("a key's quota", deployed.per_day, "requests per day", "more keys, or raise `DailyQuota`"),
        Limit("a key's rate", deployed.per_second, "requests per second", "more keys, or raise `RequestsPerSecond`"),
        Limit("a method's rate", deployed.per_second, "updates per second", "raise `RequestsPerSecond`"),
        Limit("update's reserve", deployed.update_at_once, "calls at once", "raise `ReservedConcurrentExecutions`"),
        Limit("suggest's reserve", deployed.suggest_at_once, "calls at once", "raise `ReservedConcurrentExecutions`"),
        Limit(
            "the partition that lists the studies",
            PARTITION_READS,
            "read units per second",
            "list seldom; 404s of unknown names read it too",
        ),
        Limit("a new table", NEW_TABLE_WRITES, "write units per second", "nothing: DynamoDB doubles it within minutes"),
        Limit("a new table", NEW_TABLE_READS, "read units per second", "nothing: DynamoDB doubles it within minutes"),
        Limit("the table's quota", TABLE_UNITS, "write units per second", "ask AWS"),
        Limit("the table's quota", TABLE_UNITS, "read units per second", "ask AWS"),
        Limit("the account's Lambda", LAMBDA_AT_ONCE, "calls at once", "ask AWS, or a stack per team"),
        Limit("the account's gateway", GATEWAY_PER_SECOND, "requests per second", "ask AWS, or a stack per team"),
    ]


def used(limit: Limit, studies: int) -> float:
    """Return how much of the limit so many studies take, 1 being all of it."""
    every = sum(REQUESTS.values())
    asking = [one for one in REQUESTS if one != UPDATE]
    match limit.name, limit.unit:
        case _, "requests per day":
            each = float(every)
        case _, "requests per second":
            each = peak(every)
        case _, "updates per second":
            each = peak(REQUESTS[UPDATE])
        case "update's reserve", _:
            each = peak(REQUESTS[UPDATE]) * SECONDS[UPDATE]
        case "suggest's reserve", _:
            each = sum(peak(REQUESTS[one]) * SECONDS[one] for one in asking)
        case "the account's Lambda", _:
            each = sum(peak(count) * SECONDS[one] for one, count in REQUESTS.items())
        case "the partition that lists the studies", _:
            each = peak(REQUESTS[LIST])  # of a page's units one is of the list; the rest are of the studies themselves
        case _, "write units per second":
            each = peak(write_units())
        case _, "read units per second":
            each = peak(read_units(studies))
        case other:
            raise ValueError(f"nothing is known of {other}")
    return each * studies / limit.value


def met_at(limit: Limit) -> int:
    """Return the number of studies in use at which the limit is met."""
    low, high = 0, 1
    while used(limit, high) < 1:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if used(limit, middle) >= 1 else (middle, high)
    return high


def first(deployed: Deployment, studies: int) -> tuple[Limit, float]:
    """Return the limit that is met first on the way to so many studies, and how much of it they take."""
    found = min(limits(deployed), key=met_at)
    return found, used(found, studies)


def dollars(deployed: Deployment, studies: int) -> dict[str, float]:
    """Return what so many studies in use cost per month."""
    requests = {request: studies * count * DAYS for request, count in REQUESTS.items()}
    total = sum(requests.values())
    seconds = sum(count * SECONDS[request] for request, count in requests.items())
    units = studies * DAYS * (read_units(studies) * prices.READ_UNIT + write_units() * prices.WRITE_UNIT)
    stored = studies * RATINGS_PER_DAY * DAYS * STORED / 1e9 * prices.STORED_GB_MONTH
    watching = METRICS * prices.METRIC_MONTH + ALARM_METRICS * prices.ALARM_MONTH + prices.DASHBOARD_MONTH
    return {
        "API Gateway": total * prices.REQUEST,
        "Lambda": total * prices.CALL + seconds * deployed.gigabytes * prices.GB_SECOND,
        "DynamoDB, units": units,
        "DynamoDB, stored": stored,
        "logs and traces": total * (LOG_BYTES * prices.LOG_BYTE + prices.TRACE),
        "metrics, alarms, the dashboard": watching,
    }


def starts_per_second(ratings: int) -> float:
    """Return how many functions may read a study of so many ratings per second, by its partition."""
    return PARTITION_READS / units_to_read(ratings)


def units_to_read(ratings: int) -> int:
    """Return the units that a function takes to read a study that it does not know."""
    return math.ceil(UNITS[START].read * ratings / RATINGS)


def ranked(deployed: Deployment) -> Sequence[tuple[int, Limit]]:
    """Return the limits in the order in which they are met, each with the number of studies."""
    return sorted(((met_at(one), one) for one in limits(deployed)), key=lambda pair: pair[0])
