"""A batch: the cells that go into a model together, and the images that come out.

It is below both models and interventions, so that a model may call an intervention and an
intervention may look at a batch without importing a model. No torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.prompts.prompt_sets import Prompt
from pipeline.stage import Uint8Images

Kept = Mapping[int, npt.NDArray[np.float32]]
"""Step -> latents. Step 0 is the start; step k is the result of the k-th step."""


@dataclass(frozen=True)
class Batch:
    """Cells that are drawn in one call.

    Attributes:
        prompts: One prompt per image.
        seeds: One seed per image, each in [0, 2**32).
        condition_images: The condition images that the prompts name, RGB, by their sha256.
        keep_latents: "none", "last" or "all"; see `pipeline.drawing.latents`.
    """

    prompts: tuple[Prompt, ...]
    seeds: tuple[int, ...]
    condition_images: Mapping[str, Image.Image] = field(default_factory=dict)
    keep_latents: str = "none"


@dataclass(frozen=True)
class Drawn:
    """The result of a batch.

    Attributes:
        images: (B, H, W, 3) uint8 RGB; meaningless where not finite or flagged.
        finite: (B,) whether all floats of the decoder were finite, tested before the cast to
            uint8, which turns NaN into black.
        flagged: (B,) whether a safety checker replaced the image.
        truncated_tokens: (B,) prompt tokens that the encoder with the shortest limit did not read.
        latents: Step -> (B, C, h, w) float32, if the batch asks for them and the model's family
            can keep them.
    """

    images: Uint8Images
    finite: npt.NDArray[np.bool_]
    flagged: npt.NDArray[np.bool_]
    truncated_tokens: npt.NDArray[np.int32]
    latents: Kept = field(default_factory=dict)
