"""`seed_blend`: how near to a seed's noise a start must be to draw what the seed draws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from analysis.pictures.plots import DrawnFigure
from analysis.studies.base import Findings, NotDrawnError, Study, StudyTable
from analysis.study_tools.image_similarity import PIXELS, shared_embedding
from analysis.study_tools.image_strip import image_strip
from analysis.study_tools.measured import identities
from analysis.study_tools.other_runs import other_arms
from analysis.study_tools.recipes import recipe_like
from analysis.study_tools.second_seed import (
    SecondSeedArm,
    Similar,
    compared_prompts,
    refuse_intervention,
    second_seed_arms,
    similarities,
    similarity_figure,
    strip_columns,
    summary,
)
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run

RIGHT_ANGLE = 90.0
"""Degrees between the noises of two seeds, nearly: random vectors of many numbers."""
STRENGTHS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7)
"""Strengths in the recipe."""

COLUMNS = {
    "arm": "folder of the run with the blend",
    "seed": "j, the seed towards which the noise is rotated",
    "strength": "how far: 0 is the noise of i, 1 that of j",
    "angle": "degrees from the noise of i: 90 times the strength, since the noises of two seeds "
    "are nearly at right angles",
    "measure": "pixels: correlation of the images' pixels; otherwise cosine of centred embeddings",
    "to_i": "mean similarity to the image of i, the seed that the blend starts from",
    "to_i_low": "lower end of its 95 % interval, over prompt groups",
    "to_i_high": "upper end",
    "to_j": "mean similarity to the image of j",
    "to_j_low": "lower end of its 95 % interval",
    "to_j_high": "upper end",
    "to_other": "the null: mean similarity to the image of a seed that is neither i nor j",
    "kept": "(to_i - to_other) / (1 - to_other): 1 is the image of i, 0 that of any other seed",
    "n": "images with the blend",
    "seeds": "seeds i",
    "groups": "prompt groups",
}


@dataclass(frozen=True)
class SeedBlend(Study):
    """How fast images change on the way from the noise of one seed to that of another.

    Question: How near to a seed's noise must a start be to draw what the seed draws?
    Method: Other arms rotate the starting noise of each seed i towards that of a seed j, along
        the sphere. Each of their images is compared with the plain run's images of i and of j for
        the same prompt. The half angle is where half of what i has in common with its own image,
        beyond any other seed, is lost, between the arms by straight lines.
    Null: The image of a seed that is neither i nor j, for the same prompt: images are similar
        because of the prompt alone.
    n: One image per seed i and prompt of sets 1 and 2. The mean over the seeds i is taken first;
        intervals are over prompt groups, for these seeds.
    Source: Ours. The rotation is that of Shoemake 1985, "Animating rotation with quaternion
        curves", section 3.3.

    Attributes:
        arms: Folder with the runs that blend, relative to this run's folder, or absolute.
        prompts: How many prompts to use, in the order of their ids; 0 for all of them.
    """

    name: ClassVar[str] = "seed_blend"
    version: ClassVar[int] = 1

    arms: str = ".."
    prompts: int = 64

    def find(self, run: Run) -> Findings:
        """Compare the images of every blend with those of both seeds."""
        prompts = compared_prompts(run, self.prompts)
        groups = [prompt.group for prompt in prompts]
        blends = self._blends(run)
        measures = [PIXELS, *shared_embedding([run, *(blend.run for blend in blends)])]
        rows = [
            _row(blend, measure, similar, groups)
            for measure in measures
            for blend, similar in similarities(run, blends, prompts, measure)
        ]
        halves = {measure: half_angle(_by_angle(rows, measure)) for measure in measures}
        return Findings(
            outcome=_sentence(rows, halves[PIXELS]),
            numbers={"blends": rows, "half_angle": halves},
            tables={"blends": StudyTable(pl.DataFrame(rows), COLUMNS)},
            figures={"similarity": _figure(rows), "strip": _strip(run, blends, prompts)},
            recipes={"blends": blend_recipe(run)},
            identities={
                "pictures": f"run {run.run_id}",
                **identities(run, needs=[f"{name}.embedding" for name in measures[1:]]),
            },
        )

    def _blends(self, run: Run) -> list[SecondSeedArm]:
        """Find the runs that rotate the noise towards a seed of this run, by seed and strength.

        Raises:
            NotDrawnError: If there is none.
        """
        refuse_intervention(run, "blends")
        blends = second_seed_arms(run, other_arms(run, self.arms), "seed_blend")
        if not blends:
            raise NotDrawnError(
                f"no run next to {run.root} blends in one of its seeds and is otherwise sampled "
                f"alike; this study needs at least 1: draw them as arms of one recipe (goldenseed "
                f"run seedling-mini-blend)",
                {"blends": blend_recipe(run)},
            )
        return sorted(blends, key=lambda blend: (blend.seed, _strength(blend)))


def _strength(blend: SecondSeedArm) -> float:
    return float(blend.parameters["strength"])


def _row(
    blend: SecondSeedArm, measure: str, similar: Similar, groups: Sequence[str]
) -> dict[str, Any]:
    strength = _strength(blend)
    return {
        "arm": blend.name,
        "seed": blend.seed,
        "strength": strength,
        "angle": RIGHT_ANGLE * strength,
        "measure": measure,
        **summary(similar, groups),
    }


def _by_angle(rows: Sequence[Mapping[str, Any]], measure: str) -> dict[float, float]:
    """The mean of `kept` over the seeds j, by angle; 1 at angle 0."""
    shown = [row for row in rows if row["measure"] == measure and row["kept"] is not None]
    angles = sorted({row["angle"] for row in shown})
    means = {a: float(np.mean([r["kept"] for r in shown if r["angle"] == a])) for a in angles}
    return {0.0: 1.0, **means}


def half_angle(kept: Mapping[float, float]) -> float | None:
    """The angle at which half is lost.

    Args:
        kept: Angle in degrees, ascending -> the share that is kept.

    Returns:
        Degrees, by a straight line between the two angles around it; None if more is kept at each.

    Example:
        >>> half_angle({0.0: 1.0, 10.0: 0.75, 30.0: 0.25})
        20.0
    """
    before = (0.0, 1.0)
    for angle, share in kept.items():
        if share <= 0.5 < before[1]:
            return before[0] + (angle - before[0]) * (before[1] - 0.5) / (before[1] - share)
        before = (angle, share)
    return None


def _figure(rows: Sequence[Mapping[str, Any]]) -> DrawnFigure:
    return similarity_figure(
        rows,
        ("angle", "angle to the seed's own noise (degrees)"),
        {"to_i": "the seed itself", "to_j": "the other seed", "to_other": "any third seed"},
        title="Which seed an image follows, by the angle to its own noise",
        caption="Mean similarity of images whose starting noise was rotated from one seed towards "
        "another to the image of either seed, and to that of any third seed.",
    )


def _strip(run: Run, blends: Sequence[SecondSeedArm], prompts: Sequence[Prompt]) -> DrawnFigure:
    """Show seed i, its blends, and seed j; one row per prompt."""
    columns = strip_columns(run, blends, lambda b: f"{RIGHT_ANGLE * _strength(b):.3g} degrees")
    first, last = columns[0][2], blends[0].seed
    return image_strip(
        columns,
        prompts,
        title=f"From seed {first} to seed {last}, along the sphere",
        caption="One row per prompt. First and last column: images of the two seeds. Between "
        "them: images whose starting noise was rotated by the angle above.",
    )


def _sentence(rows: Sequence[Mapping[str, Any]], half: float | None) -> str:
    shown = [row for row in rows if row["measure"] == PIXELS]
    by_angle = "; ".join(
        f"{row['angle']:.3g} degrees towards seed {row['seed']}: {row['to_i']:z.2f} "
        f"[{row['to_i_low']:z.2f}, {row['to_i_high']:z.2f}], {row['to_j']:z.2f} "
        f"[{row['to_j_low']:z.2f}, {row['to_j_high']:z.2f}], {row['to_other']:z.2f}"
        for row in shown
    )
    lost = (
        f"half of what a seed fixes is lost at {half:.0f} degrees"
        if half is not None
        else "more than half of what a seed fixes is kept at each angle"
    )
    first = shown[0]
    return (
        f"{lost}; correlation of pixels with the seed's own image, with that of the other seed and "
        f"with any third; {first['n']:,} images of {first['seeds']} seeds per blend, "
        f"{first['groups']} prompt groups. {by_angle}"
    )


def blend_recipe(run: Run) -> str:
    """The recipe of a run with starts near each of its seeds, towards either of its first two."""
    arms: dict[str, Any] = {"plain": {}}
    for seed in sorted(run.seeds)[:2]:
        for strength in STRENGTHS:
            parameters = {"seed": seed, "strength": strength}
            own = {"intervention": {"name": "seed_blend", "parameters": parameters}}
            arms[f"to_{seed}_by_{round(100 * strength):02}"] = own
    return recipe_like(
        run,
        {"arms": arms},
        note="Starts near each seed, rotated towards either of two seeds by a share of a "
        "right angle.\nStudy the arm `plain`: it is compared with the other arms.",
    )
