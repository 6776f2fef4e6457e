"""Draws with Stable Diffusion 1.x and 2.x, and the seedling, through diffusers' own pipeline.

Diffusers' code determines every pixel: its `__call__` up to the latents, then its VAE and its image
processor. The project adds the noise (one generator per seed, float32 on the CPU), encodes each
prompt once, checks that the decoded floats are finite, and on a CPU uses faster layers in the
networks (`pipeline/cpu.py`).
"""

from functools import lru_cache

import numpy as np
import torch

from pipeline.batch import Batch, Drawn
from pipeline.cards.card import Card, ResolvedCard
from pipeline.cpu import keep_freed_memory, speed_up
from pipeline.interventions.base import Intervention
from pipeline.models.base import (
    call_arguments,
    device_of,
    draw_start,
    to_uint8,
    tokens_cut_of,
)
from pipeline.models.kernels import compile_networks, place_weights
from pipeline.models.latents import Recorder
from pipeline.models.memory import place
from pipeline.models.networks import load_pipeline
from pipeline.models.text_lengths import longest_cut
from pipeline.models.weighting import Weighting
from pipeline.settings.config import RunConfig

PIPELINE = "StableDiffusionPipeline"

ENCODED_PROMPTS = 256
"""Number of prompts whose embeddings an actor keeps: enough for several tiles."""

DECODE_ON_CPU = 16
"""Images decoded together on a CPU: more do not fit its caches, fewer do not keep it busy."""


class StableDiffusion:
    """A Stable Diffusion checkpoint with its intervention, ready to draw.

    Args:
        card: The checkpoint's card.
        resolved: Its files.
        config: How to sample.
        intervention: Change of sampling.

    Raises:
        ModelError: If a GPU or a compiler is missing, or the folder does not load.

    Example:
        >>> from pipeline.cards.card import find_card, resolve
        >>> from pipeline.settings.recipe import load_recipe
        >>> from pipeline.interventions.none import NoIntervention
        >>> from pipeline.batch import Batch
        >>> from pipeline.prompts.prompt_sets import Prompt
        >>> card = find_card("seedling-mini")
        >>> files = resolve(card)
        >>> config = load_recipe("seedling-mini").run_configs(files)[""]
        >>> config = config.model_copy(update={"num_inference_steps": 2})
        >>> model = StableDiffusion(card, files, config, NoIntervention({}))
        >>> model.generate(Batch((Prompt("a red ball"),), (0,))).images.shape
        (1, 64, 64, 3)
    """

    reads_negatives = True
    """It draws a prompt with the prompt's own negative prompt."""

    def __init__(
        self, card: Card, resolved: ResolvedCard, config: RunConfig, intervention: Intervention
    ) -> None:
        self.config = config
        self.intervention = intervention
        self.latents_shape = card.latents_shape(config.height, config.width)
        self.device = device_of(card)
        pipe = place(load_pipeline(card, resolved, config, PIPELINE), card, self.device)
        if config.clip_skip:
            # Diffusers 0.42 looks for a layer in `text_model`, which transformers 5.6 dissolved.
            vars(pipe.text_encoder).setdefault("text_model", pipe.text_encoder)
        intervention.check(pipe, card, config)
        self.pipe = intervention.prepare(pipe, card)
        self._decode_together = DECODE_ON_CPU if self.device.type == "cpu" else config.batch_size
        place_weights(self.pipe, config)
        compile_networks(self.pipe, config)
        if not config.compiled and self.device.type == "cpu":
            speed_up(self.pipe.unet)
        if self.device.type == "cpu":
            keep_freed_memory()
            self.pipe.vae.to(memory_format=torch.channels_last)
        weighted = bool(config.prompt_weighting)
        self.weighting = Weighting(self.pipe, config) if weighted else None
        self._encode = lru_cache(ENCODED_PROMPTS)(self._encode_uncached)

    @torch.inference_mode()
    def generate(self, batch: Batch) -> Drawn:
        """Draw a batch.

        Args:
            batch: B cells.

        Returns:
            B images; see `Drawn`.
        """
        start, generators = draw_start(batch, self.intervention, self.config, self.latents_shape)
        start = start.to(self.pipe.unet.dtype)
        recorder = Recorder(batch.keep_latents, start)
        latents = self._denoise(batch, start, generators, recorder)
        pixels = self._decode(latents)
        finite = torch.isfinite(pixels).flatten(1).all(1).cpu().numpy()
        pixels = self.intervention.pixels(pixels.nan_to_num(0, 0, 0), batch)
        images, flagged = self._postprocess(pixels)
        counts = tokens_cut_of(self, batch)
        return Drawn(images, finite, flagged, np.array(counts, np.int32), recorder.kept)

    def _denoise(
        self,
        batch: Batch,
        start: torch.Tensor,
        generators: list[torch.Generator],
        recorder: Recorder,
    ) -> torch.Tensor:
        """Turn noise into final latents with the pipeline's own call."""
        latents: torch.Tensor = self.pipe(
            **self._embeddings(batch),
            latents=start,
            generator=generators,
            output_type="latent",
            **recorder.watching(call_arguments(batch, self.intervention, self.config)),
        )[0]
        return latents

    def _embeddings(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Encode the prompts of a batch, and their negative prompts if there is guidance."""
        guided, own = self.config.guidance_scale > 1, self.config.negative_prompt
        if self.weighting is not None:
            return self.weighting.arguments(batch, self.config, guided=guided)
        pairs = [self._encode(prompt.text, prompt.negative or own) for prompt in batch.prompts]
        positive, negative = (torch.cat(embeds) for embeds in zip(*pairs, strict=True))
        found = {"prompt_embeds": positive}
        return found | ({"negative_prompt_embeds": negative} if guided else {})

    def _encode_uncached(self, text: str, negative_text: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Compute the embeddings of a prompt and of its negative prompt, (1, tokens, D) each.

        Prompts are encoded one at a time, so that embeddings do not depend on the batch.
        """
        positive, negative = self.pipe.encode_prompt(
            text,
            self.device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=True,
            negative_prompt=negative_text,
            clip_skip=self.config.clip_skip or None,
        )
        return positive, negative

    def truncated_tokens(self, text: str) -> int:
        """Count the tokens of a text that a text encoder does not read."""
        return self.weighting.cut(text) if self.weighting else longest_cut(self.pipe, text)

    def _decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Decode to (B, 3, H, W) floats, about [-1, 1], not clamped: infinities must remain."""
        vae = self.pipe.vae
        parts = (latents / vae.config.scaling_factor).split(self._decode_together)
        return torch.cat([vae.decode(part, return_dict=False)[0] for part in parts])

    def _postprocess(self, pixels: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Make uint8 images, and say which of them a safety checker replaced."""
        pixels, flags = self.pipe.run_safety_checker(pixels, self.device, pixels.dtype)
        images = self.pipe.image_processor.postprocess(pixels, output_type="pt")
        return to_uint8(images), np.array(flags or [False] * len(pixels))
