"""Pairs of pictures of one prompt of which one is better, and the reason known."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from seedling.networks.model import WEIGHTS, to_images, to_model
from seedling.networks.recogniser import is_colourless
from seedling.randomness import choose, happens, uniform
from seedling.world.extremes import is_extreme
from seedling.world.painting import brightness
from seedling.world.scenes import draw_specs, render
from seedling.world.sentences import draw_parts, sentence
from seedling.world.specs import Specs
from seedling.world.vocabulary import COLOURS, OBJECTS, PLACES

WRONG: dict[str, tuple[int, int]] = {
    "object": (0, len(OBJECTS)),
    "colour": (1, len(COLOURS)),
    "place": (2, len(PLACES)),
}
"""Kinds in which the worse picture shows another thing: column of the parts, how many there are."""
PATCH = 8
"""Side of the patches that are shuffled, in pixels."""
BLURS = (1.2, 3.0)
"""Standard deviations of the blur, in pixels."""
NOISES = (0.08, 0.30)
GREYS = (0.7, 1.0)
SHUFFLED = (0.25, 1.0)
"""Share of the patches that change places."""
SPOILT = (0.6, 1.4)
"""Noise on the latents of a spoilt round trip, in standard deviations of the latents."""
SLIGHT = 0.3
"""The most noise on the latents of pictures that still count as a model's good ones."""
DRAWN_RATE = 0.5
"""Share of pairs of another object in which both pictures go through the autoencoder."""

Degradation = Callable[..., Tensor]


@dataclass(frozen=True)
class Pairs:
    """B pairs.

    Attributes:
        better: float32 (B, 3, 64, 64) in 0..1.
        worse: The same shape.
        texts: B prompts, both pictures' own.
        kinds: int64 (B,), positions in `KINDS`.
    """

    better: Tensor
    worse: Tensor
    texts: list[str]
    kinds: Tensor


def load_vae(model: str = "seedling-mini") -> AutoencoderKL:
    """Read the autoencoder of a shipped model, fp32, in eval mode."""
    vae: AutoencoderKL = AutoencoderKL.from_pretrained(
        WEIGHTS / model / "vae", torch_dtype=torch.float32
    )
    return vae.eval()


def draw_full_parts(count: int, *, generator: torch.Generator) -> Tensor:
    """Draw objects whose colour, place and tone are all named, int64 (count, 4)."""
    parts = draw_parts(count, generator=generator, named=1.0)
    options = (len(OBJECTS), len(COLOURS), len(PLACES), 1)
    others = torch.stack([choose(count, n, generator=generator) for n in options], dim=1)
    return torch.where(is_extreme(parts[:, :1]), others, parts)


def draw_pairs(
    count: int, *, vae: AutoencoderKL, generator: torch.Generator, kinds: Tensor | None = None
) -> Pairs:
    """Draw pairs of every kind, or of given kinds.

    No scene is greyed unasked, and where colours matter the tone shows them: else a pair could
    be of two equally good pictures.

    Args:
        count: How many.
        vae: The autoencoder of a model.
        generator: The source of randomness.
        kinds: int64 (count,), positions in `KINDS`; drawn evenly where left out.

    Returns:
        The pairs.
    """
    if kinds is None:
        kinds = choose(count, len(KINDS), generator=generator)
    parts = draw_full_parts(count, generator=generator)
    coloured = torch.isin(kinds, torch.tensor([KINDS.index("colour"), KINDS.index("grey")]))
    parts[coloured & is_colourless(parts[:, 3]), 3] = 0
    specs = draw_specs(parts, generator=generator)
    specs = replace(specs, grey=torch.zeros_like(specs.grey))
    better = render(specs, generator=generator).images
    worse = better.clone()
    for kind, name in enumerate(KINDS):
        rows = (kinds == kind).nonzero().flatten()
        if name in WRONG and len(rows):
            worse[rows] = _wrong(specs.take(rows), name, generator=generator)
        elif len(rows):
            worse[rows] = degraded(better[rows], name, vae=vae, generator=generator)
    drawn = (kinds == KINDS.index("object")) & happens(count, DRAWN_RATE, generator=generator)
    for pictures in (better, worse):
        pictures[drawn] = round_trip(pictures[drawn], (0.0, SLIGHT), vae=vae, generator=generator)
    variants = choose(count, 6, generator=generator).tolist()
    texts = [sentence(row, variant=v) for row, v in zip(parts.tolist(), variants, strict=True)]
    return Pairs(better, worse, texts, kinds)


def _wrong(specs: Specs, name: str, *, generator: torch.Generator) -> Tensor:
    """The same scenes with another object, colour or place."""
    column, options = WRONG[name]
    field = ("thing", "colour", "place")[column]
    asked: Tensor = getattr(specs, field)
    other = (asked + 1 + choose(len(asked), options - 1, generator=generator)) % options
    changes: dict[str, Tensor] = {field: other}
    return render(replace(specs, **changes), generator=generator).images


def degraded(
    images: Tensor, name: str, *, vae: AutoencoderKL, generator: torch.Generator
) -> Tensor:
    """Spoil pictures in one way, each by an amount of its own.

    Args:
        images: float32 (B, 3, 64, 64) in 0..1.
        name: One of `DEGRADATIONS` or "round_trip".
        vae: The autoencoder, for round trips.
        generator: The source of randomness.

    Returns:
        The same shape, in 0..1.
    """
    if name == "round_trip":
        return round_trip(images, SPOILT, vae=vae, generator=generator)
    return DEGRADATIONS[name](images, generator=generator)


def blurred(images: Tensor, *, generator: torch.Generator) -> Tensor:
    """Blur by Gaussians of `BLURS` pixels."""
    count, channels, height, width = images.shape
    sigma = uniform(count, *BLURS, generator=generator).view(-1, 1)
    kernel = torch.exp(-0.5 * (torch.arange(-8, 9) / sigma) ** 2)
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    rows = functional.pad(images, (8, 8, 8, 8), mode="replicate").flatten(0, 1)[None]
    groups = count * channels
    rows = functional.conv2d(rows, kernel.view(groups, 1, 1, -1), groups=groups)
    rows = functional.conv2d(rows, kernel.view(groups, 1, -1, 1), groups=groups)
    return rows.view(count, channels, height, width)


def noisy(images: Tensor, *, generator: torch.Generator) -> Tensor:
    """Add noise of `NOISES` to every pixel."""
    strength = uniform(len(images), *NOISES, generator=generator).view(-1, 1, 1, 1)
    return (images + strength * torch.randn(images.shape, generator=generator)).clamp(0, 1)


def greyed(images: Tensor, *, generator: torch.Generator) -> Tensor:
    """Take most or all of the colour."""
    share = uniform(len(images), *GREYS, generator=generator).view(-1, 1, 1, 1)
    return torch.lerp(images, brightness(images)[:, None].expand_as(images), share)


def shuffled(images: Tensor, *, generator: torch.Generator) -> Tensor:
    """Let some or all patches of 8 x 8 pixels change places."""
    patches = functional.unfold(images, PATCH, stride=PATCH)
    shares = uniform(len(images), *SHUFFLED, generator=generator)
    count = patches.shape[2]
    for row, share in enumerate(shares.tolist()):
        moved = torch.randperm(count, generator=generator)[: max(2, round(share * count))]
        patches[row][:, moved] = patches[row][:, moved.roll(1)]
    return functional.fold(patches, images.shape[2:], PATCH, stride=PATCH)


def round_trip(
    images: Tensor,
    strengths: tuple[float, float],
    *,
    vae: AutoencoderKL,
    generator: torch.Generator,
) -> Tensor:
    """Encode, add noise to the latents, decode: a drawing that went more or less wrong.

    Args:
        images: float32 (B, 3, 64, 64) in 0..1; B may be 0.
        strengths: Least and most noise, in standard deviations of the latents.
        vae: The autoencoder.
        generator: The source of randomness.

    Returns:
        The same shape, in 0..1.
    """
    if not len(images):
        return images
    strength = uniform(len(images), *strengths, generator=generator).view(-1, 1, 1, 1)
    with torch.no_grad():
        latents = vae.encode(to_model(images)).latent_dist.mode()
        noise = torch.randn(latents.shape, generator=generator)
        spoilt = latents + strength * noise / vae.config.scaling_factor
        return to_images(vae.decode(spoilt).sample)


DEGRADATIONS: dict[str, Degradation] = {
    "blur": blurred,
    "noise": noisy,
    "grey": greyed,
    "shuffle": shuffled,
}
KINDS: tuple[str, ...] = (*DEGRADATIONS, "round_trip", *WRONG)
"""All kinds of pairs."""


def augmented(images: Tensor, *, generator: torch.Generator) -> Tensor:
    """Change pictures mildly: exposure by up to 8 %, noise of up to 0.03, all in 0..1."""
    gain = uniform(len(images), 0.92, 1.08, generator=generator).view(-1, 1, 1, 1)
    strength = uniform(len(images), 0.0, 0.03, generator=generator).view(-1, 1, 1, 1)
    noise = torch.randn(images.shape, generator=generator)
    return (images * gain + strength * noise).clamp(0, 1)
