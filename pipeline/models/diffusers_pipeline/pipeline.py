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

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from pipeline.batch import Batch, Drawn
from pipeline.cards.card import Card, ResolvedCard
from pipeline.cards.card_parts import DECODERS, PipelineStage
from pipeline.errors import ModelError, PromptError, counted
from pipeline.interventions.base import Intervention
from pipeline.models.base import device_of, to_uint8, tokens_cut_of
from pipeline.models.diffusers_pipeline.inputs import (
    call_input,
    has_negative,
    refuse_mixed_negatives,
)
from pipeline.models.diffusers_pipeline.refusals import (
    call_parameters,
    refuse_ignored_settings,
)
from pipeline.models.kernels import tune
from pipeline.models.memory import place
from pipeline.models.networks import Finite, load_stage
from pipeline.models.text_lengths import tokens_cut
from pipeline.models.weighting import Weighting
from pipeline.noise import draw_next, make_generators
from pipeline.prompts.conditions import class_number
from pipeline.prompts.prompt_sets import Prompt
from pipeline.settings.config import RunConfig

TEXTS = ("text", "negative")
"""Sources of arguments that embeddings replace."""

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
        reads_negatives: It draws a prompt with the prompt's own negative prompt.
    """

    reads_negatives = True

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
        refuse_ignored_settings(card, config, intervention, self.pipes)
        intervention.check(self.pipes[-1], card, config)
        self.pipes[-1] = intervention.prepare(self.pipes[-1], card)
        for pipe in self.pipes:
            tune(pipe, config)
        weighted = bool(config.prompt_weighting)
        self.weighting = Weighting(self.pipe, config) if weighted else None
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
            argument: call_input(
                argument,
                source,
                pipe,
                batch,
                config=self.config,
                device=self.device,
                outputs=outputs,
            )
            for argument, source in stage.inputs.items()
            if source != "negative" or has_negative(batch, self.config)
        }
        if self.weighting is not None:
            texts = [name for name, source in stage.inputs.items() if source in TEXTS]
            inputs = {name: value for name, value in inputs.items() if name not in texts}
            negative = has_negative(batch, self.config)
            inputs |= self.weighting.arguments(batch, self.config, guided=negative)
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
        parameters = call_parameters(pipe)
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
        counts = tokens_cut_of(self, batch)
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
        if self.weighting is not None:
            return {"tokenizer": self.weighting.cut(text)}
        counts: dict[str, int] = {}
        for stage, pipe in zip(self.card.stages, self.pipes, strict=True):
            if "text" in stage.sources():
                cut = tokens_cut(pipe, text, {stage.tokenizer: stage.max_tokens})
                counts |= {f"{stage.part} {name}".strip(): count for name, count in cut.items()}
        return counts

    def check_prompts(self, prompts: Collection[Prompt]) -> None:
        """Refuse class numbers above those of a stage's network; the next number means "no class".

        Raises:
            PromptError: At the first such prompt, or if some prompts have a negative prompt and
                others none, so that an image would depend on the others of its batch.
        """
        refuse_mixed_negatives(prompts, self.config)
        for stage, pipe in zip(self.card.stages, self.pipes, strict=True):
            if "label" in stage.sources():
                count = int(pipe.transformer.config.num_embeds_ada_norm)
                wrong = [prompt.text for prompt in prompts if class_number(prompt) >= count]
                if wrong:
                    raise PromptError(
                        f"prompt {wrong[0]!r} is not a class of card {self.card.name}, whose "
                        f"classes are 0 to {count - 1}; change {counted(len(wrong), 'prompt')}"
                    )
