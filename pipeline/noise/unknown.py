"""The rule of images that were drawn elsewhere: nobody here knows how seeds became noise."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    import torch


class Unknown:
    """Stands in the run configuration of imported images; it draws nothing."""

    name: str = "unknown"
    user_code: str = "# imported images: give the seed to the program that drew them"
    step_noise: bool = False

    def draw(
        self, seeds: Sequence[int], latents_shape: tuple[int, int, int]
    ) -> "tuple[torch.Tensor, list[torch.Generator]]":
        """See `draw_noise`.

        Raises:
            ConfigError: Always.
        """
        return self._refuse(len(seeds), latents_shape)

    def _refuse(self, count: int, shape: tuple[int, int, int]) -> NoReturn:
        raise ConfigError(
            f"the noise of {count} seeds, {shape}, is unknown: the images were imported, and the "
            f"program that drew them decides how a seed becomes noise; what needs the noise itself "
            f"needs a run that goldenseed draws"
        )
