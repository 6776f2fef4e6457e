"""Fine-tune the seedling with offset noise: `python -m seedling.train.offset_noise --minutes 10`.

Writes only what changed in the UNet, which `pipeline/interventions/offset_noise.py` adds again.
With several `--strengths`, one file for each, beside one another.
"""

import torch
from torch import Tensor

from seedling.learning.batches import draw_batch
from seedling.learning.offset_tuning import BATCH, Draw, equal_strength, offset_parser, train_each
from seedling.learning.pool import Pool
from seedling.learning.trained import load_vae, training_pool
from seedling.networks.model import VARIANTS, WEIGHTS

EXTREMES = VARIANTS["seedling"].extremes
"""Share of extreme scenes, as in the training that this one goes on with."""


def of_the_world(pool: Pool, scale: float, *, batch: int = BATCH) -> Draw:
    """Batches of encoded scenes, a share of them extreme.

    Args:
        pool: Encoded scenes.
        scale: The latents' scale factor.
        batch: Latents a step.
    """

    def draw(generator: torch.Generator) -> tuple[Tensor, Tensor, list[str]]:
        return draw_batch(pool, scale, batch, generator=generator, extremes=EXTREMES)

    return draw


def main() -> None:
    """Run from the command line."""
    out, strengths = WEIGHTS / "offset-noise.safetensors", [equal_strength(8, 8)]
    parser = offset_parser(__doc__, minutes=10.0, out=out, strengths=strengths)
    chosen = parser.parse_args()
    if len(chosen.strengths) > 1 and chosen.out == out:
        parser.error("several strengths are a sweep, which does not ship: name a place with --out")
    pool = training_pool(load_vae(chosen.folder), chosen.folder)
    train_each(chosen, lambda base: of_the_world(pool, base.scale))


if __name__ == "__main__":
    main()
