"""Defines what an intervention is: hooks around sampling, each of which does nothing by default."""

import inspect
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.errors import ModelError, RegistryError, nearest
from pipeline.settings.choices import SEED_LIMIT

if TYPE_CHECKING:
    import torch  # not needed by a plan, which only asks for the size of a group

    from pipeline.batch import Batch
    from pipeline.cards.card import Card
    from pipeline.settings.config import RunConfig


RENAMED_HOOKS: Mapping[str, str] = MappingProxyType(
    {"latents": "starting_noise", "generators": "step_generators"}
)
"""Earlier name of a hook -> its name."""


class Intervention:
    """A change of sampling; this class itself changes nothing.

    `goldenseed plan` makes an instance, so that a wrong parameter is seen before anything loads.
    The module of an intervention therefore imports no heavy library, and its constructor checks the
    parameters and reads no weights.

    Args:
        parameters: The recipe's `intervention.parameters`.

    Raises:
        ValueError: If a parameter is not in `known` (the message names the nearest), or if one of
            `required` is missing.

    Attributes:
        code_version: Raised when the same parameters draw other images than before. It is part of a
            run's identity, so that images of two versions never share a run.
        known: Names of the parameters.
        required: Names of the parameters without a default.
        neutral: Parameters that give the baseline, or None if there are none.
        neutral_tolerance: Largest difference of a neutral pixel from the baseline's, of 255.
        group_size: Images that must be drawn together: one prompt with this many consecutive seeds,
            the first of which is a multiple of this number (see `pipeline/settings/groups.py`).
    """

    code_version: ClassVar[int] = 1
    known: ClassVar[tuple[str, ...]] = ()
    required: ClassVar[tuple[str, ...]] = ()
    neutral: ClassVar[Mapping[str, Any] | None] = None
    neutral_tolerance: ClassVar[int] = 0
    group_size: ClassVar[int] = 1

    def __init_subclass__(cls) -> None:
        """Refuse a class that still defines a hook under an earlier name.

        Raises:
            RegistryError: If there is one; nothing would ever call it.
        """
        super().__init_subclass__()
        for old, new in RENAMED_HOOKS.items():
            if callable(getattr(cls, old, None)):
                raise RegistryError(
                    f"intervention {cls.__module__}:{cls.__qualname__} defines the hook `{old}`, "
                    f"which is called `{new}` now: rename the method"
                )

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        unknown = sorted(set(parameters) - set(self.known))
        if unknown:
            raise ValueError(
                f"unknown parameters: {', '.join(unknown)}; {nearest(unknown[0], self.known)}"
                f"known: {', '.join(self.known) or 'none'}"
            )
        missing = [name for name in self.required if name not in parameters]
        if missing:
            raise ValueError(f"parameters missing: {', '.join(missing)}")

    def changes(self, hook: str) -> bool:
        """Whether this intervention has its own version of a hook.

        Models ask, so that they can refuse a hook that they would not call, and skip one that
        does nothing.

        Args:
            hook: Name of a hook, for example "pixels".

        Example:
            >>> from pipeline.interventions.seed_plant import SeedPlant
            >>> SeedPlant({}).changes("pixels"), SeedPlant({}).changes("starting_noise")
            (True, False)
        """
        return getattr(type(self), hook) is not getattr(Intervention, hook)

    def check(self, pipe: Any, card: "Card", config: "RunConfig") -> None:  # noqa: ANN401
        """Check the run's settings, once per actor and before `prepare`.

        The pipe already has the run's scheduler. An intervention refuses here, before the first
        image, what it cannot work with, and keeps the settings that it needs.

        Raises:
            ModelError: If the intervention cannot work with the pipe, the card or the settings.
        """

    def prepare(self, pipe: Any, card: "Card") -> Any:  # noqa: ANN401 - pipes have no common type
        """Change the loaded pipe, once per actor, before it is compiled."""
        return pipe

    def noise_seeds(self, batch: "Batch") -> Sequence[int]:
        """Choose the seed that each image's noise is drawn from; by default the image's own.

        This is a separate hook, because the starting noise and the step noise of an image come from
        one generator, and `starting_noise` changes the former alone.
        """
        return batch.seeds

    def stage_generators(
        self, stage: int, generators: "list[torch.Generator]", batch: "Batch"
    ) -> "list[torch.Generator]":
        """Choose the generators of one stage of a cascade; other models never call this hook.

        Args:
            stage: Index of the stage, from 0.
            generators: One per image, advanced past the noise of the earlier stages.
            batch: The cells.

        Returns:
            One generator per image; the stage draws all its noise from them.
        """
        return generators

    def step_generators(
        self, generators: "list[torch.Generator]", batch: "Batch"
    ) -> "list[torch.Generator]":
        """Choose the generators of the step noise.

        Args:
            generators: One per image, already advanced past its starting noise.
            batch: The cells.

        Returns:
            One generator per image. The sampler keeps this list object and draws the noise of every
            step from it.
        """
        return generators

    def starting_noise(self, noise: "torch.Tensor", batch: "Batch") -> "torch.Tensor":
        """Change the starting noise.

        Args:
            noise: (B, C, h, w) float32 on the CPU; must not be modified in place.
            batch: The cells.

        Returns:
            The same shape, dtype and device.
        """
        return noise

    def call_kwargs(self, batch: "Batch") -> Mapping[str, Any]:
        """Give further arguments for the call of the pipeline."""
        return {}

    def pixels(self, pixels: "torch.Tensor", batch: "Batch") -> "torch.Tensor":
        """Change the decoded images.

        Args:
            pixels: (B, 3, H, W) floats, about [-1, 1], finite, not yet clamped.
            batch: The cells.

        Returns:
            The same shape, dtype and device.
        """
        return pixels

    def restore(self, pipe: Any) -> None:  # noqa: ANN401 - pipes have no common type
        """Undo `prepare`: afterwards the pipe draws the baseline bit for bit."""


def refuse_video(who: str, card: "Card", why: str) -> None:
    """Refuse a card whose images are strips of frames.

    Args:
        who: Name of the intervention.
        card: The card.
        why: What would go wrong; the message puts it after "and".

    Raises:
        ModelError: If the card has more than one frame.
    """
    if card.frames > 1:
        raise ModelError(
            f"card {card.name} draws videos of {card.frames} frames, and {why}: {who} works with "
            f"single images; take a card without `frames`"
        )


def require_argument(who: str, pipe: Any, card: "Card", argument: str) -> None:  # noqa: ANN401
    """Refuse a pipe whose call does not take an argument that `call_kwargs` gives.

    Args:
        who: Name of the intervention.
        pipe: The pipe.
        card: Its card.
        argument: Name of the argument.

    Raises:
        ModelError: If the call has no argument of that name.
    """
    kind = type(pipe)
    if argument not in inspect.signature(kind.__call__).parameters:
        raise ModelError(
            f"card {card.name}: {kind.__name__} takes no {argument}, and {who} needs it; take a "
            f"card whose pipeline takes it, for example StableDiffusionPipeline"
        )


def number(name: str, value: object, *, low: float, high: float = math.inf) -> float:
    """Check that a parameter is a finite number from `low` to `high`, both included.

    Raises:
        ValueError: If it is not; the message names the parameter and the range.

    Example:
        >>> number("scale", 1, low=0)
        1.0
        >>> number("scale", "1", low=0, high=2)
        Traceback (most recent call last):
        ...
        ValueError: scale is '1'; wanted a number from 0 to 2
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not low <= value < math.inf or value > high:  # type: ignore[operator]
        wanted = f"at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
        raise ValueError(f"{name} is {value!r}; wanted a number {wanted}")
    return float(value)  # type: ignore[arg-type]


def whole_number(name: str, value: object, *, low: int) -> int:
    """Check that a parameter is a whole number, at least `low`.

    Raises:
        ValueError: If it is not.

    Example:
        >>> whole_number("step", 1.5, low=0)
        Traceback (most recent call last):
        ...
        ValueError: step is 1.5; wanted a whole number, at least 0
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise ValueError(f"{name} is {value!r}; wanted a whole number, at least {low}")
    return value


def other_seed(value: object) -> int | None:
    """Check a parameter that is a seed, or None for each image's own seed.

    Raises:
        ValueError: If it is neither.

    Example:
        >>> other_seed(7), other_seed(None)
        (7, None)
    """
    if value is None:
        return None
    seed = whole_number("seed", value, low=0)
    if seed >= SEED_LIMIT:
        raise ValueError(f"seed {seed} is outside [0, 2**32)")
    return seed
