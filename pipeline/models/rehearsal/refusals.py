"""Refuses a scheduler that cannot sample, or whose noise no seed determines."""

import logging
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import torch

from pipeline import global_streams
from pipeline.cards.json_files import read_object
from pipeline.errors import ConfigError
from pipeline.models.rehearsal.steps import SEEDS, SHAPE, Schedule, make, walk
from pipeline.models.rehearsal.words import words
from pipeline.noise import draw_noise, noise_spec

TOLERANCE = 1e-3
"""Largest difference of the latents of two rehearsals, as a share of their largest value."""

COMPARED_STEPS = 20
"""Steps after which two rehearsals are compared."""

OTHER_SCHEDULERS = (
    "Use a scheduler whose noise comes from the generators, for example "
    "EulerAncestralDiscreteScheduler, or DPMSolverMultistepScheduler with "
    "`scheduler_config: {algorithm_type: sde-dpmsolver++}`"
)

SWITCHES = {
    "clip_sample_range": "clip_sample",
    "dynamic_thresholding_ratio": "thresholding",
    "flow_shift": "use_flow_sigmas",
    "sample_max_value": "thresholding",
}
"""Settings that the schedulers of diffusers read only if another setting is true."""


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
    _refuse_torchsde(where, schedule.scheduler)
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
            walk(schedule, own, (0, 1))
            _refuse_own_noise(where, schedule, own)
            _refuse_step_noise(where, schedule, own)
        except ConfigError:
            raise
        except Exception as error:
            if stored is not None:
                raise ConfigError(words(where, schedule, own, error)) from error


def _refuse_torchsde(where: str, scheduler: str) -> None:
    """Refuse a scheduler that needs torchsde, if that is not installed.

    Diffusers then has a stand-in for the class, which asks to install it. Installed, it would be
    refused for the noise that it draws with it.
    """
    if "torchsde" in getattr(getattr(diffusers, scheduler, None), "_backends", ()):
        raise ConfigError(
            f"{where}{scheduler} draws noise with the library torchsde, without the generators of "
            f"the seeds, so a seed would not determine its image (installing torchsde would not "
            f"change this). {OTHER_SCHEDULERS}"
        )


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
    """Whether the checkpoint's own scheduler can be stepped by `walk`.

    Some pipelines call their scheduler in a way of their own; a rehearsal says nothing about them.
    """
    try:
        walk(Schedule(str(stored["_class_name"])), stored, (0,))
    except Exception:
        return False
    return True


def _refuse_switched_off(
    where: str, schedule: Schedule, stored: Mapping[str, Any], *, known: bool
) -> None:
    """Refuse a change of a setting that nothing reads, because its switch is off."""
    config = make(schedule, stored).config
    before = make(replace(schedule, config={}), stored).config
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
    config = make(schedule, stored).config
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
    first, _ = walk(schedule, stored, (0, 1), COMPARED_STEPS)
    used = global_streams.used_since(before)
    global_streams.disturb()
    if _same(first, walk(schedule, stored, (1, 0), COMPARED_STEPS)[0].flip(0)):
        return
    global_streams.disturb()
    cause = (
        "an image would depend on its place in the batch"
        if _same(first, walk(schedule, stored, (0, 1), COMPARED_STEPS)[0])
        else f"it draws from {' and '.join(f'the shared stream of {name}' for name in used)}"
        if used
        else "it draws from a random stream of its own"
    )
    if not schedule.passes_generators:
        cause = f"its pipeline passes none to it, and {cause}"
    raise ConfigError(
        f"{where}{schedule.scheduler} draws noise without the generators of the seeds: {cause}, "
        f"so a seed would not determine its image. {OTHER_SCHEDULERS}"
    )


def _refuse_step_noise(where: str, schedule: Schedule, stored: Mapping[str, Any]) -> None:
    """Refuse a scheduler that draws step noise, if the noise spec gives starting noise only."""
    if noise_spec(schedule.noise).step_noise:
        return
    _, used = walk(schedule, stored, (0, 1), COMPARED_STEPS)
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
