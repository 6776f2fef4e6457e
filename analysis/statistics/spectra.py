"""Spatial frequencies of two-dimensional fields: bands, spectra and coherence."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.leave_out import balanced_blocks

Complexes = NDArray[np.complex128]

BLOCKS = 20
"""Largest number of blocks that a jackknife leaves out in turn, of seeds and of prompt groups."""


@dataclass(frozen=True, eq=False)
class Bands:
    """Rings of spatial frequencies, one octave each.

    Attributes:
        names: "0", "1", "2", "3-4", "5-8" ...: cycles along a side of the field.
        members: Shape (K, h w), whether a frequency is in a band; each frequency is in one band.
    """

    names: tuple[str, ...]
    members: NDArray[np.bool_]

    def mean(self, values: Floats) -> Floats:
        """Mean over the frequencies of each band, shape (..., h w) -> (..., K)."""
        share = self.members / self.members.sum(axis=1, keepdims=True)
        return np.asarray(values @ share.T)


def octave_bands(height: int, width: int) -> Bands:
    """The bands of fields of one size: the mean, then rings whose frequency doubles.

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


def spectrum(fields: ArrayLike) -> Complexes:
    """Two-dimensional Fourier transform that preserves the sum of squares.

    Args:
        fields: Shape (..., h, w).

    Returns:
        Shape (..., h w), complex128; white noise of variance 1 has power 1 everywhere.
    """
    x = np.asarray(fields, dtype=np.float64)
    transform = np.fft.fft2(x, norm="ortho")
    return np.asarray(transform.reshape(*x.shape[:-2], -1), dtype=np.complex128)


def centred(values: Complexes) -> Complexes:
    """Subtract the mean over seeds, which removes the prompt effect common to all seeds.

    Args:
        values: Shape (S, ...).
    """
    return np.asarray(values - values.mean(axis=0, keepdims=True))


def coherence(start: Complexes, end: Complexes, bands: Bands) -> Floats:
    """Magnitude-squared coherence of start and end, averaged over each band.

    At one frequency it is |sum x conj(y)|^2 / (sum |x|^2 sum |y|^2) over all cells, in [0, 1]: the
    share of the end's power that a linear filter of the start explains. For n unrelated cells its
    expectation is 1 / n and not 0, so report it next to its null.

    Args:
        start: Shape (S, C, F), one per seed, centred.
        end: Shape (S, P, C, F), one per seed and prompt, centred.
        bands: The bands of the F frequencies.

    Returns:
        Shape (C, K).

    Source:
        Carter, Knapp and Nuttall 1973, "Estimation of the magnitude-squared coherence function
        via overlapped FFT processing"; with cells instead of segments.
    """
    cross = (start * end.sum(axis=1).conj()).sum(axis=0)
    power = end.shape[1] * _power(start).sum(axis=0) * _power(end).sum(axis=(0, 1))
    squared = np.divide(np.abs(cross) ** 2, power, out=np.zeros_like(power), where=power > 0)
    return bands.mean(squared)


def common_share(end: Complexes, bands: Bands) -> Floats:
    """Share of the power that a seed's fields have in common over all prompts.

    It is an intraclass correlation for each band: the mean of y_p conj(y_q) over pairs of prompts,
    divided by the mean of |y|^2. Both means are unbiased, so the share may be negative.

    Args:
        end: Shape (S, P, C, F), centred, at least two prompts.
        bands: The bands of the F frequencies.

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
    """Standard errors of a statistic of seeds crossed with prompts, for other seeds and prompts.

    Args:
        statistic: Takes the indices of the seeds and of the prompts to use; returns an array.
        seeds: The seeds. Each is left out in turn; more than `BLOCKS` seeds are joined to blocks.
        groups: The group of each prompt; groups are left out whole.

    Returns:
        The root of the sum of the two jackknife variances, in the shape of the statistic. The
        variance of the seed x prompt interaction is counted twice, so the errors are conservative.
    """
    sides = [np.asarray(seeds), np.asarray(groups)]
    everything = [np.arange(len(side)) for side in sides]
    squared = 0.0
    for axis, side in enumerate(sides):
        codes = balanced_blocks(side, len(side), limit=BLOCKS)
        without = []
        for block in range(int(codes.max()) + 1):
            kept = list(everything)
            kept[axis] = np.flatnonzero(codes != block)
            without.append(statistic(*kept))
        draws = np.stack(without)
        spread = ((draws - draws.mean(axis=0)) ** 2).sum(axis=0)
        squared = squared + (len(draws) - 1) / len(draws) * spread
    return np.asarray(np.sqrt(squared))
