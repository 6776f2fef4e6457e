"""Draws with InstantID: each prompt brings a face, taken from one photograph, without training.

Wang et al. 2024, arXiv:2401.07519; instantX-research/InstantID, `infer.py`. The authors' pipeline
is a copy of the library's with three changes, and it cannot be imported with diffusers 0.42. Here
`StableDiffusionXLControlNetPipeline` itself is used, and its public parts make the three changes:

- A resampler turns a face recogniser's 512 numbers into 16 tokens, and each cross-attention of the
  UNet reads them in addition to the text. Diffusers loads the authors' file as an IP-Adapter Plus.
- The ControlNet ("IdentityNet"), which sees the image of five keypoints, reads the tokens of the
  face in place of the text.
- The unconditional half of guidance gets a face of all zeros, put through the same resampler.

The prompt of a cell names its conditions: `image` is the image of the keypoints, `mask` holds the
512 numbers. Tested with random weights only.
"""

from typing import Any

import numpy as np
import torch

from pipeline.batch import Batch, Drawn
from pipeline.cards.card import Card, ResolvedCard
from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention
from pipeline.models.base import changed_pixels, device_of, draw_start, to_uint8
from pipeline.models.kernels import tune
from pipeline.models.memory import place
from pipeline.models.networks import Finite, load_stage
from pipeline.models.text_lengths import longest_cut
from pipeline.prompts.conditions import numbers_of
from pipeline.settings.config import RunConfig

SCALES = ("controlnet_conditioning_scale", "ip_adapter_scale")
"""Arguments of the card's stage: the weights of IdentityNet and of the face's tokens."""


class InstantId:
    """An SDXL checkpoint with IdentityNet and a face adapter, ready to draw.

    Args:
        card: The checkpoint's card, with one stage and both parts.
        resolved: Its files.
        config: How to sample.
        intervention: Change of sampling.

    Raises:
        ModelError: If a GPU, a part or a scale is missing, the folder does not load, or compiled
            inference is asked for.
    """

    def __init__(
        self, card: Card, resolved: ResolvedCard, config: RunConfig, intervention: Intervention
    ) -> None:
        _check(card, config)
        self.config, self.intervention, (stage,) = config, intervention, card.stages
        self.strength, adapter = (float(stage.arguments[name]) for name in SCALES)
        self.latents_shape = card.latents_shape(config.height, config.width)
        self.device = device_of(card)
        loaded = load_stage(card, resolved, config, stage, first=None, last=True)
        pipe = place(loaded, card, self.device)
        pipe.set_ip_adapter_scale(adapter)
        intervention.check(pipe, card, config)
        self.pipe = intervention.prepare(pipe, card)
        tune(self.pipe, config)
        self.finite = Finite(self.pipe.vae)
        self._tokens: torch.Tensor | None = None
        self.pipe.controlnet.register_forward_pre_hook(self._face_for_text, with_kwargs=True)
        # The pipeline's own method would give each cell all faces.
        self.pipe.prepare_ip_adapter_image_embeds = lambda faces, given, *_: given

    @torch.inference_mode()
    def generate(self, batch: Batch) -> Drawn:
        """Draw a batch.

        Args:
            batch: B cells, each with the image of its keypoints and the numbers of its face.

        Returns:
            B images; see `Drawn`.

        Raises:
            ModelError: If a face is missing, or has more or fewer numbers than the resampler reads.
        """
        start, generators = draw_start(batch, self.intervention, self.config, self.latents_shape)
        faces = self._faces(batch)
        self._tokens = self.pipe.unet.encoder_hid_proj([faces])[0][:, 0]
        self.finite.forget()
        (pixels,) = self.pipe(
            prompt=[prompt.text for prompt in batch.prompts],
            negative_prompt=[self.config.negative_prompt] * len(start)
            if self.config.negative_prompt
            else None,
            image=[batch.condition_images[str(prompt.image)] for prompt in batch.prompts],
            ip_adapter_image_embeds=[faces],
            controlnet_conditioning_scale=self.strength,
            latents=start.to(self.device, self.pipe.unet.dtype),
            generator=generators,
            height=self.config.height,
            width=self.config.width,
            num_inference_steps=self.config.num_inference_steps,
            guidance_scale=self.config.guidance_scale,
            eta=self.config.eta,
            output_type="pt",
            return_dict=False,
            **self.intervention.call_kwargs(batch),
        )
        counts = [self.truncated_tokens(prompt.text) for prompt in batch.prompts]
        return Drawn(
            to_uint8(changed_pixels(self.intervention, pixels, batch)),
            self.finite.of(len(start)),
            np.zeros(len(start), bool),
            np.array(counts, np.int32),
        )

    def _faces(self, batch: Batch) -> torch.Tensor:
        """Collect one face per cell, (B or 2B, 1, 1, 512); guidance puts B zero faces first."""
        missing = [p.text for p in batch.prompts if not (p.image and p.mask)]
        if missing:
            raise ModelError(
                f"prompt {missing[0]!r} lacks the image of the keypoints (image) or the numbers of "
                f"the face (mask); add both to the prompt file"
            )
        rows = [numbers_of(batch.condition_images[str(prompt.mask)]) for prompt in batch.prompts]
        wanted = self.pipe.unet.encoder_hid_proj.image_projection_layers[0].proj_in.in_features
        if any(len(row) != wanted for row in rows):
            raise ModelError(
                f"found a face of {len(rows[0])} numbers; the card's resampler reads {wanted}: use "
                f"the recogniser that it was trained with (antelopev2 for InstantX's weights)"
            )
        faces = torch.from_numpy(np.stack(rows))[:, None, None]
        if self.config.guidance_scale > 1:
            faces = torch.cat([torch.zeros_like(faces), faces])
        return faces.to(self.device, self.pipe.unet.dtype)

    def _face_for_text(
        self,
        _: torch.nn.Module,
        arguments: tuple[Any, ...],
        options: dict[str, Any],
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Give IdentityNet the tokens of the face, (B or 2B, 16, D), in place of the text."""
        return arguments, options | {"encoder_hidden_states": self._tokens}

    def truncated_tokens(self, text: str) -> int:
        """Count the tokens of a text that a text encoder does not read."""
        return longest_cut(self.pipe, text)


def _check(card: Card, config: RunConfig) -> None:
    """Refuse an incomplete card, before anything is loaded."""
    uses = [part.use for part in card.parts.values()]
    parts = {
        "a ControlNet (`use: component`, `component: controlnet`)": any(
            part.component == "controlnet" for part in card.parts.values()
        ),
        "a face adapter (`use: ip_adapter`)": "ip_adapter" in uses,
        "one stage": len(card.stages) == 1,
        f"the stage's arguments {' and '.join(SCALES)}": len(card.stages) == 1
        and set(SCALES) <= set(card.stages[0].arguments),
    }
    missing = [name for name, present in parts.items() if not present]
    if missing:
        raise ModelError(f"card {card.name}: InstantID needs {missing[0]}; add it to the card")
    if config.compiled:
        raise ModelError("InstantID cannot be compiled; set `compiled: false`")
