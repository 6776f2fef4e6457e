"""`explain`: which properties of the starting noise make a seed bright, off centre or liked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from analysis.cells.cells import Sample
from analysis.metrics import Metric
from analysis.statistics.arrays import Floats
from analysis.statistics.bounds import Interval
from analysis.statistics.monte_carlo import p_value, p_words
from analysis.statistics.prediction import (
    Ridge,
    held_out,
    permuted_columns,
    r_squared,
    r_squared_interval,
)
from analysis.statistics.reliability import split_half
from analysis.studies.base import Findings, Study, StudyTable
from analysis.studies.explain.figures import explain_figure
from analysis.studies.explain.noise_features import NoiseFeatures, noise_features, strongest
from analysis.studies.explain.unseen_seeds import add_values, group_differences, list_unseen
from analysis.study_tools.measured import identities, named_metrics, read_sets, require
from analysis.study_tools.other_runs import other_run
from analysis.study_tools.recipes import recipe_like
from pipeline.errors import RunError
from pipeline.runs.run import Run

LEAST_SEEDS, LEAST_GROUPS = 20, 4

TARGET_COLUMNS = {
    "target": "metric whose value per seed is predicted",
    "r2": "share of the variance over seeds that held-out predictions explain; the mean gives 0",
    "r2_low": "lower end of its 95 % interval",
    "r2_high": "upper end",
    "ceiling": "reliability of the target: the r2 of a perfect prediction",
    "ceiling_low": "lower end of its 95 % interval",
    "ceiling_high": "upper end",
    "share_of_ceiling": "r2 / ceiling",
    "null_mean": "mean r2 of the whole nested procedure with permuted seeds",
    "null_high": "95th percentile of that r2",
    "p": "share of null draws with at least this r2",
    "seeds": "seeds",
    "prompts": "prompts behind each seed's value",
}
FEATURE_COLUMNS = {
    "target": "metric",
    "rank": "rank by the size of the correlation",
    "feature": "feature of the starting noise",
    "correlation": "correlation with the target, over seeds",
    "p_family": "share of null draws in which any feature correlates as strongly",
    "weight": "ridge coefficient, all seeds; target's unit per standard deviation of the feature",
}
UNSEEN_COLUMNS = {
    "seed": "a seed that is not in the run",
    "group": "why it is on the list",
    "predicted": "value predicted from its noise, in the target's unit",
    "found": "value in the run that drew it; null before that",
}


@dataclass(frozen=True)
class Explain(Study):
    """Predicts properties of a seed's images from its starting noise alone.

    Question: Which properties of the noise make a seed bright or dark, off centre, or liked?
    Method: The noise of each seed is described by channel means, low cosine coefficients, and the
        energies of channels and patches. Ridge regression predicts each target, a mean over the
        prompts of sets 1 and 2, with one sample per seed. Cross-validation is nested: the outer
        folds split the seeds; inside, leave-one-out chooses the penalty and the features (means,
        means and waves, energies, or all). The R2 of the held-out predictions is compared with its
        ceiling, the reliability of the target. Single features are ranked by their correlation.
        To check the target `check`, seeds that were never drawn are listed by their predicted
        value: 64 high, 64 low, 64 random. The list and its recipe are written before any of these
        seeds is drawn; `unseen` names the run that drew them.
    Null: The whole nested procedure with permuted seeds; for single features, the strongest
        correlation of any feature with permuted seeds.
    n: Seeds. The interval of R2 is a bootstrap over seeds with fixed predictions.
    Source: Ours. Reliability as the ceiling of a prediction: Spearman 1904.

    Attributes:
        targets: Metrics that are means over images; if empty, those of the recipe.
        permutations: Draws of the null.
        check: Target of the unseen seeds; if empty, the target that is predicted best.
        each: Unseen seeds in each of the three groups.
        unseen: Folder of the run that drew them, relative to the current folder or to this run's.
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
        """Predict every target and list the unseen seeds."""
        metrics = _targets(run, self.targets)
        samples = [_sample(run, metric) for metric in metrics]
        seeds = samples[0].seeds
        require(len(seeds), LEAST_SEEDS, "seeds")
        require(len(set(samples[0].groups.tolist())), LEAST_GROUPS, "prompt groups in sets 1 and 2")
        noise = noise_features(seeds, run.latents_shape, spec=run.config.noise)
        cells = [m.prepare(s.only(m.needs))[0] for m, s in zip(metrics, samples, strict=True)]
        y = np.stack([values.mean(axis=1) for values in cells], axis=1)
        rows = self._predict(run, noise, y, metrics, samples, cells)
        permuted = permuted_columns(y, self.permutations, self.rng(run, "features"))
        features = strongest(noise, y, permuted, [metric.name for metric in metrics])
        checked = self._checked_target(metrics, rows)
        metric = metrics[checked]
        fit = Ridge(noise.values, y[:, [checked]], noise.blocks)
        listed = list_unseen(run, seeds, fit, self.rng(run, "unseen"), each=self.each)
        listed, check = self._check(run, listed, metric)
        return Findings(
            outcome=_sentence(rows, features, metric.name, check, self.permutations),
            numbers={"targets": rows, "check": {"target": metric.name, **check}},
            tables={
                "targets": StudyTable(pl.DataFrame(rows), TARGET_COLUMNS),
                "features": StudyTable(pl.DataFrame(features), FEATURE_COLUMNS),
                "unseen": StudyTable(listed, UNSEEN_COLUMNS),
            },
            figures={"explain": explain_figure(rows, listed.to_dicts(), metric.name)},
            recipes={"unseen": _recipe(run, listed, metric)},
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
    ) -> list[dict[str, Any]]:
        """One row per target: how well held-out seeds are predicted."""
        permuted = permuted_columns(y, self.permutations, self.rng(run, "null"))
        predicted = held_out(
            noise.values, np.hstack([y, permuted]), self.rng(run, "folds"), blocks=noise.blocks
        )
        count = len(metrics)
        null = r_squared(permuted, predicted[:, count:]).reshape(self.permutations, count)
        rows = []
        for t, (metric, sample) in enumerate(zip(metrics, samples, strict=True)):
            rng = self.rng(run, metric.name)
            r2 = r_squared_interval(y[:, t], predicted[:, t], rng)
            ceiling = split_half(cells[t], sample.groups, rng).full
            rows.append(_row(metric.name, r2, ceiling, null[:, t], sample))
        return rows

    def _checked_target(self, metrics: Sequence[Metric], rows: Sequence[dict[str, Any]]) -> int:
        """Index of the target for which unseen seeds are listed."""
        names = [metric.name for metric in metrics]
        if self.check and self.check not in names:
            raise RunError(f"`check` is {self.check!r}; this study needs one of {', '.join(names)}")
        return names.index(self.check) if self.check else int(np.argmax([r["r2"] for r in rows]))

    def _check(
        self, run: Run, listed: pl.DataFrame, metric: Metric
    ) -> tuple[pl.DataFrame, dict[str, Any]]:
        """Add the values of the listed seeds, and compare the groups, if the seeds are drawn."""
        if not self.unseen:
            return listed, {}
        other = other_run(run, self.unseen)
        if sorted(other.seeds) != sorted(listed["seed"]) or other.run_id != run.run_id:
            raise RunError(
                f"{other.root} holds other seeds or settings than this study lists; the check "
                f"needs a run of this study's recipe `unseen`: draw it without changes"
            )
        sample = _sample(other, metric)
        values = metric.prepare(sample.only(metric.needs))[0].mean(axis=1)
        listed = add_values(listed, dict(zip(sample.seeds, values.tolist(), strict=True)))
        return listed, {**group_differences(listed), "each": self.each, "prompts": sample.n}


def _targets(run: Run, names: Sequence[str]) -> list[Metric]:
    """Choose the metrics to predict: the named metrics, or the recipe's metrics that are means."""
    ranked = [run.recipe.ranking.metric] if run.recipe.ranking else []
    known = named_metrics(run, names or dict.fromkeys([*run.recipe.metrics, *ranked]))
    means = [metric for metric in known if metric.per_image_mean]
    if not means or (names and len(means) < len(known)):
        raise RunError(
            f"recipe {run.recipe.name} has the metrics {', '.join(m.name for m in known) or 'none'}"
            f"; this study needs metrics that are means over images (brightness, layout_x, "
            f"hps_v2_1 ...), at least 1: add one to its `metrics`"
        )
    return means


def _sample(run: Run, metric: Metric) -> Sample:
    """Read the cells of sets 1 and 2 together, because no seed is chosen on these prompts."""
    sets = read_sets(run, metric.needs)
    columns = {
        need: np.concatenate([part.columns[need] for part in sets], axis=1) for need in metric.needs
    }
    prompts = tuple(prompt for part in sets for prompt in part.prompts)
    sample = Sample(sets[0].seeds, prompts, columns)
    refusal = metric.refusal(sample.only(metric.needs))
    if refusal:
        raise RunError(
            f"{metric.name} cannot be predicted, because the run has {refusal}; this study needs "
            f"other targets: leave {metric.name} out of `targets`"
        )
    return sample


def _row(
    name: str, r2: Interval, ceiling: Interval, null: Floats, sample: Sample
) -> dict[str, Any]:
    """The row of one target."""
    return {
        "target": name,
        "r2": r2.value,
        "r2_low": r2.low,
        "r2_high": r2.high,
        "ceiling": ceiling.value,
        "ceiling_low": ceiling.low,
        "ceiling_high": ceiling.high,
        "share_of_ceiling": r2.value / ceiling.value if ceiling.value > 0 else None,
        "null_mean": float(null.mean()),
        "null_high": float(np.percentile(null, 95)),
        "p": p_value(null, r2.value, scale=1.0),
        "seeds": len(sample.seeds),
        "prompts": sample.n,
    }


def _recipe(run: Run, listed: pl.DataFrame, metric: Metric) -> str:
    return recipe_like(
        run,
        {"seeds": {"chosen": sorted(listed["seed"].to_list())}, "metrics": [metric.name]},
        note=f"Unseen seeds: a third is predicted to be high in {metric.name}, a third to be low, "
        f"a third is random.\nThen: goldenseed study explain RUN --set unseen=THIS_RUN",
    )


def _sentence(
    rows: Sequence[dict[str, Any]],
    features: Sequence[dict[str, Any]],
    target: str,
    check: dict[str, Any],
    draws: int,
) -> str:
    strongest_of = {row["target"]: row for row in features if row["rank"] == 1}
    targets = "; ".join(
        f"{row['target']}: R2 {row['r2']:z.2f} [{row['r2_low']:z.2f}, {row['r2_high']:z.2f}] of a "
        f"ceiling of {row['ceiling']:z.2f} (null {row['null_mean']:z.2f}, "
        f"{p_words(row['p'], draws)}), strongest feature {best['feature']} "
        f"(r = {best['correlation']:z.2f}, {p_words(best['p_family'], draws)})"
        for row, best in ((row, strongest_of[row["target"]]) for row in rows)
    )
    n = f"{rows[0]['seeds']:,} seeds, {rows[0]['prompts']:,} prompts"
    text = f"predicted from the noise alone, {n}: {targets}"
    if not check:
        return f"{text}; unseen seeds for {target} are listed, not drawn"
    difference = check["high_less_low"]
    return (
        f"{text}; {check['each']} unseen seeds predicted high in {target} minus {check['each']} "
        f"predicted low: {difference.value:.3g} [{difference.low:.3g}, {difference.high:.3g}]"
    )
