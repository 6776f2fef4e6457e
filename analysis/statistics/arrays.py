"""Name the array types that annotations use throughout the analysis.

The module imports nothing of this project, so any module may import it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""Values of any type."""

Floats = NDArray[np.float64]
"""Measurements and statistics; all arithmetic is in float64."""

Indices = NDArray[np.intp]
"""Positions in another array, such as those of seeds, prompts or groups."""

Flags = NDArray[np.bool_]
"""One yes or no per entry of another array."""
