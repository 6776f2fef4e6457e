"""The arguments of a pipeline's call that differ from cell to cell: prompts, images, embeddings."""

from collections.abc import Collection, Mapping
from typing import Any

import torch
from PIL import Image

from pipeline.batch import Batch
from pipeline.cards.card_parts import Source
from pipeline.errors import ModelError, PromptError
from pipeline.prompts.conditions import class_number
from pipeline.prompts.prompt_sets import Prompt
from pipeline.settings.config import RunConfig


def call_input(
    argument: str,
    source: Source,
    pipe: Any,  # noqa: ANN401
    batch: Batch,
    *,
    config: RunConfig,
    device: torch.device,
    outputs: Mapping[str, Any],
) -> Any:  # noqa: ANN401 - whatever the call takes
    """Make the value of an argument, one item per cell.

    Args:
        argument: Name of the argument.
        source: What the card says the argument is.
        pipe: The pipeline that is called.
        batch: The cells.
        config: How the run samples.
        device: Where images are encoded.
        outputs: Outputs of earlier stages, by name.

    Raises:
        ModelError: If a prompt lacks a condition image.
    """
    if argument == "ip_adapter_image_embeds":
        images = _condition_images(batch, str(source))
        embeds = [_embedded(pipe, images, device=device, guided=config.guidance_scale > 1)]
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
        return [prompt.negative or config.negative_prompt for prompt in batch.prompts]
    if source == "label":
        return [class_number(prompt) for prompt in batch.prompts]
    return len(batch.prompts) if source == "count" else outputs[source]


def has_negative(batch: Batch, config: RunConfig) -> bool:
    """Whether the cells of a batch have negative prompts; else the pipeline's default applies."""
    return bool(config.negative_prompt) or any(prompt.negative for prompt in batch.prompts)


def refuse_mixed_negatives(prompts: Collection[Prompt], config: RunConfig) -> None:
    """Refuse prompts of which some have a negative prompt and others none.

    Pipelines treat no negative prompt in another way than an empty one, so an image would depend on
    the other prompts of its batch.

    Raises:
        PromptError: If there are such prompts, and the run has no negative prompt for the others.
    """
    without = [prompt.text for prompt in prompts if not prompt.negative]
    if without and len(without) < len(prompts) and not config.negative_prompt:
        raise PromptError(
            f"{len(prompts) - len(without):,} prompts have a negative prompt and {len(without):,} "
            f"have none, for example {without[0]!r}; give each one, or set `negative_prompt` in "
            f"the recipe's `sampling` for the others"
        )


def _embedded(
    pipe: Any,  # noqa: ANN401
    images: list[Image.Image],
    *,
    device: torch.device,
    guided: bool,
) -> torch.Tensor:
    """Compute embeddings, (B or 2B, 1, ...), the unconditional half first under guidance.

    The pipeline would repeat `ip_adapter_image=` or embeddings for the whole batch, so that
    each cell sees all images. The result therefore replaces what the pipeline would compute.
    """
    from diffusers.models import ImageProjection

    layer = pipe.unet.encoder_hid_proj.image_projection_layers[0]
    hidden = not isinstance(layer, ImageProjection)
    both = [pipe.encode_image(image, device, 1, hidden) for image in images]
    positive = torch.cat([embedding for embedding, _ in both])[:, None]
    if not guided:
        return positive
    negative = torch.cat([embedding for _, embedding in both])[:, None]
    return torch.cat([negative, positive])


def _condition_images(batch: Batch, name: str) -> list[Image.Image]:
    keys = [getattr(prompt, name) for prompt in batch.prompts]
    missing = [p.text for p, key in zip(batch.prompts, keys, strict=True) if not key]
    if missing:
        raise ModelError(f"prompt {missing[0]!r} has no {name}, which this card needs")
    return [batch.condition_images[key] for key in keys]
