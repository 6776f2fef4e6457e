"""Says why a scheduler cannot sample, and which number of steps works."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipeline.models.rehearsal.steps import NotFiniteError, Schedule, make, shift, walk

FEWER_STEPS = (5, 10, 20, 50, 100, 250, 500, 999)
"""Numbers of steps that are tried where the wanted number does not work."""


def words(where: str, schedule: Schedule, stored: Mapping[str, Any], error: Exception) -> str:
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
        scheduler = make(schedule, stored)
        scheduler.set_timesteps(schedule.steps, **shift(scheduler))
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
            walk(replace(schedule, steps=steps), stored, (0, 1))
        except Exception:
            continue
        return f"; {steps} steps work"
    return ""
