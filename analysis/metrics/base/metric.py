"""Define the base class of all metrics, with its hooks."""

import copy
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import ClassVar

import numpy as np

from analysis.statistics.arrays import Array, Floats, Indices
from analysis.statistics.extrapolation import AtInfinity
from analysis.statistics.floors import NoiseFloor
from analysis.statistics.intervals import Interval
from pipeline.registry import source_sha256

FAILED_CELL = "cell.failed"
"""A column that every run has: 1 where the cell has no usable image, else 0."""
FLOAT64 = 8
"""Bytes of a number."""
MATRICES = 6
"""Arrays of the size of a seed's columns that a metric may hold at once."""


def _with_card(need: str, card: str) -> str:
    feature, _, column = need.rpartition(".")
    name = feature.partition("@")[0]
    return need if need == FAILED_CELL else f"{name}@{card}.{column}"


def _movable(name: str) -> str:
    """Leave out the folder of a card's path, so that moving a card changes no identity.

    Example:
        >>> _movable("clip_score@/me/card.yaml"), _movable("clip_score@b")
        ('clip_score@card.yaml', 'clip_score@b')
    """
    kind, at, card = name.partition("@")
    return f"{kind}{at}{PurePath(card).name}"


class Metric(ABC):
    """One value per seed. A subclass is made without arguments and is cheap to make.

    A subclass defines `prepare`, `values` and `compute`. The other methods are hooks: each has a
    neutral default, and ranking and studies call them instead of asking for a class.

    Attributes:
        name: Name in the registry.
        version: Raised whenever the values change.
        unit: Unit of the values.
        higher_is_better: Direction; None where neither end is better.
        needs: The columns the metric is made from, each "feature.column", or "cell.failed".
        method: How the value is made, in words.
        per_image_mean: Whether the value is the mean of one number per image. Only for such
            metrics does the Spearman-Brown formula say how reliability grows with prompts.
        computed_in_blocks: Whether `compute` is called for a block of seeds at a time. Set it
            where the columns of all seeds may not fit into memory.
        judges_any_prompts: Whether the metric can judge prompts of another kind than those of its
            reference images.
        judges_images: Whether the value is the mean of a score that says how good an image is for
            its prompt. Such a metric is asked as a second judge where others chose the seeds.
        least_groups: Prompt groups that a seed's images must come from for `between_groups`.
        small_world: Whether the metric knows only the small world that the project's own models
            draw: its network or its reference was made from scenes of it.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    unit: ClassVar[str]
    higher_is_better: ClassVar[bool | None]
    needs: ClassVar[tuple[str, ...]]
    method: ClassVar[str]
    per_image_mean: ClassVar[bool] = False
    computed_in_blocks: ClassVar[bool] = False
    judges_any_prompts: ClassVar[bool] = True
    judges_images: ClassVar[bool] = False
    least_groups: ClassVar[int] = 1
    small_world: ClassVar[bool] = False

    def core_seconds(self, images: int) -> float:
        """Estimate how long one CPU core computes the value of one seed, for plans.

        Args:
            images: Images of the seed.

        Returns:
            Seconds; by default 0, as for a mean over images.
        """
        del images
        return 0.0

    def with_card(self, card: str) -> "Metric":
        """Return the same metric of another checkpoint of its features.

        Args:
            card: Name of a card of the features, or the path of a card.

        Returns:
            A metric named `name@card`, made from `feature@card`.
        """
        metric = copy.copy(self)
        metric.name = f"{self.name}@{card}"  # type: ignore[misc]  # of this instance only
        metric.needs = tuple(_with_card(need, card) for need in self.needs)  # type: ignore[misc]
        return metric

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features that the metric is made from."""
        names = (need.rpartition(".")[0] for need in self.needs if need != FAILED_CELL)
        return tuple(dict.fromkeys(names))

    @abstractmethod
    def prepare(self, columns: Mapping[str, Array]) -> tuple[Array, ...]:
        """Turn the columns into arrays with one entry per image.

        A null permutes which seed owns which image: it permutes these arrays and calls `values`
        again. Costly work therefore belongs here.

        Args:
            columns: Each of `needs` -> shape (S, P, ...): seeds, prompts.

        Returns:
            Arrays of shape (S, P, ...), float64.
        """

    @abstractmethod
    def values(self, prepared: Sequence[Array]) -> Floats:
        """Compute the value of each seed, shape (S,), from what `prepare` returned."""

    @abstractmethod
    def compute(self, columns: Mapping[str, Array], groups: Array) -> list[Interval]:
        """Compute the value of each seed with its interval.

        Args:
            columns: Each of `needs` -> shape (S, P, ...), finite.
            groups: Shape (P,), the group of each prompt; dependent prompts share a group.

        Returns:
            One interval per seed, in order.
        """

    @property
    def parameters(self) -> Mapping[str, object]:
        """Whatever else defines the values, JSON-ready; for example the hash of a reference."""
        return {}

    @property
    def unbiased(self) -> bool:
        """Whether the expected value is the same for any number of images.

        Only then can seeds with different numbers of images be compared, as a race does. By
        default, that holds for means of one number per image.
        """
        return self.per_image_mean

    @property
    def reference_n(self) -> int | None:
        """Number of reference images; by default None, for a metric without a reference."""
        return None

    def check(self) -> None:  # noqa: B027 - a hook, neutral by default
        """Check what the metric needs besides features; by default nothing.

        Called before a run is drawn, so that a missing file costs seconds and not hours.

        Raises:
            ConfigError: If something is missing or damaged.
        """

    def refusal(self, columns: Mapping[str, Array]) -> str:
        """Say why the metric cannot be shown for these columns; by default empty: it can."""
        del columns
        return ""

    def working_bytes(self, n: int, width: int) -> int:
        """Estimate the memory that computing one seed takes, beside its columns.

        A part of the seeds is chosen so that it fits with this much more. By default, six times the
        columns in float64.

        Args:
            n: Images of the seed.
            width: Numbers of an image.
        """
        return MATRICES * FLOAT64 * n * width

    def per_image(self, columns: Mapping[str, Array]) -> Floats:
        """Return the number of each image, shape (S, P), NaN where an image has none.

        Called only for a `per_image_mean`. By default, the first array of `prepare`.
        """
        return np.asarray(self.prepare(columns)[0], dtype=np.float64)

    def between_groups(self, prepared: Sequence[Array], groups: Array) -> Floats:
        """Compute the value of each seed from comparisons across prompt groups alone.

        A race averages a metric over small units of prompts. A metric that compares a seed's
        images with one another leaves out pairs of one group, which are alike because of the
        prompt. By default, `values`.

        Args:
            prepared: From `prepare`.
            groups: Shape (P,), the group of each prompt; at least `least_groups` of them.
        """
        del groups
        return self.values(prepared)

    def of_pools(self, prepared: Sequence[Array]) -> Callable[[Indices], Floats] | None:
        """Return the mean over all ways in which the seeds of a pool share the prompts.

        Each prompt is drawn by a seed of the pool, independently and with equal probability. By
        default, a mean of one number per image has such a formula and no other metric has.

        Args:
            prepared: From `prepare`, for all seeds.

        Returns:
            A function from pools, shape (N, k), indices of seeds, to their expected values, shape
            (N,); None if no formula is known, or it would be too costly.
        """
        if not self.per_image_mean:
            return None
        values = self.values(prepared)
        return lambda pools: np.asarray(values[pools].mean(axis=1))

    def floor(self, n: int, rng: np.random.Generator) -> NoiseFloor | None:
        """Measure the noise floor: the value that n images no worse than the reference have.

        Args:
            n: Images of a seed.
            rng: Draws the splits of the reference.

        Returns:
            The floor; by default None, for a metric that has no such floor.

        Raises:
            ValueError: If the metric has a floor, but too few reference images to measure it.
                The message completes "No noise floor: ...".
        """
        del n, rng
        return None

    def at_infinity(
        self, prepared: Sequence[Array], groups: Array, rng: np.random.Generator
    ) -> AtInfinity | None:
        """Extrapolate the value of each seed to infinitely many images.

        Args:
            prepared: From `prepare`.
            groups: Shape (P,), the group of each prompt.
            rng: Deals the groups.

        Returns:
            The extrapolated values; by default None, for a metric whose values are not biased.

        Raises:
            ValueError: If there are too few images or groups. The message completes "Not
                extrapolated to infinitely many images: ...".
        """
        del prepared, groups, rng
        return None

    def identity(self, feature_identities: Sequence[str]) -> str:
        """Hash everything that defines the values into 16 hex digits.

        Args:
            feature_identities: Identities of `features`, in order.
        """
        shipped = type(self).__module__.startswith("analysis.")
        parts = {
            "name": _movable(self.name),
            "version": self.version,
            "parameters": dict(self.parameters),
            "features": list(feature_identities),
            "source_sha256": "" if shipped else source_sha256(type(self)),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
