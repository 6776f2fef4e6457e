"""`seed_swap`: which part of a seed decides the image, its starting noise or its step noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from analysis.studies.base import Findings, NotDrawnError, Study, StudyTable
from analysis.studies.seed_swap.comparison import decides, row
from analysis.studies.seed_swap.figures import eta_figure, step_figure, strip_figure
from analysis.studies.seed_swap.swaps import (
    Family,
    Swap,
    families_by_eta,
    refuse_no_step_noise,
    swap_recipe,
)
from analysis.study_tools.image_similarity import PIXELS, shared_embedding
from analysis.study_tools.measured import identities
from analysis.study_tools.other_runs import other_arms
from analysis.study_tools.second_seed import Similar, compared_prompts, similarities
from pipeline.runs.run import Run

COLUMNS = {
    "measure": "pixels: correlation of the images' pixels; otherwise cosine of centred embeddings",
    "to_i": "mean similarity to the image of i, the seed of the start",
    "to_i_low": "lower end of its 95 % interval, over prompt groups",
    "to_i_high": "upper end",
    "to_j": "mean similarity to the image of j",
    "to_j_low": "lower end of its 95 % interval",
    "to_j_high": "upper end",
    "to_other": "the null: mean similarity to the image of a seed that is neither i nor j",
    "n": "images with the swap",
    "seeds": "seeds i",
    "groups": "prompt groups",
    "start_minus_steps": "to_i minus to_j: above 0 if an image follows its start",
    "difference_low": "lower end of its 95 % interval",
    "difference_high": "upper end",
    "trace_of_j": "to_j minus to_other: the effect of j's step noise",
    "trace_low": "lower end of its 95 % interval",
    "trace_high": "upper end",
    "start_share": "(to_i - to_other) / (1 - to_other): 1 is the same image, 0 that of any other "
    "seed",
}
SWAP_COLUMNS = {
    "eta": "DDIM's eta of the run without a swap and of the run with it",
    "arm": "folder of the run with the swap; at eta 0, of the run without one",
    "seed": "j, the seed whose step noise comes in",
    "step": "first step with its noise, counted from 0; 0 is the start of i with all steps of j",
    **COLUMNS,
}
ETA_COLUMNS = {
    "eta": "DDIM's eta",
    "decides": "start or steps: the noise whose seed's image is more similar; neither, if the "
    "interval of start_minus_steps holds 0",
    **COLUMNS,
    "n": "images with a swap at step 0, of all seeds j",
    "seeds": "pairs of seeds i and j",
}


@dataclass(frozen=True)
class SeedSwap(Study):
    """How much of an image is due to the starting noise, and how much to the noise of the steps.

    Question: Does an image follow its seed's starting noise or the noise that its steps draw?
    Method: Other arms start from seed i and take the step noise of seed j from some step on. Each
        of their images is compared with the plain run's images of i and of j for the same prompt.
        This needs a sampler that draws step noise. DDIM's eta scales that noise, so the answer
        depends on it; arms that differ from this run only in eta are compared at their own eta. At
        eta 0 there is no step noise, and the answer is the start by construction.
    Null: The image of a seed that is neither i nor j, for the same prompt: images are similar
        because of the prompt alone.
    n: One image per seed i and prompt of sets 1 and 2. The mean over the seeds i is taken first;
        intervals are over prompt groups, for these seeds.
    Source: Xu, Zhang and Shi 2024, "Good Seed Makes a Good Crop", arXiv:2405.14828, figure 2:
        DDIM, 40 steps, i and j in {0, 1}, an early, a middle and a late step. It does not state
        its eta, so its finding and ours cannot be compared.

    Attributes:
        arms: Folder with the runs that swap, relative to this run's folder, or absolute.
        prompts: How many prompts to use, in the order of their ids; 0 for all of them.
    """

    name: ClassVar[str] = "seed_swap"
    version: ClassVar[int] = 2

    arms: str = ".."
    prompts: int = 64

    def find(self, run: Run) -> Findings:
        """Compare the images of every swap with those of both seeds."""
        prompts = compared_prompts(run, self.prompts)
        groups = [prompt.group for prompt in prompts]
        refuse_no_step_noise(run)
        families = self._families(run)
        runs = [run, *(s.run for family in families.values() for s in family.swaps)]
        measures = [PIXELS, *shared_embedding(runs)]
        swaps, etas = [], []
        for measure in measures:
            for eta, family in families.items():
                found = list(similarities(family.plain, family.swaps, prompts, measure))
                swaps += [_swap_row(eta, swap, measure, s, groups) for swap, s in found]
                at_start = [similar for swap, similar in found if swap.step == 0]
                etas += [_eta_row(eta, measure, at_start, groups)] if at_start else []
        own = [one for one in swaps if one["eta"] == run.config.eta]
        return Findings(
            outcome=_sentence(own, etas, run),
            numbers={"swaps": swaps, "etas": etas},
            tables={
                "swaps": StudyTable(pl.DataFrame(swaps), SWAP_COLUMNS),
                **({"etas": StudyTable(pl.DataFrame(etas), ETA_COLUMNS)} if etas else {}),
            },
            figures={
                "similarity": step_figure(own),
                **({"eta": eta_figure(etas)} if etas else {}),
                "strip": strip_figure(run, families[run.config.eta].swaps, prompts),
            },
            recipes={"swaps": swap_recipe(run)},
            identities={
                "pictures": f"run {run.run_id}",
                **identities(run, needs=[f"{name}.embedding" for name in measures[1:]]),
            },
        )

    def _families(self, run: Run) -> dict[float, Family]:
        """Find the runs that swap to a seed of this run, by eta.

        Raises:
            NotDrawnError: If there is no such run at this run's eta.
        """
        families = families_by_eta(run, other_arms(run, self.arms))
        if run.config.eta not in families:
            raise NotDrawnError(
                f"no run next to {run.root} swaps to one of its seeds and is otherwise sampled "
                f"alike; this study needs at least 1: draw them as arms of one recipe (goldenseed "
                f"run seedling-mini-swap)",
                {"swaps": swap_recipe(run)},
            )
        return families


def _swap_row(
    eta: float, swap: Swap, measure: str, similar: Similar, groups: Sequence[str]
) -> dict[str, Any]:
    named = {"eta": eta, "arm": swap.name, "seed": swap.seed, "step": swap.step}
    return {**named, "measure": measure, **row(similar, groups)}


def _eta_row(
    eta: float, measure: str, at_start: Sequence[Similar], groups: Sequence[str]
) -> dict[str, Any]:
    """One eta: the swaps at step 0 to all seeds j together."""
    numbers = row(np.concatenate(at_start, axis=1), groups)
    return {"eta": eta, "decides": decides(numbers), "measure": measure, **numbers}


def _sentence(own: Sequence[Mapping[str, Any]], etas: Sequence[Mapping[str, Any]], run: Run) -> str:
    """State the similarities by eta at step 0, then by step at the run's own eta."""
    by_eta = "; ".join(
        f"eta {one['eta']:g}: {_similar(one)}" for one in etas if one["measure"] == PIXELS
    )
    by_step = "; ".join(
        f"to seed {one['seed']} at step {one['step']}: {_similar(one)}"
        for one in own
        if one["measure"] == PIXELS
    )
    first = own[0]
    return (
        f"correlation of pixels with the seed of the start, with the seed of the steps and with "
        f"any other; {run.config.num_inference_steps} steps, {first['n']:,} images of "
        f"{first['seeds']} seeds per swap, {first['groups']} prompt groups. All steps swapped: "
        f"{by_eta}. At eta {run.config.eta:g}, swapped {by_step}"
    )


def _similar(one: Mapping[str, Any]) -> str:
    return (
        f"{one['to_i']:z.2f} [{one['to_i_low']:z.2f}, {one['to_i_high']:z.2f}], "
        f"{one['to_j']:z.2f} [{one['to_j_low']:z.2f}, {one['to_j_high']:z.2f}], "
        f"{one['to_other']:z.2f} ({decides(one)})"
    )
