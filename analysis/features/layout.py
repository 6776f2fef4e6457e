"""Extract `layout`: where the object of the prompt is, how large it is, and how near.

A segmenter that is given the object word of the prompt returns, for each pixel, the probability
that it belongs to the object. The main object is the largest connected part above a threshold.
Its mask gives the centroid and the size. A depth network gives how near it is: predicted depth
has no common scale across images, so depth is the share of the image's pixels that are nearer
than the median of the object. "Good Seed Makes a Good Crop" describes a vector of centroid, size
and depth relative to the image, but names no network. CLIPSeg, Depth Anything V2 Small, the
threshold and the smallest size are choices of this project, and options of the cards.
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

IMAGES_PER_PASS = 8  # images in one forward pass
DEPTH = "layout_depth"
"""The `feature` of a card for the depth network."""
NAMES = ("found", "x", "y", "size", "depth")


@dataclass(frozen=True)
class LayoutOptions:
    """Options of a segmenter's card.

    Attributes:
        depth_card: Card of the depth network, for the feature `layout_depth`.
        template: Text given to the segmenter; {} stands for the object word.
        threshold: Probability from which a pixel belongs to the object, between 0 and 1.
        least_size: Share of the image below which an object counts as not found.
        gpu: Whether both networks run on a GPU.
    """

    depth_card: str
    template: str = "a photo of a {}"
    threshold: float = 0.5
    least_size: float = 0.002
    gpu: bool = False

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            ConfigError: If a number is out of range, or the template does not hold one {}.
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
    """Options of a depth network's card.

    Attributes:
        larger_is_nearer: Whether larger numbers of the network mean nearer.
    """

    larger_is_nearer: bool = True


class Layout(NetworkFeature):
    """Whether the prompt's object is found, and its centroid, size and depth.

    Args:
        card: See `CheckpointFeature`. It is the card of the segmenter, whose options name the
            card of the depth network.
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
        """Five numbers; all but the first are NaN if no object was found."""
        meanings = {
            "x": ("Centroid of the object, from the left.", "fraction of the width"),
            "y": ("Centroid of the object, from the top.", "fraction of the height"),
            "size": ("Share of the image that the object covers.", "0..1"),
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
        """All options except the name of the depth card, and the options of the depth card."""
        options = asdict(self.options)
        del options["depth_card"]
        return {**options, "larger_is_nearer": self._larger_is_nearer, **self.precision}

    def applies(self, prompt: Mapping[str, object]) -> str:
        """Refuse a prompt that names no object."""
        return "" if prompt.get("object") else "the prompt names no object"

    def setup(self) -> None:
        """Load both networks in evaluation mode, in float32.

        Raises:
            ModelError: If weights are missing, damaged or not safetensors, or the card needs a
                GPU and the machine has none.
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
        for start in range(0, len(batch), IMAGES_PER_PASS):
            part = batch.cut(start, start + IMAGES_PER_PASS)
            probability = self.probabilities(part)
            nearness = self.nearness(part.images, probability.shape[1:])
            for image_probability, image_nearness in zip(probability, nearness, strict=True):
                mask = main_object(image_probability >= self.options.threshold)
                least_size = self.options.least_size
                rows.append(layout_numbers(mask, image_nearness, least_size=least_size))
        return dict(zip(NAMES, np.array(rows, dtype=np.float32).T.copy(), strict=True))

    def probabilities(self, batch: Batch) -> NDArray[np.float32]:
        """Compute the probability of each pixel to belong to the object of its prompt.

        Returns:
            Shape (B, h, w), in the size of the segmenter, float32.
        """
        import torch

        with torch.inference_mode():
            texts = torch.cat([self._text(str(prompt["object"])) for prompt in batch.prompts])
            pixels = _prepared(self._words, batch.images)
            output = self._segmenter(
                pixel_values=pixels.to(self._device), conditional_embeddings=texts
            )
            logits = output.logits.reshape(len(batch), *output.logits.shape[-2:])
            return np.asarray(logits.sigmoid().cpu().numpy())

    def _text(self, word: str) -> "torch.Tensor":
        """Embed an object word; each word is embedded once, and alone."""
        if word not in self._texts:
            text = self.options.template.replace("{}", word)
            tokens = self._words(text=[text], return_tensors="pt")
            self._texts[word] = self._segmenter.get_conditional_embeddings(
                batch_size=1,
                input_ids=tokens.input_ids.to(self._device),
                attention_mask=tokens.attention_mask.to(self._device),
            )
        return self._texts[word]

    def nearness(self, images: Uint8Images, size: Sequence[int]) -> NDArray[np.float32]:
        """Compute how near each pixel is, on a scale that differs from image to image.

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
    """`Layout` of the shipped segmenter and depth network, which know only the small world."""

    name: ClassVar[str] = "layout_seedling"
    default_card: ClassVar[str] = "segmenter-seedling"


def _prepared(preprocessing: Callable[..., Any], images: Uint8Images) -> "torch.Tensor":
    """Bring images to the size of a network with the library's own preprocessing."""
    import torch

    planes = list(torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))))
    order = {"input_data_format": "channels_first"}  # for 3 x 1 x 1 the library cannot tell
    try:
        prepared = preprocessing(images=planes, return_tensors="pt", **order)
    except ValueError as error:  # the shorter side would have no pixel
        size = f"{images.shape[2]} x {images.shape[1]}"
        words = f"found images of {size} pixels; a layout network needs sides that differ less"
        raise ShardError(f"{words}: {error}") from error
    pixels: torch.Tensor = prepared.pixel_values
    return pixels


def _read(kind: str, folder: Path) -> Callable[..., Any]:
    """Read the preprocessing that is stored next to the weights."""
    import transformers

    try:
        preprocessing: Callable[..., Any] = getattr(transformers, kind).from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        return preprocessing
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{folder} holds no {kind}: {error}") from error


def main_object(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest connected part of a mask.

    Pixels that touch at a corner are connected. Of parts of equal size, the first counts.

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
    """Measure found, x, y, size and depth of a mask.

    Args:
        mask: Shape (h, w).
        nearness: Shape (h, w); larger is nearer, on any scale.
        least_size: Share of the image below which the object counts as not found.

    Returns:
        1 and four fractions, or 0 and four NaN. The position of a pixel is its centre. Pixels
        exactly as near as the median of the object do not count as nearer.

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
