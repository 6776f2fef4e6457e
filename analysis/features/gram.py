"""Extract `gram`: the style of an image, as cosines between the channels of a pretrained network.

In each layer, the maps of the C channels are scaled to length 1 and multiplied with one another.
The result is a C x C matrix of cosines: the Gram matrix of Gatys et al., normalised as in "Good
Seed Makes a Good Crop", which calls it pairwise cosine similarity between channels. The paper
names neither the network nor the layers. VGG-19, the first ReLU of each of its five blocks and
the size of the input are choices of this project. The matrix is symmetric, so only its upper half
is used: 305,888 of 610,304 numbers for VGG-19. The entries above the diagonal are multiplied by
sqrt(2), which keeps the inner products of the whole matrices.

Only a count sketch of that vector is stored (`CountSketch`). Squared distances between stored
vectors are unbiased, with a relative standard error of at most sqrt(2 / sketch): 3.1 % for
2,048 numbers, 6.3 % for 512. `Gram.style_rows` and `analysis.statistics.dual_pca` give the exact
principal components of a few hundred images.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from analysis.features.backbones import LIBRARIES, Maps, load_backbone
from analysis.features.base import Batch, Columns
from analysis.features.cards import find_weights
from analysis.features.networks import NetworkFeature, device_of, read_options, without_tf32
from analysis.statistics.sketch import CountSketch, make_sketch
from pipeline.errors import ConfigError, nearest
from pipeline.stage import Uint8Images
from pipeline.storage.schema import Column, vector

if TYPE_CHECKING:
    import torch

IMAGES_PER_PASS = 8
"""Images in one forward pass. The first layer's maps of one image take 13 MB at 224 pixels."""
FLOOR = 1e-6
"""A channel is scaled to length 1 only if it is longer than this share of the layer's longest
channel; a shorter channel is noise."""


@dataclass(frozen=True)
class GramOptions:
    """Options of a card.

    Attributes:
        backbone: "timm:NAME", "torchvision:NAME", or "transformers" for the model that the
            config.json next to the weights describes.
        layers: Names of the modules whose maps (B, C, h, w) are used, separated by commas.
        size: Side in pixels to which images are resized, without keeping the aspect.
        mean: Mean of each channel of pixels in 0..1, three numbers separated by commas.
        std: Standard deviation of each channel, likewise.
        sketch: Numbers stored per image.
        gpu: Whether the network runs on a GPU.
    """

    backbone: str
    layers: str
    size: int
    mean: str
    std: str
    sketch: int = 2048
    gpu: bool = False

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
            ConfigError: If the library of the backbone is unknown or a number is out of range.
        """
        library = self.backbone.partition(":")[0]
        if library not in LIBRARIES:
            raise ConfigError(
                f"backbone {self.backbone!r}: {nearest(library, LIBRARIES)} known: "
                "timm:MODEL, torchvision:MODEL and transformers"
            )
        if self.size < 1 or self.sketch < 1:
            raise ConfigError(f"size is {self.size}, sketch {self.sketch}; both must be at least 1")
        for name in ("mean", "std"):
            parse_rgb(getattr(self, name))

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the layers, in order."""
        return tuple(name.strip() for name in self.layers.split(","))


def parse_rgb(text: str) -> list[float]:
    """Parse three numbers, one per colour.

    Raises:
        ConfigError: If the text is anything else.

    Example:
        >>> parse_rgb("0.485, 0.456, 0.406")
        [0.485, 0.456, 0.406]
    """
    try:
        values = [float(word) for word in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 3:
        raise ConfigError(f"{text!r} is not three numbers separated by commas")
    return values


class Gram(NetworkFeature):
    """The sketched style vector of an image, by default of VGG-19.

    Args:
        card: See `CheckpointFeature`. The options of the card are those of `GramOptions`.
    """

    name: ClassVar[str] = "gram"
    code_version: ClassVar[int] = 2
    default_card: ClassVar[str] = "vgg19-tv-in1k"

    def __init__(self, card: str = "") -> None:
        super().__init__(card)
        self.options = read_options(GramOptions, self.card)

    @property
    def columns(self) -> tuple[Column, ...]:
        """One vector."""
        meaning = "Count sketch of the cosines between channels."
        return (Column("style", vector(self.options.sketch), meaning),)

    @property
    def parameters(self) -> Mapping[str, object]:
        """The settings that the numbers depend on: options of the card and constants."""
        fixed = {"sketch": self.options.sketch, "floor": FLOOR, "resize": "bilinear, antialiased"}
        return {**fixed, **super().parameters}

    def setup(self) -> None:
        """Load the network in evaluation mode, in float32, and check its layers.

        Raises:
            ModelError: If the weights are missing, damaged or of another network.
            ConfigError: If a layer does not exist or has no maps.
        """
        self._device = device_of(self.card)
        network = load_backbone(self.options.backbone, find_weights(self.card))
        self._maps = Maps(network.to(self._device), self.options.layer_names)
        size = self.options.size
        self._width = self.style_rows(np.zeros((1, size, size, 3), np.uint8)).shape[1]

    @cached_property
    def sketch(self) -> CountSketch:
        """The sketch of style vectors; only after `setup`."""
        return make_sketch(self._width, size=self.options.sketch)

    def extract(self, batch: Batch) -> Columns:
        """Sketch a batch; see `Feature.extract`."""
        starts = range(0, len(batch), IMAGES_PER_PASS)
        parts = [self.style_rows(batch.images[start : start + IMAGES_PER_PASS]) for start in starts]
        styles = [self.sketch.apply(row[None]) for part in parts for row in part]
        return {"style": np.concatenate(styles).astype(np.float32)}

    @without_tf32()
    def style_rows(self, images: Uint8Images) -> NDArray[np.float32]:
        """Compute the exact style vectors, with the inner products of the whole matrices.

        Args:
            images: Shape (B, H, W, 3), uint8. Keep B small: VGG-19 takes 1.2 MB per image.

        Returns:
            Shape (B, D), float32, D = sum of C (C + 1) / 2 over the layers.
        """
        import torch

        with torch.inference_mode():
            layers = self._maps.of(self.prepared(images).to(self._device))
            rows = torch.cat([half_vector(cosine_gram(maps)) for maps in layers], dim=1)
            return np.asarray(rows.cpu().numpy())

    def prepared(self, images: Uint8Images) -> "torch.Tensor":
        """Resize and standardise pixels, shape (B, 3, size, size), float32."""
        import torch
        from torch.nn import functional

        pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float() / 255
        size = (self.options.size, self.options.size)
        if tuple(pixels.shape[2:]) != size:
            pixels = functional.interpolate(pixels, size, mode="bilinear", antialias=True)
        mean, std = (
            torch.tensor(parse_rgb(text)).view(1, 3, 1, 1)
            for text in (self.options.mean, self.options.std)
        )
        return (pixels - mean) / std


class GramSeedling(Gram):
    """`Gram` of the shipped small network; for demonstration, not comparable with VGG-19."""

    name: ClassVar[str] = "gram_seedling"
    default_card: ClassVar[str] = "gram-seedling"


def cosine_gram(maps: "torch.Tensor") -> "torch.Tensor":
    """Compute the cosines between the maps of all pairs of channels.

    A channel without activation has cosine 0.

    Args:
        maps: Shape (B, C, h, w).

    Returns:
        Shape (B, C, C), -1..1.

    Example:
        >>> import torch
        >>> cosine_gram(torch.tensor([[[[3.0, 0.0]], [[0.0, 2.0]]]])).tolist()
        [[[1.0, 0.0], [0.0, 1.0]]]
    """
    flat = maps.flatten(2)
    lengths = flat.norm(dim=2, keepdim=True)
    floor = (FLOOR * lengths.amax(dim=1, keepdim=True)).clamp_min(1e-30)
    unit = flat / lengths.maximum(floor)
    cosines: torch.Tensor = unit @ unit.transpose(1, 2)
    return cosines


def half_vector(gram: "torch.Tensor") -> "torch.Tensor":
    """Turn a symmetric matrix into a vector of half the length with the same inner products.

    Args:
        gram: Shape (B, C, C).

    Returns:
        Shape (B, C (C + 1) / 2): the entries on and above the diagonal. The entries above
        it are multiplied by sqrt(2).

    Example:
        >>> import torch
        >>> float(half_vector(torch.ones(1, 2, 2)).square().sum())
        4.0
    """
    import torch

    row, column = torch.triu_indices(gram.shape[1], gram.shape[1])
    weight = torch.where(row == column, 1.0, 2.0**0.5).to(gram)
    result: torch.Tensor = gram[:, row, column] * weight
    return result
