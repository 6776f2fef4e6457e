"""`seed_swap`: which part of a seed decides the picture, its start or the noise of its steps?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from analysis.extraction.images import read_images
from analysis.pictures import plots
from analysis.pictures.contact_sheet import kept_prompts
from analysis.statistics.arrays import Floats
from analysis.statistics.intervals import Interval, grouped_mean_interval
from analysis.studies.base import Findings, NotDrawnError, Study, StudyTable
from analysis.study_tools.image_similarity import (
    PIXELS,
    SETS,
    Vectors,
    cosines,
    image_vectors,
    shared_embedding,
)
from analysis.study_tools.measured import identities, require
from analysis.study_tools.other_runs import arms_beside
from analysis.study_tools.recipes import recipe_like
from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run

LEAST_SEEDS, LEAST_GROUPS = 3, 4
SWAP_STEPS = (0, 4, 10, 20, 30, 36)
"""Of 40 steps, for the recipe: at once, early, in the middle, late."""
STRIP = 4
"""Rows of the strip."""

SWAP_COLUMNS = {
    "arm": "folder of the run with the swap",
    "seed": "j, the seed whose step noise comes in",
    "step": "first step with its noise, from 0; 0 is the start of i with all the steps of j",
    "measure": "pixels: correlation of the pictures' pixels; else cosine of centred embeddings",
    "to_i": "mean similarity to the picture of i, the seed of the start",
    "to_i_low": "lower end of its 95 % interval, by prompt groups",
    "to_i_high": "upper end",
    "to_j": "mean similarity to the picture of j",
    "to_j_low": "lower end of its 95 % interval",
    "to_j_high": "upper end",
    "to_other": "the null: mean similarity to the picture of a seed that is neither",
    "trace_of_j": "to_j less to_other: what j's step noise brought in",
    "trace_low": "lower end of its 95 % interval",
    "trace_high": "upper end",
    "start_share": "(to_i - to_other) / (1 - to_other): 1 is the same picture, 0 any other seed's",
    "n": "pictures with the swap",
    "seeds": "seeds i",
    "groups": "prompt groups",
}


@dataclass(frozen=True)
class SeedSwap(Study):
    """What a picture owes to the starting noise and what to the noise of the steps.

    Question: Does a picture follow its seed's start or the noise that its steps draw?
    Method: Runs beside this one start from seed i and take the step noise of seed j from a step
        on. Each of their pictures is compared with this run's pictures of i and of j for the same
        prompt. A sampler that draws step noise is needed: DDIM at eta 0 draws none, and a swap
        would show "no effect" by construction.
    Null: The picture of a seed that is neither i nor j, same prompt: what is alike because of the
        prompt alone.
    n: One picture per prompt of sets 1 and 2 and seed i; i's are averaged first, and intervals go
        by prompt groups, for the seeds at hand.
    Source: Xu, Zhang and Shi 2024, "Good Seed Makes a Good Crop", arXiv:2405.14828, figure 2:
        DDIM, 40 steps, i and j in {0, 1}, an early, a middle and a late step; its eta is not
        stated, ours is 1.

    Attributes:
        arms: Folder with the runs that swap, relative to this run's, or absolute.
        prompts: Only the first so many, in the order of their ids; all if 0.
    """

    name: ClassVar[str] = "seed_swap"
    version: ClassVar[int] = 1

    arms: str = ".."
    prompts: int = 64

    def find(self, run: Run) -> Findings:
        """Compare every swap with both seeds."""
        require(len(run.seeds), LEAST_SEEDS, "seeds")
        _refuse_no_step_noise(run)
        swaps = _swaps(run, arms_beside(run, self.arms))
        prompts = _prompts(run)[: self.prompts or None]
        groups = [prompt.group for prompt in prompts]
        require(len(set(groups)), LEAST_GROUPS, "prompt groups in sets 1 and 2 with kept images")
        measures = [PIXELS, *shared_embedding([run, *swaps.values()])]
        rows = []
        for measure in measures:
            own = image_vectors(run, prompts, measure)
            centre = np.mean([*own.values()], axis=(0, 1)) if measure != PIXELS else 0.0
            for name, arm in swaps.items():
                theirs = image_vectors(arm, prompts, measure)
                rows.append(_row(name, arm, measure, _compare(own, theirs, centre, arm), groups))
        rows.sort(key=lambda row: (measures.index(row["measure"]), row["seed"], row["step"]))
        return Findings(
            outcome=_sentence(rows, run),
            numbers={"swaps": rows},
            tables={"swaps": StudyTable(pl.DataFrame(rows), SWAP_COLUMNS)},
            figures={"similarity": _figure(rows), "strip": _strip(run, swaps, prompts, rows)},
            recipes={"swaps": _recipe(run)},
            identities={
                "pictures": f"run {run.run_id}",
                **identities(run, needs=[f"{name}.embedding" for name in measures[1:]]),
            },
        )


def _refuse_no_step_noise(run: Run) -> None:
    config = run.config
    if config.scheduler == "DDIMScheduler" and config.eta == 0:
        raise RunError(
            "this run is DDIM at eta 0, which draws no step noise; this study needs runs with "
            "some: set eta to 1.0 (goldenseed run seedling-mini-swap)"
        )


def _swaps(run: Run, beside: Mapping[str, Run]) -> dict[str, Run]:
    """The runs that differ from this one by a swap alone, whose j this run shows."""
    if run.config.intervention.name != "none":
        raise RunError(
            f"this run has the intervention {run.config.intervention.name}; this study needs the "
            f"plain arm beside the swaps"
        )
    plain = _without_intervention(run)
    found = {
        name: arm
        for name, arm in beside.items()
        if arm.config.intervention.name == "seed_swap"
        and _without_intervention(arm) == plain
        and _swap(arm)[0] in run.seeds
    }
    if not found:
        raise NotDrawnError(
            f"no run beside {run.root} swaps to one of its seeds and samples like it otherwise; "
            f"this study needs at least 1: draw them as arms of one recipe (goldenseed run "
            f"seedling-mini-swap)",
            {"swaps": _recipe(run)},
        )
    return found


def _without_intervention(run: Run) -> dict[str, Any]:
    return {k: v for k, v in run.config.identity().items() if k != "intervention"}


def _swap(arm: Run) -> tuple[int, int]:
    """j, and the step."""
    told = arm.config.intervention.parameters
    return int(told["seed"]), int(told["step"])


def _prompts(run: Run) -> list[Prompt]:
    kept = kept_prompts(run)
    known = (p for p in run.prompts.values() if p.set in SETS and p.id in kept)
    return sorted(known, key=lambda prompt: prompt.id)


def _compare(own: Vectors, theirs: Vectors, centre: Floats | float, arm: Run) -> Floats:
    """Similarities to i, to j and to another seed, shape (3, I, P)."""
    j, _ = _swap(arm)
    starts = [seed for seed in sorted(theirs) if seed != j and seed in own]
    others = [seed for seed in sorted(own) if seed != j]
    found = []
    for i in starts:
        other = others[(others.index(i) + 1) % len(others)]
        pictures = (own[i], own[j], own[other])
        found.append([cosines(theirs[i] - centre, one - centre) for one in pictures])
    return np.moveaxis(np.array(found), 1, 0)


def _row(
    name: str, arm: Run, measure: str, similar: Floats, groups: Sequence[str]
) -> dict[str, Any]:
    to_i, to_j, to_other = similar.mean(axis=1)
    parts: dict[str, Interval] = {
        "to_i": grouped_mean_interval(to_i, groups),
        "to_j": grouped_mean_interval(to_j, groups),
        "trace": grouped_mean_interval(to_j - to_other, groups),
    }
    other = float(to_other.mean())
    seed, step = _swap(arm)
    return {
        "arm": name,
        "seed": seed,
        "step": step,
        "measure": measure,
        **_ends("to_i", "to_i", parts["to_i"]),
        **_ends("to_j", "to_j", parts["to_j"]),
        "to_other": other,
        **_ends("trace_of_j", "trace", parts["trace"]),
        "start_share": (parts["to_i"].value - other) / (1 - other) if other < 1 else None,
        "n": similar[0].size,
        "seeds": similar.shape[1],
        "groups": len(set(groups)),
    }


def _ends(name: str, short: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{short}_low": interval.low, f"{short}_high": interval.high}


def _sentence(rows: Sequence[Mapping[str, Any]], run: Run) -> str:
    told = "; ".join(
        f"swap to seed {row['seed']} at step {row['step']}: {row['to_i']:.2f} "
        f"[{row['to_i_low']:.2f}, {row['to_i_high']:.2f}] to the start's seed, "
        f"{row['to_j']:.2f} to the other, "
        f"{row['to_other']:.2f} to any (trace {row['trace_of_j']:+.3f} [{row['trace_low']:+.3f}, "
        f"{row['trace_high']:+.3f}])"
        for row in rows
        if row["measure"] == PIXELS
    )
    first = rows[0]
    return (
        f"correlation of pixels, {run.config.num_inference_steps} steps, eta {run.config.eta:g}, "
        f"{first['n']:,} pictures of {first['seeds']} seeds a swap, {first['groups']} prompt "
        f"groups: {told}"
    )


def _figure(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Similarity against the step of the swap."""
    measures = list(dict.fromkeys(row["measure"] for row in rows))
    lines = {"to_i": plots.GOOD, "to_j": plots.BAD, "to_other": plots.QUIET}
    names = {"to_i": "seed of the start", "to_j": "seed of the steps", "to_other": "any other"}

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        for axes, measure in zip(plots.panels(figure, 1, len(measures)), measures, strict=True):
            mine = [row for row in rows if row["measure"] == measure]
            steps = sorted({row["step"] for row in mine})
            for line, colour in lines.items():
                y = [np.mean([r[line] for r in mine if r["step"] == step]) for step in steps]
                axes.plot(steps, y, color=colour, marker="o", markersize=4, label=names[line])
            axes.set(title=measure, xlabel="first step with the other seed's noise")
            axes.set_ylabel("similarity to this run's picture")
            axes.legend(fontsize=8, frameon=False)

    return plots.figure_png(draw, width=4.8 * len(measures), height=3.8)


def _strip(
    run: Run, swaps: Mapping[str, Run], prompts: Sequence[Prompt], rows: Sequence[Mapping[str, Any]]
) -> bytes:
    """Seed i, its swaps from the latest to the earliest, seed j; a row a prompt."""
    j = rows[0]["seed"]
    i = next(seed for seed in sorted(run.seeds) if seed != j)
    shown = prompts[:STRIP]
    late_first = sorted((r for r in rows if r["seed"] == j), key=lambda row: -row["step"])
    arms = {row["arm"]: row["step"] for row in late_first if i in swaps[row["arm"]].seeds}
    columns = [(f"seed {i}", run, i)]
    columns += [(f"to {j} at {step}", swaps[arm], i) for arm, step in arms.items()]
    columns += [(f"seed {j}", run, j)]
    pictures = [read_images(source, [(p.id, seed) for p in shown]) for _, source, seed in columns]

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        axes = plots.panels(figure, len(shown), len(columns))
        for place, one in enumerate(axes):
            row, column = divmod(place, len(columns))
            one.imshow(pictures[column][(shown[row].id, columns[column][2])])
            one.set_axis_off()
            if row == 0:
                one.set_title(columns[column][0], size=8)

    return plots.figure_png(draw, width=1.3 * len(columns), height=1.4 * len(shown))


def _recipe(run: Run) -> str:
    count = run.config.num_inference_steps
    steps = sorted({round(step * count / 40) for step in SWAP_STEPS})
    arms: dict[str, Any] = {"plain": {}}
    for seed in sorted(run.seeds)[:2]:
        for step in steps:
            swap = {"name": "seed_swap", "parameters": {"seed": seed, "step": step}}
            arms[f"to_{seed}_at_{step}"] = {"intervention": swap}
    return recipe_like(
        run,
        {"arms": arms},
        note="A swap of the step noise to either of two seeds, early and late.\n"
        "Study the arm `plain`: it compares with those beside it.",
    )
