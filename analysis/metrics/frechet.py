"""Measure Frechet distances of a seed's images from reference scenes or real images."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from analysis.metrics.base import FLOAT64, PERCEPTUAL_REFERENCE, ReferenceMetric
from analysis.statistics.arrays import Array, Floats
from analysis.statistics.distances import Reference, frechet_distance, frechet_method
from analysis.statistics.extrapolation import AtInfinity, at_infinity
from analysis.statistics.intervals import Interval, frechet_interval
from analysis.statistics.parallel import frechet_distances


class FrechetDistance(ReferenceMetric):
    """Exact Frechet distance between Gaussians fitted to embeddings.

    The distance is biased upwards by about 1/n, by an amount that depends on the images
    themselves (Chong and Forsyth 2020, arXiv:1911.07023): seeds are comparable only at equal n
    and with the same reference. With n <= 2 d, the covariance of a seed is little more than
    noise, and `method` of the value says so. `floor` gives the distance of the reference from
    itself at the same n: a seed below it cannot be distinguished from real images.
    """

    version: ClassVar[int] = 1
    unit: ClassVar[str] = "squared embedding units"
    higher_is_better: ClassVar[bool | None] = False
    method: ClassVar[str] = "exact Frechet distance between fitted Gaussians"
    judges_any_prompts: ClassVar[bool] = False  # its bias depends on what the images show

    @cached_property
    def shared(self) -> Reference:
        """Moments of the reference and their square root, computed once."""
        return Reference.from_features(self.reference)

    def core_seconds(self, images: int) -> float:
        """Estimate the time of a distance, and of the 11 or 4.5 times as much for its interval.

        Fitted to one core of an AMD EPYC with 2,048 numbers an image, 2026-12-01, busy: 2.1 s for
        1,000 images, 16 s for 4,000 (a jackknife), 9 s for 10,000 (contributions of images).
        """
        width = self.width
        rank = min(images, width)
        distance = 4e-11 * images * width * rank + 9.3e-11 * rank**3
        return distance * (4.5 if images > 2 * width else 11)

    def prepare(self, columns: Mapping[str, Array]) -> tuple[Array, ...]:
        """Return the embeddings."""
        return (np.asarray(columns[self.needs[0]], dtype=np.float64),)

    def values(self, prepared: Sequence[Array]) -> Floats:
        """Compute the distance of each seed."""
        return frechet_distances(prepared[0], self.shared)

    def compute(self, columns: Mapping[str, Array], groups: Array) -> list[Interval]:
        """Compute each distance with its interval at this n, never by bootstrap."""
        rows = columns[self.needs[0]]  # made float64 row by row: all rows may not fit into memory
        note = self._note(*rows.shape[1:])
        bias = f"biased upwards by about 1/n; reference of {len(self.reference):,} images"
        return [
            dataclasses.replace(interval, method=f"{note}{interval.method}; {bias}")
            for interval in (frechet_interval(row, groups, self.shared) for row in rows)
        ]

    def working_bytes(self, n: int, width: int) -> int:
        """Features, centred, projected and transported; matrices of moments; the reference."""
        return FLOAT64 * (6 * n * width + 4 * width**2) + self.reference_bytes(width)

    @staticmethod
    def _note(n: int, width: int) -> str:
        """Say what a reader must know about a distance of n images of embeddings of this width."""
        if n > 2 * width:
            return ""
        form = "low-rank form, " if frechet_method(n, width) == "low_rank" else ""
        return f"{form}comparable only at this n ({n}); "

    def at_infinity(
        self, prepared: Sequence[Array], groups: Array, rng: np.random.Generator
    ) -> AtInfinity:
        """Extrapolate the distance of each seed to infinitely many images.

        Args:
            prepared: From `prepare`.
            groups: Shape (P,), the group of each prompt.
            rng: Deals the groups.

        Raises:
            ValueError: If there are too few images or groups; see
                `analysis.statistics.extrapolation.at_infinity`.
        """

        def distances(chosen: Array) -> Floats:
            return frechet_distances((x[chosen] for x in prepared[0]), self.shared)

        width = self.reference.shape[1]
        limit = at_infinity(distances, groups, rng, width=width)
        if len(groups) >= 4 * width:
            return limit
        caveat = f"With n under 4 x {width:,} it takes off up to a fifth too much."
        return dataclasses.replace(limit, caveat=caveat)

    def from_rest(self, part: Floats, rest: Floats) -> float:
        """Measure the distance from a Gaussian fitted to the other images."""
        return frechet_distance(part, Reference.from_features(rest))


class FrechetPerceptual(FrechetDistance):
    """The distance on the `perceptual` embedding, of this project's small network; not FID."""

    name: ClassVar[str] = "frechet_perceptual"
    small_world: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("perceptual.embedding",)
    reference_file: ClassVar[Path | None] = PERCEPTUAL_REFERENCE


class Fid(FrechetDistance):
    """FID: the distance on the pooled Inception features, from real images that you provide.

    It is comparable with published values only at their n (usually 10,000 or 50,000), with their
    reference images and their resize. It is biased upwards at any n: see `FrechetDistance`.

    Source:
        Heusel et al. 2017, arXiv:1706.08500.
    """

    name: ClassVar[str] = "fid"
    needs: ClassVar[tuple[str, ...]] = ("inception.embedding",)


class FdDinov2(FrechetDistance):
    """FD-DINOv2: the distance on DINOv2's class token, from real images that you provide.

    It is biased upwards at any n: see `FrechetDistance`.

    Source:
        Stein et al. 2023, arXiv:2306.04675.
    """

    name: ClassVar[str] = "fd_dinov2"
    needs: ClassVar[tuple[str, ...]] = ("dinov2.embedding",)
