"""Entries of the history and studies as the API gives them: what both functions of tuning answer with."""

from datetime import datetime

from pydantic import BaseModel, Field

from functions.space_messages import RecordedMode, RecordedParameters
from tuning.history import Page
from tuning.observations import Entry, Failure, Revision
from tuning.spaces import Spaces
from tuning.studies import StudiesFound
from tuning.study import StudySummary

MAX_EARLIER = 100  # earlier states that are shown of an entry


class EarlierState(BaseModel):
    """An earlier state of an entry: revision 1 is the entry as it was recorded."""

    revision: int
    rating: float | None
    comment: str | None
    withdrawn: bool
    made_at: datetime
    reviser: str | None = Field(description="who made it; null of the first and where it was not said")

    @classmethod
    def of(cls, revision: Revision) -> "EarlierState":
        """Return the revision in the API's shape."""
        return cls(
            revision=revision.number,
            rating=revision.rating,
            comment=revision.comment,
            withdrawn=revision.withdrawn,
            made_at=revision.made_at,
            reviser=revision.reviser,
        )


class Rated(BaseModel):
    """An entry of the history: a rating, or a failure whose `rating` is null, as it stands now."""

    id: str = Field(examples=["default-17"])
    study: str
    mode: RecordedMode
    parameters: RecordedParameters
    rating: float | None
    failed: str | None = Field(description="why there is no rating; null of a rating")
    recorded_at: datetime
    suggestion_id: str | None
    rater: str | None
    picture: str | None
    comment: str | None
    revision: int = Field(description="the number of the last revision, for If-Match")
    withdrawn: bool
    revised_at: datetime | None = Field(description="when it was last corrected; null if it never was")
    reviser: str | None = Field(description="who corrected it last")
    earlier: list[EarlierState] | None = Field(
        description="its last 100 earlier states, oldest first; null if they are not asked for"
    )

    @classmethod
    def of(cls, entry: Entry, *, earlier: bool = False) -> "Rated":
        """Return the entry in the API's shape, with its earlier states or without."""
        told, revision = entry.told, entry.revision
        corrected = revision.number > 1
        return cls(
            id=entry.id,
            study=entry.study,
            mode=told.mode,
            parameters=told.setting.to_plain(),
            rating=revision.rating,
            failed=told.reason if isinstance(told, Failure) else None,
            recorded_at=told.recorded_at,
            suggestion_id=told.suggestion_id,
            rater=told.rater,
            picture=told.picture,
            comment=told.comment,
            revision=revision.number,
            withdrawn=revision.withdrawn,
            revised_at=revision.made_at if corrected else None,
            reviser=revision.reviser,
            earlier=[EarlierState.of(one) for one in entry.earlier[-MAX_EARLIER:]] if earlier else None,
        )


class History(BaseModel):
    """Entries, newest first."""

    observations: list[Rated]
    next_cursor: str | None = Field(description="where the next page begins; null at the end")

    @classmethod
    def of(cls, page: Page, *, earlier: bool) -> "History":
        """Return the page in the published shape."""
        return cls(
            observations=[Rated.of(entry, earlier=earlier) for entry in page.entries], next_cursor=page.next_cursor
        )


class BestOfStudy(BaseModel):
    """The setting of the highest single rating, the earliest if there are several."""

    mode: RecordedMode
    parameters: RecordedParameters
    rating: float


class StudyDescription(BaseModel):
    """A study at a glance."""

    name: str = Field(examples=["kitchens-2026"])
    created_at: datetime | None = Field(description="null of `default`, which is there from the start")
    based_on: str | None = Field(description="the study whose ratings teach this one too, as far as they are alike")
    note: str | None
    archived_at: datetime | None = Field(description="since when it takes nothing; null if it does")
    samples_seen: int = Field(description="ratings that count, over all modes")
    counts: dict[str, int] = Field(description="ratings that count, by mode")
    best: BestOfStudy | None
    last_activity: datetime | None = Field(description="when it last took a rating, a failure or a correction")

    @classmethod
    def of(cls, summary: StudySummary, spaces: Spaces) -> "StudyDescription":
        """Return the study in the API's shape, with every mode of the space, and modes that left it but were rated."""
        study, best = summary.study, summary.best
        return cls(
            name=study.name,
            created_at=study.created_at,
            based_on=study.based_on,
            note=study.note,
            archived_at=study.archived_at,
            samples_seen=summary.samples_seen,
            counts=dict.fromkeys((mode.name for mode in spaces.modes), 0) | dict(summary.counts),
            best=BestOfStudy(mode=best.mode, parameters=best.setting.to_plain(), rating=best.rating) if best else None,
            last_activity=summary.last_activity,
        )


class Studies(BaseModel):
    """Studies by name."""

    studies: list[StudyDescription]
    next_cursor: str | None = Field(description="where the next page begins; null at the end")

    @classmethod
    def of(cls, found: StudiesFound, spaces: Spaces) -> "Studies":
        """Return the page in the API's shape."""
        return cls(
            studies=[StudyDescription.of(summary, spaces) for summary in found.summaries],
            next_cursor=found.next_cursor,
        )
