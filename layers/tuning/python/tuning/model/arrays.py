"""The types of the model's arrays. Shapes stand in the docstrings of what takes and gives them."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Flags = NDArray[np.bool_]
