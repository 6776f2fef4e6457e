"""Describe the starting noise of a seed by named numbers; no image is needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from analysis.statistics.arrays import Floats
from analysis.statistics.monte_carlo import p_value
from analysis.statistics.prediction import Ridge, correlations
from pipeline.noise import draw_noise

LOW = 4
"""Cosine coefficients per side that count as low frequencies; the first is the mean."""
PATCHES = 4
"""Patches per side of which the energy is computed."""
LISTED = 20
"""Features listed for each target, the strongest first."""
SEEDS_AT_ONCE = 1024
"""Seeds whose noise is in memory at the same time."""


@dataclass(frozen=True, eq=False)
class NoiseFeatures:
    """Features of the starting noise of some seeds.

    Attributes:
        names: Name of each column.
        values: Shape (S, D), float64.
    """

    names: tuple[str, ...]
    values: Floats

    @property
    def blocks(self) -> list[NDArray[np.intp]]:
        """Sets of columns to predict from.

        These are: means; means and the first waves; means and all waves; energies; all columns.
        They are nested where possible, because a target may depend on few numbers or on many.
        """
        kinds = np.array([_kind(name) for name in self.names])
        blocks = (["mean"], ["mean", "first"], ["mean", "first", "cosine"], ["energy"])
        columns = [np.flatnonzero(np.isin(kinds, block)) for block in blocks]
        return [*columns, np.arange(len(kinds))]


def noise_features(
    seeds: Sequence[int], shape: tuple[int, int, int], *, spec: str = "torch-cpu"
) -> NoiseFeatures:
    """Compute channel means, low frequencies and energies of the noise.

    For every channel: the mean, the other 4 x 4 lowest cosine coefficients (orthonormal DCT-II),
    and the mean square. Over all channels: the mean square of each of 4 x 4 patches.

    Args:
        seeds: The S seeds.
        shape: (C, h, w) of the latents.
        spec: Short name of the noise spec.

    Returns:
        D = 17 C + 16 columns for latents of at least 4 x 4.

    Example:
        >>> noise = noise_features([3, 7], (4, 8, 8))
        >>> noise.values.shape
        (2, 84)
        >>> noise.names[0], noise.names[-1]
        ('mean, channel 0', 'energy, row 3, column 3')
    """
    starts = range(0, len(seeds), SEEDS_AT_ONCE)
    parts = [seeds[start : start + SEEDS_AT_ONCE] for start in starts]
    values = [_numbers(draw_noise(part, shape, spec=spec)[0].numpy()) for part in parts]
    return NoiseFeatures(_names(shape), np.concatenate(values))


def _numbers(noise: NDArray[np.float32]) -> Floats:
    """(S, C, h, w) -> (S, D)."""
    x = noise.astype(np.float64)
    seeds, channels, height, width = x.shape
    low = dctn(x, axes=(2, 3), norm="ortho")[:, :, :LOW, :LOW]
    low = low.reshape(seeds, channels, -1).copy()
    low[:, :, 0] = x.mean(axis=(2, 3))
    power = (x**2).mean(axis=(2, 3))
    by_channel = np.concatenate([low, power[:, :, None]], axis=2).reshape(seeds, -1)
    patch_rows, patch_columns = (
        np.array_split(np.arange(size), min(PATCHES, size)) for size in (height, width)
    )
    energies = [
        (x[:, :, rows][..., columns] ** 2).mean(axis=(1, 2, 3))
        for rows in patch_rows
        for columns in patch_columns
    ]
    return np.concatenate([by_channel, np.stack(energies, axis=1)], axis=1)


def _kind(name: str) -> str:
    first = name.startswith(("cosine 1 across, 0 down", "cosine 0 across, 1 down"))
    return "first" if first else name.replace(",", " ").split()[0]


def _names(shape: tuple[int, int, int]) -> tuple[str, ...]:
    channels, height, width = shape
    low = [(y, x) for y in range(min(LOW, height)) for x in range(min(LOW, width))]
    names = []
    for channel in range(channels):
        waves = [f"cosine {x} across, {y} down, channel {channel}" for y, x in low[1:]]
        names += [f"mean, channel {channel}", *waves, f"energy, channel {channel}"]
    rows, columns = min(PATCHES, height), min(PATCHES, width)
    patches = [f"energy, row {y}, column {x}" for y in range(rows) for x in range(columns)]
    return (*names, *patches)


def strongest(
    noise: NoiseFeatures, y: Floats, permuted: Floats, targets: Sequence[str]
) -> list[dict[str, Any]]:
    """List the features that correlate most with each target.

    Args:
        noise: The features of S seeds.
        y: Targets, shape (S, T).
        permuted: Targets with permuted seeds, shape (S, B T); see `permuted_columns`.
        targets: Names of the targets.

    Returns:
        `LISTED` rows per target: target, rank, feature, correlation; p_family, the share of
        draws in which any feature correlates as strongly; weight, the ridge coefficient.
    """
    r = correlations(noise.values, y)
    weights = Ridge(noise.values, y, noise.blocks).coefficients
    largest = np.abs(correlations(noise.values, permuted)).max(axis=0).reshape(-1, len(targets))
    rows = []
    for t, target in enumerate(targets):
        order = np.argsort(-np.abs(r[:, t]), kind="stable")[:LISTED]
        for rank, column in enumerate(order, start=1):
            rows.append(
                {
                    "target": target,
                    "rank": rank,
                    "feature": noise.names[column],
                    "correlation": float(r[column, t]),
                    "p_family": p_value(largest[:, t], abs(r[column, t]), scale=1.0),
                    "weight": float(weights[t, column]),
                }
            )
    return rows
