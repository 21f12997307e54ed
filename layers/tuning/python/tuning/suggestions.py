"""Suggestions: what is outstanding, and giving it back so that others may have it."""

from datetime import datetime

from tuning.errors import InvalidField, SuggestionMissingError
from tuning.observations import DEFAULT_STUDY, Suggestion
from tuning.spaces import Spaces
from tuning.stores.port import ObservationStore
from tuning.validation.requests import parse_suggestion_id, validate_mode, validate_study


def browse(
    store: ObservationStore, spaces: Spaces, *, study: str = DEFAULT_STUDY, mode: str | None = None, now: datetime
) -> tuple[Suggestion, ...]:
    """Return what is outstanding in a study, of a mode or of all, the oldest first.

    Raises:
        InvalidRequestError: there is no such mode, or the name is none that a study can have.
        StudyMissingError: there is no such study.
        StoreUnavailableError: the store cannot be read now.
        StoreCorruptError: what it holds cannot be read.
        StoreRefusedError: it is not there, or does not admit us.
    """
    if mode is not None:
        validate_mode(spaces, mode)
    return store.outstanding(study=validate_study(study, root="query"), mode=mode, now=now)


def give_back(store: ObservationStore, suggestion_id: str, *, now: datetime) -> bool:
    """End a suggestion, whose setting is free at once. False if it was outstanding no more.

    Raises:
        SuggestionMissingError: nothing of that id was ever suggested.
        StoreUnavailableError: the store cannot be used now; it may have been given back.
        StoreCorruptError: what it holds cannot be read.
        StoreRefusedError: it is not there, or does not admit us.
    """
    invalid: list[InvalidField] = []
    if parse_suggestion_id(suggestion_id, ("suggestion_id",), invalid) is None:
        raise SuggestionMissingError("nothing was ever suggested under such an id")
    if store.give_back(suggestion_id, now=now):
        return True
    if not store.find_suggestions({suggestion_id}):
        raise SuggestionMissingError(f"nothing was ever suggested under the id {suggestion_id}")
    return False
