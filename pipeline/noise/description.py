"""Describe a rule of noise for other people, with values to check their own noise against."""

from typing import Final

from pipeline.noise.draw import UNKNOWN, draw_noise, noise_spec
from pipeline.settings.choices import SEED_LIMIT

CHECK_TOLERANCE: Final = 1e-5
"""Largest allowed difference between the published check values and a user's own draw. Machines
with and without AVX2 differ by up to 1.7e-6 in the Box-Muller transform."""

_REUSE: Final = "the same generator continues for step noise"
_NO_REUSE: Final = "the rule gives starting noise only"


def check_values(seed: int, latents_shape: tuple[int, int, int], spec: str) -> dict[str, object]:
    """Draw the noise of a seed, and give numbers by which another machine can recognise it.

    Args:
        seed: Seed, in [0, 2**32).
        latents_shape: (C, h, w) of one image's latents.
        spec: Short name of the rule.

    Returns:
        `first16`, `mean` and `std` of the noise, and `atol`, the tolerance within which another
        machine must agree. A hash would not do: see `CHECK_TOLERANCE`.

    Example:
        >>> check_values(7, (4, 8, 8), "torch-cpu")["atol"]
        1e-05
    """
    noise = draw_noise([seed], latents_shape, spec=spec)[0]
    return {
        "seed": seed,
        "first16": [round(value, 7) for value in noise.flatten()[:16].tolist()],
        "mean": round(float(noise.mean()), 7),
        "std": round(float(noise.std()), 7),
        "atol": CHECK_TOLERANCE,
    }


def noise_description(spec: str, latents_shape: tuple[int, int, int]) -> dict[str, object]:
    """Describe, for a published list, how its seeds become noise, with check values.

    Args:
        spec: Short name of the rule.
        latents_shape: (C, h, w) of the run's latents.

    Returns:
        A JSON-ready description. `check` holds the check values of seed 0 and of the largest seed.
    """
    rule = noise_spec(spec)
    if rule is UNKNOWN:
        return _unknown(rule.name)
    return {
        "noise_spec": rule.name,
        "seed_bits": 32,
        "draw_dtype": "float32",
        "draw_device": "cpu",
        "draw_per": "image",
        "generator_reuse": _REUSE if rule.step_noise else _NO_REUSE,
        "latents_shape": list(latents_shape),
        "check": [check_values(seed, latents_shape, spec) for seed in (0, SEED_LIMIT - 1)],
    }


def _unknown(name: str) -> dict[str, object]:
    """Say of imported images that the program that drew them decides; there is no check value."""
    facts = ("noise_spec", "draw_dtype", "draw_device", "draw_per", "generator_reuse")
    return {**dict.fromkeys(facts, name), "seed_bits": 32, "latents_shape": [], "check": []}
