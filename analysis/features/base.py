"""What a feature is: columns of numbers, one row per image, and a name for how they are made."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from analysis.features.cards import FeatureCard, commit_of, load_card, weights_sha256
from pipeline.errors import ConfigError
from pipeline.registry import source_sha256
from pipeline.settings.choices import PromptShare
from pipeline.stage import Resources, Uint8Images
from pipeline.storage.schema import Column, Table, feature_table

BATCH = 64
"""Images in one call of `extract`. Fixed: an image's company moves the last bits of a float."""

Columns = dict[str, NDArray[Any]]
"""Column name -> array whose first axis is the images."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Some images, each with the prompt that it was drawn for.

    Attributes:
        images: Shape (B, H, W, 3), RGB, uint8; not modified.
        prompts: B mappings, the fields of a prompt as in the table of images (text, object,
            modifier, group, set, prompt_image, prompt_mask).
    """

    images: Uint8Images
    prompts: Sequence[Mapping[str, object]]

    def __len__(self) -> int:
        """How many images."""
        return len(self.images)

    def cut(self, start: int, stop: int) -> "Batch":
        """The images from `start` to before `stop`, with their prompts."""
        return Batch(self.images[start:stop], self.prompts[start:stop])


class Feature(ABC):
    """Numbers of one image. A subclass is made without arguments and is cheap until `setup`.

    Attributes:
        name: Name in the registry and in the folder of its shards: lower-case letters, digits
            and underscores.
        code_version: Raised whenever the numbers change; the old ones stay beside the new.
        resources: What one actor needs.
        prompt_share: The share of the prompts that a run's recipe chooses; None takes all.
        frames: Frames that lie one below the other in an image; a video's value is their mean.
        conditions: Folder with the pictures that prompts name by their sha256; None where they
            are not at hand.
    """

    name: ClassVar[str]
    code_version: ClassVar[int]
    resources: ClassVar[Resources] = Resources()
    prompt_share: PromptShare | None = None
    frames: int = 1
    conditions: Path | None = None

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
    def commit(self) -> str:
        """The commit of the hub that its weights are of; empty where they are from elsewhere."""
        return ""

    @property
    def gflop(self) -> float | None:
        """Floating-point operations of its networks for one image, in 1e9; None if unknown."""
        return None

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
    def extract(self, batch: Batch) -> Columns:
        """Compute the columns of a batch.

        Args:
            batch: 1 to `BATCH` images whose prompts the feature applies to.

        Returns:
            Column name -> array of shape (B,) or (B, d), of the column's type; texts as an
            array of objects.
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
        if self.prompt_share is not None:
            parts["prompt_share"] = self.prompt_share.model_dump()
        if self.frames != 1:
            parts["frames"] = self.frames
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        return f"{self.name}-{digest[:8]}"


class CheckpointFeature(Feature):
    """A feature of a network whose weights a card pins; made with a card or with its default.

    Args:
        card: Name of a card for this feature, or the path of a user's own card.

    Attributes:
        default_card: The card where none is named.
        cards: Those of all its networks.
    """

    default_card: ClassVar[str]

    def __init__(self, card: str = "") -> None:
        self.card = load_card(card or self.default_card, self.name)
        self.cards: tuple[FeatureCard, ...] = (self.card,)

    @cached_property
    def card_sha256(self) -> str:
        """Hash of all weights: as pinned, else of the files, which are read once for it."""
        each = [weights_sha256(card) for card in self.cards]
        return each[0] if len(each) == 1 else hashlib.sha256(" ".join(each).encode()).hexdigest()

    @cached_property
    def commit(self) -> str:
        """The commits of the hub that the weights are of."""
        return " ".join(filter(None, map(commit_of, self.cards)))

    @property
    def gflop(self) -> float | None:
        """As its cards say."""
        known = [card.gflop for card in self.cards if card.gflop is not None]
        return sum(known) if len(known) == len(self.cards) else None

    @property
    def parameters(self) -> Mapping[str, object]:
        """The card's options."""
        return dict(self.card.options)


def extract_in_batches(feature: Feature, whole: Batch) -> Columns:
    """Run a feature over any number of images, cut at fixed places.

    Args:
        feature: After `setup`.
        whole: N >= 1 images with their prompts.

    Returns:
        Column name -> array of N rows; the mean over the frames where an image is a video's.
    """
    frames = split_frames(whole, feature.frames)
    cuts = range(0, len(frames), BATCH)
    parts = [feature.extract(frames.cut(start, start + BATCH)) for start in cuts]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return {name: _mean(values, feature.frames) for name, values in columns.items()}


def split_frames(whole: Batch, frames: int) -> Batch:
    """Cut filmstrips into frames, each with its video's prompt.

    Args:
        whole: N images of F frames one below the other, (N, F * H, W, 3).
        frames: F.

    Returns:
        N * F images (H, W, 3), a video's frames together and in order.
    """
    if frames == 1:
        return whole
    count, height, width, _ = whole.images.shape
    images = whole.images.reshape(count * frames, height // frames, width, 3)
    return Batch(images, [prompt for prompt in whole.prompts for _ in range(frames)])


def _mean(values: NDArray[Any], frames: int) -> NDArray[Any]:
    """(N * F, ...) numbers of frames to (N, ...), summed in float64."""
    if frames == 1:
        return values
    parts = values.reshape(-1, frames, *values.shape[1:])
    means: NDArray[Any] = parts.mean(axis=1, dtype=np.float64).astype(values.dtype)
    return means


def refuse_without_mean(feature: Feature, frames: int) -> None:
    """Refuse, for videos, a feature with values that have no mean over frames.

    Args:
        feature: The feature.
        frames: Frames of an image; 1 is not a video.

    Raises:
        ConfigError: If a column holds values that are not real numbers, such as words.
    """
    real = ("float", "double")  # also as the items of a vector
    others = [c.name for c in feature.columns if not any(t in str(c.type) for t in real)]
    if frames > 1 and others:
        raise ConfigError(
            f"feature {feature.name} gives {', '.join(others)}, which are not real numbers and "
            f"have no mean over a video's frames; take another feature for this run"
        )
