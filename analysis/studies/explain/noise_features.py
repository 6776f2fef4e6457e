"""What a seed's starting noise looks like, in numbers with names; no picture is needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from analysis.statistics.arrays import Floats
from analysis.statistics.prediction import Ridge, correlations
from pipeline.noise import draw_noise

LOW = 4
"""Cosine coefficients per side that count as low frequencies; the first is the mean."""
PATCHES = 4
"""Patches per side whose energy is taken."""
LISTED = 20
"""Features of each target that are named, the strongest first."""
AT_ONCE = 1024
"""Seeds whose noise is in memory together."""


@dataclass(frozen=True, eq=False)
class NoiseFeatures:
    """Numbers of the starting noise of some seeds.

    Attributes:
        names: What each column is.
        values: Shape (S, D), float64.
    """

    names: tuple[str, ...]
    values: Floats

    @property
    def blocks(self) -> list[NDArray[np.intp]]:
        """Columns to predict from together: means; the first waves too; all waves; energies; all.

        Nested where they can be, for what a seed does may hang on few numbers or on many.
        """
        kind = np.array([_kind(name) for name in self.names])
        kinds = (["mean"], ["mean", "first"], ["mean", "first", "cosine"], ["energy"])
        return [*(np.flatnonzero(np.isin(kind, one)) for one in kinds), np.arange(len(kind))]


def noise_features(
    seeds: Sequence[int], shape: tuple[int, int, int], *, spec: str = "torch-cpu"
) -> NoiseFeatures:
    """Channel means, low frequencies, and where the noise is strong.

    Of every channel: the mean, the other 4 x 4 lowest cosine coefficients (orthonormal DCT-II),
    and the mean square; over all channels, the mean square of each of 4 x 4 patches.

    Args:
        seeds: S seeds.
        shape: (C, h, w) of the latents.
        spec: Short name of the noise spec.

    Returns:
        D = 17 C + 16 columns for latents of at least 4 x 4.

    Example:
        >>> found = noise_features([3, 7], (4, 8, 8))
        >>> found.values.shape
        (2, 84)
        >>> found.names[0], found.names[-1]
        ('mean, channel 0', 'energy, row 3, column 3')
    """
    parts = [seeds[start : start + AT_ONCE] for start in range(0, len(seeds), AT_ONCE)]
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
    own = np.concatenate([low, power[:, :, None]], axis=2).reshape(seeds, -1)
    places = [np.array_split(np.arange(size), min(PATCHES, size)) for size in (height, width)]
    energy = [
        (x[:, :, rows][..., columns] ** 2).mean(axis=(1, 2, 3))
        for rows in places[0]
        for columns in places[1]
    ]
    return np.concatenate([own, np.stack(energy, axis=1)], axis=1)


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
    """The features that correlate most with each target.

    Args:
        noise: Of S seeds.
        y: Targets, shape (S, T).
        permuted: Targets of permuted seeds, shape (S, B T); see `permuted_columns`.
        targets: Their names.

    Returns:
        `LISTED` rows per target: target, rank, feature, correlation; p_family, the share of
        draws in which any feature correlates as strongly; weight, the ridge coefficient.
    """
    found, weights = (
        correlations(noise.values, y),
        Ridge(noise.values, y, noise.blocks).coefficients,
    )
    most = np.abs(correlations(noise.values, permuted)).max(axis=0).reshape(-1, len(targets))
    rows = []
    for place, target in enumerate(targets):
        order = np.argsort(-np.abs(found[:, place]), kind="stable")[:LISTED]
        for rank, at in enumerate(order, start=1):
            beyond = int((most[:, place] >= abs(found[at, place])).sum())
            rows.append(
                {
                    "target": target,
                    "rank": rank,
                    "feature": noise.names[at],
                    "correlation": float(found[at, place]),
                    "p_family": (1 + beyond) / (len(most) + 1),
                    "weight": float(weights[place, at]),
                }
            )
    return rows
