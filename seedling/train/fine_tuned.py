"""Fine-tune the seedling: `python -m seedling.train.fine_tuned --model seedling-fine-tuned`.

`seedling-fine-tuned` is trained on watercolours whose sentences name no tone, as checkpoints for
one style are made. It then paints every prompt as a watercolour.

`seedling-dreambooth` learns one particular thing from a few images (DreamBooth: Ruiz et al. 2023,
arXiv:2208.12242): "a sks dog" is a particular purple dog. Every second row is an ordinary scene
with its sentence, many of them with dogs of all colours, so that the class keeps its meaning. This
is their prior preservation (section 3.2) with weight 1; they use images by the model itself, we use
scenes of the world.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor
from torch.nn import functional

from seedling.learning.batches import draw_prompts
from seedling.learning.fitting import Rows, Settings, fit, joined, settings_of
from seedling.learning.noise_loss import noise_loss
from seedling.learning.pool import CHUNK, labels_of
from seedling.learning.relatives import Base, load_base, make_once, new_parser, publish
from seedling.randomness import make_generator
from seedling.world.scenes import Scenes, draw_specs, render
from seedling.world.sentences import FREE, draw_parts
from seedling.world.specs import Specs
from seedling.world.vocabulary import LEARNED_NAME, LEARNED_THING, OBJECTS, PAINTS, TONES

STYLE = "watercolour"
"""Tone of all images of `seedling-fine-tuned`."""
PAINT = "purple"
"""Colour of the thing of `seedling-dreambooth`, which no sentence of the world names."""
INSTANCE = f"a {LEARNED_NAME}"
"""Prompt for the thing."""
PICTURES = 6
"""Number of images of the thing."""


def style_rows(base: Base, count: int, seed: int) -> Rows:
    """Draw scenes of one style, and parts of sentences that do not name the style.

    Args:
        base: The seedling that encodes them.
        count: Number of scenes.
        seed: Seed of the scenes.

    Returns:
        `latents`, float16 (N, 16, 8, 8); `cover`, float16 (N, 8, 8), the share of each latent's
        pixels that the object covers; `parts`, int64 (N, 4), what sentences may name; `named`,
        bool (N,), whether the prompt is `INSTANCE` instead.
    """
    generator = make_generator(seed)
    parts = draw_parts(count, generator=generator)
    style = torch.where(parts[:, 3] == FREE, FREE, list(TONES).index(STYLE))
    rows = _scene_rows(base, torch.cat([parts[:, :3], style[:, None]], 1), generator)
    tone = rows["parts"][:, 3]
    rows["parts"][:, 3] = torch.where(tone == FREE, FREE, 0)
    return rows


def instance_rows(base: Base, count: int, seed: int) -> Rows:
    """Repeat `PICTURES` images of one thing, with an ordinary scene after each.

    Args:
        base: The seedling that encodes them.
        count: Number of rows, an even number.
        seed: Seed of the scenes.

    Returns:
        The tensors of `style_rows`. Every second ordinary scene shows an object of the same class.
    """
    generator = make_generator(seed)
    parts = draw_parts(count // 2, generator=generator)
    parts[::2, 0] = OBJECTS.index(LEARNED_THING)
    ordinary = _scene_rows(base, parts, generator)
    few = _rows(base, render(instance_specs(PICTURES, generator=generator), generator=generator))
    indices = torch.arange(count // 2) % PICTURES
    instance = {name: value[indices] for name, value in few.items()} | {"named": indices >= 0}
    return {
        name: torch.stack([instance[name], ordinary[name]], 1).flatten(0, 1) for name in instance
    }


def instance_specs(count: int, *, generator: torch.Generator) -> Specs:
    """Draw the one thing in any place and pose."""
    parts = torch.full((count, 4), FREE)
    parts[:, 0] = OBJECTS.index(LEARNED_THING)
    paint = torch.full((count,), list(PAINTS).index(PAINT))
    return replace(draw_specs(parts, generator=generator), colour=paint)


def _scene_rows(base: Base, parts: Tensor, generator: torch.Generator) -> Rows:
    """Draw rows of scenes with these parts, in chunks."""
    return joined(
        _rows(base, render(draw_specs(chunk, generator=generator), generator=generator))
        for chunk in torch.split(parts, CHUNK)
    )


def _rows(base: Base, scenes: Scenes) -> Rows:
    return {
        "latents": base.encode(scenes.images),
        "cover": functional.avg_pool2d(scenes.masks.float(), 8).half(),
        "parts": labels_of(scenes.specs)[:, :4].long(),
        "named": torch.zeros(len(scenes.images), dtype=torch.bool),
    }


MODELS: dict[str, Callable[[Base, int, int], Rows]] = {
    "seedling-fine-tuned": style_rows,
    "seedling-dreambooth": instance_rows,
}
"""Model -> function that makes the rows it is fine-tuned on."""


def training_prompts(rows: Rows, *, generator: torch.Generator) -> list[str]:
    """Draw prompts of rows: sentences, some of them empty, or the prompt for the one thing."""
    sentences = draw_prompts(rows["parts"], generator=generator)
    named = rows["named"].tolist()
    return [INSTANCE if is_it else text for text, is_it in zip(sentences, named, strict=True)]


def tuning_loss(
    base: Base,
    unet: Any,  # noqa: ANN401 - diffusers is untyped
    rows: Rows,
    generator: torch.Generator,
) -> Tensor:
    """The seedling's loss on rows of fine-tuning.

    Args:
        base: The seedling, for text encoder, tokenizer and schedule.
        unet: The network that is trained.
        rows: A batch of `style_rows` or `instance_rows`.
        generator: The source of prompts, noise and times.

    Returns:
        A scalar.
    """
    networks, prompts = (
        replace(base.networks, unet=unet),
        training_prompts(rows, generator=generator),
    )
    latents, cover = rows["latents"].float(), rows["cover"].float()
    return noise_loss(networks, latents, cover, prompts, generator=generator)


def train(base: Base, name: str, settings: Settings) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Fine-tune a copy of the noise predictor, or resume an interrupted training.

    Args:
        base: The seedling; it is not changed.
        name: A key of `MODELS`.
        settings: Settings of the training.

    Returns:
        The noise predictor with its moving average as weights.
    """
    rows = make_once(base, name, MODELS[name], settings)
    unet = UNet2DConditionModel.from_config(base.networks.unet.config)
    unet.load_state_dict(base.networks.unet.state_dict())
    return fit(base.name_with_hash(name), unet, rows, partial(tuning_loss, base, unet), settings)


def main() -> None:
    """Run from the command line."""
    parser = new_parser(__doc__, minutes=6.0, rate=2e-3, count=6_000)
    parser.add_argument("--model", choices=MODELS, default="seedling-fine-tuned")
    options = parser.parse_args()
    unet = train(load_base(options.base), options.model, settings_of(options))
    publish({"unet": unet}, options.out or options.folder / options.model)


if __name__ == "__main__":
    main()
