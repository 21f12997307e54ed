"""The history as it is read: GET /ml/history, as JSON or as a table in CSV."""

import json
from typing import Annotated, Literal

from fastapi import Depends, Header, Request
from fastapi.responses import Response

from functions.history_messages import History
from functions.query_numbers import Whole
from functions.space_messages import ModeName
from functions.tuning_function import TuningFunction, refuse_near_parameters
from tuning.history import DEFAULT_LIMIT, browse
from tuning.observations import DEFAULT_STUDY
from tuning.table import to_csv
from tuning.validation.requests import MAX_PAGE

_CSV = "text/csv"
MAX_ROWS = 2_000  # of one table
# Of one page, as a Lambda answers it: a text in JSON, in which one character of a comment may take twelve bytes. A
# Lambda may answer 6 MiB.
MAX_BYTES = 5 * 1024 * 1024


def add(function: TuningFunction) -> None:
    """Add the routes to the function's application."""

    @function.app.get(
        "/ml/history",
        tags=["tuning"],
        summary="Every rating and failure of a study, newest first",
        dependencies=[Depends(refuse_near_parameters)],
        responses={200: {"content": {_CSV: {"schema": {"type": "string"}}}}},
        response_model=History,
    )
    async def history(
        request: Request,
        *,
        study: str = DEFAULT_STUDY,
        mode: ModeName | None = None,
        rater: str | None = None,
        picture: str | None = None,
        include: Literal["withdrawn"] | None = None,
        limit: Whole | None = None,
        cursor: str | None = None,
        format: Literal["json", "csv"] | None = None,  # noqa: A002 - the parameter's name in the API
        accept: Annotated[str | None, Header(include_in_schema=False)] = None,
    ) -> Response:
        table = format == "csv" or (format is None and _prefers_csv(accept))
        every = include == "withdrawn"
        most = MAX_ROWS if table else MAX_PAGE
        asked = limit if limit is not None else MAX_ROWS if table else DEFAULT_LIMIT
        while True:
            page = browse(
                function.store,
                function.spaces,
                study=study,
                mode=mode,
                rater=rater,
                picture=picture,
                withdrawn=every,
                limit=asked,
                cursor=cursor,
                most=most,
            )
            body = to_csv(function.spaces, page.entries) if table else History.of(page, earlier=every).model_dump_json()
            if asked == 1 or len(json.dumps(body)) <= MAX_BYTES:
                break
            asked //= 2  # long comments, and many corrections of them
        if not table:
            return Response(body, media_type="application/json", headers={"Vary": "Accept"})
        # Whoever saves it sees by its name whether it is all there is.
        name = f"{study}-part.csv" if page.next_cursor else f"{study}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Vary": "Accept"}
        if page.next_cursor:
            following = request.url.include_query_params(cursor=page.next_cursor).query
            headers["Link"] = f'<?{following}>; rel="next"'
        return Response(body, media_type=_CSV, headers=headers)


def _prefers_csv(accept: str | None) -> bool:
    """Return whether a request's Accept names CSV and does not name JSON."""
    kinds = {part.partition(";")[0].strip().lower() for part in (accept or "").split(",")}
    return _CSV in kinds and "application/json" not in kinds
