"""What a metric is: one value per seed with its interval, from the features of many images."""

import copy
import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from analysis.features import load_feature
from analysis.statistics.arrays import Array, Floats
from analysis.statistics.floors import NoiseFloor, noise_floor
from analysis.statistics.intervals import Interval, grouped_mean_interval
from analysis.statistics.proportions import grouped_share_interval
from pipeline.errors import ConfigError
from pipeline.registry import source_sha256

FAILED_CELL = "cell.failed"
"""A column that every run has: 1 where the cell has no usable image, else 0."""

WEIGHTS = Path(__file__).parents[2] / "seedling" / "weights"
REFERENCES_VARIABLE = "GOLDENSEED_REFERENCES"
"""Environment variable: a folder of references made from real images."""
PERCEPTUAL_REFERENCE = WEIGHTS / "perceptual" / "reference.safetensors"
"""Embeddings of fresh scenes of the small world, made by the shipped `perceptual` feature."""


def reference_name(feature: str) -> str:
    """Name of the file that holds a feature's reference of real images.

    Args:
        feature: "feature", or "feature@card", of whose path the name alone counts.

    Example:
        >>> reference_name("inception"), reference_name("inception@my/card.yaml")
        ('inception.safetensors', 'inception@card.safetensors')
    """
    name, at, card = feature.partition("@")
    own = Path(card).stem if card.endswith((".yaml", ".yml")) else card
    return f"{name}{at}{own}.safetensors"


def _with_card(need: str, card: str) -> str:
    feature, _, column = need.rpartition(".")
    own = feature.partition("@")[0]
    return need if need == FAILED_CELL else f"{own}@{card}.{column}"


class Metric(ABC):
    """One value per seed. A subclass is made without arguments and is cheap to make.

    Attributes:
        name: Name in the registry.
        version: Raised whenever the values change.
        unit: Unit of the values.
        higher_is_better: Direction; None where neither end is better.
        needs: The columns it is made from, each "feature.column", or "cell.failed".
        per_image_mean: Whether the value is the mean of one number per image. Only for such
            metrics does the Spearman-Brown formula say how reliability grows with prompts.
        method: How the value is made, in words.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    unit: ClassVar[str]
    higher_is_better: ClassVar[bool | None]
    needs: ClassVar[tuple[str, ...]]
    per_image_mean: ClassVar[bool] = False
    method: ClassVar[str]

    def with_card(self, card: str) -> "Metric":
        """The same metric of another checkpoint of its features.

        Args:
            card: Name of a card of the features, or the path of one.

        Returns:
            A metric named `name@card`, made from `feature@card`.
        """
        made = copy.copy(self)
        made.name = f"{self.name}@{card}"  # type: ignore[misc]  # of this instance only
        made.needs = tuple(_with_card(need, card) for need in self.needs)  # type: ignore[misc]
        return made

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features it is made from."""
        names = (need.rpartition(".")[0] for need in self.needs if need != FAILED_CELL)
        return tuple(dict.fromkeys(names))

    @property
    def parameters(self) -> Mapping[str, object]:
        """What else defines the values, JSON-ready: the hash of a reference, for example."""
        return {}

    def refusal(self, columns: Mapping[str, Array]) -> str:
        """Say why the metric cannot be shown for these columns; empty if it can."""
        del columns
        return ""

    @abstractmethod
    def prepare(self, columns: Mapping[str, Array]) -> tuple[Array, ...]:
        """Turn the columns into what belongs to each image, everything that is shared done.

        A null that permutes which seed owns which image permutes these arrays alike and calls
        `values` again, so what is costly belongs here.

        Args:
            columns: Each of `needs` -> shape (S, P, ...): seeds, prompts.

        Returns:
            Arrays of shape (S, P, ...), float64.
        """

    @abstractmethod
    def values(self, prepared: Sequence[Array]) -> Floats:
        """The value of every seed, shape (S,)."""

    @abstractmethod
    def compute(self, columns: Mapping[str, Array], groups: Array) -> list[Interval]:
        """The value of every seed with its interval; every seed on the same prompts.

        Args:
            columns: Each of `needs` -> shape (S, P, ...), finite.
            groups: Shape (P,), the group of each prompt; dependent prompts share one.

        Returns:
            One interval per seed, in order.
        """

    def identity(self, feature_identities: Sequence[str]) -> str:
        """16 hex digits of everything that defines the values.

        Args:
            feature_identities: Those of `features`, in order.
        """
        own = type(self).__module__.startswith("analysis.metrics.")
        parts = {
            "name": self.name,
            "version": self.version,
            "parameters": dict(self.parameters),
            "features": list(feature_identities),
            "source_sha256": "" if own else source_sha256(type(self)),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


class MeanMetric(Metric):
    """The mean over images of one number per image."""

    per_image_mean: ClassVar[bool] = True
    method: ClassVar[str] = "mean over images"

    def prepare(self, columns: Mapping[str, Array]) -> tuple[Array, ...]:
        """The number itself."""
        return (np.asarray(columns[self.needs[0]], dtype=np.float64),)

    def values(self, prepared: Sequence[Array]) -> Floats:
        """Means over prompts."""
        return np.asarray(prepared[0].mean(axis=1))

    def compute(self, columns: Mapping[str, Array], groups: Array) -> list[Interval]:
        """Means with cluster-robust intervals."""
        return [grouped_mean_interval(row, groups) for row in self.prepare(columns)[0]]


class ShareMetric(MeanMetric):
    """The share of images with something: the mean of a number that is 0 or 1."""

    unit: ClassVar[str] = "fraction"

    def compute(self, columns: Mapping[str, Array], groups: Array) -> list[Interval]:
        """Shares with Wilson intervals whose n allows for the groups; inside 0..1."""
        return [grouped_share_interval(row, groups) for row in self.prepare(columns)[0]]


class ReferenceMetric(Metric):
    """A distance between a seed's embeddings and those of a set of reference images.

    A seed's value hangs on its own images alone, so `compute` is called with some seeds at a
    time: the embeddings of all may not fit into memory.

    Attributes:
        reference_file: safetensors file with the reference's embeddings, made by the very
            feature that the metric is made from. None for real images, which are not part of
            the project: then `<feature>.safetensors` in the folder GOLDENSEED_REFERENCES.
        reference_key: Name of the (m, d) tensor in it.
    """

    reference_file: ClassVar[Path | None] = None
    reference_key: ClassVar[str] = "features"

    @property
    def reference_path(self) -> Path:
        """Where the reference lies.

        Raises:
            ConfigError: If it is one of real images and no folder of references is named.
        """
        if self.reference_file is not None:
            return self.reference_file
        folder = os.environ.get(REFERENCES_VARIABLE)
        if not folder:
            raise ConfigError(
                f"metric {self.name} compares with real images: {self._remedy}, and name the "
                f"folder that it lies in in {REFERENCES_VARIABLE}"
            )
        return Path(folder) / reference_name(self.features[0])

    @property
    def _remedy(self) -> str:
        if self.reference_file is not None:
            return "make it with: python -m seedling.make.reference"
        return f"make it with: goldenseed reference build IMAGES --feature {self.features[0]}"

    @cached_property
    def reference(self) -> Floats:
        """The reference's embeddings, shape (m, d), float64.

        Raises:
            ConfigError: If the file is missing or damaged, or holds no such tensor, or was
                made with another feature or other weights.
        """
        path = self.reference_path
        try:
            self._check_origin(json.loads(path.with_suffix(".json").read_bytes()))
            return np.asarray(load_file(path)[self.reference_key], dtype=np.float64)
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise ConfigError(
                f"metric {self.name}: the reference {path} is missing or damaged ({error}); "
                f"{self._remedy}"
            ) from error

    def _check_origin(self, made: Mapping[str, Any]) -> None:
        """Refuse a reference of another embedding: distances from it would mean nothing."""
        if "feature_identity" in made:
            wanted = load_feature(self.features[0]).identity()
            if made["feature_identity"] != wanted:
                raise ValueError(f"it was made by {made['feature_identity']}, not by {wanted}")
            return
        weights = self.reference_path.with_name("model.safetensors").read_bytes()
        if made["backbone_sha256"] != hashlib.sha256(weights).hexdigest():
            raise ValueError("it was made with other weights than model.safetensors beside it")

    @property
    def parameters(self) -> Mapping[str, object]:
        """The reference's values, hashed, and how many there are."""
        values = np.ascontiguousarray(self.reference, dtype="<f8")
        digest = hashlib.sha256(values.tobytes()).hexdigest()
        return {"reference_sha256": digest, "reference_n": len(values)}

    def refusal(self, columns: Mapping[str, Array]) -> str:
        """A distance needs two images, two groups are for the interval; widths must agree."""
        shape = columns[self.needs[0]].shape
        if shape[1] < 3:
            return f"{shape[1]} images per seed; at least 3 are needed"
        if shape[2] != self.reference.shape[1]:
            return f"embeddings of width {shape[2]}, the reference has {self.reference.shape[1]}"
        return ""

    @abstractmethod
    def from_rest(self, part: Floats, rest: Floats) -> float:
        """The distance of some of the reference's images, (n, d), from its others, (m - n, d)."""

    def floor(self, n: int, rng: np.random.Generator) -> NoiseFloor | None:
        """The distance of the reference from itself: no seed can be told from it below that.

        Args:
            n: Images of a seed.
            rng: Draws the splits.

        Returns:
            The floor; None where the reference has fewer than 2 n images.
        """
        if len(self.reference) < 2 * n:
            return None
        return noise_floor(self.reference, n, self.from_rest, rng=rng)
