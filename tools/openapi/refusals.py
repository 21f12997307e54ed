"""How each operation may be refused: every status by its name, with a problem and an example of it.

What the gateway answers for any operation is added to what the operation's function answers. There is no 401: a request
without a valid key is a 403, as API Gateway has it. A 405 and a 408 are answers to what is no operation or no whole
request; the document's description has them.
"""

from collections.abc import Mapping
from typing import Any

from tools.openapi.tidying import reference
from web.problems import MEDIA_TYPE, title

_BODY = (400, 413, 415)  # of whatever has a body
_GATEWAY = (429, 500, 502, 503, 504)

_OWN: Mapping[str, tuple[int, ...]] = {
    "index": (),
    "health": (),
    "suggest_parameters": (*_BODY, 404, 409, 422),
    "outstanding": (404, 422),
    "give_back": (404,),
    "update_model": (*_BODY, 404, 409, 422),
    "history": (404, 422),
    "correct": (*_BODY, 404, 409, 412, 422),
    "withdraw": (404, 409, 412, 422),
    "stats": (404, 422),
    "surrogate": (404, 409, 422),
    "progress": (404, 422),
    "list_studies": (422,),
    "read_study": (404, 422),
    "begin_study": (*_BODY, 409, 422),
    "archive_study": (*_BODY, 404, 422),
    "generate_caption": (*_BODY, 422),
    "caption_health": (),
    "upload": (*_BODY, 422),
    "list_uploads": (422,),
    "upload_caption": (404, 422),
}
"""What the function answers, by the id of the operation."""

_RATING = {"detail": "must lie within 1 to 5, not 9", "pointer": "#/results/0/rating"}
_EXAMPLES: Mapping[int, tuple[str, dict[str, Any]]] = {
    400: ("the body is not JSON: Expecting value at character 12", {}),
    403: ("the header x-api-key is missing or its key is not valid here", {}),
    404: ("there is no study kitchen-2026; did you mean kitchens-2026?", {}),
    409: ("study kitchens-2026 is archived: restore it, or name another", {}),
    412: ("default-17 was corrected meanwhile and has revision 3: read it again, then correct that", {}),
    413: ("the body has over 10 MiB once it is decompressed", {}),
    415: ("the body must be application/json, not text/plain", {}),
    422: ("results[0].rating: must lie within 1 to 5, not 9", {"errors": [_RATING]}),
    429: ("more requests came than are let through; try again in a second", {}),
    500: ("something went wrong on our side; the log has it under this instance", {}),
    502: ("the function failed; the log has it under this instance", {}),
    503: ("what is needed to answer cannot be reached just now; try again in 1 s", {}),
    504: ("no answer came within 29 seconds; send the same request again with the same Idempotency-Key", {}),
}
_RETRIED = {429, 503, 504}

RETRY_AFTER = {"Retry-After": {"description": "seconds to wait", "schema": {"type": "integer", "minimum": 1}}}


def refusals_of(operation: str, *, needs_key: bool) -> dict[str, dict[str, str]]:
    """Return references to the responses by which an operation refuses, by status.

    Raises:
        ValueError: nobody has said how the operation refuses.
    """
    if operation not in _OWN:
        raise ValueError(f"say in {__name__} how the operation {operation} refuses")
    statuses = {*_OWN[operation], *_GATEWAY} | ({403} if needs_key else set())
    return {str(status): reference("responses", _name(status)) for status in sorted(statuses)}


def responses() -> dict[str, Any]:
    """Return the responses that `refusals_of` refers to."""
    return {_name(status): _response(status) for status in _EXAMPLES}


def _name(status: int) -> str:
    return title(status).replace(" ", "")


def _response(status: int) -> dict[str, Any]:
    detail, more = _EXAMPLES[status]
    example = {"type": "about:blank", "title": title(status), "status": status, "detail": detail}
    example |= {"instance": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"} | more
    content = {MEDIA_TYPE: {"schema": reference("schemas", "ProblemDetails"), "example": example}}
    return {"description": title(status), "content": content} | ({"headers": RETRY_AFTER} if status in _RETRIED else {})
