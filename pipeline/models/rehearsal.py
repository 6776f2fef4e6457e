"""Rehearses a run's scheduler: it steps random latents, without networks or weights.

A plan so learns what would otherwise be seen when all networks are loaded: numbers of steps and
settings that the scheduler cannot sample with, and schedulers that draw noise of their own instead
of taking the generators of the seeds. Nothing is judged by name.
"""

import inspect
import logging
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import diffusers
import torch

from pipeline import global_streams
from pipeline.cards.json_files import read_object
from pipeline.errors import ConfigError
from pipeline.noise import draw_noise, noise_spec

SHAPE = (3, 8, 8)
"""Shape of the latents: a scheduler treats all numbers alike, except that some expect colours."""

SEEDS = (0, 1)

TOLERANCE = 1e-3
"""Largest difference of the latents of two rehearsals, as a share of their largest value."""

SECONDS = 2.0
"""A rehearsal ends after this time: the integrals of LMS take half a minute for 1,000 steps."""

CONTROL_STEPS = 10
"""Steps with which the checkpoint's own scheduler is rehearsed."""

FEWER_STEPS = (5, 10, 20, 50, 100, 250, 500, 999)
"""Numbers of steps that are tried where the wanted number does not work."""

SWITCHES = {
    "clip_sample_range": "clip_sample",
    "dynamic_thresholding_ratio": "thresholding",
    "flow_shift": "use_flow_sigmas",
    "sample_max_value": "thresholding",
}
"""Settings that the schedulers of diffusers read only if another setting is true."""


@dataclass(frozen=True)
class Schedule:
    """What a rehearsal needs to know of a run.

    Attributes:
        scheduler: Diffusers scheduler class.
        config: Settings that override the checkpoint's own.
        steps: Number of steps.
        eta: DDIM's eta.
        passes_generators: Whether the pipeline passes the generators of the seeds to the scheduler.
        noise: Short name of the noise spec.
    """

    scheduler: str
    config: Mapping[str, Any] = field(default_factory=dict)
    steps: int = CONTROL_STEPS
    eta: float = 0.0
    passes_generators: bool = True
    noise: str = "torch-cpu"


class NotFiniteError(Exception):
    """The latents became infinite or not a number."""


def rehearse(where: str, schedule: Schedule, folder: Path | None) -> None:
    """Refuse a scheduler that cannot sample, or that draws noise of its own.

    Args:
        where: Start of the message.
        schedule: What the run will sample with.
        folder: The folder that holds the pipeline's `scheduler`; None if it is not on this machine.
            Then only noise of its own is refused, because the rest depends on the checkpoint.

    Raises:
        ConfigError: If it cannot be built, its steps fail, it divides by zero, a setting is changed
            that it does not read because another is off, its result depends on a shared random
            stream or on the place in the batch, or it draws step noise and the noise spec has none.
    """
    stored = _stored(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("diffusers").setLevel(logging.ERROR)
        if stored is not None and not _is_stepped_as_usual(stored):
            return
        own = stored or {}
        try:
            _refuse_switched_off(where, schedule, own, known=stored is not None)
            _refuse_epsilon_at_pure_noise(where, schedule, own, known=stored is not None)
            _refuse_own_noise(where, schedule, own)
            _refuse_step_noise(where, schedule, own)
        except ConfigError:
            raise
        except Exception as error:
            if stored is not None:
                raise ConfigError(_words(where, schedule, own, error)) from error


def _stored(folder: Path | None) -> Mapping[str, Any] | None:
    """Read the config of the checkpoint's scheduler, complete with defaults of its class."""
    path = folder / "scheduler" / "scheduler_config.json" if folder else None
    if path is None or not path.is_file():
        return None
    config = read_object(path)
    kind: Any = getattr(diffusers, str(config.get("_class_name")), None)
    made: Mapping[str, Any] | None = kind.from_config(config).config if kind else None
    return made


def _is_stepped_as_usual(stored: Mapping[str, Any]) -> bool:
    """Whether the checkpoint's own scheduler can be stepped by `_walk`.

    Some pipelines call their scheduler in a way of their own; a rehearsal says nothing about them.
    """
    try:
        _walk(Schedule(str(stored["_class_name"])), stored, (0,))
    except Exception:
        return False
    return True


def _make(schedule: Schedule, stored: Mapping[str, Any]) -> Any:  # noqa: ANN401 - diffusers is untyped
    kind: Any = getattr(diffusers, schedule.scheduler)
    return kind.from_config(stored, **schedule.config)


def _walk(
    schedule: Schedule, stored: Mapping[str, Any], places: tuple[int, ...], most: int = 0
) -> tuple[torch.Tensor, int, list[torch.Generator]]:
    """Take the steps from the noise of some seeds.

    Args:
        schedule: How to sample.
        stored: Config of the checkpoint's scheduler.
        places: Indices into `SEEDS`, in the order in which they stand in the batch.
        most: Number of steps to take; 0 for all, or as many as `SECONDS` allow.

    Returns:
        The last latents, the number of steps that were taken, and the generators of the seeds.

    Raises:
        NotFiniteError: If they become infinite or not a number.
        Exception: Whatever the scheduler raises.
    """
    scheduler = _make(schedule, stored)
    scheduler.set_timesteps(schedule.steps, **_shift(scheduler))
    noise, generators = draw_noise([SEEDS[place] for place in places], SHAPE)
    latents = noise * float(getattr(scheduler, "init_noise_sigma", 1.0))
    takes = inspect.signature(scheduler.step).parameters
    offered: dict[str, Any] = {"eta": schedule.eta}
    offered |= {"generator": generators} if schedule.passes_generators else {}
    arguments = {name: value for name, value in offered.items() if name in takes}
    end = time.monotonic() + SECONDS
    for count, t in enumerate(scheduler.timesteps, start=1):
        predicted = _predict(scheduler, latents, t)
        latents = scheduler.step(predicted, t, latents, return_dict=False, **arguments)[0]
        if not bool(torch.isfinite(latents).all()):
            raise NotFiniteError(f"the latents are infinite or NaN after time step {float(t):g}")
        if count == most or (not most and time.monotonic() > end):
            break
    return latents, count, generators


def _shift(scheduler: Any) -> dict[str, float]:  # noqa: ANN401
    """Give the shift that pipelines compute from the size of the image, if the scheduler asks."""
    asks = "mu" in inspect.signature(scheduler.set_timesteps).parameters
    return {"mu": 1.0} if asks and scheduler.config.get("use_dynamic_shifting") else {}


def _predict(scheduler: Any, latents: torch.Tensor, t: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
    """Stand in for a network: the same function of each number, at most 1 in size."""
    scaled = (
        scheduler.scale_model_input(latents, t)
        if hasattr(scheduler, "scale_model_input")
        else latents
    )
    predicted = scaled.clamp(-1, 1)
    learned = str(scheduler.config.get("variance_type")).startswith("learned")
    return torch.cat([predicted, predicted], dim=1) if learned else predicted


def _refuse_switched_off(
    where: str, schedule: Schedule, stored: Mapping[str, Any], *, known: bool
) -> None:
    """Refuse a change of a setting that nothing reads, because its switch is off."""
    config = _make(schedule, stored).config
    before = _make(replace(schedule, config={}), stored).config
    for key, switch in SWITCHES.items():
        on = config.get(switch, True) or not (known or switch in schedule.config)
        if key in schedule.config and config[key] != before[key] and not on:
            raise ConfigError(
                f"{where}scheduler_config has {key!r}, which {schedule.scheduler} reads only if "
                f"{switch} is true: the images would be those without it. Add `{switch}: true`, "
                f"or remove {key}"
            )


def _refuse_epsilon_at_pure_noise(
    where: str, schedule: Schedule, stored: Mapping[str, Any], *, known: bool
) -> None:
    """Refuse a schedule that ends in pure noise for a network that predicts the noise."""
    if not known and "prediction_type" not in schedule.config:
        return  # what the checkpoint predicts is not known
    config = _make(schedule, stored).config
    if config.get("rescale_betas_zero_snr") and config.get("prediction_type") == "epsilon":
        raise ConfigError(
            f"{where}rescale_betas_zero_snr is set, and the model predicts the noise (epsilon): "
            f"at the last time step there is nothing but noise, so the predicted noise says "
            f"nothing about the image, and the sampler divides by zero. Remove "
            f"rescale_betas_zero_snr, or take a model that was trained with it and predicts "
            f"v_prediction"
        )


def _refuse_own_noise(where: str, schedule: Schedule, stored: Mapping[str, Any]) -> None:
    """Refuse a scheduler whose result depends on more than latents and generators."""
    before = global_streams.positions()
    first, count, _ = _walk(schedule, stored, (0, 1))
    used = global_streams.used_since(before)
    global_streams.disturb()
    if _same(first, _walk(schedule, stored, (1, 0), count)[0].flip(0)):
        return
    global_streams.disturb()
    cause = (
        "an image would depend on its place in the batch"
        if _same(first, _walk(schedule, stored, (0, 1), count)[0])
        else f"it draws from {' and '.join(f'the shared stream of {name}' for name in used)}"
        if used
        else "it draws from a random stream of its own"
    )
    if not schedule.passes_generators:
        cause = f"its pipeline passes none to it, and {cause}"
    raise ConfigError(
        f"{where}{schedule.scheduler} draws noise without the generators of the seeds: {cause}, "
        f"so a seed would not determine its image. Use a scheduler whose noise comes from the "
        f"generators, for example EulerAncestralDiscreteScheduler, or "
        f"DPMSolverMultistepScheduler with `scheduler_config: {{algorithm_type: sde-dpmsolver++}}`"
    )


def _refuse_step_noise(where: str, schedule: Schedule, stored: Mapping[str, Any]) -> None:
    """Refuse a scheduler that draws step noise, if the noise spec gives starting noise only."""
    if noise_spec(schedule.noise).step_noise:
        return
    _, _, used = _walk(schedule, stored, (0, 1))
    _, unused = draw_noise(SEEDS, SHAPE)
    pairs = zip(used, unused, strict=True)
    if all(torch.equal(left.get_state(), right.get_state()) for left, right in pairs):
        return
    raise ConfigError(
        f"{where}{schedule.scheduler} draws noise at its steps, and the noise spec "
        f"{schedule.noise} gives starting noise only: on this machine the step noise would be "
        f"another than on a GPU. Use `noise: torch-cpu`, or a scheduler without step noise, for "
        f"example EulerDiscreteScheduler, or DDIMScheduler with eta 0"
    )


def _same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return float((a - b).abs().max()) <= TOLERANCE * max(1.0, float(a.abs().max()))


def _words(where: str, schedule: Schedule, stored: Mapping[str, Any], error: Exception) -> str:
    """Say what fails, with a number of steps that works if the number is the cause."""
    text = _beyond_training(schedule, stored) or " ".join(str(error).split())
    if not isinstance(error, (NotFiniteError, ImportError)) and not text.startswith("it asks"):
        text = f"{type(error).__name__}: {text}".rstrip(": ")
    settings = {"num_inference_steps": schedule.steps, **schedule.config}
    listed = ", ".join(f"{name}: {value}" for name, value in settings.items())
    advice = _advice(schedule, stored)
    return f"{where}{schedule.scheduler} cannot sample with {listed}: {text}{advice}"


def _beyond_training(schedule: Schedule, stored: Mapping[str, Any]) -> str:
    """Say which time step the network was not trained on; empty if there is none."""
    try:
        scheduler = _make(schedule, stored)
        scheduler.set_timesteps(schedule.steps, **_shift(scheduler))
        largest, count = float(max(scheduler.timesteps)), scheduler.config["num_train_timesteps"]
    except Exception:
        return ""
    if largest < count:
        return ""
    return f"it asks for time step {largest:g}, and the model knows 0 to {count - 1}"


def _advice(schedule: Schedule, stored: Mapping[str, Any]) -> str:
    """Name the nearest number of steps that works; empty if the number is not the cause."""
    others = {schedule.steps - 1, *FEWER_STEPS} - {0, schedule.steps}
    for steps in sorted(others, key=lambda number: abs(number - schedule.steps)):
        try:
            _walk(replace(schedule, steps=steps), stored, (0, 1))
        except Exception:
            continue
        return f"; {steps} steps work"
    return ""
