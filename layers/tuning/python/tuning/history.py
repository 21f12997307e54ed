"""History: the ratings recorded, newest first, page by page. Draws no conclusions from them."""

from dataclasses import dataclass

from tuning.observations import Observation
from tuning.spaces import Spaces
from tuning.stores.port import ObservationStore
from tuning.validation import parse_cursor, validate_limit, validate_mode

DEFAULT_LIMIT = 50


@dataclass(frozen=True, slots=True)
class Page:
    """Ratings, newest first; `next_cursor` says where the next page begins, None at the end."""

    observations: tuple[Observation, ...]
    next_cursor: str | None


def browse(
    store: ObservationStore,
    spaces: Spaces,
    *,
    mode: str | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> Page:
    """Return one page of the ratings of a mode (None: of all), beginning where the cursor of the page before says.

    A page has 1 to 200 ratings. Pages neither repeat nor skip a rating while others are being recorded; those appear on
    a new first page.

    Raises:
        InvalidRequestError: there is no such mode, the limit is not from 1 to 200, or no page gave the cursor.
        StoreUnavailableError: the store cannot be read now.
        StoreCorruptError: what it holds cannot be read.
        StoreRefusedError: it is not there, or does not admit us.
    """
    if mode is not None:
        validate_mode(spaces, mode)
    validate_limit(limit)
    page = store.history(mode=mode, limit=limit, before=parse_cursor(cursor))
    return Page(page.observations, None if page.earliest is None else str(page.earliest))
