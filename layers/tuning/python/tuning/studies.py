"""Studies: campaigns of ratings, begun, listed, archived and restored."""

from dataclasses import dataclass
from datetime import datetime

from tuning.errors import InvalidField, InvalidRequestError, StudyMissingError
from tuning.observations import DEFAULT_STUDY
from tuning.stores.port import ObservationStore
from tuning.study import Study, StudySummary
from tuning.validation.requests import parse_study_cursor, parse_study_request, validate_limit, validate_study

DEFAULT_LIMIT = 50


@dataclass(frozen=True, slots=True)
class StudiesFound:
    """Studies by name; `next_cursor` says where the next page begins, None at the end."""

    summaries: tuple[StudySummary, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Begun:
    """A study that has just begun; `ignored` are the fields of the request that nobody knows."""

    summary: StudySummary
    ignored: tuple[str, ...]


def begin(store: ObservationStore, request: object, *, now: datetime) -> Begun:
    """Begin a study of the `name` that the request has, perhaps `based_on` another, perhaps with a `note`.

    Raises:
        InvalidRequestError: anything is wrong with the request, or there is no study to be based on.
        StudyExistsError: there is a study of that name, archived or not.
        StoreUnavailableError: the store cannot be used now; the study may have begun.
        StoreCorruptError: what it holds cannot be read.
        StoreRefusedError: it is not there, or does not admit us.
    """
    asked = parse_study_request(request)
    if asked.based_on is not None:
        try:
            store.summary(asked.based_on)
        except StudyMissingError as error:
            raise InvalidRequestError((InvalidField(("based_on",), str(error)),)) from error
    study = Study(asked.name, now, asked.based_on, asked.note)
    store.begin(study)
    return Begun(StudySummary(study, (), None, None), asked.ignored)


def browse(store: ObservationStore, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> StudiesFound:
    """Return a page of all studies by name, archived ones included, beginning where the page before says.

    Raises:
        InvalidRequestError: the limit is not from 1 to 200, or no page gave the cursor.
        StoreUnavailableError: the store cannot be read now.
        StoreCorruptError: what it holds cannot be read.
        StoreRefusedError: it is not there, or does not admit us.
    """
    validate_limit(limit)
    page = store.studies(limit=limit, after=parse_study_cursor(cursor))
    return StudiesFound(page.summaries, page.next_after)


def find(store: ObservationStore, name: str) -> StudySummary:
    """Return a study at a glance.

    Raises:
        InvalidRequestError: the name is none that a study can have.
        StudyMissingError: there is no such study.
        StoreUnavailableError: the store cannot be read now.
        StoreCorruptError: what it holds cannot be read.
        StoreRefusedError: it is not there, or does not admit us.
    """
    return store.summary(validate_study(name, root="query", field_name="name"))


def archive(store: ObservationStore, name: str, *, archived: bool, now: datetime) -> StudySummary:
    """Archive a study, which then takes nothing, or restore it. What is so already stays as it is.

    Raises:
        InvalidRequestError: it is DEFAULT_STUDY, which cannot be archived, or no name that a study can have.
        StudyMissingError: there is no such study.
        StoreUnavailableError: the store cannot be used now; it may have been archived.
        StoreCorruptError: what it holds cannot be read.
        StoreRefusedError: it is not there, or does not admit us.
    """
    validate_study(name, root="query", field_name="name")
    if name == DEFAULT_STUDY and archived:
        message = f"study {DEFAULT_STUDY} cannot be archived: calls that name no study mean it"
        raise InvalidRequestError((InvalidField(("archived",), message),))
    return store.archive(name, archived_at=now if archived else None)
