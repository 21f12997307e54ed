import json

from tools.openapi import DOCUMENT, document


def test_the_committed_document_says_what_the_functions_do() -> None:
    assert json.loads(DOCUMENT.read_text()) == document(), "run `make openapi` and read the difference"
