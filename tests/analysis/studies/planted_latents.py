"""Latents that keep a known part of the starting noise."""

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.spectra import octave_bands
from pipeline.drawing.latents import commit_latents
from pipeline.noise import draw_noise
from pipeline.runs.run import Run
from tests.analysis.studies.planted_run import commit_pictures

LOW = 0.8
"""Amplitude of the noise that is kept in the two lowest bands; 0 in the others."""


def low_pass(noise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Keep the two lowest bands of a field."""
    bands = octave_bands(*noise.shape[-2:])
    keep = (bands.members[0] | bands.members[1]).reshape(noise.shape[-2:])
    filtered = np.fft.ifft2(np.where(keep, np.fft.fft2(noise), 0)).real
    return np.asarray(filtered, dtype=np.float32)


def plant_latents(run: Run, *, left: float = LOW, seeds_matter: bool = True) -> None:
    """Commit latents of the start and of two steps for each tile."""
    shape = run.latents_shape
    last = run.config.num_inference_steps
    for tile in run.tiles():
        cells = []
        for prompt, seed in tile.cells:
            rng = np.random.default_rng([int(prompt, 16), seed])
            noise = draw_noise([seed], shape)[0][0].numpy()
            other = rng.normal(size=shape).astype(np.float32)
            kept = low_pass(noise if seeds_matter else rng.normal(size=shape).astype(np.float32))
            ground = np.random.default_rng(int(prompt, 16)).normal(size=shape)
            end = left * kept + 0.6 * other + ground
            middle = (noise + end) / 2
            steps = {0: noise, 1: middle, last: end}
            cells.append({step: values.astype(np.float32) for step, values in steps.items()})
        commit_latents(run, tile, cells, source_sha256=commit_pictures(run, tile))
