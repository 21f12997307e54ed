"""Tools that make caption bundles: convert, train, evaluate, bundle, build.

They run from the repository's root (`python -m tools.captioner`), so that the layer that serves bundles has to be put
on the path here.
"""

import sys
from pathlib import Path

_LAYER = str(Path(__file__).parents[2] / "layers" / "captioning" / "python")
if _LAYER not in sys.path:
    sys.path.append(_LAYER)
