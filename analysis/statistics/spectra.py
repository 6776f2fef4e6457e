"""Frequencies of small pictures: bands, amplitudes, and what two pictures share in each."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.leave_out import balanced_blocks

Complexes = NDArray[np.complex128]

BLOCKS = 20
"""Most blocks that a jackknife leaves out in turn, of seeds and of prompt groups."""


@dataclass(frozen=True, eq=False)
class Bands:
    """Rings of spatial frequencies, an octave each.

    Attributes:
        names: "0", "1", "2", "3-4", "5-8" ...: cycles along a side of the picture.
        members: Shape (K, h w), whether a frequency is in a band; each is in one.
    """

    names: tuple[str, ...]
    members: NDArray[np.bool_]

    def mean(self, values: Floats) -> Floats:
        """Mean over the frequencies of each band, shape (..., h w) -> (..., K)."""
        share = self.members / self.members.sum(axis=1, keepdims=True)
        return np.asarray(values @ share.T)


def octave_bands(height: int, width: int) -> Bands:
    """The bands of pictures of a size: the mean, then rings that double.

    A frequency (ky, kx), in cycles along each side, is on the ring round(sqrt(ky^2 + kx^2)).

    Example:
        >>> octave_bands(8, 8).names
        ('0', '1', '2', '3-4', '5-8')
        >>> octave_bands(8, 8).members.sum(axis=1).tolist()
        [1, 8, 12, 38, 5]
    """
    ky, kx = np.fft.fftfreq(height) * height, np.fft.fftfreq(width) * width
    ring = np.rint(np.hypot(ky[:, None], kx[None, :])).astype(int).ravel()
    octave = np.where(ring == 0, 0, 1 + np.ceil(np.log2(np.maximum(ring, 1))).astype(int))
    present = np.unique(octave)
    names = tuple(_name(int(number)) for number in present)
    return Bands(names, octave[None, :] == present[:, None])


def _name(octave: int) -> str:
    high = 2 ** (octave - 1) if octave else 0
    low = high // 2 + 1 if octave > 1 else high
    return f"{low}-{high}" if low < high else str(high)


def spectrum(pictures: ArrayLike) -> Complexes:
    """Two-dimensional Fourier transform that keeps the sum of squares.

    Args:
        pictures: Shape (..., h, w).

    Returns:
        Shape (..., h w), complex128; white noise of variance 1 has power 1 everywhere.
    """
    x = np.asarray(pictures, dtype=np.float64)
    found = np.fft.fft2(x, norm="ortho")
    return np.asarray(found.reshape(*x.shape[:-2], -1), dtype=np.complex128)


def centred(values: Complexes) -> Complexes:
    """Less the mean over seeds: what a prompt gives to every seed is no seed's doing.

    Args:
        values: Shape (S, ...).
    """
    return np.asarray(values - values.mean(axis=0, keepdims=True))


def coherence(start: Complexes, end: Complexes, bands: Bands) -> Floats:
    """Magnitude-squared coherence of start and end, mean over each band.

    At one frequency |sum x conj(y)|^2 / (sum |x|^2 sum |y|^2) over all cells, in [0, 1]: the
    share of the end's power that the start, times a constant of that frequency, gives. Of n
    unrelated cells it is 1 / n and not 0: show it beside its null.

    Args:
        start: (S, C, F), of every seed, centred.
        end: (S, P, C, F), of every seed and prompt, centred.
        bands: Of the F frequencies.

    Returns:
        Shape (C, K).

    Source:
        Carter, Knapp and Nuttall 1973, "Estimation of the magnitude-squared coherence function
        via overlapped FFT processing"; with cells in the place of segments.
    """
    cross = (start * end.sum(axis=1).conj()).sum(axis=0)
    power = end.shape[1] * _power(start).sum(axis=0) * _power(end).sum(axis=(0, 1))
    found = np.divide(np.abs(cross) ** 2, power, out=np.zeros_like(power), where=power > 0)
    return bands.mean(found)


def common_share(end: Complexes, bands: Bands) -> Floats:
    """Share of the power that the pictures of one seed have in common, whatever the prompt.

    The mean of y_p conj(y_q) over pairs of prompts, over the mean of |y|^2: an intraclass
    correlation per band. Its sums are unbiased, so it may be negative.

    Args:
        end: (S, P, C, F), centred, at least two prompts.
        bands: Of the F frequencies.

    Returns:
        Shape (C, K).
    """
    prompts = end.shape[1]
    within = _power(end).sum(axis=(0, 1))
    between = (_power(end.sum(axis=1)).sum(axis=0) - within) / (prompts - 1)
    power = bands.mean(within)
    return np.divide(bands.mean(between), power, out=np.zeros_like(power), where=power > 0)


def _power(values: Complexes) -> Floats:
    return np.asarray(values.real**2 + values.imag**2)


def crossed_errors(
    statistic: Callable[[Indices, Indices], Floats], seeds: ArrayLike, groups: ArrayLike
) -> Floats:
    """Standard errors of a statistic of seeds crossed with prompts.

    Args:
        statistic: Takes the seeds and the prompts to use, by place; gives an array.
        seeds: The seeds; each leaves alone, or with others where there are more than `BLOCKS`.
        groups: The group of each prompt; groups leave whole.

    Returns:
        The root of the sum of the two jackknife variances, of the statistic's shape. What
        hangs on seed and prompt together is counted twice, so it errs on the wide side.
    """
    sides = [np.asarray(seeds), np.asarray(groups)]
    everything = [np.arange(len(side)) for side in sides]
    squared = 0.0
    for place, side in enumerate(sides):
        codes = balanced_blocks(side, len(side), limit=BLOCKS)
        without = []
        for block in range(int(codes.max()) + 1):
            left = list(everything)
            left[place] = np.flatnonzero(codes != block)
            without.append(statistic(*left))
        draws = np.stack(without)
        spread = ((draws - draws.mean(axis=0)) ** 2).sum(axis=0)
        squared = squared + (len(draws) - 1) / len(draws) * spread
    return np.asarray(np.sqrt(squared))
