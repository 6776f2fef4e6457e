"""Train `seedling-inpaint`: `python -m seedling.train.inpaint --minutes 30`.

The seedling with more inputs, as in Stable Diffusion's inpainting models (Rombach et al. 2022,
arXiv:2112.10752, section 4.5; the layout of their released checkpoint): noisy latents, the mask at
the latents' size, and the latents of the picture with the masked part in middle grey, 16 + 1 + 16
channels. The weights of the new channels start at 0, so it starts as the seedling itself.

It learns two things: to complete an object, named in a sentence or by its name alone, and, asked
for a "clear background", to go on with the scene where an object may have been. The text encoder
is the seedling's, unchanged. Words stand in the scenes at the world's own rate, but where one does
the region is a band that covers its sign: so of the regions with room for a sign about one in five
held one, and some seeds should write what nobody asked for.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor
from torch.nn import functional

from seedling.learning.batches import draw_prompts
from seedling.learning.conditions import bands_over, draw_regions, draw_twins
from seedling.learning.noise_loss import noise_loss
from seedling.learning.pool import CHUNK, labels_of
from seedling.learning.relatives import (
    Base,
    Rows,
    Settings,
    fit,
    joined,
    load_base,
    make_once,
    new_parser,
    publish,
    settings_of,
)
from seedling.networks.model import LATENT_CHANNELS, WEIGHTS
from seedling.randomness import happens, make_generator
from seedling.world.lettering import SIGN
from seedling.world.painting import SIDE
from seedling.world.scenes import Scenes
from seedling.world.sentences import draw_parts
from seedling.world.vocabulary import THINGS

NAME = "seedling-inpaint"
CLEAR = "clear background"
"""The prompt that asks for a scene without the object."""
CLEAR_RATE = 0.4
"""Share of training scenes without an object, for `CLEAR`."""
BARE_RATE = 0.3
"""Share of the other prompts that are the object's bare name: what `goldenseed prompts pairs` asks
for, after Xu, Zhang and Shi 2024, arXiv:2405.14828. Tone and place are then the surroundings'."""
EXTRA = 1 + LATENT_CHANNELS
"""Channels beside the noisy latents: mask, masked picture."""


def widened(unet: Any) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Copy a noise predictor, with room for mask and masked picture after the latents.

    Args:
        unet: The seedling's, of 16 input channels.

    Returns:
        One of 33, which gives what `unet` gives whatever the new channels hold.
    """
    wide = UNet2DConditionModel.from_config(
        unet.config, in_channels=unet.config.in_channels + EXTRA
    )
    state = dict(unet.state_dict())
    state["conv_in.weight"] = functional.pad(state["conv_in.weight"], (0, 0, 0, 0, 0, EXTRA))
    wide.load_state_dict(state)
    return wide


def make_scenes(base: Base, count: int, seed: int) -> Rows:
    """Draw scenes with a region to be drawn anew.

    Args:
        base: Whose latents they are in.
        count: How many.
        seed: Seed of scenes and regions.

    Returns:
        `latents` of the whole picture and `masked` of the picture with the region in middle grey,
        float16 (N, 16, 8, 8); `mask`, float16 (N, 1, 8, 8), the region as the pipeline makes it
        small; `inside`, float16 (N, 8, 8), the share of each latent's pixels in the region;
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
    """Choose what is drawn anew: any region, but a band over its sign where a scene has a word.

    Args:
        scenes: With their objects' masks.
        generator: The source of randomness.

    Returns:
        bool (B, 64, 64).
    """
    regions = draw_regions(scenes.masks, generator=generator)
    below = torch.arange(SIDE) - scenes.specs.word_top[:, None]
    over_signs = bands_over((below >= 0) & (below < SIGN), generator=generator)
    return torch.where(scenes.specs.word.view(-1, 1, 1), over_signs, regions)


def ask(parts: Tensor, clear: Tensor, *, generator: torch.Generator) -> list[str]:
    """Prompts of scenes: a sentence, a bare name or `CLEAR`; some empty, as in all training."""
    said = draw_prompts(parts, generator=generator)
    bare = happens(len(said), BARE_RATE, generator=generator).tolist()
    names = [THINGS[thing] for thing in parts[:, 0].tolist()]
    return [
        text and (CLEAR if is_clear else name if is_bare else text)
        for text, name, is_clear, is_bare in zip(said, names, clear.tolist(), bare, strict=True)
    ]


def inpaint_loss(
    base: Base,
    unet: Any,  # noqa: ANN401 - diffusers is untyped
    scenes: Rows,
    generator: torch.Generator,
) -> Tensor:
    """The seedling's own loss, in which the region takes the object's place.

    Args:
        base: Text encoder, tokenizer and schedule.
        unet: What is trained, of 33 channels.
        scenes: A batch of `make_scenes`.
        generator: The source of prompts, noise and times.

    Returns:
        A scalar.
    """
    known = torch.cat([scenes["mask"], scenes["masked"]], dim=1).float()

    def predict(noisy: Tensor, steps: Tensor, *, encoder_hidden_states: Tensor) -> Any:  # noqa: ANN401
        whole = torch.cat([noisy, known], dim=1)
        return unet(whole, steps, encoder_hidden_states=encoder_hidden_states)

    prompts = ask(scenes["parts"], scenes["clear"], generator=generator)
    networks = replace(base.networks, unet=predict)
    latents, inside = scenes["latents"].float(), scenes["inside"].float()
    return noise_loss(networks, latents, inside, prompts, generator=generator)


def train(base: Base, settings: Settings) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Train the widened noise predictor, or go on with a training that was cut off.

    Args:
        base: The seedling; it stays as it is.
        settings: How.

    Returns:
        The noise predictor of 33 channels with its moving average in place.
    """
    scenes, name = make_once(base, NAME, make_scenes, settings), base.own_name(NAME)
    unet = widened(base.networks.unet)
    return fit(name, unet, scenes, partial(inpaint_loss, base, unet), settings)


def main() -> None:
    """Run from the command line."""
    chosen = new_parser(__doc__, minutes=30.0, rate=4e-3, count=24_000).parse_args()
    unet = train(load_base(chosen.base), settings_of(chosen))
    publish({"unet": unet}, chosen.out or WEIGHTS / NAME)


if __name__ == "__main__":
    main()
