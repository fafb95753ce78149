"""The array types that travel between the picture functions."""

import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]  # H×W×3, sRGB
Gray = NDArray[np.uint8]  # H×W
