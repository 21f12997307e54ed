"""Command-line tools: `python -m tools.<name>`, from the repository's root. They find the layers as main.py does."""

import sys
from pathlib import Path

sys.path += [
    str(layer) for layer in sorted(Path(__file__).parents[1].glob("layers/*/python")) if str(layer) not in sys.path
]
