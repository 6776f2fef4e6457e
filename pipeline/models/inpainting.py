"""Inpainting: a masked part of a picture drawn anew, picture and mask of each cell its own.

`StableDiffusionInpaintPipeline` with a UNet of 9 channels (latents, mask, latents of the picture
without the masked part) or of 4 (an ordinary checkpoint, the known part put back after every
step). Everything that decides a pixel is the library's, one call a batch. Latents of other than 4
channels, C, take a UNet of 2 C + 1 or C channels; see `AnyChannels`.

Two things go wrong in the obvious call, and are ours here. The autoencoder *samples* a picture's
latents: where one picture and mask serve a whole batch, diffusers encodes them once, with noise
of the first generator alone, so an image would depend on its neighbour's seed; one picture and
mask per item, always. And that noise is drawn in the networks' dtype, in which torch versions
differ (huggingface/diffusers#11056); here it is float32.

The order in which a seed's generator is used: starting noise, then (ordinary checkpoints) the
picture's latents, then the masked picture's, then step noise. So a seed's starting noise is that
of text-to-image; a native call of 4 channels without `latents=` encodes the picture first.

Run with the trained weights of seedling-inpaint; with 9 and 4 channels with random ones.
"""

from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from diffusers.image_processor import VaeImageProcessor
from PIL import Image
from torch.nn.functional import interpolate

from pipeline.batch import Batch, Drawn
from pipeline.cards.card import Card, ResolvedCard
from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention
from pipeline.models.base import (
    call_arguments,
    changed_pixels,
    device_of,
    draw_start,
    to_uint8,
    truncated_tokens,
)
from pipeline.models.networks import Finite, load_pipeline
from pipeline.noise import draw_next
from pipeline.prompts.prompt_sets import Prompt
from pipeline.settings.config import RunConfig

PIPELINE = "StableDiffusionInpaintPipeline"

DIFFUSERS_CHANNELS = 4
"""Channels of the latents that `StableDiffusionInpaintPipeline` can inpaint."""


class Inpainting:
    """An inpainting checkpoint with its intervention, ready to draw.

    Args:
        card: The checkpoint's card; its `conditions` are image and mask.
        resolved: Its files.
        config: How to sample.
        intervention: Change of sampling.

    Raises:
        ModelError: If a GPU is missing, the folder does not load, the UNet has neither C nor
            2 C + 1 channels where latents have C, or compiled inference is asked for.
    """

    def __init__(
        self, card: Card, resolved: ResolvedCard, config: RunConfig, intervention: Intervention
    ) -> None:
        self.config, self.intervention = config, intervention
        self.latents_shape = card.latents_shape(config.height, config.width)
        self.device = device_of(card)
        pipe = load_pipeline(card, resolved, config, PIPELINE).to(self.device)
        _check(card, config, pipe, intervention)
        if card.latent_channels != DIFFUSERS_CHANNELS:
            pipe = AnyChannels.of(pipe)
        intervention.check(pipe, card, config)
        self.pipe = intervention.prepare(pipe, card)
        self.finite = Finite(self.pipe.vae)

    @torch.inference_mode()
    def generate(self, batch: Batch) -> Drawn:
        """Draw a batch.

        Args:
            batch: B cells, each with an image and a mask (white is drawn anew) of the run's size.

        Returns:
            B images; see `Drawn`.

        Raises:
            ModelError: If a picture is missing or of another size.
        """
        start, generators = draw_start(batch, self.intervention, self.config, self.latents_shape)
        count, guided = len(batch.prompts), self.config.guidance_scale > 1
        self.finite.forget()
        pixels, flags = self.pipe(
            prompt=[prompt.text for prompt in batch.prompts],
            negative_prompt=[self.config.negative_prompt] * count if guided else None,
            **self._pictures(batch, generators),
            latents=start.to(self.pipe.unet.dtype),
            generator=generators,
            output_type="pt",
            **call_arguments(batch, self.intervention, self.config),
        )
        counts = [self.truncated_tokens(prompt.text) for prompt in batch.prompts]
        return Drawn(
            to_uint8(changed_pixels(self.intervention, pixels, batch)),
            self.finite.of(count),
            np.array(flags or [False] * count),
            np.array(counts, np.int32),
        )

    def _pictures(self, batch: Batch, generators: list[torch.Generator]) -> dict[str, Any]:
        """Picture, mask and masked picture's latents, one of each per cell."""
        images = [self._picture(batch, prompt, "image") for prompt in batch.prompts]
        masks = [self._picture(batch, prompt, "mask") for prompt in batch.prompts]
        image = self.pipe.image_processor.preprocess(images).float()
        mask = self.pipe.mask_processor.preprocess(masks)
        known: Any = images  # the call takes pictures or their latents
        if self.pipe.unet.config.in_channels == self.latents_shape[0]:
            known = self._encode(image, generators)
        masked = self._encode(image * (mask < 0.5), generators)
        return {"image": known, "mask_image": mask, "masked_image_latents": masked}

    def _picture(self, batch: Batch, prompt: Prompt, name: str) -> Image.Image:
        sha256 = getattr(prompt, name)
        if not sha256:
            raise ModelError(f"prompt {prompt.text!r} has no {name}, which inpainting needs")
        picture, size = batch.condition_images[sha256], (self.config.width, self.config.height)
        if picture.size != size:
            raise ModelError(
                f"the {name} of prompt {prompt.text!r} is {picture.size[0]} x {picture.size[1]} "
                f"pixels; the run draws {size[0]} x {size[1]} and needs it in that size"
            )
        return picture

    def _encode(self, pixels: torch.Tensor, generators: list[torch.Generator]) -> torch.Tensor:
        """Sampled latents, scaled, (B, C, h, w): one by one, as diffusers encodes a list."""
        vae = self.pipe.vae
        own = draw_next(generators, self.latents_shape).to(self.device, vae.dtype)
        parts = []
        for picture, noise in zip(pixels.to(self.device, vae.dtype), own, strict=True):
            found = vae.encode(picture[None]).latent_dist
            parts.append(found.mean + found.std * noise)
        scaled: torch.Tensor = vae.config.scaling_factor * torch.cat(parts)
        return scaled

    def truncated_tokens(self, text: str) -> int:
        """Tokens of a prompt beyond the text encoder's length."""
        return truncated_tokens(self.pipe.tokenizer, text)


def _check(card: Card, config: RunConfig, pipe: Any, intervention: Intervention) -> None:  # noqa: ANN401
    """Refuse what the pipeline's call cannot do, before the first image."""
    channels, latents = int(pipe.unet.config.in_channels), int(pipe.vae.config.latent_channels)
    if latents != card.latent_channels or channels not in (latents, 2 * latents + 1):
        raise ModelError(
            f"card {card.name}: it says {card.latent_channels} latent channels, its autoencoder "
            f"has {latents} and its UNet {channels} input channels; wanted a UNet of "
            f"{2 * latents + 1} (an inpainting checkpoint) or {latents} (an ordinary one)"
        )
    if intervention.changes("step_generators"):
        raise ModelError(
            f"card {card.name}: the intervention changes the step noise, which follows on the "
            f"starting noise; when inpainting, the pictures' own noise comes between"
        )
    if config.compiled:
        raise ModelError("inpainting is not offered compiled; set `compiled: false`")


class AnyChannels(StableDiffusionPipeline):  # type: ignore[misc]  # diffusers is untyped
    """Inpainting with latents of any number of channels, called as `Inpainting` calls.

    In diffusers 0.42 `StableDiffusionInpaintPipeline` compares the UNet's input channels with the
    numbers 9 and 4 themselves and takes an input for latents where it has 4 channels, so nothing
    but latents of 4 can be inpainted. This is the library's text-to-image call with the two
    things that make that pipeline's call another one: what the UNet sees besides the latents,
    or the known part put back after every step. With 4 channels both give the same picture.
    """

    @classmethod
    def of(cls, pipe: Any) -> "AnyChannels":  # noqa: ANN401 - pipes have no common type
        """The same parts, called as this class does."""
        made = cls(**pipe.components, requires_safety_checker=pipe.config.requires_safety_checker)
        made.set_progress_bar_config(disable=True)
        made.mask_processor = VaeImageProcessor(
            vae_scale_factor=pipe.vae_scale_factor,
            do_normalize=False,
            do_binarize=True,
            do_convert_grayscale=True,
        )
        return made

    def __call__(
        self,
        *,
        prompt: list[str],
        negative_prompt: list[str] | None,
        image: torch.Tensor | list[Image.Image],
        mask_image: torch.Tensor,
        masked_image_latents: torch.Tensor,
        latents: torch.Tensor,
        generator: list[torch.Generator],
        height: int,
        width: int,
        num_inference_steps: int,
        guidance_scale: float,
        eta: float,
        output_type: str,
        return_dict: bool,
    ) -> Any:  # noqa: ANN401 - as the library's
        """Draw; the arguments are `StableDiffusionInpaintPipeline`'s.

        `image` is the pictures' latents, scaled, (B, C, h, w), where the UNet has C input channels,
        and else not looked at; `mask_image` is (B, 1, H, W), 1 where it is drawn anew;
        `masked_image_latents` is (B, C, h, w).
        """
        mask = interpolate(mask_image, size=latents.shape[-2:]).to(latents)
        told: dict[str, Any] = {}
        hooks = []
        if self.unet.config.in_channels == latents.shape[1]:
            told["callback_on_step_end"] = _putting_back(image, mask, latents)
        else:
            seen = torch.cat([mask, masked_image_latents.to(latents)], dim=1)
            hooks = [self.unet.register_forward_pre_hook(_seeing(seen))]
        try:
            return super().__call__(
                prompt=prompt,
                negative_prompt=negative_prompt,
                latents=latents,
                generator=generator,
                height=height,
                width=width,
                num_inference_steps=num_inference_steps,
                guidance_scale=guidance_scale,
                eta=eta,
                output_type=output_type,
                return_dict=return_dict,
                **told,
            )
        finally:
            for hook in hooks:
                hook.remove()


def _seeing(more: torch.Tensor) -> Any:  # noqa: ANN401 - a torch hook
    """A hook that gives the UNet more channels, the same to both halves under guidance."""

    def hook(_: torch.nn.Module, arguments: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        sample, *others = arguments
        times = len(sample) // len(more)
        joined = torch.cat([sample, torch.cat([more.to(sample)] * times)], dim=1)
        return (joined, *others)

    return hook


def _putting_back(known: Any, mask: torch.Tensor, noise: torch.Tensor) -> Any:  # noqa: ANN401
    """A callback that puts the known part back, noised as the next step expects it."""

    def callback(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
        latents, there = tensors["latents"], known.to(mask)
        steps = pipe.scheduler.timesteps
        if step < len(steps) - 1:
            there = pipe.scheduler.add_noise(there, noise.to(mask), steps[step + 1 : step + 2])
        return {"latents": (1 - mask) * there + mask * latents}

    return callback
