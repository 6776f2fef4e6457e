"""Checks of an actor before it may draw: it sees the run's folder and draws the run's images."""

import base64
import io
import platform
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from pipeline.drawing.repeatable import TOLERANCE, draw_repeatably
from pipeline.errors import RunError
from pipeline.models.base import Model
from pipeline.runs.layout import CANARY_FILE, TOKEN_FILE
from pipeline.runs.run import Run, utc_now
from pipeline.storage.codec import UNDECODABLE, encode_image
from pipeline.storage.open_store import store_at
from pipeline.storage.sealed import seal, unseal


def check_token(run_root: str, token: str) -> None:
    """Check that this process sees the driver's folder, not another folder with the same path.

    Raises:
        RunError: If it sees another folder; the message names the machine.
    """
    with suppress(FileNotFoundError):
        if store_at(run_root).read(TOKEN_FILE) == token.encode():
            return
    raise RunError(
        f"{run_root} on {platform.node()} is not the folder in which the run was started; put the "
        f"run on a disk that all machines share, or in an object store (--out)"
    )


def check_canary(run: Run, model: Model, condition_images: Mapping[str, Image.Image]) -> None:
    """Draw one cell and compare it with the run's canary, which the first actor writes.

    Raises:
        ModelError: If the image depends on more than its prompt and its seed, or is not finite.
        RunError: If this actor draws another image than the first actor did.
    """
    prompt_id, seed = next(run.tiles()).cells[0]
    drawn = draw_repeatably(run, model, condition_images)
    if not drawn.finite[0]:
        return
    pixels = drawn.images[0]
    value = {
        "prompt_id": prompt_id,
        "seed": seed,
        "pixels": base64.b64encode(encode_image(pixels, "png")).decode(),
        **provenance(run, 0.0),
    }
    if run.store.put_if_absent(CANARY_FILE, seal(value)):
        return
    canary, expected = read_canary(run, pixels.shape)
    difference = int(abs(expected - pixels.astype(int)).max())
    if difference > TOLERANCE[run.config.dtype]:
        raise RunError(
            f"this machine ({platform.node()}, {_device_name()}) draws the run's canary cell with "
            f"a pixel {difference} of 255 away from that of the first actor "
            f"({canary.get('host')}, {canary.get('device')}): its images would not be comparable; "
            f"leave the machine out, or start a new run on it"
        )


def read_canary(run: Run, shape: tuple[int, ...]) -> tuple[Mapping[str, Any], npt.NDArray[np.int_]]:
    """Read the canary of a run.

    Args:
        run: The run.
        shape: Of the run's images, (H, W, 3).

    Returns:
        Its fields, and its image with values 0..255 in that shape.

    Raises:
        RunError: If it is damaged; says what to do.
    """
    try:
        canary = unseal(run.store.read(CANARY_FILE))
        blob = base64.b64decode(canary["pixels"])
        with Image.open(io.BytesIO(blob), formats=["PNG"]) as image:
            if (image.height, image.width, len(image.getbands())) != shape:
                raise ValueError(f"its image has {image.width} x {image.height} pixels")
            return canary, np.asarray(image).astype(int)
    except (*UNDECODABLE, RecursionError) as error:
        raise RunError(
            f"{run.store.where(CANARY_FILE)} is damaged: {error}; bring back a copy of it, or "
            f"remove it, and the next worker that starts draws it again"
        ) from error


def _device_name() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()


def provenance(run: Run, seconds: float) -> dict[str, Any]:
    """Where, when and with what a shard was made; never part of an identity."""
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
