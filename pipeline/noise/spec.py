"""Define a rule that turns seeds into noise, and the default rule, torch's generator on the CPU."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch


class NoiseSpec(Protocol):
    """A rule that turns seeds into noise.

    Attributes:
        name: Published name with version; part of a run's identity.
        user_code: A line of Python, printed in releases, that makes from `seed` the `generator`
            whose first draw is the noise of the seed. It needs nothing of this project.
        step_noise: Whether the generators that `draw` returns may also draw the noise of a
            stochastic scheduler's steps.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see the class

    @property
    def user_code(self) -> str: ...  # noqa: D102 - see the class

    @property
    def step_noise(self) -> bool: ...  # noqa: D102 - see the class

    def draw(
        self, seeds: Sequence[int], latents_shape: tuple[int, int, int]
    ) -> "tuple[torch.Tensor, list[torch.Generator]]":
        """See `draw_noise`."""
        ...


class TorchCpu:
    """Torch's CPU generator (mt19937, Box-Muller in blocks of 16), float32.

    Diffusers draws the same noise for
    `generator=[torch.Generator("cpu").manual_seed(s) for s in seeds]`. For a single image, ComfyUI
    and InvokeAI draw the same starting noise, but their step noise is another stream.
    """

    name: str = "torch-cpu-mt19937-normal-fp32/v1"
    user_code: str = 'generator = torch.Generator("cpu").manual_seed(seed)'
    step_noise: bool = True

    def draw(
        self, seeds: Sequence[int], latents_shape: tuple[int, int, int]
    ) -> "tuple[torch.Tensor, list[torch.Generator]]":
        """See `draw_noise`."""
        import torch  # only here: a plan needs nothing but the name of the rule

        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        noise = [torch.randn(latents_shape, generator=g, dtype=torch.float32) for g in generators]
        return torch.stack(noise), generators
