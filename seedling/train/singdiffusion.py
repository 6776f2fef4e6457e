"""Train the seedling's first step: `python -m seedling.train.singdiffusion --minutes 10`.

The network g of SingDiffusion (Zhang et al. 2024, arXiv:2403.08381) predicts an image from pure
noise and a prompt. At t = 1 the noise contains no information about the image, so the network
learns the mean image of the prompt. The loss is theirs, E |g(x_1, prompt) - x_0|^2. They publish no
training code, so batch, rate and length are our choice. Some prompts are empty, at the rate of the
seedling's training, for guidance. The text encoder is the shipped seedling's, unchanged.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from pipeline.interventions.singdiffusion import without_time
from seedling.files import CHECKPOINTS, WEIGHTS, say, whole_folder
from seedling.learning.batches import draw_prompts, draw_rows
from seedling.learning.command_line import training_parser
from seedling.learning.loop import Budget, Loop
from seedling.learning.pool import Pool
from seedling.learning.relatives import load_base
from seedling.learning.trained import load_vae, training_pool
from seedling.networks.model import new_unet, save_fp16
from seedling.networks.tokenizer import token_ids
from seedling.randomness import make_generator

BASE = WEIGHTS / "seedling"
FOLDER = WEIGHTS / "seedling-singdiffusion"
CHANNELS = (48, 80)
"""Widths of the network's levels, slightly smaller than the seedling's."""
EXTREME_SHARE = 0.15
"""Share of the images that are extreme scenes, whose mean brightness the method corrects."""


@dataclass(frozen=True)
class Text:
    """The frozen text encoder of the base model.

    Attributes:
        tokenizer: Its tokenizer.
        encoder: Token ids to states.
    """

    tokenizer: CLIPTokenizer
    encoder: CLIPTextModel

    @staticmethod
    def of(base: Path) -> "Text":
        """Read tokenizer and encoder from a diffusers folder."""
        tokenizer = CLIPTokenizer.from_pretrained(str(base / "tokenizer"), local_files_only=True)
        encoder = CLIPTextModel.from_pretrained(str(base / "text_encoder"), local_files_only=True)
        return Text(tokenizer, encoder.float().eval())

    @torch.no_grad()
    def states(self, prompts: list[str]) -> Tensor:
        """Encode prompts, float32 (B, tokens, D)."""
        ids = token_ids(self.tokenizer, prompts)
        states: Tensor = self.encoder(ids).last_hidden_state
        return states


def image_loss(
    network: Any,  # noqa: ANN401 - diffusers is untyped
    latents: Tensor,
    states: Tensor,
    *,
    generator: torch.Generator,
) -> Tensor:
    """Mean squared error of the image predicted from pure noise.

    Args:
        network: The network g, without time.
        latents: float32 (B, C, h, w), scaled as the base model's are.
        states: Encoded prompts, (B, tokens, D).
        generator: The source of noise.

    Returns:
        A scalar.
    """
    noise = torch.randn(latents.shape, generator=generator)
    steps = torch.ones(len(latents))
    predicted = network(noise, steps, encoder_hidden_states=states).sample
    loss: Tensor = (predicted - latents).square().mean()
    return loss


def train(
    pool: Pool,
    text: Text,
    *,
    scale: float,
    budget: Budget,
    seed: int = 11,
    batch: int = 64,
    folder: Path = CHECKPOINTS,
    channels: tuple[int, ...] = CHANNELS,
    name: str = "singdiffusion",
) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Train the network, or resume an interrupted training.

    Args:
        pool: The scenes that the base model was trained on.
        text: The base model's text encoder; it is not changed.
        scale: The base model's latent scale factor.
        budget: How long, and the learning rate.
        seed: Seed of prompts and noise; initial weights come from torch's global stream.
        batch: Latents per step.
        folder: Folder of the checkpoint.
        channels: Widths of the network's levels.
        name: Name of the checkpoint.

    Returns:
        The network with its moving average as weights.
    """
    generator = make_generator(seed)
    network = without_time(new_unet(channels, pooled_text=False))
    modules: dict[str, torch.nn.Module] = {"unet": network}
    loop = Loop(name, modules, budget, generator, folder=folder, averaged=("unet",), muon=True)
    while loop.running():
        rows = draw_rows(pool, batch, generator=generator, extreme_share=EXTREME_SHARE)
        states = text.states(draw_prompts(pool.parts[rows], generator=generator))
        latents = pool.latents[rows].float() * scale
        loop.step(image_loss(network, latents, states, generator=generator))
    loop.finish()
    loop.use_averages()
    return network


def publish(network: Any, base: Path, folder: Path = FOLDER) -> None:  # noqa: ANN401
    """Write the network in the authors' layout, in fp16, and its text encoder.

    Args:
        network: The trained network.
        base: The base model's diffusers folder.
        folder: Target folder; an earlier one is replaced once the new one is complete.
    """
    with whole_folder(folder) as aside:
        for part in ("text_encoder", "tokenizer"):
            shutil.copytree(base / part, aside / part)
        network.save_config(aside)
        save_fp16(network, aside / "diffusion_pytorch_model.safetensors")


def latent_scale(base: Path) -> float:
    """Read the base model's latent scale factor."""
    config = json.loads((base / "vae" / "config.json").read_bytes())
    return float(config["scaling_factor"])


def main() -> None:
    """Run from the command line."""
    parser = training_parser(__doc__, minutes=10.0, rate=4e-3, out=FOLDER)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--base", type=Path, default=BASE, help="model to train it for")
    options = parser.parse_args()
    network = train(
        training_pool(load_vae(options.folder), options.folder),
        Text.of(options.base),
        scale=latent_scale(options.base),
        budget=Budget(options.minutes, options.rate, steps=options.steps),
        seed=options.seed,
        batch=options.batch,
        folder=options.folder,
        name=load_base(options.base).name_with_hash("singdiffusion"),
    )
    publish(network, options.base, options.out)
    say(f"wrote {options.out}")


if __name__ == "__main__":
    main()
