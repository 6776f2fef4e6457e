"""Turn seeds into noise.

A seed means nothing without the rule that turns it into noise. CUDA noise depends on the number of
multiprocessors once a tensor is large (pytorch/pytorch#143086, #194676), draws in half precision
differ between torch versions (huggingface/diffusers#11056), and one generator for a whole batch
gives only the first image a seed of its own. So noise is drawn on the CPU, in float32, with one
generator per image.
"""

from collections.abc import Mapping, Sequence
from numbers import Integral
from types import MappingProxyType
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError, nearest
from pipeline.noise.philox import PHILOX_SPECS
from pipeline.noise.spec import NoiseSpec, TorchCpu
from pipeline.noise.unknown import Unknown
from pipeline.settings.choices import SEED_LIMIT

if TYPE_CHECKING:
    import torch

NOISE_SPECS: Mapping[str, NoiseSpec] = MappingProxyType({"torch-cpu": TorchCpu(), **PHILOX_SPECS})
"""Short name in recipes -> rule."""


UNKNOWN = Unknown()
"""Not a rule that a recipe may name."""


def noise_spec(name: str) -> NoiseSpec:
    """Look up the rule of a short name.

    Raises:
        ConfigError: If there is none; the message names the nearest.
    """
    if name == UNKNOWN.name:
        return UNKNOWN
    if name not in NOISE_SPECS:
        hint = nearest(name, NOISE_SPECS)
        raise ConfigError(f"unknown noise spec {name!r}; {hint}known: {', '.join(NOISE_SPECS)}")
    return NOISE_SPECS[name]


def check_seeds(seeds: Sequence[int]) -> list[int]:
    """Refuse seeds that do not name a random stream.

    Args:
        seeds: Integers of Python or of numpy.

    Returns:
        The seeds as integers of Python, which torch wants.

    Raises:
        ConfigError: If a seed is no integer, or outside [0, 2**32). The message names it.
    """
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, Integral):
            raise ConfigError(f"seed {seed!r} is a {type(seed).__name__}; wanted an integer")
        if not 0 <= seed < SEED_LIMIT:
            raise ConfigError(
                f"seed {seed} is outside [0, 2**32): torch keeps only 32 bits, so it would be a "
                f"second name for seed {int(seed) % SEED_LIMIT}; use that seed"
            )
    return [int(seed) for seed in seeds]


def draw_noise(
    seeds: Sequence[int], latents_shape: tuple[int, int, int], *, spec: str = "torch-cpu"
) -> "tuple[torch.Tensor, list[torch.Generator]]":
    """Draw the starting noise of each seed from a random stream of its own.

    The noise of a seed depends only on the seed, the shape and the spec: not on the other seeds of
    the batch, their order, the number of workers or the device. This is what allows two runs to be
    compared seed by seed.

    Args:
        seeds: The seeds of the B images of a batch, each in [0, 2**32). Equal seeds give
            equal noise.
        latents_shape: (C, h, w) of one image's latents, in latent pixels. With the VAE of Stable
            Diffusion one latent pixel covers 8 x 8 image pixels. At another shape a seed gives
            different noise: seeds do not carry over between resolutions.
        spec: Short name of the rule.

    Returns:
        The noise and the generators it came from.

        noise: shape (B, C, h, w), float32, on the CPU. Standard normal. Not yet scaled by the
            scheduler's `init_noise_sigma`: diffusers scales what it gets as `latents=`.
        generators: B generators that have already drawn the noise. Pass them on as `generator=`:
            a stochastic scheduler draws its step noise from them, and a fresh generator with the
            same seed would draw the starting noise a second time.

    Raises:
        ConfigError: If a seed is outside [0, 2**32) or the spec is unknown.

    Source:
        What a seed controls: Xu, Zhang & Shi 2024, "Good Seed Makes a Good Crop",
        arXiv:2405.14828. One generator per image: `StackedRandomGenerator` in NVlabs/edm,
        generate.py (Karras et al. 2022, arXiv:2206.00364). There, large seeds are taken modulo
        2**32; here they are refused.

    Example:
        >>> noise, generators = draw_noise([7, 3], (4, 64, 64))
        >>> noise.shape, len(generators)
        (torch.Size([2, 4, 64, 64]), 2)
        >>> import torch
        >>> alone, _ = draw_noise([3], (4, 64, 64))
        >>> torch.equal(noise[1], alone[0])
        True
        >>> draw_noise([5 + 2**32], (4, 64, 64))
        Traceback (most recent call last):
        ...
        pipeline.errors.ConfigError: seed 4294967301 is outside [0, 2**32): torch keeps ...
    """
    return noise_spec(spec).draw(check_seeds(seeds), latents_shape)


def make_generators(seeds: Sequence[int], *, spec: str = "torch-cpu") -> "list[torch.Generator]":
    """Make one fresh generator per seed, for pipelines that draw their own starting noise.

    Raises:
        ConfigError: If a seed is outside [0, 2**32), or the spec is not torch's CPU generator,
            which cannot draw the starting noise of another rule.
    """
    if not noise_spec(spec).step_noise:
        raise ConfigError(
            f"noise spec {spec!r} gives only starting noise, but this card's pipeline draws its "
            f"own from generators; use torch-cpu"
        )
    return draw_noise(seeds, (0, 0, 0), spec=spec)[1]


def draw_next(
    generators: "Sequence[torch.Generator]", latents_shape: tuple[int, ...]
) -> "torch.Tensor":
    """Draw the next numbers of generators: the starting noise of a later stage.

    Args:
        generators: B generators; this draw advances each of them.
        latents_shape: Shape of one image's noise.

    Returns:
        (B, *latents_shape), float32, standard normal, on the CPU.

    Example:
        >>> import torch
        >>> noise, _ = draw_noise([7], (1, 4, 8))
        >>> torch.equal(draw_next(make_generators([7]), (1, 4, 8)), noise)
        True
    """
    import torch

    return torch.stack(
        [torch.randn(latents_shape, generator=g, dtype=torch.float32) for g in generators]
    )
