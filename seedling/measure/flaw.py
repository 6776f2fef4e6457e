"""Measure how far images are biased to grey: `python -m seedling.measure.flaw --model seedling`.

This measures the mean brightness of extreme prompts and of dark and bright prompts, with and
without guidance. It also measures what the model predicts for a solid black ground at the last
step, from its noised latents and from pure noise (Lin et al. 2023, arXiv:2305.08891, section 2).
"""

import argparse

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from seedling.files import FIGURES, say, write_json
from seedling.measure.drawing import draw, load_shipped, prompt_parts
from seedling.networks.model import VARIANTS, to_images, to_vae_range
from seedling.networks.tokenizer import token_ids
from seedling.randomness import make_generator
from seedling.world.painting import brightness
from seedling.world.scenes import draw_scenes
from seedling.world.sentences import parse, sentence
from seedling.world.vocabulary import EXTREMES

SEEDS = 64
FIRST_SEED, FIRST_OF_TONES = 910_000, 900_000
BLACK = EXTREMES[0]


def summary(images: Tensor) -> dict[str, float]:
    """Mean brightness of images, its standard error, the share above 0.5, and their number.

    Example:
        >>> summary(torch.ones(4, 3, 8, 8))
        {'mean': 1.0, 'error': 0.0, 'bright': 1.0, 'n': 4}
    """
    values = brightness(images).mean(dim=(1, 2)).double()
    statistics = {
        "mean": float(values.mean()),
        "error": float(values.std() / len(values) ** 0.5),
        "bright": float((values > 0.5).double().mean()),
    }
    return {**{name: round(value, 3) for name, value in statistics.items()}, "n": len(values)}


def brightness_by_prompt(
    pipe: StableDiffusionPipeline, guidance: float
) -> dict[str, dict[str, float]]:
    """Summarise each extreme prompt over 64 seeds, and 80 dark and 80 bright prompts."""
    seeds = list(range(FIRST_SEED, FIRST_SEED + SEEDS))
    summaries = {
        prompt: summary(draw(pipe, [prompt] * SEEDS, seeds, guidance=guidance))
        for prompt in EXTREMES
    }
    for tone in ("dark", "bright"):
        prompts = [sentence(row) for row in prompt_parts(tone).tolist()]
        seeds = list(range(FIRST_OF_TONES, FIRST_OF_TONES + len(prompts)))
        summaries[tone] = summary(draw(pipe, prompts, seeds, guidance=guidance))
    return summaries


@torch.no_grad()
def at_the_last_step(pipe: StableDiffusionPipeline) -> dict[str, dict[str, float]]:
    """Measure the model's prediction at the last time for the prompt of a solid black ground.

    Returns:
        `summary` of the images predicted from `noised`, true latents with the noise of that time,
        and from `noise` alone.
    """
    generator, scale = make_generator(3), float(pipe.vae.config.scaling_factor)
    parts = torch.tensor([parse(BLACK)]).expand(SEEDS, -1)
    scenes = draw_scenes(parts, generator=generator).images
    latents = pipe.vae.encode(to_vae_range(scenes)).latent_dist.mode() * scale
    noise = torch.randn(latents.shape, generator=generator)
    last = torch.full((SEEDS,), pipe.scheduler.config.num_train_timesteps - 1)
    ids = token_ids(pipe.tokenizer, [BLACK] * SEEDS)
    states = pipe.text_encoder(ids).last_hidden_state
    signal = pipe.scheduler.alphas_cumprod[-1]

    def predicted_brightness(noisy: Tensor) -> dict[str, float]:
        predicted = pipe.unet(noisy, last, encoder_hidden_states=states).sample
        clean = (noisy - (1 - signal).sqrt() * predicted) / signal.sqrt()
        return summary(to_images(pipe.vae.decode(clean / scale).sample))

    noised = pipe.scheduler.add_noise(latents, noise, last)
    return {"noised": predicted_brightness(noised), "noise": predicted_brightness(noise)}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=VARIANTS, default="seedling")
    options = parser.parse_args()
    pipe, guidance = load_shipped(options.model), VARIANTS[options.model].guidance
    figures: dict[str, object] = {
        f"guidance {scale:g}": brightness_by_prompt(pipe, scale) for scale in (1.0, guidance)
    }
    figures["last step"] = at_the_last_step(pipe)
    write_json(FIGURES / options.model / "flaw.json", figures)
    say(figures)


if __name__ == "__main__":
    main()
