"""The latents that a run kept, back out of its shards, and their Fourier transforms."""

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
    """Some cells' latents at one step.

    Attributes:
        step: 0: the start; k: what the k-th step left.
        seeds: (N,) place of each one's seed among those asked for.
        prompts: (N,) place of its prompt.
        values: (N, C, h, w) float32.
    """

    step: int
    seeds: NDArray[np.intp]
    prompts: NDArray[np.intp]
    values: NDArray[np.float32]


def read_latents(run: Run, seeds: Sequence[int], prompts: Sequence[Prompt]) -> Iterator[LatentRows]:
    """The kept latents of some cells, shard by shard and step by step.

    Args:
        run: The run.
        seeds: The seeds.
        prompts: The prompts.

    Raises:
        RunError: If a tile of theirs has no latents, or others than its images'.
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
    at_seed = pc.index_in(table["seed"], value_set=seeds).fill_null(-1).to_numpy()
    at_prompt = pc.index_in(table["prompt_id"], value_set=prompts).fill_null(-1).to_numpy()
    steps = table["step"].to_numpy()
    for step in np.unique(steps):
        places = np.flatnonzero((steps == step) & (at_seed >= 0) & (at_prompt >= 0))
        flat = pc.list_flatten(table["latents"].take(places)).to_numpy()
        values = np.asarray(flat, dtype=np.float32).reshape(-1, *shape)
        yield LatentRows(int(step), at_seed[places], at_prompt[places], values)


@dataclass(frozen=True, eq=False)
class Transforms:
    """The transforms of a run's latents.

    Attributes:
        seeds: S seeds.
        prompts: P prompts.
        bands: K bands of the F frequencies.
        start: (S, C, F) of the noise, centred.
        end: (S, P, C, F) of the final latents, centred.
        power: Step -> (S, P, K), mean over channels and frequencies.
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
        """The places of all seeds and of all prompts."""
        return np.arange(len(self.seeds)), np.arange(len(self.prompts))

    def statistic(self, seeds: NDArray[np.intp], prompts: NDArray[np.intp]) -> Floats:
        """Coherence and common share of some cells, shape (2, C + 1, K); last the mean."""
        start, end = self.start[seeds], self.end[np.ix_(seeds, prompts)]
        parts = (coherence(start, end, self.bands), common_share(end, self.bands))
        return np.stack([with_mean(part) for part in parts])

    def amplitude(self, seeds: NDArray[np.intp], prompts: NDArray[np.intp]) -> Floats:
        """Logarithm of the root mean square of every step and band."""
        rows = [power[np.ix_(seeds, prompts)].mean(axis=(0, 1)) for power in self.power.values()]
        return np.asarray(np.log(np.maximum(rows, 1e-300)) / 2)


def with_mean(values: Floats) -> Floats:
    """(C, K) -> (C + 1, K), the mean over channels last."""
    return np.concatenate([values, values.mean(axis=0, keepdims=True)])


def read_transforms(run: Run, seeds: Sequence[int], prompts: Sequence[Prompt]) -> Transforms:
    """Read and transform; a prompt with a failed cell goes for all seeds.

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
        made = spectrum(rows.values)
        here = power.setdefault(rows.step, np.full((*shape, len(bands.names)), np.nan))
        here[rows.seeds, rows.prompts] = bands.mean(np.abs(made) ** 2).mean(axis=1)
        if rows.step == last:
            end[rows.seeds, rows.prompts] = made
    whole = np.asarray(np.isfinite(end).all(axis=(0, 2, 3)))
    noise, _ = draw_noise(seeds, run.latents_shape, spec=run.config.noise)
    return Transforms(
        tuple(seeds),
        tuple(p for p, good in zip(prompts, whole, strict=True) if good),
        bands,
        centred(spectrum(noise.numpy())),
        centred(end[:, whole]),
        {step: power[step][:, whole] for step in sorted(power)},
    )
