"""`seed_swap`: which part of a seed decides the image, its starting noise or its step noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from analysis.statistics.arrays import Floats
from analysis.statistics.intervals import Interval, grouped_mean_interval
from analysis.studies.base import Findings, NotDrawnError, Study, StudyTable
from analysis.studies.seed_swap.figures import similarity_figure, strip_figure
from analysis.studies.seed_swap.swaps import (
    refuse_no_step_noise,
    swap_of,
    swap_recipe,
    swaps_among,
)
from analysis.study_tools.image_similarity import (
    PIXELS,
    SETS,
    Vectors,
    cosines,
    image_vectors,
    shared_embedding,
)
from analysis.study_tools.measured import identities, require
from analysis.study_tools.other_runs import other_arms
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run

LEAST_SEEDS, LEAST_GROUPS = 3, 4

SWAP_COLUMNS = {
    "arm": "folder of the run with the swap",
    "seed": "j, the seed whose step noise comes in",
    "step": "first step with its noise, counted from 0; 0 is the start of i with all steps of j",
    "measure": "pixels: correlation of the images' pixels; otherwise cosine of centred embeddings",
    "to_i": "mean similarity to the image of i, the seed of the start",
    "to_i_low": "lower end of its 95 % interval, over prompt groups",
    "to_i_high": "upper end",
    "to_j": "mean similarity to the image of j",
    "to_j_low": "lower end of its 95 % interval",
    "to_j_high": "upper end",
    "to_other": "the null: mean similarity to the image of a seed that is neither i nor j",
    "trace_of_j": "to_j minus to_other: the effect of j's step noise",
    "trace_low": "lower end of its 95 % interval",
    "trace_high": "upper end",
    "start_share": "(to_i - to_other) / (1 - to_other): 1 is the same image, 0 that of any other "
    "seed",
    "n": "images with the swap",
    "seeds": "seeds i",
    "groups": "prompt groups",
}


@dataclass(frozen=True)
class SeedSwap(Study):
    """How much of an image is due to the starting noise, and how much to the noise of the steps.

    Question: Does an image follow its seed's starting noise or the noise that its steps draw?
    Method: Other arms start from seed i and take the step noise of seed j from some step on. Each
        of their images is compared with this run's images of i and of j for the same prompt. This
        needs a sampler that draws step noise: DDIM with eta 0 draws none, so a swap would show no
        effect by construction.
    Null: The image of a seed that is neither i nor j, for the same prompt: images are similar
        because of the prompt alone.
    n: One image per seed i and prompt of sets 1 and 2. The mean over the seeds i is taken first;
        intervals are over prompt groups, for these seeds.
    Source: Xu, Zhang and Shi 2024, "Good Seed Makes a Good Crop", arXiv:2405.14828, figure 2:
        DDIM, 40 steps, i and j in {0, 1}, an early, a middle and a late step; its eta is not
        stated, ours is 1.

    Attributes:
        arms: Folder with the runs that swap, relative to this run's folder, or absolute.
        prompts: How many prompts to use, in the order of their ids; 0 for all of them.
    """

    name: ClassVar[str] = "seed_swap"
    version: ClassVar[int] = 1

    arms: str = ".."
    prompts: int = 64

    def find(self, run: Run) -> Findings:
        """Compare the images of every swap with those of both seeds."""
        require(len(run.seeds), LEAST_SEEDS, "seeds")
        refuse_no_step_noise(run)
        swaps = self._swaps(run)
        prompts = _kept_prompts(run)[: self.prompts or None]
        groups = [prompt.group for prompt in prompts]
        require(len(set(groups)), LEAST_GROUPS, "prompt groups in sets 1 and 2 with kept images")
        measures = [PIXELS, *shared_embedding([run, *swaps.values()])]
        rows = []
        for measure in measures:
            vectors = image_vectors(run, prompts, measure)
            centre = np.mean([*vectors.values()], axis=(0, 1)) if measure != PIXELS else 0.0
            for name, arm in swaps.items():
                swapped = image_vectors(arm, prompts, measure)
                similar = _compare(vectors, swapped, centre, arm)
                rows.append(_row(name, arm, measure, similar, groups))
        rows.sort(key=lambda row: (measures.index(row["measure"]), row["seed"], row["step"]))
        return Findings(
            outcome=_sentence(rows, run),
            numbers={"swaps": rows},
            tables={"swaps": StudyTable(pl.DataFrame(rows), SWAP_COLUMNS)},
            figures={
                "similarity": similarity_figure(rows),
                "strip": strip_figure(run, swaps, prompts, rows),
            },
            recipes={"swaps": swap_recipe(run)},
            identities={
                "pictures": f"run {run.run_id}",
                **identities(run, needs=[f"{name}.embedding" for name in measures[1:]]),
            },
        )

    def _swaps(self, run: Run) -> dict[str, Run]:
        """Find the runs that swap to a seed of this run.

        Raises:
            NotDrawnError: If there is no such run.
        """
        swaps = swaps_among(run, other_arms(run, self.arms))
        if not swaps:
            raise NotDrawnError(
                f"no run next to {run.root} swaps to one of its seeds and is otherwise sampled "
                f"alike; this study needs at least 1: draw them as arms of one recipe (goldenseed "
                f"run seedling-mini-swap)",
                {"swaps": swap_recipe(run)},
            )
        return swaps


def _kept_prompts(run: Run) -> list[Prompt]:
    """Prompts of sets 1 and 2 whose images are kept, in the order of their ids."""
    kept = run.kept_prompts()
    prompts = (p for p in run.prompts.values() if p.set in SETS and p.id in kept)
    return sorted(prompts, key=lambda prompt: prompt.id)


def _compare(vectors: Vectors, swapped: Vectors, centre: Floats | float, arm: Run) -> Floats:
    """Similarities to i, to j and to another seed, shape (3, I, P)."""
    j, _ = swap_of(arm)
    starts = [seed for seed in sorted(swapped) if seed != j and seed in vectors]
    others = [seed for seed in sorted(vectors) if seed != j]
    similar = []
    for i in starts:
        other = others[(others.index(i) + 1) % len(others)]
        images = (vectors[i], vectors[j], vectors[other])
        similar.append([cosines(swapped[i] - centre, image - centre) for image in images])
    return np.moveaxis(np.array(similar), 1, 0)


def _row(
    name: str, arm: Run, measure: str, similar: Floats, groups: Sequence[str]
) -> dict[str, Any]:
    """The row of one swap by one measure."""
    to_i, to_j, to_other = similar.mean(axis=1)
    start = grouped_mean_interval(to_i, groups)
    other = float(to_other.mean())
    seed, step = swap_of(arm)
    return {
        "arm": name,
        "seed": seed,
        "step": step,
        "measure": measure,
        **_with_ends("to_i", "to_i", start),
        **_with_ends("to_j", "to_j", grouped_mean_interval(to_j, groups)),
        "to_other": other,
        **_with_ends("trace_of_j", "trace", grouped_mean_interval(to_j - to_other, groups)),
        "start_share": (start.value - other) / (1 - other) if other < 1 else None,
        "n": similar[0].size,
        "seeds": similar.shape[1],
        "groups": len(set(groups)),
    }


def _with_ends(name: str, short: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{short}_low": interval.low, f"{short}_high": interval.high}


def _sentence(rows: Sequence[Mapping[str, Any]], run: Run) -> str:
    swaps = "; ".join(
        f"swap to seed {row['seed']} at step {row['step']}: {row['to_i']:.2f} "
        f"[{row['to_i_low']:.2f}, {row['to_i_high']:.2f}] with the seed of the start, "
        f"{row['to_j']:.2f} with the seed of the steps, {row['to_other']:.2f} with any other "
        f"(difference of the last two {row['trace_of_j']:+.3f} [{row['trace_low']:+.3f}, "
        f"{row['trace_high']:+.3f}])"
        for row in rows
        if row["measure"] == PIXELS
    )
    first = rows[0]
    return (
        f"correlation of pixels, {run.config.num_inference_steps} steps, eta {run.config.eta:g}, "
        f"{first['n']:,} images of {first['seeds']} seeds per swap, {first['groups']} prompt "
        f"groups: {swaps}"
    )
