"""Define metrics that are a distance from a set of reference images."""

import hashlib
import json
import os
from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from analysis.features import load_feature
from analysis.metrics.base.metric import FLOAT64, Metric
from analysis.statistics.arrays import Array, Floats
from analysis.statistics.floors import NoiseFloor, noise_floor
from pipeline.errors import ConfigError

WEIGHTS = Path(__file__).parents[3] / "seedling" / "weights"
REFERENCES_VARIABLE = "GOLDENSEED_REFERENCES"
"""Environment variable: a folder of references made from real images."""
PERCEPTUAL_REFERENCE = WEIGHTS / "perceptual" / "reference.safetensors"
"""Embeddings of fresh scenes of the small world, made by the shipped `perceptual` feature."""


def reference_name(feature: str) -> str:
    """Name the file that holds a feature's reference of real images.

    Args:
        feature: "feature" or "feature@card". Of a card's path, only the file name counts.

    Example:
        >>> reference_name("inception"), reference_name("inception@my/card.yaml")
        ('inception.safetensors', 'inception@card.safetensors')
    """
    name, at, card = feature.partition("@")
    stem = Path(card).stem if card.endswith((".yaml", ".yml")) else card
    return f"{name}{at}{stem}.safetensors"


class ReferenceMetric(Metric):
    """A distance between a seed's embeddings and those of a set of reference images.

    Embeddings of all seeds may not fit into memory, so the metric is computed for a block of
    seeds at a time.

    Attributes:
        reference_file: safetensors file with the reference's embeddings, made by the same
            feature as the seed's embeddings. None for real images, which are not part of this
            project: then the file is `<feature>.safetensors` in the folder that
            GOLDENSEED_REFERENCES names.
        reference_key: Name of the (m, d) tensor in it.
    """

    reference_file: ClassVar[Path | None] = None
    reference_key: ClassVar[str] = "features"
    computed_in_blocks: ClassVar[bool] = True

    @property
    def reference_path(self) -> Path:
        """Path of the reference file.

        Raises:
            ConfigError: If the reference is of real images and no folder of references is named.
        """
        if self.reference_file is not None:
            return self.reference_file
        folder = os.environ.get(REFERENCES_VARIABLE)
        if not folder:
            raise ConfigError(
                f"metric {self.name} compares with real images: {self._remedy}, and set "
                f"{REFERENCES_VARIABLE} to the folder that holds it"
            )
        return Path(folder) / reference_name(self.features[0])

    @property
    def _remedy(self) -> str:
        if self.reference_file is not None:
            return "make it with: python -m seedling.make.reference"
        return f"make it with: goldenseed reference build IMAGES --feature {self.features[0]}"

    @cached_property
    def reference(self) -> Floats:
        """Embeddings of the reference images, shape (m, d), float64.

        Raises:
            ConfigError: If the file is missing or damaged, holds no such tensor, or was made
                with another feature or other weights.
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

    def _check_origin(self, notes: Mapping[str, Any]) -> None:
        """Refuse a reference of another embedding: distances from it would mean nothing."""
        if "feature_identity" in notes:
            wanted = load_feature(self.features[0]).identity()
            if notes["feature_identity"] != wanted:
                raise ValueError(f"it was made by {notes['feature_identity']}, not by {wanted}")
            return
        weights = self.reference_path.with_name("model.safetensors").read_bytes()
        if notes["backbone_sha256"] != hashlib.sha256(weights).hexdigest():
            raise ValueError("it was made with other weights than the model.safetensors next to it")

    @property
    def width(self) -> int:
        """Length of an image's embedding."""
        name = self.needs[0].rpartition(".")[2]
        types = {column.name: column.type for column in load_feature(self.features[0]).columns}
        return int(types[name].list_size)

    @property
    def reference_n(self) -> int:
        """Number of reference images."""
        return len(self.reference)

    @property
    def parameters(self) -> Mapping[str, object]:
        """Hash and number of the reference's embeddings."""
        values = np.ascontiguousarray(self.reference, dtype="<f8")
        digest = hashlib.sha256(values.tobytes()).hexdigest()
        return {"reference_sha256": digest, "reference_n": len(values)}

    def check(self) -> None:
        """Read the reference.

        Raises:
            ConfigError: As `reference`.
        """
        _ = self.reference

    def refusal(self, columns: Mapping[str, Array]) -> str:
        """Refuse fewer than 3 images per seed, and embeddings of another width."""
        shape = columns[self.needs[0]].shape
        if shape[1] < 3:
            return f"{shape[1]} images per seed; at least 3 are needed"
        if shape[2] != self.reference.shape[1]:
            return f"embeddings of width {shape[2]}, the reference has {self.reference.shape[1]}"
        return ""

    @abstractmethod
    def from_rest(self, part: Floats, rest: Floats) -> float:
        """Measure the distance of some reference images, (n, d), from the others, (m - n, d)."""

    def reference_bytes(self, width: int) -> int:
        """Estimate the memory that the reference takes: read, and checked or in moments."""
        return FLOAT64 * (2 * self.reference_n * width + 4 * width**2)

    def floor(self, n: int, rng: np.random.Generator) -> NoiseFloor | None:
        """Measure the distance of the reference from itself.

        Args:
            n: Images of a seed.
            rng: Draws the splits.

        Raises:
            ValueError: If the reference has fewer than 2 n images.
        """
        if self.reference_n < 2 * n:
            raise ValueError(
                f"it needs 2n = {2 * n:,} reference images, there are {self.reference_n:,}"
            )
        return noise_floor(self.reference, n, self.from_rest, rng=rng)
