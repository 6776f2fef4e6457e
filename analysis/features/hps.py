"""`hps`: Human Preference Score v2, as its authors score, many pictures at a time.

Pictures become fractions 0..1 first. Then the longer side is resized to the model's size
(bicubic on the tensor, values not clipped), black is put around the middle to make a square, and
the whole is standardised. The score is the cosine of image and prompt, without the model's
temperature. Publications show it times 100.

torchvision 0.17 made antialiasing the default of this very resize, so the authors' own code
gives other scores before and after. The card says which: `antialias`, true unless stated.

The authors score under float16 autocast on a GPU, ours is float32 on every device: scores differ
by float16's rounding. A text of more tokens than the tower takes (77) is cut by its tokenizer
without a word.

Scores of v2.0 and of v2.1 are not comparable, so the version is in the column's name; the authors
compare only pictures of the same prompt.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pyarrow as pa

from analysis.features.base import Batch, Columns
from analysis.features.networks import NetworkFeature, option
from analysis.features.towers import Towers, as_float32, texts_of
from pipeline.stage import Uint8Images
from pipeline.storage.schema import Column

if TYPE_CHECKING:
    import torch


class Hps(NetworkFeature):
    """Cosine of a picture and its prompt under a preference model; higher is preferred.

    The card states `version`, and `architecture` where the weights are one file.

    Source:
        Wu et al. 2023, arXiv:2306.09341; https://github.com/tgxs002/HPSv2, hpsv2/img_score.py
        and hpsv2/src/open_clip/transform.py (ResizeMaxSize). Theirs pads nothing where the
        longer side has the model's size already, and then fails on a picture that is no square;
        ours pads it.
    """

    name: ClassVar[str] = "hps"
    code_version: ClassVar[int] = 2
    default_card: ClassVar[str] = "hps-v2.0"

    @property
    def column(self) -> str:
        """Name of the one column: `score_` and the version."""
        return "score_" + option(self.card, "version").replace(".", "_").replace("-", "_")

    @property
    def columns(self) -> tuple[Column, ...]:
        """One number."""
        return (Column(self.column, pa.float32(), "Cosine of image and prompt.", "-1..1"),)

    @property
    def parameters(self) -> Mapping[str, object]:
        """The card's options and the resize."""
        return {**super().parameters, "antialias": self.antialias}

    @property
    def antialias(self) -> bool:
        """Whether the resize is antialiased."""
        return bool(self.card.options.get("antialias", True))

    def applies(self, prompt: Mapping[str, object]) -> str:
        """Only where there is a text to compare with."""
        return "" if prompt["text"] else "the prompt has no text"

    def setup(self) -> None:
        """Load both towers."""
        self.towers = Towers(self.card)

    def extract(self, batch: Batch) -> Columns:
        """Score a batch; see `Feature.extract`."""
        images = self.towers.images(self.prepared(batch.images))
        score = (images * self.towers.texts(texts_of(batch.prompts))).sum(dim=1)
        return {self.column: as_float32(score)}

    def prepared(self, images: Uint8Images) -> "torch.Tensor":
        """Padded and standardised pictures, shape (B, 3, size, size), float32."""
        import torch

        wanted = self.towers.preprocessing
        pixels = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float() / 255
        square = padded(pixels, self.towers.size, antialias=self.antialias)
        mean, std = (torch.tensor(wanted[name]).view(1, -1, 1, 1) for name in ("mean", "std"))
        return (square - mean) / std


class PreferenceSeedling(Hps):
    """The same of the shipped small network, trained on pairs of which one is better."""

    name: ClassVar[str] = "preference_seedling"
    default_card: ClassVar[str] = "preference-seedling"


def padded(pixels: "torch.Tensor", size: int, *, antialias: bool) -> "torch.Tensor":
    """Resize the longer side to `size` and put black around the middle.

    Args:
        pixels: Shape (B, 3, H, W), 0..1.
        size: Pixels of the square.
        antialias: Whether the bicubic resize is antialiased.

    Returns:
        Shape (B, 3, size, size). Bicubic overshoots: values can lie a little outside 0..1.

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
