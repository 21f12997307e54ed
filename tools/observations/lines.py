"""Records and suggestions as lines of JSON: written and read.

    {"position": 1, "mode": "structure", "parameters": {"api": ...}, "rating": 4.0, "failed": null,
     "recorded_at": "...", "suggestion_id": null, "rater": null, "picture": null, "comment": null}
    {"position": 2, "revises": 1, "number": 2, "rating": 5.0, "comment": null, "withdrawn": false, "made_at": "...",
     "reviser": null}
    {"id": "...", "mode": "structure", "parameters": {...}, "suggested_at": "...", "expires_at": "...",
     "outstanding": true}

JSON writes a float by its shortest exact text, so that it is read back bit for bit.
"""

import json

from storage.documents import Node
from tuning.observations import MAX_RATING, MIN_RATING, Failure, Observation, Revision, Suggestion, Told
from tuning.stores.log import Amendment, Record
from tuning.stores.records import read_setting, timestamp

_TOLD = frozenset(
    {"mode", "parameters", "rating", "failed", "recorded_at", "suggestion_id", "rater", "picture", "comment"}
)
_AMENDMENT = frozenset({"revises", "number", "rating", "comment", "withdrawn", "made_at", "reviser"})
_SUGGESTION = frozenset({"id", "mode", "parameters", "suggested_at", "expires_at", "outstanding"})


def dump_record(record: Record, position: int | None = None) -> str:
    """Return the record as a line, with its position or without."""
    at = {} if position is None else {"position": position}
    if isinstance(record, Amendment):
        made = record.revision
        return json.dumps(
            {
                **at,
                "revises": record.target,
                "number": made.number,
                "rating": made.rating,
                "comment": made.comment,
                "withdrawn": made.withdrawn,
                "made_at": timestamp(made.made_at),
                "reviser": made.reviser,
            }
        )
    return json.dumps(
        {
            **at,
            "mode": record.mode,
            "parameters": record.setting.to_plain(),
            "rating": record.rating if isinstance(record, Observation) else None,
            "failed": record.reason if isinstance(record, Failure) else None,
            "recorded_at": timestamp(record.recorded_at),
            "suggestion_id": record.suggestion_id,
            "rater": record.rater,
            "picture": record.picture,
            "comment": record.comment,
        }
    )


def read_record(line: Node, position: int) -> Record:
    """Return the record of a line, which must be that of this position.

    Raises:
        DocumentError: it is not, or is no record.
    """
    if line.get("position").value != position or isinstance(line.get("position").value, bool):
        line.get("position").refuse(f"must be {position}: a line before this one is missing, or there is one too many")
    if line.get("revises").value is None:
        return _told(line.members(_TOLD | {"position"}))
    fields = line.members(_AMENDMENT | {"position"})
    return Amendment(
        fields["revises"].integer(1, position - 1),
        Revision(
            fields["number"].integer(2),
            _rating_or_none(fields["rating"]),
            optional(fields["comment"]),
            fields["withdrawn"].boolean(),
            fields["made_at"].moment(),
            optional(fields["reviser"]),
        ),
    )


def dump_suggestion(suggestion: Suggestion, *, outstanding: bool) -> str:
    """Return the suggestion as a line, which does not name its study."""
    return json.dumps(
        {
            "id": suggestion.id,
            "mode": suggestion.mode,
            "parameters": suggestion.setting.to_plain(),
            "suggested_at": timestamp(suggestion.suggested_at),
            "expires_at": timestamp(suggestion.expires_at),
            "outstanding": outstanding,
        }
    )


def read_suggestion(line: Node, study: str) -> tuple[Suggestion, bool]:
    """Return the suggestion of a line, of that study, and whether it is outstanding.

    Raises:
        DocumentError: the line is no suggestion.
    """
    fields = line.members(_SUGGESTION)
    suggestion = Suggestion(
        fields["id"].text(least=1),
        fields["mode"].text(least=1),
        read_setting(fields["parameters"]),
        fields["suggested_at"].moment(),
        fields["expires_at"].moment(),
        study,
    )
    return suggestion, fields["outstanding"].boolean()


def optional(node: Node) -> str | None:
    """Return a text, or None of None.

    Raises:
        DocumentError: it is neither.
    """
    return None if node.value is None else node.text()


def _told(fields: dict[str, Node]) -> Told:
    mode, setting = fields["mode"].text(least=1), read_setting(fields["parameters"])
    moment = fields["recorded_at"].moment()
    who = tuple(optional(fields[name]) for name in ("suggestion_id", "rater", "picture", "comment"))
    if fields["failed"].value is None:
        return Observation(mode, setting, fields["rating"].number(MIN_RATING, MAX_RATING), moment, *who)
    if fields["rating"].value is not None:
        fields["rating"].refuse("is that of a failure, which has none")
    return Failure(mode, setting, fields["failed"].text(), moment, *who)


def _rating_or_none(node: Node) -> float | None:
    return None if node.value is None else node.number(MIN_RATING, MAX_RATING)
