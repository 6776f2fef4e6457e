"""SingDiffusion: the first step of sampling by a network of its own, which mends the mean grey.

Zhang et al. 2024, "Tackling the Singularities at the Endpoints of Time Intervals in Diffusion
Models", arXiv:2403.08381; PangzeCheung/SingDiffusion at 4886340. Sampling starts at a time where
the picture is not quite gone, from noise without any picture in it: that is the noise of a
mid-grey picture. An extra network g, which predicts the picture itself from pure noise (t = 1,
where noise prediction is singular), makes that first step; the model does the rest unchanged.

    y_c = g(x_1, prompt), y_u = g(x_1, negative prompt)
    y = (y_u + w (y_c - y_u)) / w where w > 1, else y_c
    x = sqrt(abar_t) y + sqrt(1 - abar_t) x_1, t the first step of the run's scheduler

The division by w is the authors' normalisation of the guidance, as their code has it. Here x_1
is the seed's own noise; theirs is drawn from torch's global stream.

Run with the module that ships for the seedling; the authors' layout of weights with random ones.
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
"""Prompts whose embeddings are kept."""

LEAST_KEPT = 1 / 255
"""Weight of the picture at the first step; with less, no change by the network would be seen."""

FILES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
"""Weights beside config.json; the authors publish the second."""


def _no_time() -> "nn.Module":
    """Stands where a UNet embeds the time, and gives nothing."""
    from torch import nn  # a plan checks the parameters alone, and does without

    class NoTime(nn.Module):
        def forward(self, sample: "Tensor", condition: "Tensor | None" = None) -> None:
            """Nothing, so that no block adds anything."""

    return NoTime()


def without_time(unet: Any) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Take the time out of a UNet, in place, as the authors do.

    Args:
        unet: A `UNet2DConditionModel`.

    Returns:
        The same; its time embedding and their projections in the residual blocks are gone, so
        its output does not depend on the timestep it is given.
    """
    from diffusers.models.resnet import ResnetBlock2D

    unet.time_embedding = _no_time()
    for block in unet.modules():
        if isinstance(block, ResnetBlock2D):
            block.time_emb_proj = None
            block.time_embedding_norm = None
    return unet


def load_network(folder: Path) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Read the extra network from the authors' layout: config.json and its weights.

    Args:
        folder: Holds config.json and one of `FILES`.

    Returns:
        The network in float32 on the CPU, ready to predict.

    Raises:
        ModelError: If a file is missing or the weights are not the config's.
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
        # A file may still hold the time layers, which are not used.
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
            `text_encoder` and `tokenizer`; left out, they lie in `weights`.

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
        """The extra network, read when it is first asked for."""
        return load_network(find_weights(self.weights))

    @cached_property
    def _text(self) -> tuple[Any, Any]:
        """Its tokenizer and text encoder."""
        return _load_text(find_weights(self.text_weights))

    def check(self, pipe: Any, card: "Card", config: "RunConfig") -> None:  # noqa: ANN401
        """Refuse schedulers whose start is not noise of variance 1; keep guidance and start.

        Raises:
            ModelError: If the card draws videos or has no UNet, a folder is not there or does
                not load, or the scheduler, the network or its text encoder does not fit.
        """
        import torch

        refuse_video("singdiffusion", card, "the strip of them would be taken for one picture")
        if getattr(pipe, "unet", None) is None:
            raise ModelError(
                f"card {card.name} has no UNet ({type(pipe).__name__}): SingDiffusion goes before "
                f"one; take a card of Stable Diffusion's kind"
            )
        scheduler = copy.deepcopy(pipe.scheduler)
        scheduler.set_timesteps(config.num_inference_steps)
        _refuse_scheduler(scheduler, config.scheduler)
        _refuse_network(self.network.config, self._text[1].config, card)
        # In float32, as the scheduler's own `add_noise` has it for float32 latents.
        self._kept = scheduler.alphas_cumprod[int(scheduler.timesteps[0])].to("cpu", torch.float32)
        if float(self._kept.sqrt()) < LEAST_KEPT:
            raise ModelError(
                f"card {card.name} samples from noise alone: at its first step the picture has the "
                f"weight {float(self._kept.sqrt()):.2g}, so SingDiffusion would change nothing; "
                f"take a schedule that ends before, as Stable Diffusion's (0.07)"
            )
        self._guidance = config.guidance_scale
        self._negative = config.negative_prompt

    def prepare(self, pipe: Any, card: "Card") -> Any:  # noqa: ANN401
        """Bring the network to the pipe's device and dtype; the pipe stays as it is."""
        self.network.to(pipe.device, pipe.unet.dtype)
        self._text[1].to(pipe.device, pipe.unet.dtype)
        return pipe

    def starting_noise(self, noise: "Tensor", batch: "Batch") -> "Tensor":
        """The seeds' noise after the first step.

        Args:
            noise: (B, C, h, w) float32 on the CPU.
            batch: The cells.

        Returns:
            (B, C, h, w) float32 on the CPU.
        """
        picture = self._predict(noise, [prompt.text for prompt in batch.prompts])
        if self._guidance > 1:
            silent = self._predict(noise, [self._negative] * len(noise))
            picture = (silent + self._guidance * (picture - silent)) / self._guidance
        kept: Tensor = self._kept
        return kept.sqrt() * picture + (1 - kept).sqrt() * noise

    def _predict(self, noise: "Tensor", texts: list[str]) -> "Tensor":
        """g(noise, text), (B, C, h, w) float32 on the CPU."""
        import torch

        states = torch.cat([self._encode(text) for text in texts])
        network = self.network
        picture: Tensor = network(
            noise.to(network.device, network.dtype),
            torch.ones(len(noise), device=network.device),
            encoder_hidden_states=states,
        ).sample
        return picture.float().cpu()

    def _encode_uncached(self, text: str) -> "Tensor":
        """(1, tokens, D): one prompt at a time, so that company changes nothing."""
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
    """Refuse a scheduler that would scale the start, or has no abar_t to mix it with."""
    sigma = float(getattr(scheduler, "init_noise_sigma", 1.0))
    if sigma != 1:
        raise ModelError(
            f"SingDiffusion gives the latents of the first step, and {name} would multiply them "
            f"by its init_noise_sigma, {sigma:.4g}: use one where that is 1, as DDIMScheduler"
        )
    if not hasattr(scheduler, "alphas_cumprod"):
        raise ModelError(
            f"SingDiffusion needs the variance-preserving schedule's alphas_cumprod and {name} "
            f"has none (flow matching starts at t = 1, where nothing is to be mended)"
        )


def _refuse_network(network: Any, text: Any, card: "Card") -> None:  # noqa: ANN401
    """Refuse, by the configs, a network of other latents or one that reads another text encoder."""
    if network.in_channels != card.latent_channels:
        raise ModelError(
            f"the SingDiffusion network works on {network.in_channels} latent channels and card "
            f"{card.name} has {card.latent_channels}; take the one trained for this family"
        )
    if network.cross_attention_dim != text.hidden_size:
        raise ModelError(
            f"the SingDiffusion network reads a text of width {network.cross_attention_dim} and "
            f"its text encoder gives {text.hidden_size}; name the folder of the one that it was "
            f"trained with as `text_weights`"
        )


def _load_text(folder: Path) -> tuple[Any, Any]:
    """The network's own tokenizer and text encoder."""
    from safetensors import SafetensorError
    from transformers import CLIPTextModel, CLIPTokenizer

    for part in ("tokenizer", "text_encoder"):
        if not (folder / part).is_dir():
            raise ModelError(
                f"{folder} holds no {part}: SingDiffusion needs the text encoder it was trained "
                f"with (the authors': Stable Diffusion 1.5's); name its folder as `text_weights`"
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
