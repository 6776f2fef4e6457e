"""Define what a feature is: columns with one row per image, and an identity."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from analysis.features.cards import (
    FeatureCard,
    commit_of,
    find_weights,
    load_card,
    weights_sha256,
)
from pipeline.errors import ConfigError
from pipeline.registry import source_sha256
from pipeline.settings.choices import PromptShare
from pipeline.stage import Resources, Uint8Images
from pipeline.storage.address import Place
from pipeline.storage.schema import Column, Table, feature_table

BATCH = 64
"""Images in one call of `extract`. It is fixed because the other images of a batch change the last
bits of a float."""

Columns = dict[str, NDArray[Any]]
"""Column name -> array with one entry per image along the first axis."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Images, each with the prompt that it was drawn for.

    Attributes:
        images: Shape (B, H, W, 3), RGB, uint8; not modified.
        prompts: B mappings with the fields of a prompt as in the table of images (text, object,
            modifier, group, set, prompt_image, prompt_mask).
    """

    images: Uint8Images
    prompts: Sequence[Mapping[str, object]]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def cut(self, start: int, stop: int) -> "Batch":
        """Return the images from `start` up to, but not including, `stop`, with their prompts."""
        return Batch(self.images[start:stop], self.prompts[start:stop])


class Feature(ABC):
    """Numbers of one image. A subclass is made without arguments; only `setup` is expensive.

    Attributes:
        name: Name in the registry and in the folder of its shards: lower-case letters, digits
            and underscores.
        code_version: Raised whenever the numbers change. Shards of the old version are kept.
        resources: What one actor needs.
        limits: What the feature does not see, in one sentence, for the plan; empty for nothing.
        prompt_share: The share of the prompts that a run's recipe chooses; None for all prompts.
        frames: Number of video frames stacked vertically in an image. The value of a video is the
            mean over its frames.
        conditions: Folder with the condition images that prompts name by their sha256; None if
            there is no such folder.
    """

    name: ClassVar[str]
    code_version: ClassVar[int]
    resources: ClassVar[Resources] = Resources()
    limits: ClassVar[str] = ""
    prompt_share: PromptShare | None = None
    frames: int = 1
    conditions: Place | None = None

    @property
    @abstractmethod
    def columns(self) -> tuple[Column, ...]:
        """Columns of the feature, in order, without the key columns that all features share."""

    @property
    def card_sha256(self) -> str:
        """Hash of the weights; empty for a feature without weights."""
        return ""

    @property
    def parameters(self) -> Mapping[str, object]:
        """Whatever else defines the numbers, JSON-ready."""
        return {}

    @property
    def commit(self) -> str:
        """Commit on the Hugging Face hub that the weights come from; empty for other sources."""
        return ""

    @property
    def gflop(self) -> float | None:
        """Floating-point operations of the networks for one image, in 1e9; None if unknown."""
        return None

    @property
    def table(self) -> Table:
        """Layout of the feature's shards."""
        return feature_table(self.name, self.columns)

    def applies(self, prompt: Mapping[str, object]) -> str:
        """Say why the feature means nothing for images of this prompt; empty if it applies.

        Args:
            prompt: The prompt's fields as in the table of images.
        """
        del prompt
        return ""

    def cut_texts(self, texts: Sequence[str]) -> list[str]:
        """List the prompts whose ends the feature does not read; by default none.

        Such prompts are said before they are measured, because two prompts that differ only after
        that have the same numbers. Needs no `setup`.

        Args:
            texts: Texts of prompts.
        """
        del texts
        return []

    def setup(self) -> None:  # noqa: B027 - most features have nothing to set up
        """Load weights; called once per actor."""

    @abstractmethod
    def extract(self, batch: Batch) -> Columns:
        """Compute the columns of a batch.

        Args:
            batch: 1 to `BATCH` images whose prompts the feature applies to.

        Returns:
            Column name -> array of shape (B,) or (B, d), of the column's type. Text columns are
            arrays of objects.
        """

    def fetch(self) -> None:  # noqa: B027 - most features have no weights to download
        """Download the weights that are not on this machine yet; nothing, if it has none.

        The driver calls it once, before its workers start: many machines must not ask a hub for
        the same file, and those without a network find it in the cache that they share.

        Raises:
            ModelError: If weights are missing and cannot be downloaded.
        """

    def identity(self) -> str:
        """Return `<name>-<8 hex digits>`, a hash of everything that defines the numbers.

        The source file of a class outside this package is part of the hash, because its
        `code_version` may not be raised when it changes.
        """
        shipped = type(self).__module__.startswith("analysis.features.")
        parts = {
            "name": self.name,
            "code_version": self.code_version,
            "card_sha256": self.card_sha256,
            "parameters": dict(self.parameters),
            "source_sha256": "" if shipped else source_sha256(type(self)),
        }
        if self.prompt_share is not None:
            parts["prompt_share"] = self.prompt_share.model_dump()
        if self.frames != 1:
            parts["frames"] = self.frames
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        return f"{self.name}-{digest[:8]}"


class CheckpointFeature(Feature):
    """A feature of a network whose weights a card pins.

    Args:
        card: Name of a card for this feature, or the path of a user's own card; the default card
            if empty.

    Attributes:
        default_card: Name of the default card.
        cards: The cards of all networks of the feature.
    """

    default_card: ClassVar[str]

    def __init__(self, card: str = "") -> None:
        self.card = load_card(card or self.default_card, self.name)
        self.cards: tuple[FeatureCard, ...] = (self.card,)

    @cached_property
    def card_sha256(self) -> str:
        """Hash of all weights: as pinned, or else of the files, which are read once for this."""
        digests = [weights_sha256(card) for card in self.cards]
        if len(digests) == 1:
            return digests[0]
        return hashlib.sha256(" ".join(digests).encode()).hexdigest()

    def fetch(self) -> None:
        """See `Feature`; it also compares each file with its card's sha256."""
        for card in self.cards:
            find_weights(card)

    @cached_property
    def commit(self) -> str:
        """Commits on the hub that the weights come from."""
        return " ".join(filter(None, map(commit_of, self.cards)))

    @property
    def gflop(self) -> float | None:
        """Sum over the cards; None if a card does not state it."""
        known = [card.gflop for card in self.cards if card.gflop is not None]
        return sum(known) if len(known) == len(self.cards) else None

    @property
    def parameters(self) -> Mapping[str, object]:
        """Options of the card."""
        return dict(self.card.options)


def extract_in_batches(feature: Feature, images: Batch) -> Columns:
    """Run a feature over any number of images, in batches of fixed size.

    Args:
        feature: The feature, after `setup`.
        images: N >= 1 images with their prompts.

    Returns:
        Column name -> array of N rows. For a video, the mean over its frames.
    """
    frames = split_frames(images, feature.frames)
    cuts = range(0, len(frames), BATCH)
    parts = [feature.extract(frames.cut(start, start + BATCH)) for start in cuts]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return {name: _mean(values, feature.frames) for name, values in columns.items()}


def split_frames(videos: Batch, frames: int) -> Batch:
    """Cut images of stacked frames into single frames, each with the prompt of its video.

    Args:
        videos: N images of F vertically stacked frames, (N, F * H, W, 3).
        frames: F.

    Returns:
        N * F images (H, W, 3). The frames of a video are consecutive and in order.
    """
    if frames == 1:
        return videos
    count, height, width, _ = videos.images.shape
    images = videos.images.reshape(count * frames, height // frames, width, 3)
    return Batch(images, [prompt for prompt in videos.prompts for _ in range(frames)])


def _mean(values: NDArray[Any], frames: int) -> NDArray[Any]:
    """Average numbers of frames, (N * F, ...) -> (N, ...), in float64."""
    if frames == 1:
        return values
    videos = values.reshape(-1, frames, *values.shape[1:])
    means: NDArray[Any] = videos.mean(axis=1, dtype=np.float64).astype(values.dtype)
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
