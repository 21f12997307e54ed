"""Writes the OpenAPI document beside the suggest function, which serves it."""

import json
import sys

from tools.openapi.document import DOCUMENT, document


def main() -> None:
    """Write the document."""
    DOCUMENT.write_text(json.dumps(document(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stderr.write(f"{DOCUMENT.name} written\n")


if __name__ == "__main__":
    main()
