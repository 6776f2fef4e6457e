"""`guidance`: quality against alignment over guidance scales, with and without a change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from analysis.metrics import Metric, load_metric
from analysis.pictures import plots
from analysis.studies.base import Findings, NotDrawnError, Study, StudyTable
from analysis.studies.guidance.arms import NONE, Arm, PooledArms, alignment_metric, guidance_arms
from analysis.studies.guidance.curves import (
    CHANGE_COLUMNS,
    Measured,
    adjusted,
    change_row,
    point_row,
)
from analysis.study_tools.measured import directed_metrics, identities, require
from analysis.study_tools.other_runs import other_runs
from analysis.study_tools.recipes import recipe_like, sampling_of
from pipeline.errors import RunError
from pipeline.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

THIS = "this run"
LEAST_SEEDS, LEAST_GROUPS, LEAST_SCALES = 4, 8, 2
SCALES = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)
"""Without guidance, and the scales of Zhang et al."""

POINT_COLUMNS = {
    "arm": "name of the run",
    "change": "change of sampling or of weights; none",
    "guidance": "guidance scale; 1 or less: without guidance",
    "n": "images, pooled over seeds and prompts",
    "quality": "of the pooled images, in the unit of the quality metric",
    "quality_low": "lower end of its 95 % interval (jackknife over seeds and over prompt groups)",
    "quality_high": "upper end",
    "alignment": "of the pooled images, in the unit of the alignment metric",
    "alignment_low": "lower end of its 95 % interval",
    "alignment_high": "upper end",
    "undominated": "no other run is at least as good in both and better in one",
    "clearly_dominated": "a run is better in both, either difference's 95 % interval beyond 0",
}


@dataclass(frozen=True)
class Guidance(Study):
    """Quality against alignment over guidance scales: does a change move the curve?

    Question: What does more guidance cost in quality and gain in alignment, how good are the
        pictures without guidance, and at which guidance is a change of sampling better than
        anything the model reaches without it?
    Method: The runs that differ in guidance and intervention only, on the seeds and prompts that
        all have, every image of a run in one pool. Quality and alignment of each, differences at
        the same guidance cell by cell. A point with the change lies inside if its quality is
        better than the best of the curve without it (straight lines between the scales) at no
        less alignment. A recipe for it measures the quality metric's feature (`perceptual`, or
        `inception` with a reference for FID) and a CLIP (`clip_seedling`, `clip`).
    Null: The change does nothing: within each prompt group, for all guidance scales and seeds
        together, it is drawn which run is the one with the change. Adjusted by Holm.
    n: Images of a run. Intervals add a jackknife over seeds and one over prompt groups, in at
        most 20 blocks each, on the wide side; a distance's is for this n.
    Source: Zhang et al. 2024, "Tackling the Singularities at the Endpoints of Time Intervals in
        Diffusion Models" (SingDiffusion), arXiv:2403.08381: FID against CLIP score for guidance
        1.5 to 8, and without guidance.

    Attributes:
        runs: Name -> folder of another run, from here or from this run's folder; the other arms
            of this run's recipe if empty.
        quality: A metric with a better end; the recipe's first distance if empty.
        alignment: Likewise; the CLIP score of the CLIP that the recipe measures if empty.
        permutations: Draws of the null.
    """

    name: ClassVar[str] = "guidance"
    version: ClassVar[int] = 1

    runs: dict[str, str] = field(default_factory=dict)
    quality: str = ""
    alignment: str = ""
    permutations: int = 200

    def find(self, run: Run) -> Findings:
        """Measure every run, then compare the curves."""
        metrics = self._metrics(run)
        arms = guidance_arms({THIS: run, **other_runs(run, self.runs)})
        require_curve(run, arms)
        pooled = PooledArms.read(arms, metrics)
        require(pooled.seeds, LEAST_SEEDS, "seeds in all runs")
        require(len(set(pooled.groups.tolist())), LEAST_GROUPS, "prompt groups in all runs")
        measured = Measured.of(pooled)
        points = [point_row(measured, place) for place in range(len(pooled.arms))]
        changes = self._changes(run, measured)
        frames = (pl.DataFrame(points), pl.DataFrame(changes, dict.fromkeys(CHANGE_COLUMNS)))
        return Findings(
            outcome=_sentence(measured, points, changes),
            numbers={"points": points, "changes": changes},
            tables={
                "points": StudyTable(frames[0], POINT_COLUMNS),
                "changes": StudyTable(frames[1], CHANGE_COLUMNS),
            },
            figures={"guidance": _figure(measured, points, changes)},
            recipes=wanted_recipes(run, list(arms.values())),
            identities=identities(run, metrics=metrics)
            | {f"run {arm.name}": each.run_id for arm, each in arms.items()},
        )

    def _metrics(self, run: Run) -> tuple[Metric, Metric]:
        """Alignment and quality."""
        alignment = load_metric(self.alignment) if self.alignment else alignment_metric(run)
        known = [load_metric(self.quality)] if self.quality else directed_metrics(run)
        fitting = [m for m in known if self.quality or m.higher_is_better is False]
        if not fitting or None in (fitting[0].higher_is_better, alignment.higher_is_better):
            raise RunError(
                f"quality {self.quality or 'none'}, alignment {alignment.name}; this study needs "
                f"two metrics with a better end: add a distance (kid_perceptual, fid) to the "
                f"recipe's `metrics`, or name one (--set quality=fid)"
            )
        return alignment, fitting[0]

    def _changes(self, run: Run, measured: "Measured") -> list[dict[str, Any]]:
        """A row per run with a change."""
        rows: list[dict[str, Any]] = []
        for change in dict.fromkeys(arm.change for arm in measured.pooled.arms):
            if change != NONE:
                null = measured.null(change, self.rng(run, change), self.permutations)
                rows += adjusted([change_row(measured, *each) for each in null.items()])
        return rows


def require_curve(run: Run, arms: Mapping[Arm, Run]) -> None:
    """Refuse too few guidance scales without a change.

    Raises:
        NotDrawnError: Gives both numbers, and the recipe.
    """
    plain = [arm for arm in arms if arm.change == NONE]
    if len(plain) < LEAST_SCALES:
        raise NotDrawnError(
            f"{len(plain)} guidance scales without an intervention among {len(arms)} runs that "
            f"are otherwise alike; this study needs at least {LEAST_SCALES}: draw a recipe with "
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
    told = [
        f"{quality.name} against {alignment.name}, {len(points)} runs of {pooled.n:,} images each "
        f"({pooled.seeds:,} seeds, {len(set(pooled.groups.tolist()))} prompt groups): not "
        f"dominated are {front}"
    ]
    for name in dict.fromkeys(row["change"] for row in changes):
        rows = [row for row in changes if row["change"] == name]
        told += [_bare(row, quality, alignment) for row in rows if row["guidance"] <= 1]
        told.append(_inside(name, rows))
    return "; ".join(told)


def _bare(row: Mapping[str, Any], quality: Metric, alignment: Metric) -> str:
    """What a change does without guidance."""
    if row["against"] is None:
        return f"without guidance {row['change']} has no run to compare with"
    return (
        f"without guidance {row['change']} changes {quality.name} by "
        f"{_number(row, 'quality_change')} ({row['quality_relative']:+.0%}) and {alignment.name} "
        f"by {_number(row, 'alignment_change')}"
    )


def _inside(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    inside = [row for row in rows if row["inside"]]
    worse = [f"{row['guidance']:g}" for row in rows if row["gap_high"] < 0]
    where = ", ".join(
        f"{row['guidance']:g} (better by {_number(row, 'gap')}, adjusted p = {row['p_holm']:.2g})"
        for row in inside
    )
    return (
        f"{name} lies inside the curve without it at {len(inside)} of {len(rows)} guidance scales"
        + (f": {where}" if where else "")
        + (f"; outside, by its interval, at {', '.join(worse)}" if worse else "")
    )


def _number(row: Mapping[str, Any], name: str) -> str:
    return f"{row[name]:+.3g} [{row[f'{name}_low']:+.3g}, {row[f'{name}_high']:+.3g}]"


def _figure(
    measured: Measured, points: Sequence[Mapping[str, Any]], changes: Sequence[Mapping[str, Any]]
) -> bytes:
    """One curve per change; and the gaps from the curve without one."""

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        left, right = plots.panels(figure, 1, 2)
        for place, change in enumerate(dict.fromkeys(row["change"] for row in points)):
            _curve(left, [row for row in points if row["change"] == change], f"C{place}")
            _gaps(right, [row for row in changes if row["change"] == change], f"C{place}")
        ends = ("lower", "higher")
        names = [
            f"{m.name}, {ends[bool(m.higher_is_better)]} is better" for m in measured.pooled.metrics
        ]
        left.set(xlabel=names[0], ylabel=names[1], title="ring: nobody dominates it")
        left.legend(fontsize=8, frameon=False)
        right.axhline(0, color=plots.QUIET, linewidth=1)
        right.set(xlabel="guidance", ylabel="better than the curve without it", title="gap")

    return plots.figure_png(draw, width=11, height=5)


def _curve(axes: "Axes", rows: Sequence[Mapping[str, Any]], colour: str) -> None:
    x, y = ([row[name] for row in rows] for name in ("alignment", "quality"))
    axes.plot(x, y, "o-", color=colour, markersize=4, label=rows[0]["change"])
    for row in rows:
        low, high = row["quality_low"], row["quality_high"]
        axes.vlines(row["alignment"], low, high, colors=colour, linewidth=0.8, alpha=0.5)
        low, high = row["alignment_low"], row["alignment_high"]
        axes.hlines(row["quality"], low, high, colors=colour, linewidth=0.8, alpha=0.5)
        at = (row["alignment"], row["quality"])
        axes.annotate(f"{row['guidance']:g}", at, (4, 4), textcoords="offset points", fontsize=7)
    front = [row for row in rows if row["undominated"]]
    x, y = ([row[name] for row in front] for name in ("alignment", "quality"))
    axes.scatter(x, y, s=90, facecolors="none", edgecolors=plots.GOOD, linewidths=1.5, zorder=3)


def _gaps(axes: "Axes", rows: Sequence[Mapping[str, Any]], colour: str) -> None:
    for row in rows:
        axes.vlines(row["guidance"], row["gap_low"], row["gap_high"], colors=colour, linewidth=1)
        filled = colour if row["inside"] else "none"
        axes.scatter(row["guidance"], row["gap"], s=24, facecolors=filled, edgecolors=colour)


def wanted_recipes(run: Run, runs: Sequence[Run]) -> dict[str, str]:
    """The scales of the paper, without and with every change that the runs have."""
    used = [sampling_of(each)["intervention"] for each in runs]
    weights = {"weights": "seedling/weights/seedling-singdiffusion"}
    known = [each for each in used if each["name"] != NONE]
    changes = {each["name"]: each for each in known} or {
        "singdiffusion": {"name": "singdiffusion", "parameters": weights}
    }
    arms: dict[str, dict[str, Any]] = {}
    for scale in SCALES:
        arms[f"guidance{scale:g}"] = {"guidance_scale": scale, "intervention": {"name": NONE}}
        for name, change in changes.items():
            arms[f"{name}_guidance{scale:g}"] = {"guidance_scale": scale, "intervention": change}
    why = "Quality against alignment; then: goldenseed study guidance RUN/guidance3"
    return {"guidance": recipe_like(run, {"arms": arms}, note=why)}
