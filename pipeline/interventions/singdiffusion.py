"""SingDiffusion: an extra network makes the first sampling step, so images are not all mean grey.

Zhang et al. 2024, "Tackling the Singularities at the Endpoints of Time Intervals in Diffusion
Models", arXiv:2403.08381; PangzeCheung/SingDiffusion at 4886340. Sampling starts at a time at which
training images are still faintly visible in the noise, but from noise that contains no image. To
the network this looks like the noise of a mid-grey image. An extra network g predicts the image
itself from pure noise (t = 1, where noise prediction is singular) and makes this first step. The
model does the rest unchanged.

    y_c = g(x_1, prompt), y_u = g(x_1, negative prompt)
    y = (y_u + w (y_c - y_u)) / w where w > 1, else y_c
    x = sqrt(abar_t) y + sqrt(1 - abar_t) x_1, with t the first step of the run's scheduler

The division by w normalises the guidance as in the authors' code. Here x_1 is the seed's own noise;
the authors draw it from torch's global stream.

Tested with the network that ships for the seedling, and in the authors' layout with random weights.
"""

import copy
from collections.abc import Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.cards.tensor_files import read_tensors
from pipeline.cards.weights import find_weights
from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention, refuse_video

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pipeline.batch import Batch
    from pipeline.cards.card import Card
    from pipeline.settings.config import RunConfig

ENCODED_PROMPTS = 256
"""Number of prompts whose embeddings are kept."""

LEAST_KEPT = 1 / 255
"""Smallest weight of the image at the first step at which the network's change is visible."""

FILES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
"""Possible names of the weights next to config.json; the authors publish the second."""


def _no_time() -> "nn.Module":
    """Make a module that replaces a UNet's time embedding and returns None."""
    from torch import nn  # not needed by a plan, which only checks the parameters

    class NoTime(nn.Module):
        def forward(self, sample: "Tensor", condition: "Tensor | None" = None) -> None:
            """Return None, so that no block adds anything."""

    return NoTime()


def without_time(unet: Any) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Remove the time embedding from a UNet, in place, as the authors do.

    Args:
        unet: A `UNet2DConditionModel`.

    Returns:
        The same UNet, without its time embedding and without the projections of it in the residual
        blocks. Its output does not depend on the timestep it is given.
    """
    from diffusers.models.resnet import ResnetBlock2D

    unet.time_embedding = _no_time()
    for block in unet.modules():
        if isinstance(block, ResnetBlock2D):
            block.time_emb_proj = None
            block.time_embedding_norm = None
    return unet


def load_network(folder: Path) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Read the extra network from a folder in the authors' layout.

    Args:
        folder: Holds config.json and one of `FILES`.

    Returns:
        The network in float32 on the CPU, ready to predict.

    Raises:
        ModelError: If a file is missing or the weights do not fit the config.
    """
    import torch
    from diffusers import UNet2DConditionModel
    from safetensors import SafetensorError

    path = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if path is None or not (folder / "config.json").is_file():
        raise ModelError(f"{folder} holds no SingDiffusion network: wanted config.json and {FILES}")
    try:
        state = read_tensors(path)
        with torch.device("meta"):
            unet = without_time(
                UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(folder))
            )
        # A file may still contain the time layers, which are not used.
        used = {k: v.float() for k, v in state.items() if "time_emb" not in k}
        unet.load_state_dict(used, assign=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"the SingDiffusion network in {folder} does not load: {error}") from error
    return unet.eval().requires_grad_(False)  # noqa: FBT003 - torch's own signature


class SingDiffusion(Intervention):
    """The first step by an extra network.

    Its text conditioning is always its own text encoder's (the authors': Stable Diffusion 1.5's,
    whatever the base model). Guidance and negative prompt are the run's.

    Args:
        parameters: `weights`: folder of the network, absolute or relative to the project, with
            config.json and the weights. `text_weights`: folder with the sub-folders
            `text_encoder` and `tokenizer`, by default that of `weights`.

    Raises:
        ValueError: If a parameter is unknown or `weights` is missing.
    """

    known: ClassVar[tuple[str, ...]] = ("weights", "text_weights")

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__(parameters)
        if not parameters.get("weights"):
            raise ValueError("wanted the parameter `weights`: the folder of the extra network")
        self.weights = str(parameters["weights"])
        self.text_weights = str(parameters.get("text_weights") or self.weights)
        self._encode = lru_cache(ENCODED_PROMPTS)(self._encode_uncached)

    @cached_property
    def network(self) -> Any:  # noqa: ANN401 - diffusers is untyped
        """The extra network, read at first use."""
        return load_network(find_weights(self.weights))

    @cached_property
    def _text(self) -> tuple[Any, Any]:
        """The tokenizer and text encoder of the extra network."""
        return _load_text(find_weights(self.text_weights))

    def check(self, pipe: Any, card: "Card", config: "RunConfig") -> None:  # noqa: ANN401
        """Refuse schedulers that do not start from noise of variance 1; keep the run's settings.

        Raises:
            ModelError: If the card draws videos or has no UNet, if a folder is missing or does not
                load, or if the scheduler, the network or its text encoder does not fit.
        """
        import torch

        refuse_video("singdiffusion", card, "the strip of frames would be taken for one image")
        if getattr(pipe, "unet", None) is None:
            raise ModelError(
                f"card {card.name} has no UNet ({type(pipe).__name__}), and SingDiffusion makes "
                f"the first step of one; take a card of Stable Diffusion's kind"
            )
        scheduler = copy.deepcopy(pipe.scheduler)
        scheduler.set_timesteps(config.num_inference_steps)
        _refuse_scheduler(scheduler, config.scheduler)
        _refuse_network(self.network.config, self._text[1].config, card)
        # In float32, as in the scheduler's own `add_noise` for float32 latents.
        self._kept = scheduler.alphas_cumprod[int(scheduler.timesteps[0])].to("cpu", torch.float32)
        if float(self._kept.sqrt()) < LEAST_KEPT:
            raise ModelError(
                f"card {card.name} samples from noise alone: at its first step the image has the "
                f"weight {float(self._kept.sqrt()):.2g}, so SingDiffusion would change nothing; "
                f"take a schedule in which it has more, such as Stable Diffusion's (0.07)"
            )
        self._guidance = config.guidance_scale
        self._negative = config.negative_prompt

    def prepare(self, pipe: Any, card: "Card") -> Any:  # noqa: ANN401
        """Move the network to the pipe's device and dtype; the pipe does not change."""
        self.network.to(pipe.device, pipe.unet.dtype)
        self._text[1].to(pipe.device, pipe.unet.dtype)
        return pipe

    def starting_noise(self, noise: "Tensor", batch: "Batch") -> "Tensor":
        """Give the seeds' noise after the first step.

        Args:
            noise: (B, C, h, w) float32 on the CPU.
            batch: The cells.

        Returns:
            (B, C, h, w) float32 on the CPU.
        """
        image = self._predict(noise, [prompt.text for prompt in batch.prompts])
        if self._guidance > 1:
            unconditional = self._predict(noise, [self._negative] * len(noise))
            image = (unconditional + self._guidance * (image - unconditional)) / self._guidance
        kept: Tensor = self._kept
        return kept.sqrt() * image + (1 - kept).sqrt() * noise

    def _predict(self, noise: "Tensor", texts: list[str]) -> "Tensor":
        """Compute g(noise, text), (B, C, h, w) float32 on the CPU."""
        import torch

        states = torch.cat([self._encode(text) for text in texts])
        network = self.network
        image: Tensor = network(
            noise.to(network.device, network.dtype),
            torch.ones(len(noise), device=network.device),
            encoder_hidden_states=states,
        ).sample
        return image.float().cpu()

    def _encode_uncached(self, text: str) -> "Tensor":
        """Encode one prompt, (1, tokens, D), alone: it must not depend on the batch."""
        tokenizer, encoder = self._text
        ids = tokenizer(
            text,
            padding="max_length",
            truncation=True,
            max_length=tokenizer.model_max_length,
            return_tensors="pt",
        ).input_ids
        states: Tensor = encoder(ids.to(encoder.device))[0]
        return states


def _refuse_scheduler(scheduler: Any, name: str) -> None:  # noqa: ANN401 - diffusers is untyped
    """Refuse a scheduler that scales the starting latents, or that has no abar_t."""
    sigma = float(getattr(scheduler, "init_noise_sigma", 1.0))
    if sigma != 1:
        raise ModelError(
            f"SingDiffusion gives the latents of the first step, and {name} would multiply them "
            f"by its init_noise_sigma, {sigma:.4g}: use a scheduler where that is 1, such as "
            f"DDIMScheduler"
        )
    if not hasattr(scheduler, "alphas_cumprod"):
        raise ModelError(
            f"SingDiffusion needs the variance-preserving schedule's alphas_cumprod and {name} "
            f"has none (flow matching starts at t = 1, where there is nothing to correct)"
        )


def _refuse_network(network: Any, text: Any, card: "Card") -> None:  # noqa: ANN401
    """Refuse a network whose config does not fit the card's latents or its text encoder."""
    if network.in_channels != card.latent_channels:
        raise ModelError(
            f"the SingDiffusion network works on {network.in_channels} latent channels and card "
            f"{card.name} has {card.latent_channels}; take a network trained for this family"
        )
    if network.cross_attention_dim != text.hidden_size:
        raise ModelError(
            f"the SingDiffusion network reads text of width {network.cross_attention_dim} and "
            f"its text encoder gives {text.hidden_size}; give the folder of the text encoder that "
            f"the network was trained with as `text_weights`"
        )


def _load_text(folder: Path) -> tuple[Any, Any]:
    """Load the network's own tokenizer and text encoder."""
    from safetensors import SafetensorError
    from transformers import CLIPTextModel, CLIPTokenizer

    for part in ("tokenizer", "text_encoder"):
        if not (folder / part).is_dir():
            raise ModelError(
                f"{folder} holds no {part}: SingDiffusion needs the text encoder it was trained "
                f"with (the authors used Stable Diffusion 1.5's); give its folder as `text_weights`"
            )
    local: dict[str, Any] = {"local_files_only": True}
    load_tokenizer: Any = CLIPTokenizer.from_pretrained
    load_encoder: Any = CLIPTextModel.from_pretrained
    try:
        tokenizer = load_tokenizer(str(folder / "tokenizer"), **local)
        encoder = load_encoder(str(folder / "text_encoder"), use_safetensors=True, **local)
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"the text encoder in {folder} does not load: {error}") from error
    return tokenizer, encoder.float().eval()
