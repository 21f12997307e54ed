"""History: the ratings recorded, newest first, page by page. Draws no conclusions from them."""

from tuning.errors import InvalidRequestError, Problem
from tuning.spaces import Spaces
from tuning.stats import validate_mode
from tuning.stores.port import HistoryPage, ObservationStore

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


def browse(
    store: ObservationStore,
    spaces: Spaces,
    *,
    mode: str | None = None,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> HistoryPage:
    """One page of the ratings of a mode (None: of all), beginning where the cursor of the page before says.

    Pages neither repeat nor skip a rating while others are being recorded; those appear on a new first page.

    Raises InvalidRequestError, StoreUnavailableError or StoreCorruptError.
    """
    if mode is not None:
        validate_mode(spaces, mode)
    if type(limit) is not int or not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequestError((Problem(("limit",), f"must be a whole number from 1 to {MAX_LIMIT}", "query"),))
    return store.history(mode=mode, limit=limit, cursor=cursor)
