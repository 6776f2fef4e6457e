"""Text to video: a cell's picture is its filmstrip, all frames one below the other.

`TextToVideoSDPipeline` (ModelScope, Wang et al. 2023, arXiv:2308.06571), whose UNet sees all
frames together. The card's height is that of the whole strip and `frames` says into how many it
is cut, so a video is stored, hashed, kept lossless and shown as any other image is, and nothing
downstream needs a second kind of row. What is asked of a video is asked of its frames:
`split_frames` cuts the strip, and a feature of a video is the mean over them.

The noise of a strip is (C, frames * h, w), the same numbers in the same order as the pipeline's
own (C, frames, h, w): an intervention that looks at places finds each frame's noise where its
picture will be.

Cells are drawn one by one, since the pipeline folds the frames into the batch before the
scheduler's step: with a list of generators its step noise fails for want of one per frame.

Only run with random weights.
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
    truncated_tokens,
)
from pipeline.models.networks import Finite, load_pipeline
from pipeline.settings.config import RunConfig

PIPELINE = "TextToVideoSDPipeline"


class TextToVideo:
    """A video checkpoint with its intervention, ready to draw filmstrips.

    Args:
        card: The checkpoint's card; `frames` of them make its height.
        resolved: Its files.
        config: How to sample.
        intervention: Change of sampling.

    Raises:
        ModelError: If a GPU is missing, the folder does not load, the height is not that of a
            whole number of frames, or compiled inference is asked for.
    """

    def __init__(
        self, card: Card, resolved: ResolvedCard, config: RunConfig, intervention: Intervention
    ) -> None:
        _check(card, config)
        self.config, self.intervention, self.frames = config, intervention, card.frames
        self.latents_shape = card.latents_shape(config.height, config.width)
        self.device = device_of(card)
        pipe = load_pipeline(card, resolved, config, PIPELINE).to(self.device)
        intervention.check(pipe, card, config)
        self.pipe = intervention.prepare(pipe, card)
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
        for prompt, own, generator in zip(batch.prompts, start, generators, strict=True):
            self.finite.forget()
            strips.append(self._strip(prompt.text, own, generator, batch))
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
        """One video, (1, 3, frames * H, W) in [0, 1]."""
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
        """Tokens of a prompt beyond the text encoder's length."""
        return truncated_tokens(self.pipe.tokenizer, text)


def _check(card: Card, config: RunConfig) -> None:
    """Refuse what cannot be cut into frames, before anything is loaded."""
    if card.frames < 2 or config.height % (card.frames * card.vae_factor):
        raise ModelError(
            f"card {card.name}: a strip of height {config.height} is not {card.frames} frames of "
            f"a height that {card.vae_factor} divides; `frames` is 2 or more, and the height is "
            f"that of all frames together"
        )
    if config.compiled:
        raise ModelError("text to video is not offered compiled; set `compiled: false`")
