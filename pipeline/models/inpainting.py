"""Inpaints: draws a masked part of an image again; each cell has its own condition image and mask.

The pipeline is `StableDiffusionInpaintPipeline`, with a UNet of 9 channels (latents, mask, latents
of the condition image without the masked part) or of 4 (an ordinary checkpoint, with the known part
put back after each step). The library's code determines every pixel, in one call per batch. If the
latents have C channels instead of 4, the UNet has 2 C + 1 or C channels; see `AnyChannels`.

The obvious call has two defects, which are avoided here. First, the autoencoder *samples* the
latents of an image. If a whole batch shares one image and mask, diffusers encodes them once, with
noise of the first generator alone, so an image would depend on its neighbour's seed. Here each cell
always passes its own image and mask. Second, diffusers draws that noise in the dtype of the
networks, in which torch versions differ (huggingface/diffusers#11056). Here it is float32.

A seed's generator is used in this order: starting noise, then (ordinary checkpoints) the latents of
the condition image, then those of the masked image, then step noise. So the starting noise of a
seed is the same as in text-to-image. A native call with 4 channels and without `latents=` encodes
the condition image first.

Tested with the trained weights of seedling-inpaint, and with 9 and 4 channels with random weights.
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
)
from pipeline.models.kernels import tune
from pipeline.models.memory import place
from pipeline.models.networks import Finite, load_pipeline
from pipeline.models.text_lengths import longest_cut
from pipeline.noise import draw_next
from pipeline.prompts.prompt_sets import Prompt
from pipeline.settings.config import RunConfig

PIPELINE = "StableDiffusionInpaintPipeline"

DIFFUSERS_CHANNELS = 4
"""Number of latent channels that `StableDiffusionInpaintPipeline` supports."""


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
        pipe = place(load_pipeline(card, resolved, config, PIPELINE), card, self.device)
        _check(card, config, pipe, intervention)
        if card.latent_channels != DIFFUSERS_CHANNELS:
            pipe = AnyChannels.of(pipe)
        intervention.check(pipe, card, config)
        self.pipe = intervention.prepare(pipe, card)
        tune(self.pipe, config)
        self.finite = Finite(self.pipe.vae)

    @torch.inference_mode()
    def generate(self, batch: Batch) -> Drawn:
        """Draw a batch.

        Args:
            batch: B cells, each with an image and a mask (white is drawn again) of the run's size.

        Returns:
            B images; see `Drawn`.

        Raises:
            ModelError: If a condition image is missing or has another size.
        """
        start, generators = draw_start(batch, self.intervention, self.config, self.latents_shape)
        count, guided = len(batch.prompts), self.config.guidance_scale > 1
        self.finite.forget()
        pixels, flags = self.pipe(
            prompt=[prompt.text for prompt in batch.prompts],
            negative_prompt=[self.config.negative_prompt] * count if guided else None,
            **self._conditions(batch, generators),
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

    def _conditions(self, batch: Batch, generators: list[torch.Generator]) -> dict[str, Any]:
        """Collect image, mask and latents of the masked image, one of each per cell."""
        images = [self._condition_image(batch, prompt, "image") for prompt in batch.prompts]
        masks = [self._condition_image(batch, prompt, "mask") for prompt in batch.prompts]
        image = self.pipe.image_processor.preprocess(images).float()
        mask = self.pipe.mask_processor.preprocess(masks)
        known: Any = images  # the call takes images or their latents
        if self.pipe.unet.config.in_channels == self.latents_shape[0]:
            known = self._encode(image, generators)
        masked = self._encode(image * (mask < 0.5), generators)
        return {"image": known, "mask_image": mask, "masked_image_latents": masked}

    def _condition_image(self, batch: Batch, prompt: Prompt, name: str) -> Image.Image:
        sha256 = getattr(prompt, name)
        if not sha256:
            raise ModelError(f"prompt {prompt.text!r} has no {name}, which inpainting needs")
        image, size = batch.condition_images[sha256], (self.config.width, self.config.height)
        if image.size != size:
            raise ModelError(
                f"the {name} of prompt {prompt.text!r} is {image.size[0]} x {image.size[1]} "
                f"pixels; the run draws {size[0]} x {size[1]} and needs it in that size"
            )
        return image

    def _encode(self, pixels: torch.Tensor, generators: list[torch.Generator]) -> torch.Tensor:
        """Sample scaled latents, (B, C, h, w), one image at a time, as diffusers encodes a list."""
        vae = self.pipe.vae
        noises = draw_next(generators, self.latents_shape).to(self.device, vae.dtype)
        samples = []
        for image, noise in zip(pixels.to(self.device, vae.dtype), noises, strict=True):
            distribution = vae.encode(image[None]).latent_dist
            samples.append(distribution.mean + distribution.std * noise)
        scaled: torch.Tensor = vae.config.scaling_factor * torch.cat(samples)
        return scaled

    def truncated_tokens(self, text: str) -> int:
        """Count the tokens of a text that a text encoder does not read."""
        return longest_cut(self.pipe, text)


def _check(card: Card, config: RunConfig, pipe: Any, intervention: Intervention) -> None:  # noqa: ANN401
    """Refuse what the call of the pipeline cannot do, before the first image."""
    channels, latents = int(pipe.unet.config.in_channels), int(pipe.vae.config.latent_channels)
    if latents != card.latent_channels or channels not in (latents, 2 * latents + 1):
        raise ModelError(
            f"card {card.name}: it says {card.latent_channels} latent channels, its autoencoder "
            f"has {latents} and its UNet {channels} input channels; wanted a UNet of "
            f"{2 * latents + 1} (an inpainting checkpoint) or {latents} (an ordinary one)"
        )
    if intervention.changes("step_generators"):
        raise ModelError(
            f"card {card.name}: the intervention changes the step noise and expects it right after "
            f"the starting noise; in inpainting, the noise of the condition image comes in between"
        )
    if config.compiled:
        raise ModelError("inpainting cannot be compiled; set `compiled: false`")


class AnyChannels(StableDiffusionPipeline):  # type: ignore[misc]  # diffusers is untyped
    """Inpaints with latents of any number of channels, with the arguments that `Inpainting` passes.

    In diffusers 0.42, `StableDiffusionInpaintPipeline` compares the UNet's input channels with the
    literal numbers 9 and 4, and takes an input with 4 channels for latents, so it can only inpaint
    with latents of 4 channels. This class makes the library's text-to-image call and adds what
    inpainting needs: either further channels of the UNet's input, or the known part put back after
    each step. With 4 channels both classes give the same image.
    """

    @classmethod
    def of(cls, pipe: Any) -> "AnyChannels":  # noqa: ANN401 - pipes have no common type
        """Make an instance from the components of a pipe."""
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

        `image` holds the scaled latents of the condition images, (B, C, h, w), and is used only if
        the UNet has C input channels. `mask_image` is (B, 1, H, W), 1 where it is drawn again.
        `masked_image_latents` is (B, C, h, w).
        """
        mask = interpolate(mask_image, size=latents.shape[-2:]).to(latents)
        callback: dict[str, Any] = {}
        hooks = []
        if self.unet.config.in_channels == latents.shape[1]:
            callback["callback_on_step_end"] = _putting_back(image, mask, latents)
        else:
            channels = torch.cat([mask, masked_image_latents.to(latents)], dim=1)
            hooks = [self.unet.register_forward_pre_hook(_adding_channels(channels))]
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
                **callback,
            )
        finally:
            for hook in hooks:
                hook.remove()


def _adding_channels(channels: torch.Tensor) -> Any:  # noqa: ANN401 - a torch hook
    """Make a hook that gives the UNet further channels, the same in both halves of guidance."""

    def hook(_: torch.nn.Module, arguments: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        sample, *others = arguments
        times = len(sample) // len(channels)
        joined = torch.cat([sample, torch.cat([channels.to(sample)] * times)], dim=1)
        return (joined, *others)

    return hook


def _putting_back(known: Any, mask: torch.Tensor, noise: torch.Tensor) -> Any:  # noqa: ANN401
    """Make a callback that puts the known part back, with the noise level of the next step."""

    def callback(pipe: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
        latents, known_latents = tensors["latents"], known.to(mask)
        steps = pipe.scheduler.timesteps
        if step < len(steps) - 1:
            time = steps[step + 1 : step + 2]
            known_latents = pipe.scheduler.add_noise(known_latents, noise.to(mask), time)
        return {"latents": (1 - mask) * known_latents + mask * latents}

    return callback
