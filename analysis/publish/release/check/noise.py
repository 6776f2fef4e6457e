"""Draw the noise of a release's check seeds on this machine, and compare."""

import math

from analysis.publish.release.check.found import Findings
from analysis.publish.release.formats import Noise, NoiseCheck
from pipeline.noise import NOISE_SPECS, check_values

MOST_NUMBERS = 2**24
"""Most numbers that one check draws; latents of 4,096 x 4,096 pixels have fewer."""
FILE = "noise_spec.json"


def check_noise(noise: Noise, findings: Findings) -> None:
    """Compare the published check values with a draw.

    Args:
        noise: The rule, as the release states it.
        findings: Gets the problems.
    """
    short = {rule.name: name for name, rule in NOISE_SPECS.items()}
    spec = short.get(noise.noise_spec)
    if spec is None:
        findings.problem(FILE, f"names the noise rule {noise.noise_spec[:80]!r}; this goldenseed "
                         f"knows {', '.join(short)}")  # fmt: skip
    elif math.prod(noise.latents_shape) > MOST_NUMBERS:
        findings.problem(FILE, f"names latents of {noise.latents_shape}, which are too large")
    else:
        for check in noise.check:
            _compare(check, noise.latents_shape, spec, findings)
        findings.checked.append(f"noise of {len(noise.check)} seeds, drawn on this machine")


def _compare(check: NoiseCheck, shape: tuple[int, int, int], spec: str, findings: Findings) -> None:
    drawn = NoiseCheck.model_validate(check_values(check.seed, shape, spec))
    pairs = [
        (check.mean, drawn.mean),
        (check.std, drawn.std),
        *zip(check.first16, drawn.first16, strict=False),
    ]
    worst = max(abs(stated - value) for stated, value in pairs)
    if worst > check.atol or len(check.first16) != len(drawn.first16):
        findings.problem(
            FILE,
            f"seed {check.seed}: this machine draws other noise, by up to {worst:.3g} "
            f"(allowed: {check.atol:g})",
        )
