"""`layout`: where the object of the prompt is, how large, and how near.

A segmenter that is told a text gives every pixel a probability of belonging to the prompt's
object word; the main object is the largest connected part above a threshold. From its mask come
the centroid and the size, and with a depth network how near it is: predicted depth has no scale
that two pictures share, so depth is the share of the picture's pixels that are nearer than the
object's median. "Good Seed Makes a Good Crop" describes a vector of centroid, size and depth
relative to the image and names no network; CLIPSeg, Depth Anything V2 Small, the threshold and
the smallest size are our choice, all of them options of the cards.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
import scipy
from numpy.typing import NDArray

from analysis.features.backbones import load_pretrained
from analysis.features.base import Batch, Columns
from analysis.features.cards import find_weights, load_card
from analysis.features.networks import NetworkFeature, device_of, placed, read_options
from pipeline.errors import ConfigError, ModelError, ShardError
from pipeline.stage import Uint8Images
from pipeline.storage.schema import Column

if TYPE_CHECKING:
    import torch

AT_ONCE = 8  # images in the networks together
DEPTH = "layout_depth"
"""The `feature` of a card for the depth network."""
NAMES = ("found", "x", "y", "size", "depth")


@dataclass(frozen=True)
class LayoutOptions:
    """What a segmenter's card says beside the weights.

    Attributes:
        depth_card: Card of the depth network, of the feature `layout_depth`.
        template: What the segmenter is told; {} is the object word.
        threshold: Probability from which a pixel belongs to the object, between 0 and 1.
        least_size: Share of the picture below which an object counts as not found.
        gpu: Whether both networks run on a GPU.
    """

    depth_card: str
    template: str = "a photo of a {}"
    threshold: float = 0.5
    least_size: float = 0.002
    gpu: bool = False

    def __post_init__(self) -> None:
        """Refuse what can never work.

        Raises:
            ConfigError: If a number is out of range or the template has no place for the word.
        """
        if not (0 < self.threshold < 1 and 0 <= self.least_size < 1):
            raise ConfigError(
                f"threshold is {self.threshold}, least_size {self.least_size}; between 0 and 1 "
                f"is needed"
            )
        if self.template.count("{}") != 1:
            raise ConfigError(f"template {self.template!r} must hold one {{}} for the object word")


@dataclass(frozen=True)
class DepthOptions:
    """What a depth network's card says beside the weights.

    Attributes:
        larger_is_nearer: Which way its numbers go.
    """

    larger_is_nearer: bool = True


class Layout(NetworkFeature):
    """Found or not, centroid, size and depth of the prompt's object.

    Args:
        card: As `CheckpointFeature`: the segmenter's; its options name the depth network's.
    """

    name: ClassVar[str] = "layout"
    code_version: ClassVar[int] = 2
    default_card: ClassVar[str] = "clipseg-rd64-refined"

    def __init__(self, card: str = "") -> None:
        super().__init__(card)
        self.options = read_options(LayoutOptions, self.card)
        self.depth_card = load_card(self.options.depth_card, DEPTH)
        self._larger_is_nearer = read_options(DepthOptions, self.depth_card).larger_is_nearer
        self.cards = (self.card, self.depth_card)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Five numbers; all but the first are NaN where no object was found."""
        meanings = {
            "x": ("Centroid of the object, from the left.", "fraction of the width"),
            "y": ("Centroid of the object, from the top.", "fraction of the height"),
            "size": ("Share of the picture that the object covers.", "0..1"),
            "depth": ("Share of the pixels that are nearer than the object's median.", "0..1"),
        }
        found = Column("found", pa.float32(), "1 where the object was found, else 0.", "0 or 1")
        others = (
            Column(name, pa.float32(), meaning, unit, may_be_nan=True)
            for name, (meaning, unit) in meanings.items()
        )
        return (found, *others)

    @property
    def parameters(self) -> Mapping[str, object]:
        """All options but the depth card's name, and the depth card's own options."""
        own = asdict(self.options)
        del own["depth_card"]
        return {**own, "larger_is_nearer": self._larger_is_nearer, **self.precision}

    def applies(self, prompt: Mapping[str, object]) -> str:
        """A prompt must name an object."""
        return "" if prompt.get("object") else "the prompt names no object"

    def setup(self) -> None:
        """Load both networks, in evaluation mode, float32.

        Raises:
            ModelError: If weights are missing, damaged or not safetensors, or the card wants a
                GPU that is not there.
        """
        self._device = device_of(self.card)
        segmenter, depth = find_weights(self.card), find_weights(self.depth_card)
        loaded = load_pretrained("CLIPSegForImageSegmentation", segmenter)
        self._segmenter: Any = placed(loaded, self._device)
        loaded = load_pretrained("DepthAnythingForDepthEstimation", depth)
        self._depth = placed(loaded, self._device)
        self._words = _read("CLIPSegProcessor", segmenter)
        self._depth_pixels = _read("AutoImageProcessor", depth)
        self._texts: dict[str, torch.Tensor] = {}

    def extract(self, batch: Batch) -> Columns:
        """Measure a batch; see `Feature.extract`."""
        rows: list[tuple[float, ...]] = []
        for start in range(0, len(batch), AT_ONCE):
            part = batch.cut(start, start + AT_ONCE)
            probability = self.probabilities(part)
            nearness = self.nearness(part.images, probability.shape[1:])
            for belongs, near in zip(probability, nearness, strict=True):
                mask = main_object(belongs >= self.options.threshold)
                rows.append(layout_numbers(mask, near, least_size=self.options.least_size))
        return dict(zip(NAMES, np.array(rows, dtype=np.float32).T.copy(), strict=True))

    def probabilities(self, batch: Batch) -> NDArray[np.float32]:
        """The probability of every pixel to belong to its prompt's object.

        Returns:
            Shape (B, h, w), the segmenter's own size, float32.
        """
        import torch

        with torch.inference_mode():
            texts = torch.cat([self._text(str(prompt["object"])) for prompt in batch.prompts])
            pixels = _prepared(self._words, batch.images)
            found = self._segmenter(
                pixel_values=pixels.to(self._device), conditional_embeddings=texts
            )
            logits = found.logits.reshape(len(batch), *found.logits.shape[-2:])
            return np.asarray(logits.sigmoid().cpu().numpy())

    def _text(self, word: str) -> "torch.Tensor":
        """The text embedding of an object word, made once per word, alone."""
        if word not in self._texts:
            told = self.options.template.replace("{}", word)
            tokens = self._words(text=[told], return_tensors="pt")
            self._texts[word] = self._segmenter.get_conditional_embeddings(
                batch_size=1,
                input_ids=tokens.input_ids.to(self._device),
                attention_mask=tokens.attention_mask.to(self._device),
            )
        return self._texts[word]

    def nearness(self, images: Uint8Images, size: Sequence[int]) -> NDArray[np.float32]:
        """How near every pixel is, on a scale of each picture's own.

        Args:
            images: Shape (B, H, W, 3), uint8.
            size: Height and width of the result.

        Returns:
            Shape (B, *size), float32; larger is nearer.
        """
        import torch
        from torch.nn import functional

        with torch.inference_mode():
            pixels = _prepared(self._depth_pixels, images)
            depth = self._depth(pixel_values=pixels.to(self._device)).predicted_depth
            depth = functional.interpolate(
                depth[:, None], tuple(size), mode="bilinear", align_corners=False
            )[:, 0]
            return np.asarray((depth if self._larger_is_nearer else -depth).cpu().numpy())


class LayoutSeedling(Layout):
    """The same of the shipped segmenter and depth network, which know the project's own world."""

    name: ClassVar[str] = "layout_seedling"
    default_card: ClassVar[str] = "segmenter-seedling"


def _prepared(preprocessing: Callable[..., Any], images: Uint8Images) -> "torch.Tensor":
    """The images as the library's own preprocessing brings them to a network's size."""
    import torch

    planes = list(torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))))
    order = {"input_data_format": "channels_first"}  # 3 x 1 x 1 could be either
    try:
        found = preprocessing(images=planes, return_tensors="pt", **order)
    except ValueError as error:  # a side would come out with no pixel
        size = f"{images.shape[2]} x {images.shape[1]}"
        words = f"found images of {size} pixels; a layout network wants sides that differ less"
        raise ShardError(f"{words}: {error}") from error
    pixels: torch.Tensor = found.pixel_values
    return pixels


def _read(kind: str, folder: Path) -> Callable[..., Any]:
    """The preprocessing that lies beside the weights."""
    import transformers

    try:
        made: Callable[..., Any] = getattr(transformers, kind).from_pretrained(
            folder, local_files_only=True
        )
        return made
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{folder} holds no {kind}: {error}") from error


def main_object(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected part of a mask, corners touching counts; of two equal ones the first.

    Args:
        mask: Shape (h, w).

    Example:
        >>> main_object(np.array([[True, False, True, True]])).tolist()
        [[False, False, True, True]]
    """
    parts, count = scipy.ndimage.label(mask, structure=np.ones((3, 3)))
    if count < 2:
        return mask
    return np.asarray(parts == np.bincount(parts.ravel())[1:].argmax() + 1)


def layout_numbers(
    mask: NDArray[np.bool_], nearness: NDArray[np.floating], *, least_size: float = 0.0
) -> tuple[float, ...]:
    """Found, x, y, size and depth of a mask.

    Args:
        mask: Shape (h, w).
        nearness: Shape (h, w); larger is nearer, the scale does not matter.
        least_size: Share of the picture below which nothing is found.

    Returns:
        1 and four fractions, or 0 and four NaN. A pixel's place is its centre. Pixels as near
        as the object's median do not count as nearer.

    Example:
        >>> mask = np.array([[False, True], [False, True]])
        >>> layout_numbers(mask, np.array([[9.0, 1.0], [0.0, 1.0]]))
        (1.0, 0.75, 0.5, 0.5, 0.25)
    """
    size = float(mask.mean())
    if size == 0 or size < least_size:
        return (0.0, np.nan, np.nan, np.nan, np.nan)
    rows, columns = np.nonzero(mask)
    x, y = (columns.mean() + 0.5) / mask.shape[1], (rows.mean() + 0.5) / mask.shape[0]
    depth = (nearness > np.median(nearness[mask])).mean()
    return (1.0, float(x), float(y), size, float(depth))
