"""Extract `hps`: Human Preference Score v2, computed as its authors do, for many images at a time.

Pixels become fractions 0..1. The longer side is resized to the size of the model (bicubic on the
tensor, values not clipped), the image is padded with black to a square, and the result is
standardised. The score is the cosine of image and prompt, without the temperature of the model.
Publications multiply it by 100.

Since torchvision 0.17, this resize is antialiased by default, so the authors' own code gives
different scores before and after. The option `antialias` of the card, true by default, chooses.

The authors score under float16 autocast on a GPU. Here, scores are float32 on any device, and
differ by the rounding of float16. The tokenizer cuts a text that has more tokens than the tower
takes (77); `cut_texts` says which.

Scores of v2.0 and v2.1 are not comparable, so the version is in the name of the column. The
authors compare only images of the same prompt.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pyarrow as pa

from analysis.features.base import Batch, Columns
from analysis.features.long_texts import cut_texts
from analysis.features.networks import NetworkFeature, option
from analysis.features.towers import Towers, as_float32, texts_of
from pipeline.stage import Uint8Images
from pipeline.storage.schema import Column

if TYPE_CHECKING:
    import torch


class Hps(NetworkFeature):
    """Cosine of an image and its prompt under a preference model; higher is preferred.

    The card states `version`, and `architecture` if the weights are a single file.

    Source:
        Wu et al. 2023, arXiv:2306.09341; https://github.com/tgxs002/HPSv2, hpsv2/img_score.py
        and hpsv2/src/open_clip/transform.py (ResizeMaxSize). That code does not pad an image
        whose longer side already has the size of the model, and then fails if it is not square.
        Here, such an image is padded.
    """

    name: ClassVar[str] = "hps"
    code_version: ClassVar[int] = 2
    default_card: ClassVar[str] = "hps-v2.0"

    @property
    def column(self) -> str:
        """Name of the only column: `score_` and the version."""
        return "score_" + option(self.card, "version").replace(".", "_").replace("-", "_")

    @property
    def columns(self) -> tuple[Column, ...]:
        """One number."""
        return (Column(self.column, pa.float32(), "Cosine of image and prompt.", "-1..1"),)

    @property
    def parameters(self) -> Mapping[str, object]:
        """Options of the card and the resize."""
        return {**super().parameters, "antialias": self.antialias}

    @property
    def antialias(self) -> bool:
        """Whether the resize is antialiased."""
        return bool(self.card.options.get("antialias", True))

    def applies(self, prompt: Mapping[str, object]) -> str:
        """Refuse a prompt without a text."""
        return "" if prompt["text"] else "the prompt has no text"

    def cut_texts(self, texts: Sequence[str]) -> list[str]:
        """List the prompts that are longer than the text tower takes."""
        return cut_texts(self.card, texts)

    def setup(self) -> None:
        """Load both towers."""
        self.towers = Towers(self.card)

    def extract(self, batch: Batch) -> Columns:
        """Score a batch; see `Feature.extract`."""
        images = self.towers.images(self.prepared(batch.images))
        score = (images * self.towers.texts(texts_of(batch.prompts))).sum(dim=1)
        return {self.column: as_float32(score)}

    def prepared(self, images: Uint8Images) -> "torch.Tensor":
        """Pad and standardise images, shape (B, 3, size, size), float32."""
        import torch

        preprocessing = self.towers.preprocessing
        pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float() / 255
        square = padded(pixels, self.towers.size, antialias=self.antialias)
        mean, std = (
            torch.tensor(preprocessing[name]).view(1, -1, 1, 1) for name in ("mean", "std")
        )
        return (square - mean) / std


class PreferenceSeedling(Hps):
    """`Hps` of the shipped small network, trained on pairs of a better and a worse image."""

    name: ClassVar[str] = "preference_seedling"
    default_card: ClassVar[str] = "preference-seedling"


def padded(pixels: "torch.Tensor", size: int, *, antialias: bool) -> "torch.Tensor":
    """Resize the longer side to `size` and pad with black to a square.

    Args:
        pixels: Shape (B, 3, H, W), 0..1.
        size: Pixels of the square.
        antialias: Whether the bicubic resize is antialiased.

    Returns:
        Shape (B, 3, size, size). Bicubic overshoots, so values can lie a little outside 0..1.

    Example:
        >>> import torch
        >>> padded(torch.ones(1, 3, 8, 4), 4, antialias=True)[0, 0, 0].round().tolist()
        [0.0, 1.0, 1.0, 0.0]
    """
    from torch.nn import functional

    height, width = pixels.shape[2:]
    if max(height, width) != size:
        scale = size / max(height, width)
        height, width = (max(1, round(side * scale)) for side in (height, width))
        pixels = functional.interpolate(
            pixels, (height, width), mode="bicubic", antialias=antialias, align_corners=False
        )
    top, left = (size - height) // 2, (size - width) // 2
    around = (left, size - width - left, top, size - height - top)
    return functional.pad(pixels, around)
