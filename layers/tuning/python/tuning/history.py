"""History: the ratings recorded, newest first, page by page. Draws no conclusions from them."""

from tuning.spaces import Spaces
from tuning.stores.port import HistoryPage, ObservationStore
from tuning.validation import validate_limit, validate_mode

DEFAULT_LIMIT = 50


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
    validate_limit(limit)
    return store.history(mode=mode, limit=limit, cursor=cursor)
