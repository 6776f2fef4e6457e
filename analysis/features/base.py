"""What a feature is: columns of numbers, one row per image, and a name for how they are made."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.registry import source_sha256
from pipeline.schema import Column, Table, feature_table
from pipeline.stage import Resources, Uint8Images

BATCH = 64
"""Images in one call of `extract`. Fixed: an image's company moves the last bits of a float."""

Columns = dict[str, NDArray[Any]]
"""Column name -> array whose first axis is the images."""


class Feature(ABC):
    """Numbers of one image. A subclass is made without arguments and is cheap until `setup`.

    Attributes:
        name: Name in the registry and in the folder of its shards: lower-case letters, digits
            and underscores.
        code_version: Raised whenever the numbers change; the old ones stay beside the new.
        resources: What one actor needs.
    """

    name: ClassVar[str]
    code_version: ClassVar[int]
    resources: ClassVar[Resources] = Resources()

    @property
    @abstractmethod
    def columns(self) -> tuple[Column, ...]:
        """The feature's own columns, in order."""

    @property
    def card_sha256(self) -> str:
        """Hash of its weights; empty where there are none."""
        return ""

    @property
    def parameters(self) -> Mapping[str, object]:
        """What else defines the numbers, JSON-ready."""
        return {}

    @property
    def table(self) -> Table:
        """The table of its shards."""
        return feature_table(self.name, self.columns)

    def applies(self, prompt: Mapping[str, object]) -> str:
        """Say why the feature means nothing for images of this prompt; empty if it does.

        Args:
            prompt: The prompt's fields as in the table of images.
        """
        del prompt
        return ""

    def setup(self) -> None:  # noqa: B027 - most features have nothing to make ready
        """Make ready, once per actor: load weights."""

    @abstractmethod
    def extract(self, images: Uint8Images) -> Columns:
        """Compute the columns of a batch.

        Args:
            images: Shape (B, H, W, 3), RGB, uint8, 1 <= B <= `BATCH`; not modified.

        Returns:
            Column name -> array of shape (B,) or (B, d), of the column's type.
        """

    def identity(self) -> str:
        """`<name>-<8 hex digits>` of everything that defines the numbers.

        A class that is not of this package counts with its source, since nobody raises its
        `code_version` for us.
        """
        own = type(self).__module__.startswith("analysis.features.")
        parts = {
            "name": self.name,
            "code_version": self.code_version,
            "card_sha256": self.card_sha256,
            "parameters": dict(self.parameters),
            "source_sha256": "" if own else source_sha256(type(self)),
        }
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        return f"{self.name}-{digest[:8]}"


def extract_in_batches(feature: Feature, images: Uint8Images) -> Columns:
    """Run a feature over any number of images, cut at fixed places.

    Args:
        feature: After `setup`.
        images: Shape (N, H, W, 3), N >= 1.

    Returns:
        Column name -> array of N rows.
    """
    cuts = range(0, len(images), BATCH)
    parts = [feature.extract(images[start : start + BATCH]) for start in cuts]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
