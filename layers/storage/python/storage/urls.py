"""The URLs that name a table or a bucket of AWS: `dynamodb://captions?region=eu-west-1&endpoint=http://127.0.0.1:8001`.

`region` and `endpoint` may be left to AWS's own settings. It opens nothing.
"""

import re
from urllib.parse import parse_qsl, urlsplit


def parse_service_url(url: str, *, name: re.Pattern[str], form: str) -> tuple[str, dict[str, str]]:
    """The name in `url`, which must match `name`; and `region` and `endpoint` where they are given.

    Raises ValueError, saying what would do; `form` is the URL's plainest form.
    """
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise ValueError(f"{url}: {error}") from error
    options = dict(pairs)
    if not name.fullmatch(parts.netloc) or parts.path or parts.fragment:
        raise ValueError(f"{url}: must be {form}, with a name that AWS allows")
    if len(options) < len(pairs) or not options.keys() <= {"region", "endpoint"} or not all(options.values()):
        raise ValueError(f"{url}: takes region=... and endpoint=..., each once, and nothing else")
    if not re.match(r"https?://[^/]", options.get("endpoint", "http://x")):
        raise ValueError(f"{url}: the endpoint must be a URL such as http://127.0.0.1:8001")
    return parts.netloc, options
