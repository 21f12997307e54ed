"""The items of the observations table: their keys and the forms of what they hold, for `tuning.stores.dynamodb`.

    pk                         sk                       one item for
    store                      head                     DEFAULT_STUDY: its state, and where each mode's log ends
    head#<study>               head                     any other study, likewise
    studies                    <study>                  the name of a study, DEFAULT_STUDY aside
    study#<mode>               observation#<position>   up to 100 records of one batch, by the position of the first
    study#<mode>               hyperparameters          what was learned
    study#<study>#<mode>       as the two above         of any other study than DEFAULT_STUDY
    outstanding                <mode>#<setting's hash>  a suggestion that somebody holds                         (TTL)
    outstanding#<study>        <mode>#<setting's hash>  of any other study, likewise                             (TTL)
    suggestion#<id>            suggestion               a suggestion, by its id
    suggested#<study>          <mode>#<setting's hash>  the latest suggestion of a place
    receipt#<key>              receipt                  a batch or a revision that was recorded                  (TTL)

Neither a study's name nor a mode's has a `#`, so that no two of these keys are the same. What belongs to DEFAULT_STUDY
is where releases before studies had it. The items that they wrote are read as they are: a head of schema 1, records of
four columns, receipts without positions, and suggestions by id that say nothing but the place (and expire).

No input or output here. Every `load_` function takes whatever an item may hold, and raises one of DAMAGED for what the
matching function cannot have written.
"""

import hashlib
import json
import math
import secrets
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from storage.table import Delete, Put, Row
from tuning.observations import DEFAULT_STUDY, Observation, Setting, Suggestion
from tuning.stores.log import Amendment, Log, Record, counts, last_change
from tuning.stores.port import MAX_BATCH
from tuning.stores.records import (
    dump_setting,
    load_count,
    load_revision,
    load_study,
    load_suggestion,
    load_text,
    load_timestamp,
    load_told,
    timestamp,
)
from tuning.study import Best, Study, StudySummary

SCHEMAS = (1, 2)
"""Of a head: that of releases before studies, and that which is written."""
# What reading an item can come to that this module has not written.
DAMAGED = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError, zlib.error)
TOP = "\U0010ffff"
"""A text that sorts after every other."""
KEPT_FOR = 30 * 24 * 3600  # seconds for which what was recorded is remembered by its key
CHUNK = 100  # records in an item at the most
_MOST_NAMED = 100  # in a condition, as the service has it
CHUNK_BYTES = 300_000  # of records in an item, before compression: the service's limit is 400 kB, whatever compresses


@dataclass(frozen=True, slots=True)
class Top:
    """The best rating of a mode, and its position in the study's log."""

    best: Best
    position: int

    @property
    def rank(self) -> tuple[float, datetime, int]:
        """What the best has the least of."""
        return -self.best.rating, self.best.recorded_at, self.position


@dataclass(frozen=True, slots=True)
class ModeHead:
    """What a head says of a mode: its seed, and of its log the end, the size, the ratings that count and the best.

    `amended` is the position of its last revision, 0 before any.
    """

    seed: int
    end: int = 0
    size: int = 0
    rated: int = 0
    amended: int = 0
    top: Top | None = None

    @classmethod
    def begin(cls) -> "ModeHead":
        """Return that of a mode that begins, with a fresh seed."""
        return cls(secrets.randbits(48))

    def following(self, mode: str, records: Sequence[tuple[int, Record]], log: Callable[[], Log]) -> "ModeHead":
        """Return that of the log with these records; `log` gives the log without them, where they revise it."""
        amended = max((position for position, record in records if isinstance(record, Amendment)), default=0)
        end, size = records[-1][0], self.size + len(records)
        if amended:
            after = log().extended(records)
            return ModeHead(self.seed, end, size, len(after.observations), amended, top_of(mode, after))
        fresh = [(position, record) for position, record in records if isinstance(record, Observation)]
        top = _topmost([self.top, *(_top(mode, position, record) for position, record in fresh)])
        return replace(self, end=end, size=size, rated=self.rated + len(fresh), top=top)


@dataclass(frozen=True, slots=True)
class Head:
    """The state of a study: a version for each change of it, and every mode that has begun.

    A head of schema 1 knows neither the best of its modes nor when it last changed, and is not `complete`. `early` says
    that it was of that schema once: then what the log answers may be suggestions that nothing else is known of.
    """

    study: Study
    version: int = 0
    modes: Mapping[str, ModeHead] = field(default_factory=dict)
    last_activity: datetime | None = None
    complete: bool = True
    early: bool = False

    @property
    def end(self) -> int:
        """The position of the last record."""
        return max((mode.end for mode in self.modes.values()), default=0)

    @property
    def samples(self) -> int:
        """The ratings of all modes that count."""
        return sum(mode.rated for mode in self.modes.values())

    @property
    def summary(self) -> StudySummary:
        """The study at a glance."""
        top = _topmost(mode.top for mode in self.modes.values())
        rated = tuple((name, mode.rated) for name, mode in sorted(self.modes.items()))
        return StudySummary(self.study, rated, top.best if top else None, self.last_activity)

    def completed(self, logs: Mapping[str, Log]) -> "Head":
        """Return it with what the logs of its modes say; as it is if it is complete."""
        modes = {name: replace(mode, top=top_of(name, logs[name])) for name, mode in self.modes.items()}
        moments = [entry.told.recorded_at for log in logs.values() for entry in log.entries.values()]
        return replace(self, modes=modes, last_activity=max(moments, default=None), complete=True)

    def changed(self, **changes: Any) -> "Head":
        """Return the next version, with these fields."""
        return replace(self, version=self.version + 1, **changes)

    def following(self, records: Sequence[tuple[int, str, Record]], log: Callable[[str], Log]) -> "Head":
        """Return the next version, with these records; `log` gives a mode's log as it is without them."""
        modes = dict(self.modes)
        for mode, of_mode in by_mode(records).items():
            before = modes.get(mode) or ModeHead.begin()
            modes[mode] = before.following(mode, of_mode, lambda mode=mode: log(mode))  # type: ignore[misc]
        moments = [self.last_activity, last_change(record for _, _, record in records)]
        return self.changed(modes=modes, last_activity=max((one for one in moments if one), default=None))


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt says of what was recorded: `token` tells whose attempt it was.

    `number` is that of the revision, of one. `positions` is None of a batch of a release before studies.
    """

    kind: Literal["batch", "revision"]
    study: str
    fingerprint: str
    token: str
    samples_seen: int = 0
    positions: tuple[int, ...] | None = None
    replaced: tuple[int, ...] = ()
    number: int = 0

    def put(self, pk: str, now: int) -> Put:
        """Return its item, to be written unless there is one; `now` is in seconds of the epoch."""
        row: Row = {
            "pk": pk,
            "sk": "receipt",
            "kind": self.kind,
            "study": self.study,
            "fingerprint": self.fingerprint,
            "batch": self.token,
            "samples_seen": self.samples_seen,
            "positions": json.dumps(_runs(self.positions or ())),
            "replaced": json.dumps(_runs(self.replaced)),
            "number": self.number,
            "expires_at": now + KEPT_FOR,
        }
        # The service deletes expired items when it comes to it.
        return Put(row, "attribute_not_exists(pk) OR expires_at <= :now", {":now": now})


def by_mode(records: Iterable[tuple[int, str, Record]]) -> dict[str, list[tuple[int, Record]]]:
    """Return the records of each mode."""
    found: dict[str, list[tuple[int, Record]]] = {}
    for position, mode, record in records:
        found.setdefault(mode, []).append((position, record))
    return found


def top_of(mode: str, log: Log) -> Top | None:
    """Return the best rating of a log that counts."""
    return _topmost(
        _top(mode, position, entry.told)
        for position, entry in log.entries.items()
        if counts(entry) and isinstance(entry.told, Observation)
    )


def head_key(study: str) -> tuple[str, str]:
    """Return the key of a study's head."""
    return ("store" if study == DEFAULT_STUDY else f"head#{study}"), "head"


def log_key(study: str, mode: str) -> str:
    """Return the partition of a mode's log."""
    return f"study#{mode}" if study == DEFAULT_STUDY else f"study#{study}#{mode}"


def record_key(position: int) -> str:
    """Return a position's sort key: of a fixed width, so that the order of texts is the order of positions."""
    return f"observation#{position:019d}"


def outstanding_key(study: str) -> str:
    """Return the partition of what is outstanding in a study."""
    return "outstanding" if study == DEFAULT_STUDY else f"outstanding#{study}"


def suggestion_key(identity: str) -> tuple[str, str]:
    """Return the key of a suggestion by its id."""
    return f"suggestion#{identity}", "suggestion"


def suggested_key(study: str) -> str:
    """Return the partition of a study's suggestions by place."""
    return f"suggested#{study}"


def place_key(mode: str, setting: Setting) -> str:
    """Return the sort key of a place: hashed, since a setting's text may be longer than a sort key."""
    return f"{mode}#{hashlib.sha256(setting.key.encode()).hexdigest()}"


def put_study(study: Study, token: str) -> Put:
    """Return the item of a study's name, to be written unless there is one; `token` tells whose attempt it was."""
    return Put({"pk": "studies", "sk": study.name, "token": token}, "attribute_not_exists(pk)")


def put_head(head: Head, seen: int) -> Put:
    """Return the head's item, to be written if the version there is `seen`, 0 for none."""
    pk, sk = head_key(head.study.name)
    moments = {
        "created_at": head.study.created_at,
        "archived_at": head.study.archived_at,
        "last_activity": head.last_activity,
    }
    texts = {"based_on": head.study.based_on, "note": head.study.note}
    row: Row = {
        "pk": pk,
        "sk": sk,
        "schema": SCHEMAS[-1],
        "version": head.version,
        "modes": json.dumps({name: _dump_mode_head(mode) for name, mode in head.modes.items()}),
        **{name: timestamp(moment) for name, moment in moments.items() if moment is not None},
        **{name: text for name, text in texts.items() if text is not None},
        **({"early": 1} if head.early else {}),
    }
    return Put(row, "version = :seen", {":seen": seen}) if seen else Put(row, "attribute_not_exists(pk)")


def load_head(study: str, row: Row) -> Head:
    """Return the head of a study, of one of SCHEMAS."""
    if row["schema"] == 1:
        modes = {mode: _load_early_mode_head(plain) for mode, plain in _load_object(row["studies"])}
        head = Head(Study(study), _number(row, "version"), modes, complete=False, early=True)
        if _number(row, "count") != head.samples:
            raise ValueError(f"its modes have {head.samples} observations, and not {row['count']!r}")
        return head
    modes = {mode: _load_mode_head(mode, plain) for mode, plain in _load_object(row["modes"])}
    last = row.get("last_activity")
    return Head(
        load_study(study, *(row.get(name) for name in ("created_at", "based_on", "note", "archived_at"))),
        _number(row, "version"),
        modes,
        None if last is None else load_timestamp(last),
        early="early" in row,
    )


def put_records(study: str, records: Sequence[tuple[int, str, Record]]) -> list[Put]:
    """Return the items of what a batch appends: few, and none too large."""
    puts = []
    for mode, of_mode in by_mode(records).items():
        texts: list[str] = []
        first = size = 0
        for position, record in of_mode:
            columns = json.dumps(_dump_record(record), ensure_ascii=False)
            if texts and (len(texts) == CHUNK or size + len(columns.encode()) > CHUNK_BYTES):
                puts.append(_put_chunk(study, mode, first, texts))
                texts, size = [], 0
            if not texts:
                first = position
            texts.append(f"[{position - first}, {columns[1:]}")
            size += len(columns.encode())
        puts.append(_put_chunk(study, mode, first, texts))
    return puts


def load_records(mode: str, row: Row) -> list[tuple[int, Record]]:
    """Return the records of an item, each with its position."""
    first = int(load_text(row["sk"], "a key").partition("#")[2])
    content = row["content"]
    if not isinstance(content, bytes):
        raise TypeError("content")
    return [
        (first + load_count(place, "a place"), _load_record(mode, plain))
        for place, *plain in json.loads(zlib.decompress(content))
    ]


def put_outstanding(suggestion: Suggestion, place: int, now: datetime, gone: Suggestion | None) -> Put:
    """Return the item of a suggestion that is outstanding, the `place`-th of those claimed with it.

    It is to be written unless its setting is with somebody else; but `gone` makes way for it.
    """
    row: Row = {
        "pk": outstanding_key(suggestion.study),
        "sk": place_key(suggestion.mode, suggestion.setting),
        **_dump_suggestion(suggestion),
        "claimed_at": timestamp(now),
        "place": place,
        "expires_at": math.ceil(suggestion.expires_at.timestamp()),
    }
    condition, values = "attribute_not_exists(pk) OR ends_at <= :now", {":now": timestamp(now)}
    if gone:
        condition, values = f"{condition} OR id = :gone", {**values, ":gone": gone.id}
    return Put(row, condition, values)


def put_suggested(suggestion: Suggestion) -> tuple[Put, Put]:
    """Return the items by which a suggestion is known for ever: by its id, and by its place."""
    pk, sk = suggestion_key(suggestion.id)
    suggested: Row = {"study": suggestion.study, **_dump_suggestion(suggestion)}
    place: Row = {"pk": suggested_key(suggestion.study), "sk": place_key(suggestion.mode, suggestion.setting)}
    return Put({"pk": pk, "sk": sk, **suggested}), Put({**place, **suggested})


def free(study: str, place: str, identities: Sequence[str]) -> Delete:
    """Return what frees a setting that one of those suggestions holds, or nobody."""
    # What is left to hold it is answered, and therefore not outstanding.
    named = {f":id{index}": identity for index, identity in enumerate(identities[:_MOST_NAMED])}
    return Delete(outstanding_key(study), place, f"attribute_not_exists(pk) OR id IN ({', '.join(named)})", {**named})


def load_outstanding(study: str, row: Row) -> Suggestion:
    """Return the suggestion of an item of what is outstanding in a study."""
    suggestion = _load_suggestion(study, row)
    if row["sk"] != place_key(suggestion.mode, suggestion.setting):
        raise ValueError("it is at another place than its own")
    return suggestion


def load_claim_order(row: Row) -> tuple[str, str, int, str]:
    """Return what puts suggestions that are outstanding in order, the oldest first."""
    suggested_at = timestamp(load_timestamp(row["suggested_at"]))
    claimed_at, identity = load_text(row["claimed_at"], "a moment"), load_text(row["id"], "an id")
    return suggested_at, claimed_at, _number(row, "place"), identity


def load_suggested(row: Row) -> Suggestion:
    """Return the suggestion of an item by id or by place."""
    suggestion = _load_suggestion(load_text(row["study"], "a study"), row)
    by_id, by_place = put_suggested(suggestion)
    if all((row["pk"], row["sk"]) != (put.row["pk"], put.row["sk"]) for put in (by_id, by_place)):
        raise ValueError("it is at another place than its own")
    return suggestion


def load_early_place(row: Row) -> str | None:
    """Return the place that an item by id of a release before studies says; None of any other item."""
    return load_text(row["place"], "a place") if "setting" not in row else None


def load_receipt(row: Row) -> Receipt:
    """Return what a receipt says."""
    early = "kind" not in row
    kind = "batch" if early else row["kind"]
    if kind not in {"batch", "revision"}:
        raise ValueError(f"{kind!r} is not recorded")
    return Receipt(
        kind,  # type: ignore[arg-type]
        DEFAULT_STUDY if early else load_text(row["study"], "a study"),
        load_text(row["fingerprint"], "a fingerprint"),
        load_text(row["batch"], "a token"),
        _number(row, "samples_seen"),
        None if early else _load_runs(row["positions"]),
        () if early else _load_runs(row["replaced"]),
        0 if early else _number(row, "number"),
    )


def is_expired(row: Row, now: float) -> bool:
    """Return whether an item is one that the service has yet to delete."""
    return _number(row, "expires_at") <= now


def _topmost(tops: Iterable[Top | None]) -> Top | None:
    return min((top for top in tops if top), key=lambda top: top.rank, default=None)


def _top(mode: str, position: int, rating: Observation) -> Top:
    return Top(Best(mode, rating.setting, rating.rating, rating.recorded_at), position)


def _dump_mode_head(mode: ModeHead) -> dict[str, object]:
    best = None
    if mode.top:
        found = mode.top.best
        best = [dump_setting(found.setting), found.rating, timestamp(found.recorded_at), mode.top.position]
    return {
        "seed": mode.seed,
        "end": mode.end,
        "size": mode.size,
        "rated": mode.rated,
        "amended": mode.amended,
        "best": best,
    }


def _load_mode_head(mode: str, plain: Mapping[str, Any]) -> ModeHead:
    names = ("seed", "end", "size", "rated", "amended")
    seed, end, size, rated, amended = (load_count(plain[name], f"the {name} of a mode") for name in names)
    head = ModeHead(seed, end, size, rated, amended)
    if plain["best"] is None:
        return head
    setting, rating, recorded_at, position = plain["best"]
    told = load_told(mode, setting, rating, None, recorded_at)
    if not isinstance(told, Observation):
        raise TypeError("best")
    return replace(head, top=_top(mode, load_count(position, "a position"), told))


def _load_early_mode_head(plain: Mapping[str, Any]) -> ModeHead:
    count = load_count(plain["count"], "a count")
    return ModeHead(load_count(plain["seed"], "a seed"), load_count(plain["end"], "a position"), count, count)


def _put_chunk(study: str, mode: str, first: int, texts: Sequence[str]) -> Put:
    # A tenth of the size, and so of the price, of a large batch.
    content = zlib.compress(f"[{', '.join(texts)}]".encode())
    return Put({"pk": log_key(study, mode), "sk": record_key(first), "content": content}, "attribute_not_exists(pk)")


def _dump_record(record: Record) -> list[object]:
    if isinstance(record, Amendment):
        made = record.revision
        state = [made.rating, made.comment, int(made.withdrawn), timestamp(made.made_at), made.reviser]
        return ["revision", record.target, made.number, *state]
    rating, reason = (record.rating, None) if isinstance(record, Observation) else (None, record.reason)
    who = [record.suggestion_id, record.rater, record.picture, record.comment]
    return ["told", dump_setting(record.setting), rating, reason, timestamp(record.recorded_at), *who]


def _load_record(mode: str, plain: Sequence[object]) -> Record:
    match plain:
        case ["told", setting, rating, reason, recorded_at, suggestion_id, rater, picture, comment]:
            return load_told(mode, setting, rating, reason, recorded_at, suggestion_id, rater, picture, comment)
        case ["revision", target, number, rating, comment, withdrawn, made_at, reviser]:
            revision = load_revision(number, rating, comment, withdrawn, made_at, reviser)
            return Amendment(load_count(target, "a position"), revision)
        case [setting, rating, recorded_at, suggestion_id]:  # of a release before studies
            return load_told(mode, setting, rating, None, recorded_at, suggestion_id)
    raise ValueError(f"{len(plain)} columns are no record")


def _load_suggestion(study: str, row: Row) -> Suggestion:
    return load_suggestion(row["id"], row["mode"], row["setting"], row["suggested_at"], row["ends_at"], study)


def _dump_suggestion(suggestion: Suggestion) -> Row:
    return {
        "id": suggestion.id,
        "mode": suggestion.mode,
        "setting": dump_setting(suggestion.setting),
        "suggested_at": timestamp(suggestion.suggested_at),
        "ends_at": timestamp(suggestion.expires_at),
    }


def _runs(positions: Sequence[int]) -> list[list[int]]:
    """Return them as runs, each of a first position and a length: those of a batch mostly follow each other."""
    runs: list[list[int]] = []
    for position in positions:
        if runs and position == sum(runs[-1]):
            runs[-1][1] += 1
        else:
            runs.append([position, 1])
    return runs


def _load_runs(stored: object) -> tuple[int, ...]:
    runs = json.loads(load_text(stored, "positions"))
    pairs = [(load_count(first, "a position"), load_count(length, "a length")) for first, length in runs]
    if sum(length for _, length in pairs) > MAX_BATCH:
        raise ValueError("more positions than a batch has")
    return tuple(first + index for first, length in pairs for index in range(length))


def _load_object(stored: object) -> Iterable[tuple[str, Any]]:
    plain = json.loads(load_text(stored, "an object"))
    if not isinstance(plain, dict):
        raise TypeError("an object")
    return plain.items()


def _number(row: Row, name: str) -> int:
    return load_count(row[name], name)
