"""`guidance`: quality against alignment over guidance scales, with and without a change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import polars as pl

from analysis.metrics import Metric
from analysis.studies.base import Findings, NotDrawnError, Study, StudyTable
from analysis.studies.guidance.arms import NONE, Arm, PooledArms, alignment_metric, guidance_arms
from analysis.studies.guidance.curves import (
    CHANGE_COLUMNS,
    Measured,
    adjusted,
    change_row,
    point_row,
)
from analysis.studies.guidance.figures import curves_figure
from analysis.study_tools.measured import directed_metrics, identities, named_metrics, require
from analysis.study_tools.other_runs import other_runs
from analysis.study_tools.recipes import recipe_like, sampling_of
from pipeline.errors import RunError
from pipeline.runs.run import Run

THIS = "this run"
LEAST_SEEDS, LEAST_GROUPS, LEAST_SCALES = 4, 8, 2
SCALES = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)
"""Without guidance, and the scales of Zhang et al."""

POINT_COLUMNS = {
    "arm": "name of the run",
    "change": "change of the sampling or of the weights, or none",
    "guidance": "guidance scale; 1 or less is without guidance",
    "n": "images, pooled over seeds and prompts",
    "quality": "quality of the pooled images, in the unit of the quality metric",
    "quality_low": "lower end of its 95 % interval (jackknife over seeds and over prompt groups)",
    "quality_high": "upper end",
    "alignment": "alignment of the pooled images, in the unit of the alignment metric",
    "alignment_low": "lower end of its 95 % interval",
    "alignment_high": "upper end",
    "undominated": "no other run is at least as good in both metrics and better in one",
    "clearly_dominated": "another run is better in both, and neither 95 % interval contains 0",
}


@dataclass(frozen=True)
class Guidance(Study):
    """Quality against alignment over guidance scales: does a change move the curve?

    Question: What does more guidance cost in quality and gain in alignment, how good are the
        images without guidance, and at which guidance scales is a change of the sampling better
        than everything the model reaches without it?
    Method: The runs that differ only in guidance and intervention are compared on the seeds and
        prompts that all of them have, with all images of a run in one pool. Reported are quality
        and alignment of each run, and the paired differences between runs with and without the
        change at the same guidance. A point with the change lies inside the curve without it if
        its quality is better than the best on that curve (straight lines between the scales) with
        at least the same alignment. The recipe must measure the feature of the quality metric
        (`perceptual`, or `inception` with a reference for FID) and a CLIP (`clip_seedling`,
        `clip`).
    Null: The change has no effect: in each prompt group, the runs with and without the change are
        exchanged at random, for all guidance scales and seeds together; p is adjusted by Holm's
        method.
    n: Images of a run. The variance of an interval is the sum of a jackknife over seeds and one
        over prompt groups, in at most 20 blocks each, which is conservative. The interval of a
        distance is for this n.
    Source: Zhang et al. 2024, "Tackling the Singularities at the Endpoints of Time Intervals in
        Diffusion Models" (SingDiffusion), arXiv:2403.08381: FID against CLIP score for guidance
        1.5 to 8, and without guidance.

    Attributes:
        runs: Name -> folder of another run, relative to the current folder or to this run's; if
            empty, the other arms of this run's recipe.
        quality: A metric for which one direction is better; if empty, the recipe's first distance.
        alignment: Another such metric; if empty, the CLIP score of the CLIP that the recipe
            measures.
        permutations: Draws of the null.
    """

    name: ClassVar[str] = "guidance"
    version: ClassVar[int] = 1

    runs: dict[str, str] = field(default_factory=dict)
    quality: str = ""
    alignment: str = ""
    permutations: int = 200

    def find(self, run: Run) -> Findings:
        """Evaluate every run, then compare the curves."""
        metrics = self._metrics(run)
        arms = guidance_arms({THIS: run, **other_runs(run, self.runs)})
        require_curve(run, arms)
        pooled = PooledArms.read(arms, metrics)
        require(pooled.seeds, LEAST_SEEDS, "seeds in all runs")
        require(len(set(pooled.groups.tolist())), LEAST_GROUPS, "prompt groups in all runs")
        measured = Measured.of(pooled)
        points = [point_row(measured, arm) for arm in range(len(pooled.arms))]
        changes = self._changes(run, measured)
        frames = (pl.DataFrame(points), pl.DataFrame(changes, dict.fromkeys(CHANGE_COLUMNS)))
        return Findings(
            outcome=_sentence(measured, points, changes),
            numbers={"points": points, "changes": changes},
            tables={
                "points": StudyTable(frames[0], POINT_COLUMNS),
                "changes": StudyTable(frames[1], CHANGE_COLUMNS),
            },
            figures={"guidance": curves_figure(metrics, points, changes)},
            recipes=wanted_recipes(run, list(arms.values())),
            identities=identities(run, metrics=metrics)
            | {f"run {arm.name}": arm_run.run_id for arm, arm_run in arms.items()},
        )

    def _metrics(self, run: Run) -> tuple[Metric, Metric]:
        """The metrics of alignment and quality."""
        named = named_metrics(run, filter(None, [self.alignment]))
        alignment = named[0] if named else alignment_metric(run)
        known = named_metrics(run, [self.quality]) if self.quality else directed_metrics(run)
        fitting = [m for m in known if self.quality or m.higher_is_better is False]
        if not fitting or None in (fitting[0].higher_is_better, alignment.higher_is_better):
            raise RunError(
                f"quality {self.quality or 'none'}, alignment {alignment.name}; this study needs "
                f"two metrics for which one direction is better: add a distance (kid_perceptual, "
                f"fid) to the recipe's `metrics`, or name one (--set quality=fid)"
            )
        return alignment, fitting[0]

    def _changes(self, run: Run, measured: "Measured") -> list[dict[str, Any]]:
        """One row per run with a change."""
        rows: list[dict[str, Any]] = []
        for change in dict.fromkeys(arm.change for arm in measured.pooled.arms):
            if change != NONE:
                nulls = measured.null(change, self.rng(run, change), self.permutations)
                rows += adjusted([change_row(measured, arm, null) for arm, null in nulls.items()])
        return rows


def require_curve(run: Run, arms: Mapping[Arm, Run]) -> None:
    """Refuse too few guidance scales without a change.

    Raises:
        NotDrawnError: If there are too few; carries the recipe.
    """
    plain = [arm for arm in arms if arm.change == NONE]
    if len(plain) < LEAST_SCALES:
        raise NotDrawnError(
            f"{len(plain)} guidance scales without an intervention among {len(arms)} runs that "
            f"are otherwise equal; this study needs at least {LEAST_SCALES}: draw a recipe with "
            f"`arms` (plain: {{guidance_scale: 1.0}}, guidance5: {{guidance_scale: 5.0}} ...), or "
            f"name runs (--set 'runs={{guidance5: runs/guidance5}}')",
            wanted_recipes(run, list(arms.values())),
        )


def _sentence(
    measured: Measured, points: Sequence[Mapping[str, Any]], changes: Sequence[Mapping[str, Any]]
) -> str:
    pooled = measured.pooled
    alignment, quality = pooled.metrics
    front = ", ".join(
        f"{'no change' if row['change'] == NONE else row['change']} at {row['guidance']:g}"
        for row in points
        if row["undominated"]
    )
    parts = [
        f"{quality.name} against {alignment.name}, {len(points)} runs of {pooled.n:,} images each "
        f"({pooled.seeds:,} seeds, {len(set(pooled.groups.tolist()))} prompt groups); "
        f"undominated runs: {front}"
    ]
    for name in dict.fromkeys(row["change"] for row in changes):
        rows = [row for row in changes if row["change"] == name]
        unguided = [row for row in rows if row["guidance"] <= 1]
        parts += [_unguided_sentence(row, quality, alignment) for row in unguided]
        parts.append(_inside_sentence(name, rows))
    return "; ".join(parts)


def _unguided_sentence(row: Mapping[str, Any], quality: Metric, alignment: Metric) -> str:
    """The effect of a change without guidance."""
    if row["against"] is None:
        return f"without guidance there is no run to compare {row['change']} with"
    return (
        f"without guidance {row['change']} changes {quality.name} by "
        f"{_number(row, 'quality_change')} ({row['quality_relative']:+.0%}) and {alignment.name} "
        f"by {_number(row, 'alignment_change')}"
    )


def _inside_sentence(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """The guidance scales at which a change is better than the curve without it."""
    inside = [row for row in rows if row["inside"]]
    worse = [f"{row['guidance']:g}" for row in rows if row["gap_high"] < 0]
    scales = ", ".join(
        f"{row['guidance']:g} (better by {_number(row, 'gap')}, adjusted p = {row['p_holm']:.2g})"
        for row in inside
    )
    return (
        f"{name} lies inside the curve without it at {len(inside)} of {len(rows)} guidance scales"
        + (f": {scales}" if scales else "")
        + (f"; outside, with an interval below 0, at {', '.join(worse)}" if worse else "")
    )


def _number(row: Mapping[str, Any], name: str) -> str:
    return f"{row[name]:+.3g} [{row[f'{name}_low']:+.3g}, {row[f'{name}_high']:+.3g}]"


def wanted_recipes(run: Run, runs: Sequence[Run]) -> dict[str, str]:
    """Write the recipe of the paper's guidance scales, with and without the changes of the runs."""
    interventions = [sampling_of(each)["intervention"] for each in runs]
    weights = {"weights": "seedling/weights/seedling-singdiffusion"}
    changes = {used["name"]: used for used in interventions if used["name"] != NONE} or {
        "singdiffusion": {"name": "singdiffusion", "parameters": weights}
    }
    arms: dict[str, dict[str, Any]] = {}
    for scale in SCALES:
        arms[f"guidance{scale:g}"] = {"guidance_scale": scale, "intervention": {"name": NONE}}
        for name, change in changes.items():
            arms[f"{name}_guidance{scale:g}"] = {"guidance_scale": scale, "intervention": change}
    note = "Quality against alignment. Then: goldenseed study guidance RUN/guidance3"
    return {"guidance": recipe_like(run, {"arms": arms}, note=note)}
