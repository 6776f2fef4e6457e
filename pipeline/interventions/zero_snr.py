"""Zero terminal SNR: the noise schedule ends in pure noise, which is where sampling starts.

Stable Diffusion's schedule keeps sqrt(alpha_bar) = 0.068 of the image at its last step, so the
network never saw pure noise in training and reads the brightness from what is left. Sampled from
pure noise, images come out medium grey. The rescaled schedule ends at an alpha_bar of exactly 0.
It needs a network that was *trained* with it and predicts v: at pure noise, epsilon says nothing
about the image, and the sampler would divide by 0.

Lin, Liu, Li & Yang 2024, "Common Diffusion Noise Schedules and Sample Steps are Flawed",
arXiv:2305.08891, through diffusers' own flags. Tested with the weights that `python -m
seedling.train.zero_snr` trains, not with published weights.
"""

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention, number, require_argument

if TYPE_CHECKING:
    from pipeline.batch import Batch
    from pipeline.cards.card import Card
    from pipeline.settings.config import RunConfig

GUIDANCE_RESCALE = 0.7
"""Share of the rescaled guidance in the paper and in the documentation of diffusers."""


class ZeroSnr(Intervention):
    """Samples with rescaled betas, trailing time steps and rescaled guidance.

    Args:
        parameters: `guidance_rescale`, in [0, 1], by default 0.7.

    Raises:
        ValueError: If a parameter is unknown or out of range.
    """

    known: ClassVar[tuple[str, ...]] = ("guidance_rescale",)

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__(parameters)
        share = parameters.get("guidance_rescale", GUIDANCE_RESCALE)
        self.guidance_rescale = number("guidance_rescale", share, low=0, high=1)
        self._before: Any = None

    def check(self, pipe: Any, card: "Card", config: "RunConfig") -> None:  # noqa: ANN401
        """Refuse a run that cannot start from pure noise.

        Raises:
            ModelError: If the network does not predict v, if the recipe claims so and the card does
                not, if the pipeline has no rescaled guidance, or if the scheduler does not reach
                exactly 0.
        """
        predicts = pipe.scheduler.config.get("prediction_type", "epsilon")
        if predicts != "v_prediction":
            raise ModelError(
                f"card {card.name} predicts {predicts}; zero_snr needs v_prediction: sampling "
                f"starts from noise alone, so predicting the noise says nothing about the image, "
                f"and the sampler would divide by sqrt(alpha_bar) = 0"
            )
        prediction = config.scheduler_config.get("prediction_type")
        if prediction != card.scheduler_config.get("prediction_type"):
            raise ModelError(
                f"the recipe says prediction_type {prediction} and card {card.name} does not: what "
                f"a network predicts is a property of its weights, so it belongs in the card"
            )
        require_argument("zero_snr", pipe, card, "guidance_rescale")
        end = float(_rescaled(pipe.scheduler).alphas_cumprod[-1])
        if end != 0:
            raise ModelError(
                f"{type(pipe.scheduler).__name__} ends at alpha_bar {end:.3g}, wanted exactly 0; "
                f"take DDIMScheduler or DDPMScheduler"
            )

    def prepare(self, pipe: Any, card: "Card") -> Any:  # noqa: ANN401 - pipes have no common type
        """Replace the pipe's schedule with the rescaled one."""
        self._before = pipe.scheduler
        pipe.scheduler = _rescaled(pipe.scheduler)
        return pipe

    def call_kwargs(self, batch: "Batch") -> Mapping[str, Any]:
        """Pass the share of the rescaled guidance."""
        return {"guidance_rescale": self.guidance_rescale}

    def restore(self, pipe: Any) -> None:  # noqa: ANN401 - pipes have no common type
        """Restore the old schedule."""
        pipe.scheduler = self._before


def _rescaled(scheduler: Any) -> Any:  # noqa: ANN401 - diffusers is untyped
    """Give the same scheduler with rescaled betas and trailing time steps.

    "Leading" time steps start below the last one and would never use it.
    """
    # The signature and not the config, which keeps settings of the scheduler it was made from.
    if "rescale_betas_zero_snr" not in inspect.signature(type(scheduler).__init__).parameters:
        raise ModelError(
            f"{type(scheduler).__name__} cannot rescale its betas to zero SNR; take "
            f"DDIMScheduler or DDPMScheduler"
        )
    return type(scheduler).from_config(
        scheduler.config, rescale_betas_zero_snr=True, timestep_spacing="trailing"
    )
