"""`explain`: what in the starting noise makes a seed bright, off centre, or golden."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from analysis.cells.cells import Sample
from analysis.metrics import Metric, load_metric
from analysis.pictures import plots
from analysis.statistics.arrays import Floats
from analysis.statistics.bounds import Interval
from analysis.statistics.prediction import (
    Ridge,
    held_out,
    permuted_columns,
    r_squared,
    r_squared_interval,
)
from analysis.statistics.reliability import split_half
from analysis.studies.base import Findings, Study, StudyTable
from analysis.studies.explain.noise_features import NoiseFeatures, noise_features, strongest
from analysis.studies.explain.unseen_seeds import HIGH, LOW, compared, list_unseen, with_found
from analysis.study_tools.measured import identities, read_sets, require
from analysis.study_tools.other_runs import other_run
from analysis.study_tools.recipes import recipe_like
from pipeline.errors import RunError
from pipeline.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes


LEAST_SEEDS, LEAST_GROUPS = 20, 4

TARGET_COLUMNS = {
    "target": "metric whose value per seed is predicted",
    "r2": "share of the seeds' variance that held-out predictions give; the mean alone gives 0",
    "r2_low": "lower end of its 95 % interval",
    "r2_high": "upper end",
    "ceiling": "reliability of the target: what a perfect prediction could reach",
    "ceiling_low": "lower end of its 95 % interval",
    "ceiling_high": "upper end",
    "share_of_ceiling": "r2 / ceiling",
    "null_mean": "r2 of the whole nested procedure with permuted seeds, mean",
    "null_high": "95th percentile of that",
    "p": "share of the permuted draws with as high an r2",
    "seeds": "seeds",
    "prompts": "prompts behind each seed's value",
}
FEATURE_COLUMNS = {
    "target": "metric",
    "rank": "by the size of the correlation",
    "feature": "number of the starting noise",
    "correlation": "with the target, over seeds",
    "p_family": "share of permuted draws in which any feature correlates as strongly",
    "weight": "ridge coefficient of all seeds, target's unit per standard deviation of the feature",
}
UNSEEN_COLUMNS = {
    "seed": "a seed that the run does not hold",
    "group": "why it is on the list",
    "predicted": "value that its noise predicts, in the target's unit",
    "found": "value in the run that drew it; null before that",
}


@dataclass(frozen=True)
class Explain(Study):
    """Predicts what a seed does from its starting noise alone.

    Question: What in the noise makes a seed bright or dark, off centre, liked?
    Method: Of every seed's noise: channel means, low cosine coefficients, energies of channels and
        patches. Ridge regression of each target (a mean over prompts of sets 1 and 2); the
        sample is the seed: outer folds split seeds; the penalty, and whether means, means and
        waves, energies or all are used, is chosen inside by leaving one out. R2 of held-out
        predictions beside its ceiling, the target's reliability. Features ranked by correlation.
        For `check`, seeds never drawn are listed by what their noise predicts: 64 high, 64 low,
        64 at random; the list and its recipe are written before any of them is drawn, and
        `unseen` names the run that drew them.
    Null: The whole nested procedure with permuted seeds; for single features, the strongest
        correlation of any feature with permuted seeds.
    n: Seeds. R2's interval draws seeds with replacement, the fits as they are.
    Source: Ours. Reliability as the ceiling of what can be predicted: Spearman 1904.

    Attributes:
        targets: Metrics that are means over images; those of the recipe if empty.
        permutations: Draws of the null.
        check: The target of the unseen seeds; the one predicted best if empty.
        each: Unseen seeds of each of the three groups.
        unseen: Folder of the run that drew them, from here or from this run's folder.
    """

    name: ClassVar[str] = "explain"
    version: ClassVar[int] = 2
    libraries: ClassVar[tuple[str, ...]] = ("scikit-learn", "torch")

    targets: tuple[str, ...] = ()
    permutations: int = 200
    check: str = ""
    each: int = 64
    unseen: str = ""

    def find(self, run: Run) -> Findings:
        """Predict every target; list the unseen seeds."""
        metrics = _targets(run, self.targets)
        samples = [_sample(run, metric) for metric in metrics]
        seeds = samples[0].seeds
        require(len(seeds), LEAST_SEEDS, "seeds")
        require(len(set(samples[0].groups.tolist())), LEAST_GROUPS, "prompt groups in sets 1 and 2")
        noise = noise_features(seeds, run.latents_shape, spec=run.config.noise)
        cells = [m.prepare(s.only(m.needs))[0] for m, s in zip(metrics, samples, strict=True)]
        y = np.stack([values.mean(axis=1) for values in cells], axis=1)
        predicted, rows = self._predict(run, noise, y, metrics, samples, cells)
        permuted = permuted_columns(y, self.permutations, self.rng(run, "features"))
        features = strongest(noise, y, permuted, [metric.name for metric in metrics])
        asked = self._check(metrics, rows)
        listed = list_unseen(
            run,
            seeds,
            Ridge(noise.values, y[:, [asked]], noise.blocks),
            self.rng(run, "unseen"),
            each=self.each,
        )
        listed, checked = self._found(run, listed, metrics[asked])
        return Findings(
            outcome=_sentence(rows, features, metrics[asked].name, checked),
            numbers={"targets": rows, "check": {"target": metrics[asked].name, **checked}},
            tables={
                "targets": StudyTable(pl.DataFrame(rows), TARGET_COLUMNS),
                "features": StudyTable(pl.DataFrame(features), FEATURE_COLUMNS),
                "unseen": StudyTable(listed, UNSEEN_COLUMNS),
            },
            figures={"explain": _figure(metrics, y, predicted, rows, listed)},
            recipes={"unseen": _recipe(run, listed, metrics[asked])},
            identities=identities(run, metrics=metrics),
        )

    def _predict(
        self,
        run: Run,
        noise: NoiseFeatures,
        y: Floats,
        metrics: Sequence[Metric],
        samples: Sequence[Sample],
        cells: Sequence[Floats],
    ) -> tuple[Floats, list[dict[str, Any]]]:
        """Held-out predictions, and a row per target."""
        permuted = permuted_columns(y, self.permutations, self.rng(run, "null"))
        both = held_out(
            noise.values, np.hstack([y, permuted]), self.rng(run, "folds"), blocks=noise.blocks
        )
        count = len(metrics)
        null = r_squared(permuted, both[:, count:]).reshape(self.permutations, count)
        rows = []
        for place, (metric, sample) in enumerate(zip(metrics, samples, strict=True)):
            rng = self.rng(run, metric.name)
            found = r_squared_interval(y[:, place], both[:, place], rng)
            ceiling = split_half(cells[place], sample.groups, rng).full
            rows.append(_row(metric.name, found, ceiling, null[:, place], sample))
        return both[:, :count], rows

    def _check(self, metrics: Sequence[Metric], rows: Sequence[dict[str, Any]]) -> int:
        """Which target the unseen seeds are for."""
        names = [metric.name for metric in metrics]
        if self.check and self.check not in names:
            raise RunError(f"`check` is {self.check!r}; this study needs one of {', '.join(names)}")
        return names.index(self.check) if self.check else int(np.argmax([r["r2"] for r in rows]))

    def _found(
        self, run: Run, listed: pl.DataFrame, metric: Metric
    ) -> tuple[pl.DataFrame, dict[str, Any]]:
        """What the listed seeds came to, if they are drawn."""
        if not self.unseen:
            return listed, {}
        other = other_run(run, self.unseen)
        if sorted(other.seeds) != sorted(listed["seed"]) or other.run_id != run.run_id:
            raise RunError(
                f"{other.root} holds other seeds or settings than the list of this study; the "
                f"check needs the recipe `unseen` of this very run, drawn as it is"
            )
        sample = _sample(other, metric)
        values = metric.prepare(sample.only(metric.needs))[0].mean(axis=1)
        listed = with_found(listed, dict(zip(sample.seeds, values.tolist(), strict=True)))
        return listed, {**compared(listed), "each": self.each, "prompts": sample.n}


def _targets(run: Run, asked: Sequence[str]) -> list[Metric]:
    """The metrics to predict."""
    ranked = [run.recipe.ranking.metric] if run.recipe.ranking else []
    known = [load_metric(name) for name in asked or dict.fromkeys([*run.recipe.metrics, *ranked])]
    found = [metric for metric in known if metric.per_image_mean]
    if not found or (asked and len(found) < len(known)):
        raise RunError(
            f"recipe {run.recipe.name} has the metrics {', '.join(m.name for m in known) or 'none'}"
            f"; this study needs metrics that are means over images (brightness, layout_x, "
            f"hps_v2_1 ...), at least 1: add one to its `metrics`"
        )
    return found


def _sample(run: Run, metric: Metric) -> Sample:
    """The cells of sets 1 and 2 together: nothing is chosen on prompts here."""
    one, two = read_sets(run, metric.needs)
    columns = {
        need: np.concatenate([part.columns[need] for part in (one, two)], axis=1)
        for need in metric.needs
    }
    sample = Sample(one.seeds, (*one.prompts, *two.prompts), columns)
    refusal = metric.refusal(sample.only(metric.needs))
    if refusal:
        raise RunError(f"{metric.name}: {refusal}; this study needs it: leave it out of `targets`")
    return sample


def _row(
    name: str, found: Interval, ceiling: Interval, null: Floats, sample: Sample
) -> dict[str, Any]:
    return {
        "target": name,
        "r2": found.value,
        "r2_low": found.low,
        "r2_high": found.high,
        "ceiling": ceiling.value,
        "ceiling_low": ceiling.low,
        "ceiling_high": ceiling.high,
        "share_of_ceiling": found.value / ceiling.value if ceiling.value > 0 else None,
        "null_mean": float(null.mean()),
        "null_high": float(np.percentile(null, 95)),
        "p": (1 + int((null >= found.value).sum())) / (len(null) + 1),
        "seeds": len(sample.seeds),
        "prompts": sample.n,
    }


def _recipe(run: Run, listed: pl.DataFrame, metric: Metric) -> str:
    return recipe_like(
        run,
        {"seeds": {"chosen": sorted(listed["seed"].to_list())}, "metrics": [metric.name]},
        note=f"Unseen seeds: a third predicted high in {metric.name} from their noise, a third "
        f"low, a third at random.\nThen: goldenseed study explain RUN --set unseen=THIS_RUN",
    )


def _sentence(
    rows: Sequence[dict[str, Any]],
    features: Sequence[dict[str, Any]],
    asked: str,
    checked: dict[str, Any],
) -> str:
    first = {row["target"]: row for row in features if row["rank"] == 1}
    told = "; ".join(
        f"{row['target']}: R2 {row['r2']:.2f} [{row['r2_low']:.2f}, {row['r2_high']:.2f}] of a "
        f"ceiling of {row['ceiling']:.2f} (null {row['null_mean']:.2f}, p = {row['p']:.2g}), "
        f"strongest {one['feature']} (r = {one['correlation']:.2f}, p = {one['p_family']:.2g})"
        for row, one in ((row, first[row["target"]]) for row in rows)
    )
    seeds = f"{rows[0]['seeds']:,} seeds, {rows[0]['prompts']:,} prompts"
    if not checked:
        return f"from the noise alone, {seeds}: {told}; unseen seeds for {asked} listed, not drawn"
    apart = checked["high_less_low"]
    return (
        f"from the noise alone, {seeds}: {told}; of {checked['each']} unseen seeds each, those "
        f"predicted high in {asked} less those predicted low: {apart.value:.3g} "
        f"[{apart.low:.3g}, {apart.high:.3g}]"
    )


def _figure(
    metrics: Sequence[Metric],
    y: Floats,
    predicted: Floats,
    rows: Sequence[dict[str, Any]],
    listed: pl.DataFrame,
) -> bytes:
    """Held-out predictions against the truth, a panel a target; then the unseen seeds."""

    def draw(axes: "Axes", place: int | None) -> None:
        axes.set_xlabel("predicted from noise")
        if place is None:
            colour = {HIGH: plots.GOOD, LOW: plots.BAD}
            colours = [colour.get(group, plots.QUIET) for group in listed["group"]]
            plots.scatter(axes, listed["predicted"], listed["found"], colours=colours)
            axes.set(title="unseen seeds", ylabel="found")
            return
        metric, row = metrics[place], rows[place]
        plots.scatter(axes, predicted[:, place], y[:, place])
        axes.set_title(f"{metric.name}: R2 {row['r2']:.2f} of {row['ceiling']:.2f}", fontsize=9)
        axes.set_ylabel(f"found ({metric.unit})")

    drawn = [None] if listed["found"].is_not_null().any() else []
    return plots.panel_each([*range(len(metrics)), *drawn], draw, width=4, height=3.8)
