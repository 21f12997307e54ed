"""What the READMEs show: the fenced blocks, and among them the requests with the answers that follow them."""

import json
import re
from typing import Any

from tests.support.stack import ROOT


def blocks(readme: str) -> list[tuple[str, str]]:
    """The fenced blocks: (language, content)."""
    return re.findall(r"^```(\w*)\n(.*?)^```", (ROOT / readme).read_text(), re.MULTILINE | re.DOTALL)


def requests_shown(readme: str) -> list[tuple[str, dict[str, Any]]]:
    """The curl commands, and the answer shown for each."""
    shown = blocks(readme)
    return [
        (content, json.loads(shown[index + 1][1]))
        for index, (_, content) in enumerate(shown)
        if content.startswith("curl")
    ]
