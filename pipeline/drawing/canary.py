"""What an actor shows before it may draw: that it sees the run's folder and draws its images."""

import base64
import io
import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from pipeline.batch import Batch
from pipeline.errors import RunError
from pipeline.models.base import Model
from pipeline.runs.layout import CANARY_FILE, TOKEN_FILE
from pipeline.runs.run import Run, utc_now
from pipeline.settings.groups import group_size
from pipeline.storage.codec import encode_image

CANARY_TOLERANCE = {"float32": 1, "float16": 16, "bfloat16": 32}
"""Largest difference of a canary's pixel, of 255, between two actors of a run, by dtype."""


def check_token(run_root: str, token: str) -> None:
    """Make sure that this process sees the driver's folder and not one of the same name.

    Raises:
        RunError: If it does not; the message names the machine.
    """
    path = Path(run_root) / TOKEN_FILE
    if not path.is_file() or path.read_text() != token:
        raise RunError(
            f"{run_root} is not the same folder on {platform.node()} as where the run was "
            f"started; put the run on a disk that all machines share (--out)"
        )


def check_canary(run: Run, model: Model, condition_images: Mapping[str, Image.Image]) -> None:
    """Draw one cell and compare it with the run's, which the first actor writes.

    Raises:
        RunError: If this actor draws another picture than the first one did.
    """
    tile = next(run.tiles())
    prompt_id, seed = tile.cells[0]
    group = group_size(run.config.intervention.name)
    size = run.config.batch_size if run.config.compiled else group
    cells = tile.cells[:group] * (size // group)
    prompts = tuple(run.prompts[prompt] for prompt, _ in cells)
    drawn = model.generate(Batch(prompts, tuple(seed for _, seed in cells), condition_images))
    if not drawn.finite[0]:
        return
    pixels = drawn.images[0]
    value = {
        "prompt_id": prompt_id,
        "seed": seed,
        "pixels": base64.b64encode(encode_image(pixels, "png")).decode(),
        **provenance(run, 0.0),
    }
    if run.store.put_if_absent(CANARY_FILE, json.dumps(value, indent=1).encode()):
        return
    first = json.loads(run.store.read(CANARY_FILE))
    blob = base64.b64decode(first["pixels"])
    theirs = np.asarray(Image.open(io.BytesIO(blob), formats=["PNG"])).astype(int)
    worst = int(abs(theirs - pixels.astype(int)).max())
    if worst > CANARY_TOLERANCE[run.config.dtype]:
        raise RunError(
            f"this machine ({platform.node()}, {_device_name()}) draws the run's canary cell "
            f"{worst} of 255 away from the first actor ({first['host']}, {first['device']}): "
            f"its images would not be the run's"
        )


def _device_name() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()


def provenance(run: Run, seconds: float) -> dict[str, Any]:
    """Where, when and with what a shard was made. Never part of an identity."""
    return {
        "created": utc_now(),
        "host": platform.node(),
        "device": _device_name(),
        "card": run.config.card,
        "revision": run.config.revision,
        "seconds": round(seconds, 3),
        "threads": torch.get_num_threads(),
        "versions": {name: version(name) for name in ("torch", "diffusers", "transformers")},
    }
