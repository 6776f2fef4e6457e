"""The library called as its users do, with arguments spelled out here and not read from a card."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from PIL import Image

from pipeline.batch import Batch
from pipeline.cards.card import Card
from pipeline.prompts.prompt_sets import Prompt
from tests.pipeline.tiny import PROMPTS, SEEDS, SIZE

Pipe = Any
IMAGES = {"1" * 64: 0, "2" * 64: 1}
MASKS = {"3" * 64: 2, "4" * 64: 3}


def condition_images() -> dict[str, Image.Image]:
    """Four noisy images under made-up hashes."""
    found = {}
    for sha256, seed in (IMAGES | MASKS).items():
        rng = torch.Generator().manual_seed(seed)
        pixels = torch.randint(0, 256, (SIZE, SIZE, 3), generator=rng, dtype=torch.uint8)
        found[sha256] = Image.fromarray(pixels.numpy())
    return found


def cells(card: Card, order: tuple[int, ...] = (0, 1, 2, 3)) -> Batch:
    """Four cells, with the conditions that the card needs, in an order."""
    texts = ("207", "3", "207", "999") if card.name == "dit" else PROMPTS
    prompts = []
    for index, text in enumerate(texts):
        image = list(IMAGES)[index % 2] if "image" in card.conditions else None
        mask = list(MASKS)[index // 2] if "mask" in card.conditions else None
        prompts.append(Prompt(text, image=image, mask=mask))
    seeds = tuple(SEEDS[i] for i in order)
    return Batch(tuple(prompts[i] for i in order), seeds, condition_images())


def unconditional(card: Card) -> bool:
    """Whether the card's pipeline takes no prompt."""
    return bool(card.stages) and card.stages[0].sources() == ["count"]


def native(card: Card, pipes: list[Pipe], batch: Batch, **changes: Any) -> list[Image.Image]:  # noqa: ANN401
    """What the library gives for the cells when it is called as its users do."""
    with ExitStack() as stack:
        for pipe in pipes:
            stack.enter_context(own_encoder(pipe))
        return _native(card, pipes, batch, **changes)


@contextmanager
def own_encoder(pipe: Pipe) -> Iterator[None]:
    """The library's own `encode_prompt`, without the memory that goldenseed gives it."""
    remembered = vars(pipe).pop("encode_prompt", None)
    try:
        yield
    finally:
        if remembered is not None:
            pipe.encode_prompt = remembered


def _native(card: Card, pipes: list[Pipe], batch: Batch, **changes: Any) -> list[Image.Image]:  # noqa: ANN401
    generators = [torch.Generator().manual_seed(seed) for seed in batch.seeds]
    call = {"num_inference_steps": 3, "generator": generators, **changes}
    texts = [prompt.text for prompt in batch.prompts]
    images = [batch.condition_images.get(prompt.image or "") for prompt in batch.prompts]
    masks = [batch.condition_images.get(prompt.mask or "") for prompt in batch.prompts]
    sized = {"height": SIZE, "width": SIZE, **call}
    name, pipe = card.name, pipes[-1]
    if unconditional(card):
        return list(pipe(batch_size=len(texts), **call).images)
    if name == "dit":
        return list(pipe([int(text) for text in texts], guidance_scale=4.0, **call).images)
    if name == "kandinsky22":
        first = {**call, "num_inference_steps": 2}
        yes, no = pipes[0](texts, guidance_scale=4.0, return_dict=False, **first)
        return list(pipe(yes, no, guidance_scale=4.0, **sized).images)
    if name == "deepfloyd-if":
        first = {**sized, "num_inference_steps": 2, "height": 16, "width": 16}
        plain = {"clean_caption": False}
        small = pipes[0](texts, guidance_scale=7.0, output_type="pt", **plain, **first).images
        more = {"guidance_scale": 4.0, "noise_level": 250, **plain}
        return list(pipe(texts, image=small, **more, **sized).images)
    if name.startswith("ip-adapter"):
        return _native_ip(card, pipe, batch, sized)
    own: dict[str, Any] = {
        "controlnet-canny": {"image": images, "guidance_scale": 7.5},
        "seedling-control": {"image": images, "guidance_scale": 4.0},
        "controlnet-canny-sdxl": {"image": images, "guidance_scale": 5.0},
        "controlnet-canny-pose": {
            "image": [list(pair) for pair in zip(images, masks, strict=True)],
            "guidance_scale": 7.5,
        },
        "t2i-adapter-color": {"image": images, "guidance_scale": 7.5},
        "stable-unclip": {"prior_num_inference_steps": 2, "guidance_scale": 10.0},
        "pixart-alpha": {"clean_caption": False, "use_resolution_binning": False},
        "pixart-sigma": {"clean_caption": False, "use_resolution_binning": False},
        "sdxl-turbo": {"guidance_scale": 0.0},
        "z-image-turbo": {"guidance_scale": 0.0},
        "flux2-klein": {"guidance_scale": 1.0},
        "flux-schnell": {"guidance_scale": 0.0, "max_sequence_length": 256},
        "ldm-text2im": {"guidance_scale": 6.0},
    }.get(name, {})
    return list(pipe(prompt=texts, **own, **sized).images)


def _native_ip(card: Card, pipe: Pipe, batch: Batch, sized: dict[str, Any]) -> list[Image.Image]:
    """One cell per call, where an image cannot be shared over a batch."""
    vars(pipe).pop("prepare_ip_adapter_image_embeds", None)
    found = []
    for prompt, seed in zip(batch.prompts, batch.seeds, strict=True):
        control = {"image": batch.condition_images[prompt.mask]} if prompt.mask else {}
        one = {**sized, "generator": [torch.Generator().manual_seed(seed)], **control}
        picture = batch.condition_images[str(prompt.image)]
        images = pipe([prompt.text], ip_adapter_image=picture, guidance_scale=7.5, **one).images
        found += list(images)
    return found
