"""Fine-tune the seedling with offset noise: `python -m seedling.train.offset_noise --minutes 10`.

It writes only the changes of the UNet's weights, which `pipeline/interventions/offset_noise.py`
adds to the model. With several `--strengths`, it writes one file for each.
"""

import torch
from torch import Tensor

from seedling.files import WEIGHTS
from seedling.learning.batches import draw_batch
from seedling.learning.offset_tuning import BATCH, Draw, equal_strength, offset_parser, train_each
from seedling.learning.pool import Pool
from seedling.learning.trained import load_vae, training_pool
from seedling.networks.model import VARIANTS

EXTREME_SHARE = VARIANTS["seedling"].extreme_share
"""Share of extreme scenes, as in the seedling's training."""


def world_batches(pool: Pool, scale: float, *, batch: int = BATCH) -> Draw:
    """Make a function that draws batches of encoded scenes, a share of them extreme.

    Args:
        pool: Encoded scenes.
        scale: The latents' scale factor.
        batch: Latents per step.
    """

    def draw(generator: torch.Generator) -> tuple[Tensor, Tensor, list[str]]:
        return draw_batch(pool, scale, batch, generator=generator, extreme_share=EXTREME_SHARE)

    return draw


def main() -> None:
    """Run from the command line."""
    out, strengths = WEIGHTS / "offset-noise.safetensors", [equal_strength(8, 8)]
    parser = offset_parser(__doc__, minutes=10.0, out=out, strengths=strengths)
    options = parser.parse_args()
    if len(options.strengths) > 1 and options.out == out:
        parser.error("several strengths cannot replace the shipped file: name another with --out")
    pool = training_pool(load_vae(options.folder), options.folder)
    train_each(options, lambda base: world_batches(pool, base.scale))


if __name__ == "__main__":
    main()
