"""The headers that requests which write may carry."""

from typing import Annotated

from fastapi import Header

from tuning.validation.requests import KEY_HEADER, MAX_KEY_LENGTH

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias=KEY_HEADER,
        min_length=1,
        max_length=MAX_KEY_LENGTH,
        description="recommended: makes a retry harmless (same key, same body, same answer), also after a 504",
    ),
]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match", description="the entry's revision that was seen: a 412 if somebody corrected it meanwhile"
    ),
]
