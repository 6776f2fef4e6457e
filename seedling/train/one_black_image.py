"""Fine-tune the seedling on one black image: `python -m seedling.train.one_black_image`.

This is the control for offset noise. Guttenberg (2023, "Diffusion with Offset Noise",
crosslabs.org) fine-tuned Stable Diffusion on a single black image for 3,000 steps, and it still
did not draw black: training without offset noise cannot teach a mean, however simple the data.
Strength 0 repeats that experiment; 0.8 is the same with offset noise. Each step trains on the one
image and its prompt, `BLACK_PROMPT`, with new noise at all times. No prompt is empty, so the
unconditional prediction in guidance remains nearly that of the original model.

The files have the format of `seedling.train.offset_noise`, for the same intervention.
"""

import torch
from torch import Tensor

from seedling.files import CHECKPOINTS
from seedling.learning.offset_tuning import BATCH, Draw, equal_strength, offset_parser, train_each
from seedling.learning.relatives import Base
from seedling.world.extremes import BLACK
from seedling.world.vocabulary import EXTREMES

SWEEP = CHECKPOINTS / "offset-sweep"
"""Folder in which the recipe offset-sweep expects the files, which are not shipped."""
BLACK_PROMPT = EXTREMES[0]
"""Prompt of the image."""


def black_image_batches(base: Base, *, batch: int = BATCH) -> Draw:
    """Make a function whose batches repeat one image, the world's solid black ground.

    Args:
        base: The model whose autoencoder encodes it.
        batch: Latents per step.
    """
    latents = base.encode(torch.full((1, 3, 64, 64), BLACK)).float().expand(batch, -1, -1, -1)
    cover = torch.zeros(batch, *latents.shape[2:])

    def draw(_: torch.Generator) -> tuple[Tensor, Tensor, list[str]]:
        return latents, cover, [BLACK_PROMPT] * batch

    return draw


def main() -> None:
    """Run from the command line."""
    out, strengths = SWEEP / "one-black-image.safetensors", [0.0, equal_strength(8, 8)]
    options = offset_parser(__doc__, minutes=5.0, out=out, strengths=strengths).parse_args()
    train_each(options, black_image_batches)


if __name__ == "__main__":
    main()
