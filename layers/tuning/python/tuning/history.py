"""History: what was told in a study, newest first, page by page; and putting it right.

Nothing is overwritten: a correction appends a revision, and the study learns again.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime

from storage.deadline import Deadline
from tuning.errors import EntryMissingError, InvalidField, InvalidRequestError
from tuning.observations import DEFAULT_STUDY, MAX_POSITION, Correction, Entry
from tuning.relearning import learn
from tuning.spaces import Spaces
from tuning.stores.port import IdempotencyKey, ObservationStore
from tuning.study import convergence
from tuning.validation.requests import (
    MAX_PAGE,
    parse_correction,
    parse_cursor,
    parse_filters,
    validate_key,
    validate_limit,
    validate_mode,
    validate_study,
)

DEFAULT_LIMIT = 50

_ENTRY_ID = re.compile(r"(?P<study>[a-z0-9][a-z0-9._-]{0,63})-(?P<position>[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, newest first; `next_cursor` says where the next page begins, None at the end."""

    entries: tuple[Entry, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Corrected:
    """What a correction did: the entry as it then stood, and the study's ratings that then counted.

    `ignored` are JSON pointers to fields that nobody knows; `replayed`, `learned` and `fit_seconds` are as in
    `tuning.update.Acknowledgement`.
    """

    entry: Entry
    samples_seen: int
    convergence_score: float
    ignored: tuple[str, ...]
    replayed: bool
    learned: bool
    fit_seconds: float


def browse(
    store: ObservationStore,
    spaces: Spaces,
    *,
    study: str = DEFAULT_STUDY,
    mode: str | None = None,
    rater: str | None = None,
    picture: str | None = None,
    withdrawn: bool = False,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
    most: int = MAX_PAGE,
) -> Page:
    """Return one page of a study's entries, beginning where the cursor of the page before says.

    None takes those of every mode, rater or picture. A page has 1 to `most` entries, those `withdrawn` among them if
    asked for. Pages neither repeat nor skip an entry while others are being recorded; those appear on a new first page.

    Raises:
        InvalidRequestError: there is no such mode, the limit is not from 1 to `most`, no page gave the cursor, or a
            name is none that the field can have.
        StudyMissingError: there is no such study.
        StoreUnavailableError: the store cannot be read now.
        StoreCorruptError: what it holds cannot be read.
        StoreRefusedError: it is not there, or does not admit us.
    """
    if mode is not None:
        validate_mode(spaces, mode)
    rater, picture = parse_filters(rater=rater, picture=picture)
    validate_limit(limit, most)
    page = store.history(
        study=validate_study(study, root="query"),
        mode=mode,
        rater=rater,
        picture=picture,
        withdrawn=withdrawn,
        limit=limit,
        before=parse_cursor(cursor),
    )
    return Page(page.entries, None if page.next_before is None else str(page.next_before))


def revise(
    store: ObservationStore,
    spaces: Spaces,
    identity: str,
    *,
    request: object,
    seen: int | None = None,
    idempotency_key: str | None = None,
    time_budget: float | None = None,
    now: datetime,
    deadline: Deadline | None = None,
) -> Corrected:
    """Correct an entry: its `rating`, its `comment`, whether it is `withdrawn`; then learn again.

    With `seen` it is corrected only if that is the number of its last revision. The same idempotency key with the same
    request changes nothing and gives the first answer again. `time_budget` is that of `tuning.relearning.learn`.

    Raises:
        InvalidRequestError: anything is wrong with the request or the key; nothing is changed.
        EntryMissingError: the history has no entry of that id.
        RevisionMismatchError: the entry has another revision.
        EntryStateError: it is withdrawn and not restored by this, or a failure that is given a rating.
        StudyArchivedError: the study takes nothing.
        IdempotencyMismatchError: the key came with another request before.
        StoreUnavailableError: the store cannot be used now; the entry may have been corrected.
        StoreCorruptError: what it holds cannot be read.
        StoreRefusedError: it is not there, or does not admit us.
    """
    study, position = _parse_id(identity)
    name = validate_key(idempotency_key)
    correction, ignored = parse_correction(request, now=now)
    key = IdempotencyKey(name, _fingerprint(identity, seen, correction)) if name is not None else None
    revised = store.revise(study, position, correction, seen=seen, idempotency_key=key, deadline=deadline)
    fits: float | None = 0.0
    if not revised.replayed:
        fits = learn(
            store,
            spaces,
            study,
            {revised.entry.told.mode},
            revised=True,
            time_budget=time_budget,
            deadline=deadline,
        )
    return Corrected(
        entry=revised.entry,
        samples_seen=revised.samples_seen,
        convergence_score=convergence(revised.samples_seen),
        ignored=ignored,
        replayed=revised.replayed,
        learned=not revised.replayed and fits is not None,
        fit_seconds=fits or 0.0,
    )


def parse_if_match(header: str | None) -> int | None:
    """Return the revision that a request's If-Match asks for; None if it asks for none, or for any (`*`).

    Raises:
        InvalidRequestError: it is no revision.
    """
    if header is None or header.strip() == "*":
        return None
    found = re.fullmatch(r'\s*(?:W/)?"?([1-9][0-9]{0,9})"?\s*', header, re.ASCII)
    if not found:
        message = "must be the entry's revision, a whole number from 1 on, as the history shows it"
        raise InvalidRequestError((InvalidField(("If-Match",), message, root="header"),))
    return int(found[1])


def _parse_id(identity: str) -> tuple[str, int]:
    """Return the study and the position that an entry's id names.

    Raises:
        EntryMissingError: no entry can have that id.
    """
    found = _ENTRY_ID.fullmatch(identity)
    if not found or int(found["position"]) > MAX_POSITION:
        raise EntryMissingError("the history has no entry of such an id: GET /ml/history shows them as `id`")
    return found["study"], int(found["position"])


def _fingerprint(identity: str, seen: int | None, correction: Correction) -> str:
    """Return a text equal for equal corrections of the same entry."""
    body = [identity, seen, correction.rating, correction.comment, correction.withdrawn, correction.reviser]
    return hashlib.sha256(json.dumps(body).encode()).hexdigest()
