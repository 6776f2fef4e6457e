"""Draw pairs of images for one prompt, one of them worse in a known way."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from diffusers import AutoencoderKL
from torch import Tensor
from torch.nn import functional

from seedling.files import WEIGHTS
from seedling.networks.model import to_images, to_vae_range
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
"""Kinds whose worse image shows something else -> column of the parts, number of options."""
PATCH = 8
"""Side of the patches that are shuffled, in pixels."""
BLURS = (1.2, 3.0)
"""Standard deviations of the blur, in pixels."""
NOISES = (0.08, 0.30)
GREYS = (0.7, 1.0)
SHUFFLED = (0.25, 1.0)
"""Share of the patches that are moved."""
SPOILT = (0.6, 1.4)
"""Noise on the latents of a degraded round trip, in standard deviations of the latents."""
SLIGHT = 0.3
"""Maximum noise on the latents of images that still count as good."""
DRAWN_RATE = 0.5
"""Share of the pairs with a wrong object in which both images go through the autoencoder."""

Degradation = Callable[..., Tensor]


@dataclass(frozen=True)
class Pairs:
    """B pairs.

    Attributes:
        better: float32 (B, 3, 64, 64) in 0..1.
        worse: The same shape.
        texts: B prompts, each shared by both images.
        kinds: int64 (B,), indices into `KINDS`.
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
    """Draw parts that name object, colour, place and tone, int64 (count, 4)."""
    parts = draw_parts(count, generator=generator, named=1.0)
    options = (len(OBJECTS), len(COLOURS), len(PLACES), 1)
    others = torch.stack([choose(count, n, generator=generator) for n in options], dim=1)
    return torch.where(is_extreme(parts[:, :1]), others, parts)


def draw_pairs(
    count: int, *, vae: AutoencoderKL, generator: torch.Generator, kinds: Tensor | None = None
) -> Pairs:
    """Draw pairs of every kind, or of given kinds.

    No scene is greyed by chance, and pairs that differ in colour have a tone that shows it;
    otherwise both images of a pair could be equally good.

    Args:
        count: Number of pairs.
        vae: The autoencoder of a model.
        generator: The source of randomness.
        kinds: int64 (count,), indices into `KINDS`; drawn uniformly if None.

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
    for images in (better, worse):
        images[drawn] = round_trip(images[drawn], (0.0, SLIGHT), vae=vae, generator=generator)
    variants = choose(count, 6, generator=generator).tolist()
    texts = [sentence(row, variant=v) for row, v in zip(parts.tolist(), variants, strict=True)]
    return Pairs(better, worse, texts, kinds)


def _wrong(specs: Specs, name: str, *, generator: torch.Generator) -> Tensor:
    """Draw the same scenes with another object, colour or place."""
    column, options = WRONG[name]
    field = ("thing", "colour", "place")[column]
    label: Tensor = getattr(specs, field)
    other = (label + 1 + choose(len(label), options - 1, generator=generator)) % options
    changes: dict[str, Tensor] = {field: other}
    return render(replace(specs, **changes), generator=generator).images


def degraded(
    images: Tensor, name: str, *, vae: AutoencoderKL, generator: torch.Generator
) -> Tensor:
    """Degrade images in one way, each by an independent amount.

    Args:
        images: float32 (B, 3, 64, 64) in 0..1.
        name: A key of `DEGRADATIONS`, or "round_trip".
        vae: The autoencoder, for round trips.
        generator: The source of randomness.

    Returns:
        The same shape, in 0..1.
    """
    if name == "round_trip":
        return round_trip(images, SPOILT, vae=vae, generator=generator)
    return DEGRADATIONS[name](images, generator=generator)


def blurred(images: Tensor, *, generator: torch.Generator) -> Tensor:
    """Blur images by Gaussians of `BLURS` pixels."""
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
    """Remove most or all of the colour."""
    share = uniform(len(images), *GREYS, generator=generator).view(-1, 1, 1, 1)
    return torch.lerp(images, brightness(images)[:, None].expand_as(images), share)


def shuffled(images: Tensor, *, generator: torch.Generator) -> Tensor:
    """Permute some or all patches of 8 x 8 pixels."""
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
    """Encode images, add noise to the latents, and decode: like a model's imperfect drawing.

    Args:
        images: float32 (B, 3, 64, 64) in 0..1; B may be 0.
        strengths: Minimum and maximum noise, in standard deviations of the latents.
        vae: The autoencoder.
        generator: The source of randomness.

    Returns:
        The same shape, in 0..1.
    """
    if not len(images):
        return images
    strength = uniform(len(images), *strengths, generator=generator).view(-1, 1, 1, 1)
    with torch.no_grad():
        latents = vae.encode(to_vae_range(images)).latent_dist.mode()
        noise = torch.randn(latents.shape, generator=generator)
        noised = latents + strength * noise / vae.config.scaling_factor
        return to_images(vae.decode(noised).sample)


DEGRADATIONS: dict[str, Degradation] = {
    "blur": blurred,
    "noise": noisy,
    "grey": greyed,
    "shuffle": shuffled,
}
KINDS: tuple[str, ...] = (*DEGRADATIONS, "round_trip", *WRONG)
"""All kinds of pairs."""


def augmented(images: Tensor, *, generator: torch.Generator) -> Tensor:
    """Change images mildly: exposure by up to 8 %, noise of up to 0.03; the result is in 0..1."""
    gain = uniform(len(images), 0.92, 1.08, generator=generator).view(-1, 1, 1, 1)
    strength = uniform(len(images), 0.0, 0.03, generator=generator).view(-1, 1, 1, 1)
    noise = torch.randn(images.shape, generator=generator)
    return (images * gain + strength * noise).clamp(0, 1)
