"""Read the latents that a run kept, and compute their Fourier transforms."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analysis.statistics.arrays import Floats
from analysis.statistics.spectra import (
    Bands,
    Complexes,
    centred,
    coherence,
    common_share,
    octave_bands,
    spectrum,
)
from pipeline.errors import RunError
from pipeline.noise import draw_noise
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run


@dataclass(frozen=True, eq=False)
class LatentRows:
    """The latents of some cells at one step.

    Attributes:
        step: 0: the starting latents; k: the latents after step k.
        seeds: Shape (N,), index of each cell's seed among the requested seeds.
        prompts: Shape (N,), index of each cell's prompt among the requested prompts.
        values: Shape (N, C, h, w), float32.
    """

    step: int
    seeds: NDArray[np.intp]
    prompts: NDArray[np.intp]
    values: NDArray[np.float32]


def read_latents(run: Run, seeds: Sequence[int], prompts: Sequence[Prompt]) -> Iterator[LatentRows]:
    """Read the kept latents of some cells, shard by shard and step by step.

    Args:
        run: The run.
        seeds: The seeds.
        prompts: The prompts.

    Raises:
        RunError: If a tile with such cells has no latents, or latents of other images.
    """
    known = pa.array(list(seeds), pa.int64()), pa.array([p.id for p in prompts], pa.string())
    wanted = {prompt.id for prompt in prompts}
    for tile in run.tiles():
        if wanted.isdisjoint(tile.prompt_ids) or set(seeds).isdisjoint(tile.seeds):
            continue
        images = run.images.receipt(tile.id, tile.block)
        receipt = run.latents.receipt(tile.id, tile.block)
        if not images or not receipt or receipt.source_sha256 != images.content_sha256:
            raise RunError(
                f"tile {tile.id} of {run.root} has no kept latents; this study needs them: draw a "
                f"run with `keep_latents: all` in its recipe"
            )
        yield from _rows(run.latents.read(receipt), *known, run.latents_shape)


def _rows(
    table: pa.Table, seeds: pa.Array, prompts: pa.Array, shape: tuple[int, int, int]
) -> Iterator[LatentRows]:
    seed = pc.index_in(table["seed"], value_set=seeds).fill_null(-1).to_numpy()
    prompt = pc.index_in(table["prompt_id"], value_set=prompts).fill_null(-1).to_numpy()
    steps = table["step"].to_numpy()
    for step in np.unique(steps):
        rows = np.flatnonzero((steps == step) & (seed >= 0) & (prompt >= 0))
        flat = pc.list_flatten(table["latents"].take(rows)).to_numpy()
        values = np.asarray(flat, dtype=np.float32).reshape(-1, *shape)
        yield LatentRows(int(step), seed[rows], prompt[rows], values)


@dataclass(frozen=True, eq=False)
class Transforms:
    """The Fourier transforms of a run's latents.

    Attributes:
        seeds: The S seeds.
        prompts: The P prompts.
        bands: The K bands of the F frequencies.
        start: Shape (S, C, F), transform of the starting noise, centred.
        end: Shape (S, P, C, F), transform of the final latents, centred.
        power: Step -> shape (S, P, K), mean power over channels and the frequencies of a band.
    """

    seeds: tuple[int, ...]
    prompts: tuple[Prompt, ...]
    bands: Bands
    start: Complexes
    end: Complexes
    power: Mapping[int, Floats]

    @property
    def groups(self) -> list[str]:
        """The group of each prompt."""
        return [prompt.group for prompt in self.prompts]

    @property
    def everything(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The indices of all seeds and of all prompts."""
        return np.arange(len(self.seeds)), np.arange(len(self.prompts))

    def statistic(self, seeds: NDArray[np.intp], prompts: NDArray[np.intp]) -> Floats:
        """Coherence and common share of some cells, shape (2, C + 1, K), channel mean last."""
        start, end = self.start[seeds], self.end[np.ix_(seeds, prompts)]
        parts = (coherence(start, end, self.bands), common_share(end, self.bands))
        return np.stack([with_mean(part) for part in parts])

    def amplitude(self, seeds: NDArray[np.intp], prompts: NDArray[np.intp]) -> Floats:
        """Logarithm of the root mean square amplitude, shape (steps, K)."""
        rows = [power[np.ix_(seeds, prompts)].mean(axis=(0, 1)) for power in self.power.values()]
        return np.asarray(np.log(np.maximum(rows, 1e-300)) / 2)


def with_mean(values: Floats) -> Floats:
    """Append the mean over channels: shape (C, K) -> (C + 1, K)."""
    return np.concatenate([values, values.mean(axis=0, keepdims=True)])


def read_transforms(run: Run, seeds: Sequence[int], prompts: Sequence[Prompt]) -> Transforms:
    """Read latents and transform them; a prompt with a failed cell is left out for all seeds.

    Args:
        run: A run that keeps latents.
        seeds: The seeds.
        prompts: The prompts.

    Raises:
        RunError: If latents are missing.
    """
    channels, height, width = run.latents_shape
    bands = octave_bands(height, width)
    shape = (len(seeds), len(prompts))
    end = np.full((*shape, channels, height * width), np.nan, dtype=np.complex128)
    power: dict[int, Floats] = {}
    last = run.config.num_inference_steps
    for rows in read_latents(run, seeds, prompts):
        transform = spectrum(rows.values)
        of_step = power.setdefault(rows.step, np.full((*shape, len(bands.names)), np.nan))
        of_step[rows.seeds, rows.prompts] = bands.mean(np.abs(transform) ** 2).mean(axis=1)
        if rows.step == last:
            end[rows.seeds, rows.prompts] = transform
    complete = np.asarray(np.isfinite(end).all(axis=(0, 2, 3)))
    noise, _ = draw_noise(seeds, run.latents_shape, spec=run.config.noise)
    return Transforms(
        tuple(seeds),
        tuple(p for p, kept in zip(prompts, complete, strict=True) if kept),
        bands,
        centred(spectrum(noise.numpy())),
        centred(end[:, complete]),
        {step: power[step][:, complete] for step in sorted(power)},
    )
