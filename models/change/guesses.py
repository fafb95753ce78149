"""Where to begin when too few features agree: similarities guessed from the outlines, or from the pictures as a whole."""

import math
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from models.change.geometry import Matrix, similarity
from models.change.look import Look

TURNS, RINGS = 256, 64  # of the polar pictures: angles and radii
REACH = 2.5  # radii of the lesion that a polar picture shows
BEST = 3  # turns that are tried
APART = 10  # of TURNS: two turns nearer than this are one
SPECTRUM = 256  # px of the square whose spectrum is taken
COARSE = 4.0  # px at half size: broader structure has no say in the spectrum


def by_outline(earlier: Look, later: Look) -> Iterator[Matrix]:
    """Centre on centre, size on size, and the turns at which the lesions and the skin around them look most alike."""
    if earlier.mask is None or later.mask is None:
        return
    (here, radius), (there, other) = _disc(earlier.mask), _disc(later.mask)
    likeness = _turn_likeness(_polar(earlier, here, radius), _polar(later, there, other))
    for turn in _peaks(likeness):
        yield similarity(scale=other / radius, degrees=360 * turn / TURNS, source=here, target=there)


def _disc(mask: NDArray[np.uint8]) -> tuple[tuple[float, float], float]:
    """Centre, and radius of the disc of the same area."""
    moments = cv2.moments(mask, binaryImage=True)
    centre = (moments["m10"] / moments["m00"], moments["m01"] / moments["m00"])
    return centre, math.sqrt(moments["m00"] / math.pi)


def _polar(look: Look, centre: tuple[float, float], radius: float) -> NDArray[np.complex128]:
    """Spectrum along the angle of the surroundings, TURNS × RINGS; what every turn shares is taken out."""
    size, reach = (RINGS, TURNS), REACH * radius
    grey = cv2.warpPolar(look.grey, size, centre, reach, cv2.WARP_POLAR_LINEAR).astype(np.float32)
    seen = (cv2.warpPolar(look.valid, size, centre, reach, cv2.WARP_POLAR_LINEAR) > 127).astype(np.float32)
    mean = (grey * seen).sum(0) / (seen.sum(0) + 1e-3)
    # Outer rings stand for more skin than inner ones.
    weight = np.sqrt(np.arange(RINGS, dtype=np.float32) + 0.5)
    return np.asarray(np.fft.fft((grey - mean) * seen * weight, axis=0), np.complex128)


def _turn_likeness(one: NDArray[np.complex128], other: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Cross-correlation over the TURNS angles, counter-clockwise on the screen."""
    # Polar angles run clockwise on the screen.
    return np.asarray(np.fft.ifft((one * other.conj()).sum(1)).real, np.float64)


def _peaks(likeness: NDArray[np.float64]) -> Iterator[int]:
    left = likeness.copy()
    for _ in range(BEST):
        turn = int(left.argmax())
        yield turn
        left[(np.arange(-APART, APART + 1) + turn) % TURNS] = -np.inf


def by_intensity(earlier: Look, later: Look) -> Iterator[Matrix]:
    """Scale and turn from the spectra, which do not know of shifts, then the shift (Reddy and Chatterji 1996)."""
    one, other = _square(earlier), _square(later)
    reach = SPECTRUM / 2
    spectra = [_log_polar(picture, reach) for picture in (one, other)]
    (stretch, turn), _ = cv2.phaseCorrelate(*spectra)
    scale = math.exp(-stretch * math.log(reach) / SPECTRUM)
    degrees = -360 * turn / SPECTRUM
    middle = (SPECTRUM / 2, SPECTRUM / 2)
    for half_turn in (0, 180):
        turned = similarity(scale=scale, degrees=degrees + half_turn, source=middle, target=middle)
        (x, y), _ = cv2.phaseCorrelate(cv2.warpAffine(one, turned, (SPECTRUM, SPECTRUM)), other)
        turned[:, 2] += (x, y)
        yield _of_looks(turned, earlier, later)


def _square(look: Look) -> NDArray[np.float32]:
    """Fine structure in the middle of a square, fading towards its rim."""
    grey, seen = look.half.astype(np.float32), (look.half_valid > 127).astype(np.float32)
    weight = cv2.GaussianBlur(seen, (0, 0), COARSE) + 1e-3
    high = (grey - cv2.GaussianBlur(grey * seen, (0, 0), COARSE) / weight) * seen
    height, width = high.shape
    square = np.zeros((SPECTRUM, SPECTRUM), np.float32)
    top, left = (SPECTRUM - height) // 2, (SPECTRUM - width) // 2
    square[top : top + height, left : left + width] = high * cv2.createHanningWindow((width, height), cv2.CV_32F)
    return square


def _log_polar(square: NDArray[np.float32], reach: float) -> NDArray[np.float32]:
    spectrum = np.log1p(np.abs(np.fft.fftshift(np.fft.fft2(square)))).astype(np.float32)
    middle = (SPECTRUM / 2, SPECTRUM / 2)
    polar = cv2.warpPolar(spectrum, (SPECTRUM, SPECTRUM), middle, reach, cv2.WARP_POLAR_LOG | cv2.INTER_LINEAR)
    fine = polar - cv2.GaussianBlur(polar, (0, 0), 10)
    return np.asarray(fine * cv2.createHanningWindow((SPECTRUM, SPECTRUM), cv2.CV_32F), np.float32)


def _of_looks(turned: Matrix, earlier: Look, later: Look) -> Matrix:
    """Px of squares at half size → px of looks."""
    shifts = [np.array([(SPECTRUM - look.half.shape[1]) // 2, (SPECTRUM - look.half.shape[0]) // 2]) for look in (earlier, later)]
    matrix = turned.copy()
    matrix[:, 2] = turned[:, :2] @ shifts[0] + turned[:, 2] - shifts[1]
    matrix[:, 2] *= 2
    return matrix
