"""An update as callers send it: results, and what they say once for all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storage.documents import quote
from tuning.errors import InvalidField, InvalidRequestError, Location
from tuning.observations import Setting
from tuning.spaces import Spaces
from tuning.validation.fields import Level, capped, capped_fields, judge
from tuning.validation.requests import (
    MAX_COMMENT_LENGTH,
    find_mode,
    parse_picture,
    parse_rater,
    parse_rating,
    parse_study,
    parse_suggestion_id,
    parse_text,
)
from tuning.validation.settings import parse_setting

MAX_RESULTS = 1_000

_REQUEST = Level(
    known=("results", "study", "mode", "rater", "picture"),
    elsewhere=dict.fromkeys(
        ("parameters", "rating", "failed", "suggestion_id", "comment", "api"), "it belongs to each of the results"
    )
    | {
        **dict.fromkeys(("studies", "studie"), "did you mean study?"),
        "num_suggestions": "it belongs to POST /ml/suggest_parameters",
        "fixed": "it belongs to POST /ml/suggest_parameters",
    },
)
_RESULT = Level(
    known=("parameters", "rating", "failed", "suggestion_id", "mode", "rater", "picture", "comment"),
    elsewhere={
        "study": "say it once, beside results",
        "api": "it belongs to parameters",
        "results": "it stands once, around all results",
    },
)


@dataclass(frozen=True, slots=True)
class Result:
    """One valid entry of an update, before its mode is settled: a `rating`, or in `failed` why there is none."""

    setting: Setting
    rating: float | None
    failed: str | None
    suggestion_id: str | None
    mode: str | None
    rater: str | None
    picture: str | None
    comment: str | None


@dataclass(frozen=True, slots=True)
class Update:
    """A valid update. `ignored` are JSON pointers to fields that nobody knows."""

    study: str | None
    results: tuple[Result, ...]
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Common:
    """What an update says once for all of its results."""

    mode: str | None
    rater: str | None
    picture: str | None


def parse_update(request: object, spaces: Spaces) -> Update:
    """Validate an update: a mapping with `results` and optionally `study`, `mode`, `rater` and `picture` for all.

    Each of the 1 to MAX_RESULTS results is a mapping with `parameters` (`api` and that API's parameters, all of them
    and no others) and either `rating` (1 to 5) or `failed` (why there is none), and optionally `suggestion_id`, `mode`,
    `rater`, `picture` and `comment`; what a result says goes before what is said for all. Numbers may be decimal
    strings. A field that is nearly a known one is refused, others are listed in `ignored`.

    Raises:
        InvalidRequestError: anything is wrong; it lists every field that is, up to MAX_INVALID_FIELDS.
    """
    if not isinstance(request, Mapping):
        raise InvalidRequestError((InvalidField((), f"must be an object, not {quote(request)}"),))
    invalid, ignored = judge(request, _REQUEST, ())
    results = request.get("results")
    if isinstance(results, str | bytes) or not isinstance(results, Sequence):
        wrong = f"must be a list, not {quote(results)}" if "results" in request else "is required"
        raise InvalidRequestError((*invalid, InvalidField(("results",), wrong)))
    if not 1 <= len(results) <= MAX_RESULTS:
        message = f"must have 1 to {MAX_RESULTS:,} entries, not {len(results):,}"
        raise InvalidRequestError((*invalid, InvalidField(("results",), message)))
    study = parse_study(request.get("study"), ("study",), invalid)
    mode = None if request.get("mode") is None else find_mode(request["mode"], ("mode",), spaces, invalid)
    common = _Common(
        mode.name if mode else None,
        parse_rater(request.get("rater"), ("rater",), invalid),
        parse_picture(request.get("picture"), ("picture",), invalid),
    )
    parsed = []
    for index, raw in enumerate(results):
        at = ("results", index)
        if isinstance(raw, Mapping):
            near, unknown = judge(raw, _RESULT, at)
            invalid += near
            ignored += unknown
        parsed.append(_parse_result(raw, at, spaces, common, invalid))
    if invalid:
        raise InvalidRequestError(capped_fields(invalid, ("results",)))
    return Update(study, tuple(result for result in parsed if result is not None), capped(ignored))


def _parse_result(
    raw: object, at: Location, spaces: Spaces, common: _Common, invalid: list[InvalidField]
) -> Result | None:
    if not isinstance(raw, Mapping):
        invalid.append(InvalidField(at, f"must be an object, not {quote(raw)}"))
        return None
    before = len(invalid)
    named = raw.get("mode") if raw.get("mode") is not None else common.mode
    mode = None if named is None else find_mode(named, (*at, "mode"), spaces, invalid)
    suggestion_id = parse_suggestion_id(raw.get("suggestion_id"), (*at, "suggestion_id"), invalid)
    setting = parse_setting(raw, at, spaces, mode, invalid)
    failed = parse_text(raw.get("failed"), (*at, "failed"), MAX_COMMENT_LENGTH, invalid, what="why it failed, in ")
    rating = None
    if raw.get("failed") is None:
        rating = parse_rating(raw, (*at, "rating"), invalid)
    elif raw.get("rating") is not None:
        invalid.append(InvalidField((*at, "failed"), "cannot stand beside a rating: leave one of them out"))
    rater = parse_rater(raw.get("rater"), (*at, "rater"), invalid)
    picture = parse_picture(raw.get("picture"), (*at, "picture"), invalid)
    # An empty field of a form says as much as none.
    comment = parse_text(
        None if raw.get("comment") == "" else raw.get("comment"),
        (*at, "comment"),
        MAX_COMMENT_LENGTH,
        invalid,
        breaks=True,
    )
    if len(invalid) > before or setting is None:
        return None
    return Result(
        setting,
        rating,
        failed,
        suggestion_id,
        mode.name if mode else None,
        rater or common.rater,
        picture or common.picture,
        comment,
    )
