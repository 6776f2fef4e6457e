"""Draws with GLIDE: pixel diffusion from text with classifier-free guidance, and an up-sampler.

Nichol et al. 2021, arXiv:2112.10741. It samples as openai/glide-text2im does at 146bd9c,
notebooks/text2im.ipynb, with networks of diffusers (which has no GLIDE pipeline):

    base: DDPM with learned variance on small images; eps = eps_u + s (eps_c - eps_u), with the
        variance of the prompt's own prediction
    up-sampler: no guidance, starting noise times 0.997, deterministic DDIM over 27 uneven steps;
        in addition to its own pixels it sees the small image, rounded to 256 levels and enlarged

A seed's generator draws the starting noise and the step noise of the small image, then the noise of
the up-sampler. The folder holds unet, text_encoder, tokenizer and scheduler, and for the second
stage upsampler, upsampler_text_encoder and upsampler_scheduler.

Tested with tiny random weights only. OpenAI's checkpoints have different networks (their text joins
the keys of the attention), which these classes do not load.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import diffusers
import numpy as np
import torch
import transformers
from safetensors import SafetensorError
from torch import Tensor

from pipeline.batch import Batch, Drawn
from pipeline.cards.card import Card, ResolvedCard
from pipeline.cards.foreign_code import refuse_code_in
from pipeline.cards.json_files import components
from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention
from pipeline.models.base import changed_pixels, device_of, draw_start, to_uint8
from pipeline.models.networks import quiet
from pipeline.models.text_lengths import longest_cut
from pipeline.noise import draw_next
from pipeline.settings.config import RunConfig

UPSAMPLE_TEMPERATURE = 0.997
"""Factor of the up-sampler's starting noise, as chosen by the authors."""

FAST27 = (
    997, 800, 799, 600, 599, 500, 400, 399, 377, 355, 333, 311, 288, 266,
    244, 222, 200, 199, 177, 155, 133, 111, 88, 66, 44, 22, 0,
)  # fmt: skip
"""The up-sampler's time steps of 1,000: from the lowest, 10, 10, 3, 2 and 2 per 200, with 997 in
place of 999 (`space_timesteps` in glide_text2im/respace.py)."""

PARTS = {
    "unet": "diffusers:UNet2DConditionModel",
    "text_encoder": "transformers:CLIPTextModel",
    "tokenizer": "transformers:CLIPTokenizer",
    "scheduler": "diffusers:DDPMScheduler",
    "upsampler": "diffusers:UNet2DConditionModel",
    "upsampler_text_encoder": "transformers:CLIPTextModel",
    "upsampler_scheduler": "diffusers:DDPMScheduler",
}
"""Sub-folder -> class."""

ENCODED_PROMPTS = 256
"""Number of prompts whose embeddings an actor keeps."""


@dataclass
class Parts:
    """The loaded networks; an intervention gets them as its pipe."""

    unet: Any
    text_encoder: Any
    tokenizer: Any
    scheduler: Any
    upsampler: Any
    upsampler_text_encoder: Any
    upsampler_scheduler: Any
    device: torch.device


class Glide:
    """A base network and an up-sampler, ready to draw.

    Args:
        card: The checkpoint's card; `vae_factor` is the up-sampler's factor.
        resolved: Its files.
        config: How to sample the base; the up-sampler's steps are fixed.
        intervention: Change of the base's sampling.

    Raises:
        ModelError: If a GPU or a part is missing, a part does not load, or the run asks for what
            this sampling cannot do: another scheduler or dtype, eta, compiled inference.
    """

    def __init__(
        self, card: Card, resolved: ResolvedCard, config: RunConfig, intervention: Intervention
    ) -> None:
        _check(card, config, intervention)
        self.config, self.intervention = config, intervention
        self.latents_shape = card.latents_shape(config.height, config.width)
        self.pipe = _load(card, resolved, config)
        intervention.check(self.pipe, card, config)
        self.pipe = intervention.prepare(self.pipe, card)
        self._states = lru_cache(ENCODED_PROMPTS)(self._encode)

    @torch.inference_mode()
    def generate(self, batch: Batch) -> Drawn:
        """Draw a batch.

        Args:
            batch: B cells.

        Returns:
            B images of the run's size; see `Drawn`.
        """
        texts = [prompt.text for prompt in batch.prompts]
        start, generators = draw_start(batch, self.intervention, self.config, self.latents_shape)
        small = self._base(start.to(self.pipe.device), texts, generators)
        pixels = self._upsample(small, texts, generators)
        finite = torch.isfinite(pixels).flatten(1).all(1).cpu().numpy()
        counts = [self.truncated_tokens(text) for text in texts]
        return Drawn(
            to_uint8(changed_pixels(self.intervention, (pixels / 2 + 0.5).clamp(0, 1), batch)),
            finite,
            np.zeros(len(texts), bool),
            np.array(counts, np.int32),
        )

    def _base(self, noise: Tensor, texts: list[str], generators: list[torch.Generator]) -> Tensor:
        """Draw small images, (B, 3, h, w), about [-1, 1]."""
        scheduler, scale = self.pipe.scheduler, self.config.guidance_scale
        scheduler.set_timesteps(self.config.num_inference_steps, device=self.pipe.device)
        states = self._all_states("text_encoder", texts)
        negative_states = self._all_states(
            "text_encoder", [self.config.negative_prompt] * len(texts)
        )
        x = noise
        for t in scheduler.timesteps:
            output = self.pipe.unet(x, t, encoder_hidden_states=states).sample
            eps, variance = output.chunk(2, dim=1)
            if scale > 1:
                unconditional = self.pipe.unet(x, t, encoder_hidden_states=negative_states).sample
                eps_u = unconditional.chunk(2, dim=1)[0]
                eps = eps_u + scale * (eps - eps_u)
            guided = torch.cat([eps, variance], dim=1)
            x = scheduler.step(guided, t, x, generator=generators).prev_sample
        return x

    def _upsample(
        self, small: Tensor, texts: list[str], generators: list[torch.Generator]
    ) -> Tensor:
        """Enlarge small images to (B, 3, H, W), about [-1, 1]."""
        size = (self.config.height, self.config.width)
        rounded = ((small + 1) * 127.5).round() / 127.5 - 1
        enlarged = torch.nn.functional.interpolate(rounded, size, mode="bilinear")
        states = self._all_states("upsampler_text_encoder", texts)
        kept = self.pipe.upsampler_scheduler.alphas_cumprod.to(self.pipe.device)
        x = draw_next(generators, (3, *size)).to(self.pipe.device) * UPSAMPLE_TEMPERATURE
        for t, after in zip(FAST27, (*FAST27[1:], None), strict=True):
            both = torch.cat([x, enlarged], dim=1)
            eps = self.pipe.upsampler(both, t, encoder_hidden_states=states).sample[:, :3]
            x = ddim_step(x, eps, kept[t], kept.new_ones(()) if after is None else kept[after])
        return x

    def _all_states(self, encoder: str, texts: list[str]) -> Tensor:
        return torch.cat([self._states(encoder, text) for text in texts])

    def _encode(self, encoder: str, text: str) -> Tensor:
        """Encode one prompt, (1, tokens, D), alone: it must not depend on the batch."""
        tokenizer = self.pipe.tokenizer
        ids = tokenizer(
            text,
            padding="max_length",
            truncation=True,
            max_length=tokenizer.model_max_length,
            return_tensors="pt",
        ).input_ids
        states: Tensor = getattr(self.pipe, encoder)(ids.to(self.pipe.device)).last_hidden_state
        return states

    def truncated_tokens(self, text: str) -> int:
        """Count the tokens of a text that a text encoder does not read."""
        return longest_cut(self.pipe, text)


def ddim_step(x: Tensor, eps: Tensor, kept: Tensor, kept_after: Tensor) -> Tensor:
    """Make one deterministic DDIM step with a clipped clean image (Song et al. 2020, eq. 12).

    Diffusers' own scheduler only takes evenly spaced steps.

    Args:
        x: (B, C, H, W).
        eps: The predicted noise.
        kept: alpha_bar at the time of x.
        kept_after: alpha_bar at the next time.

    Returns:
        The pixels at the next time.
    """
    clean = ((x - (1 - kept).sqrt() * eps) / kept.sqrt()).clamp(-1, 1)
    eps = (x - kept.sqrt() * clean) / (1 - kept).sqrt()
    return kept_after.sqrt() * clean + (1 - kept_after).sqrt() * eps


def _check(card: Card, config: RunConfig, intervention: Intervention) -> None:
    """Refuse what this sampling cannot do, before anything is loaded."""
    if config.scheduler != "DDPMScheduler" or config.eta:
        raise ModelError(
            f"card {card.name}: GLIDE's base is sampled by DDPM with its learned variance; found "
            f"{config.scheduler} with eta {config.eta}; use DDPMScheduler and leave eta at 0"
        )
    if card.variant:
        raise ModelError(
            f"card {card.name}: its variant is {card.variant!r}, and GLIDE's parts are loaded "
            f"without a variant; remove `variant`"
        )
    if intervention.changes("step_generators"):
        raise ModelError(
            f"card {card.name}: the intervention changes the step noise of the base, and GLIDE's "
            f"up-sampler draws its noise from the same generators"
        )
    if config.dtype != "float32" or config.compiled:
        raise ModelError(
            f"card {card.name}: the step noise is drawn in the networks' dtype, and only float32 "
            f"gives a seed's noise; use float32, not {config.dtype}, and `compiled: false`"
        )


def _load(card: Card, resolved: ResolvedCard, config: RunConfig) -> Parts:
    """Load every part from its sub-folder."""
    quiet()
    unnamed = sorted(set(PARTS) - set(components(resolved.folder)))
    if unnamed:  # a folder that the index does not name is not part of the run's identity
        raise ModelError(
            f"card {card.name}: {resolved.folder}/model_index.json does not name "
            f"{', '.join(unnamed)}; add each as its library and its class"
        )
    device = device_of(card)
    loaded = {name: _part(card, resolved, name, kind) for name, kind in PARTS.items()}
    for part in loaded.values():
        if isinstance(part, torch.nn.Module):
            part.to(device).eval()
    base: Any = diffusers.DDPMScheduler
    loaded["scheduler"] = base.from_config(loaded["scheduler"].config, **config.scheduler_config)
    return Parts(**loaded, device=device)


def _part(card: Card, resolved: ResolvedCard, name: str, kind: str) -> Any:  # noqa: ANN401
    folder, (library, _, class_name) = resolved.folder / name, kind.partition(":")
    if not folder.is_dir():
        raise ModelError(f"card {card.name}: its part {name} is missing: no folder {folder}")
    refuse_code_in(folder)
    cls = getattr({"diffusers": diffusers, "transformers": transformers}[library], class_name)
    weights = {"use_safetensors": True} if class_name.endswith("Model") else {}
    try:
        return cls.from_pretrained(str(folder), local_files_only=True, **weights)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ModelError(f"card {card.name}: its part {name} does not load: {error}") from error
