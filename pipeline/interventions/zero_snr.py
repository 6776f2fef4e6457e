"""Zero terminal SNR: the schedule ends in pure noise, as sampling begins.

Stable Diffusion's schedule leaves sqrt(alpha_bar) = 0.068 of the picture at its last step, so
training never saw pure noise, and brightness leaks in: drawn from pure noise, pictures come
out medium grey. Rescaled, the last alpha_bar is exactly 0. That needs a network *trained* so
and predicting v: from noise alone, epsilon says nothing about the picture, and the sampler
would divide by 0.

Lin, Liu, Li & Yang 2024, "Common Diffusion Noise Schedules and Sample Steps are Flawed",
arXiv:2305.08891, through diffusers' own flags. Run with the weights that `python -m
seedling.train.zero_snr` trains; with published ones never.
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
"""The paper's and diffusers' documented share of the rescaled guidance."""


class ZeroSnr(Intervention):
    """Rescaled betas, trailing time steps and rescaled guidance.

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
        """Refuse what cannot start from pure noise.

        Raises:
            ModelError: For a network that does not predict v, a recipe that says so of one
                whose card does not, a pipeline without rescaled guidance, or a scheduler that
                does not reach exactly 0.
        """
        predicts = pipe.scheduler.config.get("prediction_type", "epsilon")
        if predicts != "v_prediction":
            raise ModelError(
                f"card {card.name} predicts {predicts}; zero_snr needs v_prediction: at the last "
                f"step there is only noise, so predicting it says nothing about the picture, and "
                f"the sampler would divide by sqrt(alpha_bar) = 0"
            )
        if (said := config.scheduler_config.get("prediction_type")) != card.scheduler_config.get(
            "prediction_type"
        ):
            raise ModelError(
                f"the recipe says prediction_type {said} and card {card.name} does not: what a "
                f"network predicts is a property of its weights, so it belongs into the card"
            )
        require_argument("zero_snr", pipe, card, "guidance_rescale")
        end = float(_rescaled(pipe.scheduler).alphas_cumprod[-1])
        if end != 0:
            raise ModelError(
                f"{type(pipe.scheduler).__name__} ends at alpha_bar {end:.3g}, wanted exactly 0; "
                f"take DDIMScheduler or DDPMScheduler"
            )

    def prepare(self, pipe: Any, card: "Card") -> Any:  # noqa: ANN401 - pipes have no common type
        """Put the rescaled schedule on the pipe."""
        self._before = pipe.scheduler
        pipe.scheduler = _rescaled(pipe.scheduler)
        return pipe

    def call_kwargs(self, batch: "Batch") -> Mapping[str, Any]:
        """The share of rescaled guidance."""
        return {"guidance_rescale": self.guidance_rescale}

    def restore(self, pipe: Any) -> None:  # noqa: ANN401 - pipes have no common type
        """Put the old schedule back."""
        pipe.scheduler = self._before


def _rescaled(scheduler: Any) -> Any:  # noqa: ANN401 - diffusers is untyped
    """The same scheduler with rescaled betas and trailing time steps.

    "Leading" steps begin below the last one and would never see it.
    """
    # Not its config: that keeps settings of the scheduler that it was made from.
    if "rescale_betas_zero_snr" not in inspect.signature(type(scheduler).__init__).parameters:
        raise ModelError(
            f"{type(scheduler).__name__} cannot rescale its betas to zero SNR; take "
            f"DDIMScheduler or DDPMScheduler"
        )
    return type(scheduler).from_config(
        scheduler.config, rescale_betas_zero_snr=True, timestep_spacing="trailing"
    )
