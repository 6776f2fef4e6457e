"""Inpainting: a masked part of a picture drawn anew, picture and mask of each cell its own.

`StableDiffusionInpaintPipeline` with a UNet of 9 channels (latents, mask, latents of the picture
without the masked part) or of 4 (an ordinary checkpoint, the known part put back after every
step). Everything that decides a pixel is the library's, one call a batch.

Two things go wrong in the obvious call, and are ours here. The autoencoder *samples* a picture's
latents: where one picture and mask serve a whole batch, diffusers encodes them once, with noise
of the first generator alone, so an image would depend on its neighbour's seed; one picture and
mask per item, always. And that noise is drawn in the networks' dtype, in which torch versions
differ (huggingface/diffusers#11056); here it is float32.

The order in which a seed's generator is used: starting noise, then (4 channels) the picture's
latents, then the masked picture's, then step noise. So a seed's starting noise is that of
text-to-image; a native call of 4 channels without `latents=` encodes the picture first.
"""

from typing import Any

import numpy as np
import torch
from PIL import Image

from pipeline.cards import Card, ResolvedCard
from pipeline.config import RunConfig
from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention
from pipeline.models.base import (
    Batch,
    Drawn,
    begin,
    call_arguments,
    changed_pixels,
    device_of,
    to_uint8,
    tokens_cut,
)
from pipeline.models.networks import Finite, load_pipeline
from pipeline.noise import draw_next
from pipeline.prompt_sets import Prompt

PIPELINE = "StableDiffusionInpaintPipeline"


class Inpainting:
    """An inpainting checkpoint with its intervention, ready to draw.

    Args:
        card: The checkpoint's card; its `conditions` are image and mask.
        resolved: Its files.
        config: How to sample.
        intervention: Change of sampling.

    Raises:
        ModelError: If a GPU is missing, the folder does not load, the UNet has neither 4 nor 9
            channels, or compiled inference is asked for.
    """

    def __init__(
        self, card: Card, resolved: ResolvedCard, config: RunConfig, intervention: Intervention
    ) -> None:
        self.config, self.intervention = config, intervention
        self.latents_shape = card.latents_shape(config.height, config.width)
        self.device = device_of(card)
        pipe = load_pipeline(card, resolved, config, PIPELINE).to(self.device)
        _check(card, config, pipe, intervention)
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
        start, generators = begin(batch, self.intervention, self.config, self.latents_shape)
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
        truncated = [self._truncated(prompt.text) for prompt in batch.prompts]
        return Drawn(
            to_uint8(changed_pixels(self.intervention, pixels, batch)),
            self.finite.of(count),
            np.array(flags or [False] * count),
            np.array(truncated, np.int32),
        )

    def _pictures(self, batch: Batch, generators: list[torch.Generator]) -> dict[str, Any]:
        """Picture, mask and masked picture's latents, one of each per cell."""
        images = [self._picture(batch, prompt, "image") for prompt in batch.prompts]
        masks = [self._picture(batch, prompt, "mask") for prompt in batch.prompts]
        image = self.pipe.image_processor.preprocess(images).float()
        mask = self.pipe.mask_processor.preprocess(masks)
        known: Any = images  # the call takes pictures or their latents
        if self.pipe.unet.config.in_channels == 4:
            known = self._encode(image, generators)
        masked = self._encode(image * (mask < 0.5), generators)
        return {"image": known, "mask_image": mask, "masked_image_latents": masked}

    def _picture(self, batch: Batch, prompt: Prompt, name: str) -> Image.Image:
        sha256 = getattr(prompt, name)
        if not sha256:
            raise ModelError(f"prompt {prompt.text!r} has no {name}, which inpainting needs")
        picture, size = batch.pictures[sha256], (self.config.width, self.config.height)
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

    def _truncated(self, text: str) -> int:
        """Tokens of a prompt beyond the text encoder's length."""
        return tokens_cut(self.pipe.tokenizer, text)


def _check(card: Card, config: RunConfig, pipe: Any, intervention: Intervention) -> None:  # noqa: ANN401
    """Refuse what the pipeline's call cannot do, before the first image."""
    channels = int(pipe.unet.config.in_channels)
    if channels not in (4, 9) or card.latent_channels != 4:
        raise ModelError(
            f"card {card.name}: its UNet has {channels} input channels and its autoencoder "
            f"{card.latent_channels}; diffusers inpaints with 4 latent channels and a UNet of 9 "
            f"(an inpainting checkpoint) or 4 (an ordinary one)"
        )
    if type(intervention).generators is not Intervention.generators:
        raise ModelError(
            f"card {card.name}: the intervention changes the step noise, which follows on the "
            f"starting noise; when inpainting, the pictures' own noise comes between"
        )
    if config.compiled:
        raise ModelError("inpainting is not offered compiled; set `compiled: false`")
