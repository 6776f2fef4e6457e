"""Train `seedling-inpaint`: `python -m seedling.train.inpaint --minutes 30`.

The model is the seedling with more inputs, as in Stable Diffusion's inpainting models (Rombach et
al. 2022, arXiv:2112.10752, section 4.5; the layout is that of their released checkpoint): noisy
latents, the mask at the latents' size, and the latents of the image with the masked part in middle
grey, 16 + 1 + 16 channels. The weights of the new channels start at 0, so the model starts as the
seedling itself.

It learns to complete an object that a sentence or the bare name of the object asks for. It also
learns to continue the scene without an object, for the prompt "clear background". The text encoder
is the seedling's, unchanged. Words occur in the scenes at the world's usual rate, but the region of
a scene with a word is a band that covers its sign. About one in five of the regions with room for a
sign therefore contained one, and some seeds should write words that no prompt asks for.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor
from torch.nn import functional

from seedling.files import WEIGHTS
from seedling.learning.batches import draw_prompts
from seedling.learning.conditions import bands_over, draw_regions, draw_twins
from seedling.learning.fitting import Rows, Settings, fit, joined, settings_of
from seedling.learning.noise_loss import noise_loss
from seedling.learning.pool import CHUNK, labels_of
from seedling.learning.relatives import Base, load_base, make_once, new_parser, publish
from seedling.networks.model import LATENT_CHANNELS
from seedling.randomness import happens, make_generator
from seedling.world.lettering import SIGN
from seedling.world.painting import SIDE
from seedling.world.scenes import Scenes
from seedling.world.sentences import draw_parts
from seedling.world.vocabulary import THINGS

NAME = "seedling-inpaint"
CLEAR = "clear background"
"""Prompt for a scene without the object."""
CLEAR_RATE = 0.4
"""Share of training scenes without an object, whose prompt is `CLEAR`."""
BARE_RATE = 0.3
"""Share of the other prompts that are the object's bare name, as `goldenseed prompts pairs` writes
them, after Xu, Zhang and Shi 2024, arXiv:2405.14828. The surroundings then set tone and place."""
EXTRA = 1 + LATENT_CHANNELS
"""Number of channels in addition to the noisy latents: mask and masked image."""


def widened(unet: Any) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Copy a noise predictor and add input channels for mask and masked image.

    Args:
        unet: The seedling's, with 16 input channels.

    Returns:
        A network with 33 input channels; its output equals that of `unet` for any mask and image.
    """
    wide = UNet2DConditionModel.from_config(
        unet.config, in_channels=unet.config.in_channels + EXTRA
    )
    state = dict(unet.state_dict())
    state["conv_in.weight"] = functional.pad(state["conv_in.weight"], (0, 0, 0, 0, 0, EXTRA))
    wide.load_state_dict(state)
    return wide


def make_scenes(base: Base, count: int, seed: int) -> Rows:
    """Draw scenes with a region to fill.

    Args:
        base: The seedling that encodes them.
        count: Number of scenes.
        seed: Seed of scenes and regions.

    Returns:
        `latents` of the whole image and `masked` of the image with the region in middle grey,
        float16 (N, 16, 8, 8); `mask`, float16 (N, 1, 8, 8), the region scaled down as in the
        pipeline; `inside`, float16 (N, 8, 8), the share of each latent's pixels in the region;
        `parts`, int64 (N, 4); `clear`, bool (N,), whether the scene is without its object.
    """
    generator = make_generator(seed)
    sizes = [min(CHUNK, count - start) for start in range(0, count, CHUNK)]
    return joined(_chunk(base, draw_parts(n, generator=generator), generator) for n in sizes)


def _chunk(base: Base, parts: Tensor, generator: torch.Generator) -> Rows:
    twins = draw_twins(parts, generator=generator)
    clear = happens(len(parts), CLEAR_RATE, generator=generator)
    images = torch.where(clear.view(-1, 1, 1, 1), twins.clear, twins.scenes.images)
    region = choose_regions(twins.scenes, generator=generator)[:, None]
    latents = base.encode(images)
    return {
        "latents": latents,
        "masked": base.encode(torch.where(region, 0.5, images)),
        "mask": functional.interpolate(region.float(), size=latents.shape[2:]).half(),
        "inside": functional.avg_pool2d(region.float(), 8)[:, 0].half(),
        "parts": labels_of(twins.scenes.specs)[:, :4].long(),
        "clear": clear,
    }


def choose_regions(scenes: Scenes, *, generator: torch.Generator) -> Tensor:
    """Choose the region to fill: a band over the sign if a scene has a word, else any region.

    Args:
        scenes: Scenes with their objects' masks.
        generator: The source of randomness.

    Returns:
        bool (B, 64, 64).
    """
    regions = draw_regions(scenes.masks, generator=generator)
    below = torch.arange(SIDE) - scenes.specs.word_top[:, None]
    over_signs = bands_over((below >= 0) & (below < SIGN), generator=generator)
    return torch.where(scenes.specs.word.view(-1, 1, 1), over_signs, regions)


def training_prompts(parts: Tensor, clear: Tensor, *, generator: torch.Generator) -> list[str]:
    """Draw prompts of scenes: a sentence, a bare name, `CLEAR`, or the empty prompt."""
    sentences = draw_prompts(parts, generator=generator)
    bare = happens(len(sentences), BARE_RATE, generator=generator).tolist()
    names = [THINGS[thing] for thing in parts[:, 0].tolist()]
    return [
        text and (CLEAR if is_clear else name if is_bare else text)
        for text, name, is_clear, is_bare in zip(
            sentences, names, clear.tolist(), bare, strict=True
        )
    ]


def inpaint_loss(
    base: Base,
    unet: Any,  # noqa: ANN401 - diffusers is untyped
    scenes: Rows,
    generator: torch.Generator,
) -> Tensor:
    """The seedling's loss, with extra weight on the region instead of the object.

    Args:
        base: The seedling, for text encoder, tokenizer and schedule.
        unet: The network that is trained, with 33 input channels.
        scenes: A batch of `make_scenes`.
        generator: The source of prompts, noise and times.

    Returns:
        A scalar.
    """
    known = torch.cat([scenes["mask"], scenes["masked"]], dim=1).float()

    def predict(noisy: Tensor, steps: Tensor, *, encoder_hidden_states: Tensor) -> Any:  # noqa: ANN401
        inputs = torch.cat([noisy, known], dim=1)
        return unet(inputs, steps, encoder_hidden_states=encoder_hidden_states)

    prompts = training_prompts(scenes["parts"], scenes["clear"], generator=generator)
    networks = replace(base.networks, unet=predict)
    latents, inside = scenes["latents"].float(), scenes["inside"].float()
    return noise_loss(networks, latents, inside, prompts, generator=generator)


def train(base: Base, settings: Settings) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Train the widened noise predictor, or resume an interrupted training.

    Args:
        base: The seedling; it is not changed.
        settings: Settings of the training.

    Returns:
        The noise predictor with 33 input channels and its moving average as weights.
    """
    scenes, name = make_once(base, NAME, make_scenes, settings), base.name_with_hash(NAME)
    unet = widened(base.networks.unet)
    return fit(name, unet, scenes, partial(inpaint_loss, base, unet), settings)


def main() -> None:
    """Run from the command line."""
    options = new_parser(__doc__, minutes=30.0, rate=4e-3, count=24_000).parse_args()
    unet = train(load_base(options.base), settings_of(options))
    publish({"unet": unet}, options.out or WEIGHTS / NAME)


if __name__ == "__main__":
    main()
