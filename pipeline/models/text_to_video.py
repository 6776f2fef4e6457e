"""Draws videos: the image of a cell is a filmstrip, with all frames one below the other.

The pipeline is `TextToVideoSDPipeline` (ModelScope, Wang et al. 2023, arXiv:2308.06571), whose UNet
sees all frames together. The card's height is that of the whole strip, and `frames` says how many
frames it contains. So a video is stored, hashed and shown like any other image, and no later step
needs a second kind of row. Features are measured on frames: `split_frames` cuts the strip, and a
feature of a video is the mean over its frames.

The noise of a strip has the shape (C, frames * h, w), with the same numbers in the same order as
the pipeline's own noise of shape (C, frames, h, w). An intervention that looks at positions finds
the noise of each frame where the frame will be.

Cells are drawn one by one, because the pipeline folds the frames into the batch before the
scheduler's step: a list of generators would have to hold one per frame.

Tested with random weights only.
"""

import numpy as np
import torch

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
from pipeline.settings.config import RunConfig

PIPELINE = "TextToVideoSDPipeline"


class TextToVideo:
    """A video checkpoint with its intervention, ready to draw filmstrips.

    Args:
        card: The checkpoint's card; its height is that of all `frames` together.
        resolved: Its files.
        config: How to sample.
        intervention: Change of sampling.

    Raises:
        ModelError: If a GPU is missing, the folder does not load, the height does not hold a whole
            number of frames, or compiled inference is asked for.
    """

    def __init__(
        self, card: Card, resolved: ResolvedCard, config: RunConfig, intervention: Intervention
    ) -> None:
        _check(card, config)
        self.config, self.intervention, self.frames = config, intervention, card.frames
        self.latents_shape = card.latents_shape(config.height, config.width)
        self.device = device_of(card)
        pipe = place(load_pipeline(card, resolved, config, PIPELINE), card, self.device)
        intervention.check(pipe, card, config)
        self.pipe = intervention.prepare(pipe, card)
        tune(self.pipe, config)
        self.finite = Finite(self.pipe.vae)

    @torch.inference_mode()
    def generate(self, batch: Batch) -> Drawn:
        """Draw a batch, cell by cell.

        Args:
            batch: B cells.

        Returns:
            B filmstrips; see `Drawn`.
        """
        start, generators = draw_start(batch, self.intervention, self.config, self.latents_shape)
        start = start.to(self.pipe.unet.dtype)
        strips, finite = [], []
        for prompt, noise, generator in zip(batch.prompts, start, generators, strict=True):
            self.finite.forget()
            strips.append(self._strip(prompt.text, noise, generator, batch))
            finite.append(bool(self.finite.of(1).all()))
        counts = [self.truncated_tokens(prompt.text) for prompt in batch.prompts]
        return Drawn(
            to_uint8(changed_pixels(self.intervention, torch.cat(strips), batch)),
            np.array(finite),
            np.zeros(len(start), bool),
            np.array(counts, np.int32),
        )

    def _strip(
        self, text: str, noise: torch.Tensor, generator: torch.Generator, batch: Batch
    ) -> torch.Tensor:
        """Draw one video, (1, 3, frames * H, W) in [0, 1]."""
        channels, height, width = self.latents_shape
        settings = call_arguments(batch, self.intervention, self.config)
        video: torch.Tensor = self.pipe(
            prompt=[text],
            negative_prompt=[self.config.negative_prompt],
            latents=noise.reshape(1, channels, self.frames, height // self.frames, width),
            generator=generator,
            num_frames=self.frames,
            output_type="pt",
            **settings | {"height": self.config.height // self.frames},
        )[0]
        strip: torch.Tensor = video[0].permute(1, 0, 2, 3).flatten(1, 2)[None]
        return strip

    def truncated_tokens(self, text: str) -> int:
        """Count the tokens of a text that a text encoder does not read."""
        return longest_cut(self.pipe, text)


def _check(card: Card, config: RunConfig) -> None:
    """Refuse a height that cannot be cut into frames, and compilation, before anything loads."""
    if card.frames < 2 or config.height % (card.frames * card.vae_factor):
        raise ModelError(
            f"card {card.name}: a strip of height {config.height} cannot be cut into "
            f"{card.frames} frames whose height {card.vae_factor} divides; set `frames` to at "
            f"least 2, and `height` to that of all frames together"
        )
    if config.compiled:
        raise ModelError("text to video cannot be compiled; set `compiled: false`")
