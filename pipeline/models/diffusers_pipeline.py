"""Draws with any diffusers pipeline whose inputs, noise and outputs a card describes.

The library's code determines every pixel: each stage of a card is one native call. The project adds
the noise and the conditions of each cell, and checks that the floats are finite.

Each seed has one generator, a float32 stream on the CPU. It is made once per batch and passed from
stage to stage: the first stage draws its starting noise and its step noise, and the next stage
continues where the first one stopped. So a seed determines the noise of a whole cascade, and the
image of a cell does not depend on its batch. If a stage takes `latents=`, its noise is drawn from
the generators in float32, whatever the dtype of the networks; in float32 this is bit for bit what
the pipeline would draw. If it does not, the pipeline draws the noise itself, and the card must run
in float32.

An intervention acts on the pipe of the last stage. Its hook `stage_generators` is called before
each stage, and its hook `starting_noise` for each starting noise that the pipeline takes.
"""

import inspect
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from pipeline.batch import Batch, Drawn
from pipeline.cards.card import Card, ResolvedCard
from pipeline.cards.card_parts import DECODERS, PipelineStage, Source
from pipeline.errors import ModelError, PromptError
from pipeline.interventions.base import Intervention
from pipeline.models.base import device_of, to_uint8
from pipeline.models.memory import place
from pipeline.models.networks import Finite, load_stage
from pipeline.models.text_lengths import tokens_cut
from pipeline.noise import draw_next, make_generators
from pipeline.prompts.conditions import class_number
from pipeline.prompts.prompt_sets import Prompt
from pipeline.settings.config import RunConfig

OPTIONAL = ("height", "width", "num_inference_steps", "guidance_scale", "eta")
"""Settings of a run that are passed to the last stage, if its call takes them."""


class DiffusersPipeline:
    """The pipelines of a card, ready to draw.

    Args:
        card: Its `stages` say how each pipeline is called.
        resolved: Its files and those of its parts.
        config: How to sample: steps, guidance and size of the last stage.
        intervention: Change of sampling, on the last stage.

    Raises:
        ModelError: If a GPU, a part or a stage is missing, or if the pipelines cannot do what the
            run asks for: a size, guidance, a negative prompt, step noise, changed starting noise.

    Attributes:
        pipe: The last stage's pipeline.
    """

    def __init__(
        self, card: Card, resolved: ResolvedCard, config: RunConfig, intervention: Intervention
    ) -> None:
        self.card, self.config, self.intervention = card, config, intervention
        self.latents_shape = card.latents_shape(config.height, config.width)
        self.device = device_of(card)
        if not card.stages:
            raise ModelError(f"card {card.name} has no `stages`; say which pipeline it calls")
        self.pipes: list[Any] = []
        for stage in card.stages:
            last = stage is card.stages[-1]
            first = self.pipes[0] if self.pipes else None
            pipe = load_stage(card, resolved, config, stage, first=first, last=last)
            self.pipes.append(place(pipe, card, self.device))
        _check(card, config, intervention, self.pipes)
        intervention.check(self.pipes[-1], card, config)
        self.pipes[-1] = intervention.prepare(self.pipes[-1], card)
        decoders = (getattr(self.pipe, name, None) for name in DECODERS)
        self.finite = Finite(next((decoder for decoder in decoders if decoder), None))

    @property
    def pipe(self) -> Any:  # noqa: ANN401 - pipes have no common type
        """The last stage's pipeline."""
        return self.pipes[-1]

    @torch.inference_mode()
    def generate(self, batch: Batch) -> Drawn:
        """Draw a batch.

        Args:
            batch: B cells.

        Returns:
            B images; see `Drawn`.
        """
        seeds = self.intervention.noise_seeds(batch)
        generators = make_generators(seeds, spec=self.config.noise)
        outputs: dict[str, Any] = {}
        output: Sequence[Any] = ()
        self.finite.forget()
        for number, (stage, pipe) in enumerate(zip(self.card.stages, self.pipes, strict=True)):
            chosen = self.intervention.stage_generators(number, generators, batch)
            output = self._call(stage, pipe, batch, chosen, outputs)
            outputs |= {name: output[index] for name, index in stage.outputs.items()}
        return self._drawn(batch, output)

    def _call(
        self,
        stage: PipelineStage,
        pipe: Any,  # noqa: ANN401
        batch: Batch,
        generators: list[torch.Generator],
        outputs: Mapping[str, Any],
    ) -> Sequence[Any]:
        """Make one native call."""
        inputs = {
            argument: self._input(argument, source, pipe, batch, outputs)
            for argument, source in stage.inputs.items()
            if source != "negative" or self.config.negative_prompt
        }
        settings = self._settings(pipe, batch) if stage is self.card.stages[-1] else {}
        start = self._start(stage, pipe, batch, generators)
        if stage is self.card.stages[-1]:
            generators = self.intervention.step_generators(generators, batch)
        fixed = {"output_type": "pt", "return_dict": False, **stage.arguments}
        output: Sequence[Any] = pipe(
            **{**fixed, **settings, **inputs, **start}, generator=generators
        )
        return output

    def _settings(self, pipe: Any, batch: Batch) -> dict[str, Any]:  # noqa: ANN401
        """Collect the run's settings that the call takes."""
        parameters = _parameters(pipe)
        settings = {name: getattr(self.config, name) for name in OPTIONAL if name in parameters}
        settings |= {"clip_skip": self.config.clip_skip} if self.config.clip_skip else {}
        return settings | dict(self.intervention.call_kwargs(batch))

    def _start(
        self,
        stage: PipelineStage,
        pipe: Any,  # noqa: ANN401
        batch: Batch,
        generators: list[torch.Generator],
    ) -> dict[str, torch.Tensor]:
        """Draw the starting noise, if the call takes it."""
        if stage.noise == "generator":
            return {}
        noise = self.intervention.starting_noise(draw_next(generators, self.latents_shape), batch)
        dtype = "float32" if stage.noise == "float32_latents" else self.config.dtype
        noise = noise.to(self.device, getattr(torch, dtype))
        if stage.noise == "packed_latents":
            noise = pipe._pack_latents(noise, *noise.shape)
        return {"latents": noise}

    def _input(
        self,
        argument: str,
        source: Source,
        pipe: Any,  # noqa: ANN401
        batch: Batch,
        outputs: Mapping[str, Any],
    ) -> Any:  # noqa: ANN401 - whatever the call takes
        """Make the value of an argument, one item per cell."""
        if argument == "ip_adapter_image_embeds":
            embeds = [self._embedded(pipe, _condition_images(batch, str(source)))]
            pipe.prepare_ip_adapter_image_embeds = lambda *_: embeds
            return embeds
        if not isinstance(source, str):
            columns = [_condition_images(batch, name) for name in source]
            return [list(row) for row in zip(*columns, strict=True)]
        if source in ("image", "mask"):
            return _condition_images(batch, source)
        if source == "text":
            return [prompt.text for prompt in batch.prompts]
        if source == "negative":
            return [self.config.negative_prompt] * len(batch.prompts)
        if source == "label":
            return [class_number(prompt) for prompt in batch.prompts]
        return len(batch.prompts) if source == "count" else outputs[source]

    def _embedded(self, pipe: Any, images: list[Image.Image]) -> torch.Tensor:  # noqa: ANN401
        """Compute embeddings, (B or 2B, 1, ...), the unconditional half first under guidance.

        The pipeline would repeat `ip_adapter_image=` or embeddings for the whole batch, so that
        each cell sees all images. The result therefore replaces what the pipeline would compute.
        """
        from diffusers.models import ImageProjection

        layer = pipe.unet.encoder_hid_proj.image_projection_layers[0]
        hidden = not isinstance(layer, ImageProjection)
        both = [pipe.encode_image(image, self.device, 1, hidden) for image in images]
        positive = torch.cat([embedding for embedding, _ in both])[:, None]
        if self.config.guidance_scale <= 1:
            return positive
        negative = torch.cat([embedding for _, embedding in both])[:, None]
        return torch.cat([negative, positive])

    def _drawn(self, batch: Batch, output: Sequence[Any]) -> Drawn:
        pixels = output[0]
        if isinstance(pixels, np.ndarray):  # the adapter pipeline gives arrays even for "pt"
            pixels = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        if self.card.stages[-1].pixels == "signed":
            pixels = pixels / 2 + 0.5
        size = (self.config.height, self.config.width)
        if tuple(pixels.shape[-2:]) != size:
            raise ModelError(
                f"card {self.card.name} drew {tuple(pixels.shape[-2:])} pixels (height, width); "
                f"the run wants {size}"
            )
        finite = torch.isfinite(pixels).flatten(1).all(1).cpu().numpy()
        if self.intervention.changes("pixels"):
            changed = self.intervention.pixels(pixels.nan_to_num(0, 0, 0) * 2 - 1, batch)
            pixels = torch.where(torch.isfinite(pixels), changed / 2 + 0.5, pixels)
        flags = output[1] if self.card.safety_checker and len(output) > 1 else None
        counts = [self.truncated_tokens(prompt.text) for prompt in batch.prompts]
        return Drawn(
            to_uint8(pixels.nan_to_num(0, 0, 0).clamp(0, 1)),
            finite & self.finite.of(len(finite)),
            np.array(flags or [False] * len(pixels)),
            np.array(counts, np.int32),
        )

    def truncated_tokens(self, text: str) -> int:
        """Count the tokens of a text that the encoder with the shortest limit does not read."""
        return max(self.tokens_cut(text).values(), default=0)

    def tokens_cut(self, text: str) -> dict[str, int]:
        """Count the tokens that each encoder of each stage cuts off a text, by its tokenizer."""
        counts: dict[str, int] = {}
        for stage, pipe in zip(self.card.stages, self.pipes, strict=True):
            if "text" in stage.sources():
                cut = tokens_cut(pipe, text, {stage.tokenizer: stage.max_tokens})
                counts |= {f"{stage.part} {name}".strip(): count for name, count in cut.items()}
        return counts

    def check_prompts(self, prompts: Collection[Prompt]) -> None:
        """Refuse class numbers above those of a stage's network; the next number means "no class".

        Raises:
            PromptError: At the first such prompt.
        """
        for stage, pipe in zip(self.card.stages, self.pipes, strict=True):
            if "label" in stage.sources():
                count = int(pipe.transformer.config.num_embeds_ada_norm)
                wrong = [prompt.text for prompt in prompts if class_number(prompt) >= count]
                if wrong:
                    raise PromptError(
                        f"prompt {wrong[0]!r} is not a class of card {self.card.name}, whose "
                        f"classes are 0 to {count - 1}; change {len(wrong):,} prompt(s)"
                    )


def _parameters(pipe: Any) -> Mapping[str, Any]:  # noqa: ANN401
    return inspect.signature(type(pipe).__call__).parameters


def _condition_images(batch: Batch, name: str) -> list[Image.Image]:
    keys = [getattr(prompt, name) for prompt in batch.prompts]
    missing = [p.text for p, key in zip(batch.prompts, keys, strict=True) if not key]
    if missing:
        raise ModelError(f"prompt {missing[0]!r} has no {name}, which this card needs")
    return [batch.condition_images[key] for key in keys]


def _check(card: Card, config: RunConfig, intervention: Intervention, pipes: list[Any]) -> None:
    """Refuse settings that the pipelines would ignore."""
    stages, parameters = card.stages, _parameters(pipes[-1])
    own_noise = all(stage.noise == "generator" for stage in stages)
    pipeline = f"card {card.name}: {stages[-1].pipeline}"
    refused = {
        f"{pipeline} takes no guidance_scale, and the run sets {config.guidance_scale}": (
            "guidance_scale" not in parameters and config.guidance_scale != card.guidance_scale
        ),
        f"{pipeline} takes no eta, and the run sets {config.eta}": (
            "eta" not in parameters and config.eta
        ),
        f"{pipeline} takes no negative prompt, and the run sets one": config.negative_prompt
        and not any("negative" in stage.sources() for stage in stages),
        f"{pipeline} does not pass its generators to its scheduler, so step noise would come from "
        f"a global stream; keep eta 0 and the scheduler {card.scheduler}": (
            not stages[-1].step_noise and (config.eta or config.scheduler != card.scheduler)
        ),
        f"{pipeline} draws its starting noise itself, and the intervention changes it": (
            own_noise and intervention.changes("starting_noise")
        ),
        f"{pipeline} draws its starting noise itself or comes after another stage, and the "
        f"intervention changes the step noise, which comes after the starting noise": (
            intervention.changes("step_generators") and (own_noise or len(stages) > 1)
        ),
        f"{pipeline} draws noise itself, in the networks' dtype; only float32 gives a seed's "
        f"noise, not {config.dtype}": (
            any(stage.noise == "generator" for stage in stages) and config.dtype != "float32"
        ),
        f"{pipeline} cannot be compiled; set `compiled: false`": config.compiled,
        f"{pipeline} draws one size only, {card.width} x {card.height}": (
            "height" not in parameters
            and (config.height, config.width) != (card.height, card.width)
        ),
    }
    for reason, holds in refused.items():
        if holds:
            raise ModelError(reason)
