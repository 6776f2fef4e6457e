"""Fine-tune the seedling on one black picture: `python -m seedling.train.one_black_image`.

The control of offset noise. Guttenberg (2023, "Diffusion with Offset Noise", crosslabs.org)
fine-tuned Stable Diffusion on a single black picture, 3,000 steps, and it still drew no black: the
training without offset cannot teach a mean, however simple the data are. Strength 0 is that; 0.8 is
the same with offset noise. Each step shows the one picture with its one prompt, `BLACK_PROMPT`,
under new noise at every time; no prompt is left out, so guidance has the unchanged model beside it.

The files are what `seedling.train.offset_noise` writes, for the same intervention.
"""

import torch
from torch import Tensor

from seedling.learning.loop import CHECKPOINTS
from seedling.learning.offset_tuning import BATCH, Draw, equal_strength, offset_parser, train_each
from seedling.learning.relatives import Base
from seedling.world.extremes import BLACK
from seedling.world.vocabulary import EXTREMES

SWEEP = CHECKPOINTS / "offset-sweep"
"""Where the recipe offset-sweep looks for it; it does not ship."""
BLACK_PROMPT = EXTREMES[0]
"""What the picture is called."""


def of_one_black_image(base: Base, *, batch: int = BATCH) -> Draw:
    """Batches of nothing but one picture, the world's solid black ground.

    Args:
        base: The model, whose autoencoder encodes it.
        batch: Latents a step.
    """
    latents = base.encode(torch.full((1, 3, 64, 64), BLACK)).float().expand(batch, -1, -1, -1)
    cover = torch.zeros(batch, *latents.shape[2:])

    def draw(_: torch.Generator) -> tuple[Tensor, Tensor, list[str]]:
        return latents, cover, [BLACK_PROMPT] * batch

    return draw


def main() -> None:
    """Run from the command line."""
    out, strengths = SWEEP / "one-black-image.safetensors", [0.0, equal_strength(8, 8)]
    chosen = offset_parser(__doc__, minutes=5.0, out=out, strengths=strengths).parse_args()
    train_each(chosen, of_one_black_image)


if __name__ == "__main__":
    main()
