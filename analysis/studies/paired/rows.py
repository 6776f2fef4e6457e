"""Compute the rows of the study `paired`: the effects of one change on the same cells."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from analysis.cells.cells import Sample, read_cells
from analysis.metrics import Metric
from analysis.seed_shares import Measure
from analysis.statistics.arrays import Indices
from analysis.statistics.attenuation import carried, cross_correlation
from analysis.statistics.bounds import Interval, t_interval
from analysis.statistics.crossed import crossed_mean_interval, crossed_share_interval
from analysis.statistics.exchange import exchange_p
from analysis.statistics.monte_carlo import p_value
from analysis.statistics.seed_shares import compare_with_null, seed_share_change
from analysis.statistics.spectra import BLOCKS, crossed_errors
from analysis.statistics.variance import variance_shares
from analysis.studies.paired.images import SETS, Detail, Distances
from analysis.study_tools.measured import read_sets, refuse_unmeasured, require
from analysis.study_tools.other_runs import align, differences
from analysis.study_tools.run_pairs import CROSS_COLUMNS, RunPair
from pipeline.errors import RunError
from pipeline.runs.run import Run

LEAST_SEEDS, LEAST_GROUPS = 8, 4

WIN_COLUMNS = {
    "other": "the run with the change",
    "differs": "settings in which it differs: this run's value > the other's",
    "metric": "name of the metric",
    "seeds": "seeds that both have",
    "groups": "groups of the prompts that both have",
    "n": "cells",
    "win_rate": "share of cells whose image is better with the change; ties count half",
    "win_rate_low": "lower end of its 95 % interval over seeds and prompt groups",
    "win_rate_high": "upper end",
    "wins": "share of cells that are better with the change",
    "ties": "share of cells that are equal",
    "p": "two-sided; null: the two runs are exchanged at random in each prompt group",
    "before": "mean without the change, in the metric's unit",
    "after": "mean with the change",
    "change": "after minus before",
    "change_low": "lower end of the 95 % interval of the paired difference",
    "change_high": "upper end",
}
PICTURE_COLUMNS = {
    "other": "the run with the change",
    "measure": "pixels (0..1, all channels), or the feature whose embeddings are compared",
    "n": "cells",
    "change": "root mean square distance of the two images of a cell",
    "seeds": "the same for the images of two seeds and one prompt, both without the change",
    "ratio": "change divided by seeds: 0 if nothing is altered, 1 if as much as by another seed",
    "ratio_low": "lower end of its 95 % interval (jackknife over seeds and over prompt groups)",
    "ratio_high": "upper end",
}
DETAIL_COLUMNS = {
    "other": "the run with the change",
    "band": "spatial frequencies of luma, in cycles along a side of the image; 0 is the mean",
    "n": "cells",
    "before": "mean natural logarithm of the root mean square amplitude, without the change",
    "after": "the same with the change",
    "change": "after minus before; its exponential is the factor on the amplitude",
    "change_low": "lower end of the 95 % interval of the paired difference",
    "change_high": "upper end",
    "p": "two-sided; null: the two runs are exchanged at random in each prompt group",
}
SHARE_COLUMNS = {
    "other": "the run with the change",
    "metric": "metric of a single image",
    "n": "cells",
    "before": "share of the variance that the seed explains, without the change",
    "before_low": "lower end of its 95 % interval",
    "before_high": "upper end",
    "before_p": "share of null draws with at least this share",
    "after": "the same with the change",
    "after_low": "lower end of its 95 % interval",
    "after_high": "upper end",
    "after_p": "share of null draws with at least this share",
    "change": "after minus before",
    "change_low": "lower end of its 95 % interval (jackknife over seeds and over prompt groups)",
    "change_high": "upper end",
    "note": "why the shares are null, if they are",
}
RANK_COLUMNS = {
    "other": "the run with the change",
    "metric": "name of the metric",
    "seeds": "seeds that both have",
    "n": "images per seed in the smallest of the four sets",
    **CROSS_COLUMNS,
    "reliability_before": "rank correlation of the two sets without the change",
    "reliability_after": "rank correlation of the two sets with the change",
    "corrected": "cross divided by the root of both reliabilities; not clipped",
    "corrected_low": "lower end of its interval, bootstrap of the whole ratio; null if impossible",
    "corrected_high": "upper end",
    "same": "rank correlation of equal sets; includes the interaction of seed and prompt, too high",
}


@dataclass(frozen=True, eq=False)
class Pair:
    """A run and another run with the same cells and a change.

    Attributes:
        name: Name of the run with the change.
        before: The run without the change.
        after: The run with the change.
    """

    name: str
    before: Run
    after: Run

    @property
    def differs(self) -> str:
        """The settings in which the runs differ, in words."""
        return differences(self.before, self.after)

    def samples(self, metric: Metric) -> tuple[Sample, Sample]:
        """Read what a metric needs of the cells that both runs have.

        Returns:
            The sample without and the sample with the change.

        Raises:
            RunError: If a run lacks a feature or cells, or the runs share too few of them.
        """
        both = align(
            {
                "before": _sample(self.before, metric.needs, "this run"),
                "after": _sample(self.after, metric.needs, self.name),
            }
        )
        before, after = both["before"], both["after"]
        require(len(before.seeds), LEAST_SEEDS, f"seeds in both this run and {self.name}")
        groups = len(set(before.groups.tolist()))
        require(groups, LEAST_GROUPS, f"prompt groups in both this run and {self.name}")
        return before, after

    def win_row(self, metric: Metric, rng: np.random.Generator, draws: int) -> dict[str, Any]:
        """How often the image of a cell is better with the change."""
        samples = self.samples(metric)
        seeds, groups = samples[0].seeds, samples[0].groups
        before, after = (metric.prepare(sample.only(metric.needs))[0] for sample in samples)
        signs = np.sign(after - before) * (1 if metric.higher_is_better else -1)
        rate = crossed_share_interval((signs + 1) / 2, groups)
        return {
            "other": self.name,
            "differs": self.differs,
            "metric": metric.name,
            "seeds": len(seeds),
            "groups": len(set(groups.tolist())),
            "n": rate.n,
            **_ends("win_rate", rate),
            "wins": float((signs > 0).mean()),
            "ties": float((signs == 0).mean()),
            "p": exchange_p(signs, groups, rng, draws=draws),
            "before": float(before.mean()),
            "after": float(after.mean()),
            **_ends("change", crossed_mean_interval(after - before, groups)),
        }

    def image_row(self, distances: Distances) -> dict[str, Any]:
        """How far the change alters an image, compared with another seed."""
        seeds, prompts = distances.change.shape
        by_change, by_seed, _ = distances.summary(np.arange(seeds), np.arange(prompts))
        ratio = _jackknife(lambda s, p: float(distances.summary(s, p)[2]), seeds, distances.groups)
        return {
            "other": self.name,
            "measure": distances.measure,
            "n": ratio.n,
            "change": float(by_change),
            "seeds": float(by_seed),
            **_ends("ratio", ratio),
        }

    def detail_rows(
        self, detail: Detail, rng: np.random.Generator, draws: int
    ) -> list[dict[str, Any]]:
        """The amplitude of every band of frequencies, without and with the change."""
        rows = []
        for k, band in enumerate(detail.bands):
            before, after = detail.logs[..., k]
            change = crossed_mean_interval(after - before, detail.groups)
            rows.append(
                {
                    "other": self.name,
                    "band": band,
                    "n": change.n,
                    "before": float(before.mean()),
                    "after": float(after.mean()),
                    **_ends("change", change),
                    "p": exchange_p(after - before, detail.groups, rng, draws=draws),
                }
            )
        return rows

    def share_row(self, metric: Metric, rng: np.random.Generator, draws: int) -> dict[str, Any]:
        """The seed's share of the variance, without and with the change."""
        samples = self.samples(metric)
        measure, groups = Measure(metric.name, metric.needs, metric), samples[0].groups
        before, after = (measure.values(sample) for sample in samples)
        row: dict[str, Any] = dict.fromkeys(SHARE_COLUMNS) | {
            "other": self.name,
            "metric": metric.name,
            "n": int(np.isfinite([before, after]).all(axis=0).sum()),
            "note": "",
        }
        try:
            for name, values in (("before", before), ("after", after)):
                share = variance_shares(values, groups).seed
                null = compare_with_null(share.value, values, groups, rng, draws=draws)
                row |= {**_ends(name, share), f"{name}_p": null.p}
            return row | _ends("change", seed_share_change(before, after, groups))
        except ValueError as error:
            return dict.fromkeys(SHARE_COLUMNS) | {
                **{name: row[name] for name in ("other", "metric", "n")},
                "note": str(error),
            }

    def rank_row(
        self, metric: Metric, rng: np.random.Generator, permutations: int, draws: int
    ) -> dict[str, Any]:
        """Whether the seeds that are good without the change are also good with it."""
        sets = [read_sets(run, metric.needs) for run in (self.before, self.after)]
        pair = RunPair.of(self.name, self.differs, metric, *sets)
        first, second = pair.of_sets(pair.first), pair.of_sets(pair.second)
        correlations = carried(first, second, rng, draws=draws)
        null = np.array([cross_correlation(*pair.null(rng)) for _ in range(permutations)])
        return {
            "other": self.name,
            "metric": metric.name,
            "seeds": len(pair.seeds),
            "n": pair.n,
            **_ends("cross", correlations.cross),
            "null_high": float(np.percentile(null, 95)),
            "p": p_value(null, correlations.cross.value, scale=1.0),
            "reliability_before": correlations.reliabilities[0],
            "reliability_after": correlations.reliabilities[1],
            **_ends("corrected", correlations.corrected),
            "same": correlations.same,
        }


def _sample(run: Run, needs: tuple[str, ...], name: str) -> Sample:
    try:
        refuse_unmeasured(run, needs)
        return read_cells(run, needs, sets=SETS).sample(needs)
    except RunError as error:
        raise RunError(f"{name}: {error}") from error


def _jackknife(
    statistic: Callable[[Indices, Indices], float], seeds: int, groups: ArrayLike
) -> Interval:
    """A statistic of crossed seeds and prompts, with its interval."""
    labels = np.asarray(groups)
    value = statistic(np.arange(seeds), np.arange(len(labels)))
    error = crossed_errors(lambda s, p: np.array(statistic(s, p)), np.arange(seeds), labels)
    return t_interval(
        value,
        float(error),
        freedom=min(seeds, len(np.unique(labels)), BLOCKS) - 1,
        n=seeds * len(labels),
        method="jackknife over seeds and over prompt groups",
    )


def _ends(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
