"""Extract `dinov2`: the class token of a DINOv2 network, which FD-DINOv2 compares."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from analysis.features.backbones import load_pretrained
from analysis.features.base import Batch, Columns
from analysis.features.cards import find_weights
from analysis.features.networks import NetworkFeature, device_of, option, placed
from pipeline.stage import Uint8Images
from pipeline.storage.schema import Column, vector

if TYPE_CHECKING:
    import torch

SIZE = 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RESIZE = "224 x 224, Pillow's bicubic (antialiased) on 8 bits, aspect not kept"


class Dinov2(NetworkFeature):
    """The class token after the last layer norm, of `Dinov2Model` in transformers.

    It is `pooler_output`, or `x_norm_clstoken` in the original code: the output of the network
    without a head, which dgm-eval compares (ViT-L/14, without registers). Images of any aspect
    are resized to 224 x 224 with Pillow's bicubic, then standardised with the mean and standard
    deviation of ImageNet, as dgm-eval does without --clean_resize.

    One difference remains. The checkpoint has 37 x 37 position embeddings and an image of 224
    pixels needs 16 x 16: transformers interpolates to the exact size, the original code by a
    scale factor with an offset of 0.1. Values of FD-DINOv2 are therefore comparable with each
    other, and with values of other code only after a check.

    Source:
        Stein et al. 2023, arXiv:2306.04675; https://github.com/layer6ai-labs/dgm-eval,
        dgm_eval/models/dinov2.py; network: Oquab et al. 2023, arXiv:2304.07193.
    """

    name: ClassVar[str] = "dinov2"
    code_version: ClassVar[int] = 2
    default_card: ClassVar[str] = "dinov2-large"

    @property
    def columns(self) -> tuple[Column, ...]:
        """One vector."""
        width = int(option(self.card, "width"))
        return (Column("embedding", vector(width), "Class token after the last layer norm."),)

    @property
    def parameters(self) -> Mapping[str, object]:
        """Resize and options of the card."""
        return {"resize": RESIZE, **super().parameters}

    def setup(self) -> None:
        """Load the network."""
        self.device = device_of(self.card)
        network = load_pretrained("Dinov2Model", find_weights(self.card))
        self._network = placed(network, self.device)

    def extract(self, batch: Batch) -> Columns:
        """Embed a batch; see `Feature.extract`."""
        import torch

        with torch.inference_mode():
            pixels = prepared(batch.images).to(self.device)
            token = self._network(pixel_values=pixels).pooler_output
        return {"embedding": np.asarray(token.cpu().numpy(), dtype=np.float32)}


def prepared(images: Uint8Images) -> "torch.Tensor":
    """Resize and standardise images, shape (B, 3, 224, 224), float32.

    Example:
        >>> prepared(np.zeros((1, 10, 20, 3), np.uint8)).shape
        torch.Size([1, 3, 224, 224])
    """
    import torch
    from PIL import Image

    resized = [
        np.asarray(Image.fromarray(image).resize((SIZE, SIZE), Image.Resampling.BICUBIC))
        for image in images
    ]
    pixels = torch.from_numpy(np.stack(resized).transpose(0, 3, 1, 2).copy()).float() / 255
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (MEAN, STD))
    return (pixels - mean) / std
