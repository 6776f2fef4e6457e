"""What an intervention is: hooks around sampling, each neutral by default."""

import inspect
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.errors import ModelError, RegistryError, nearest
from pipeline.settings.choices import SEED_LIMIT

if TYPE_CHECKING:
    import torch  # a plan asks for the size of a group alone, and does without

    from pipeline.batch import Batch
    from pipeline.cards.card import Card
    from pipeline.settings.config import RunConfig


RENAMED_HOOKS: Mapping[str, str] = MappingProxyType(
    {"latents": "starting_noise", "generators": "step_generators"}
)
"""Earlier name of a hook -> its name."""


class Intervention:
    """A change of sampling; this class itself changes nothing.

    A plan makes one, so that a wrong parameter is seen before anything is loaded: its module
    imports no heavy library, its constructor checks parameters and reads no weights.

    Args:
        parameters: The recipe's `intervention.parameters`.

    Raises:
        ValueError: If a parameter is none of `known` (names the nearest), or one of `required` is
            missing.

    Attributes:
        known: Names of its parameters.
        required: Those without a default.
        neutral: Parameters that give the baseline, or None if there are none.
        neutral_tolerance: Largest difference of a neutral pixel from the baseline's, of 255.
        group_size: Images that must be drawn together: one prompt with so many seeds in a row,
            the first of them a multiple of this number (see `pipeline/settings/groups.py`).
    """

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
        """Look at the run's settings once per actor, before `prepare`.

        The pipe has the run's scheduler. What an intervention cannot work with is refused here,
        before the first image; what it needs of the settings it keeps.

        Raises:
            ModelError: If it cannot work with them.
        """

    def prepare(self, pipe: Any, card: "Card") -> Any:  # noqa: ANN401 - pipes have no common type
        """Change the loaded pipe, once per actor, before it is compiled."""
        return pipe

    def noise_seeds(self, batch: "Batch") -> Sequence[int]:
        """The random stream of each image, by default its seed.

        A hook of its own, rather than a use of `starting_noise`, because the starting noise and the
        step noise of an image come from one generator: both must follow.
        """
        return batch.seeds

    def stage_generators(
        self, stage: int, generators: "list[torch.Generator]", batch: "Batch"
    ) -> "list[torch.Generator]":
        """Choose the streams of one stage of a cascade; other models have none and never ask.

        Args:
            stage: Which, from 0.
            generators: One per image, moved past the noise of the stages before.
            batch: The cells.

        Returns:
            As many; the stage draws all its noise from them.
        """
        return generators

    def step_generators(
        self, generators: "list[torch.Generator]", batch: "Batch"
    ) -> "list[torch.Generator]":
        """Choose the streams of the step noise.

        Args:
            generators: One per image, already moved past its starting noise.
            batch: The cells.

        Returns:
            As many; the sampler draws each step's noise from this very list.
        """
        return generators

    def starting_noise(self, noise: "torch.Tensor", batch: "Batch") -> "torch.Tensor":
        """Change the starting noise.

        Args:
            noise: (B, C, h, w) float32 on the CPU, not to be modified in place.
            batch: The cells.

        Returns:
            The same shape, dtype and device.
        """
        return noise

    def call_kwargs(self, batch: "Batch") -> Mapping[str, Any]:
        """More arguments for the pipeline's call."""
        return {}

    def pixels(self, pixels: "torch.Tensor", batch: "Batch") -> "torch.Tensor":
        """Change the decoded pictures.

        Args:
            pixels: (B, 3, H, W) floats, about [-1, 1], finite, not yet clamped.
            batch: The cells.

        Returns:
            The same shape, dtype and device.
        """
        return pixels

    def restore(self, pipe: Any) -> None:  # noqa: ANN401 - pipes have no common type
        """Undo `prepare`: afterwards the pipe gives the baseline bit for bit."""


def refuse_video(who: str, card: "Card", why: str) -> None:
    """Refuse a card whose picture is a strip of frames.

    Args:
        who: The intervention.
        card: The card.
        why: What goes wrong there, after "and".

    Raises:
        ModelError: If the card has more than one frame.
    """
    if card.frames > 1:
        raise ModelError(
            f"card {card.name} draws videos of {card.frames} frames, and {why}: {who} works with "
            f"single pictures; take a card without `frames`"
        )


def require_argument(who: str, pipe: Any, card: "Card", argument: str) -> None:  # noqa: ANN401
    """Refuse a pipe whose call does not take what `call_kwargs` gives.

    Args:
        who: The intervention.
        pipe: The pipe.
        card: Its card.
        argument: The argument's name.

    Raises:
        ModelError: If the call has no argument of that name.
    """
    kind = type(pipe)
    if argument not in inspect.signature(kind.__call__).parameters:
        raise ModelError(
            f"card {card.name}: {kind.__name__} takes no {argument}, through which {who} works; "
            f"take a card whose pipeline does, as StableDiffusionPipeline"
        )


def number(name: str, value: object, *, low: float, high: float = math.inf) -> float:
    """A parameter that is a number from `low` to `high`, both included; infinity never is.

    Raises:
        ValueError: If it is none; the message names it and the range.

    Example:
        >>> number("scale", 1, low=0)
        1.0
        >>> number("scale", "1", low=0, high=2)
        Traceback (most recent call last):
        ...
        ValueError: scale is '1'; wanted a number from 0 to 2
    """
    right = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not right or not low <= value < math.inf or value > high:  # type: ignore[operator]
        upto = "on" if high == math.inf else f"to {high:g}"
        raise ValueError(f"{name} is {value!r}; wanted a number from {low:g} {upto}")
    return float(value)  # type: ignore[arg-type]


def whole(name: str, value: object, *, low: int) -> int:
    """A parameter that is a whole number, at least `low`.

    Raises:
        ValueError: If it is none.

    Example:
        >>> whole("step", 1.5, low=0)
        Traceback (most recent call last):
        ...
        ValueError: step is 1.5; wanted a whole number, at least 0
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise ValueError(f"{name} is {value!r}; wanted a whole number, at least {low}")
    return value


def other_seed(value: object) -> int | None:
    """A parameter that names a seed, or None for each image's own.

    Raises:
        ValueError: If it is neither.

    Example:
        >>> other_seed(7), other_seed(None)
        (7, None)
    """
    if value is None:
        return None
    seed = whole("seed", value, low=0)
    if seed >= SEED_LIMIT:
        raise ValueError(f"seed {seed} is outside [0, 2**32)")
    return seed
