"""Rows of the study `paired`: what one change does to the same cells, number by number."""

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
from analysis.statistics.seed_shares import compare_with_null, seed_share_change
from analysis.statistics.spectra import BLOCKS, crossed_errors
from analysis.statistics.variance import variance_shares
from analysis.studies.paired.pictures import SETS, Apart, Detail
from analysis.study_tools.measured import read_sets, refuse_unmeasured, require
from analysis.study_tools.other_runs import aligned, differences
from analysis.study_tools.run_pairs import RunPair
from pipeline.errors import RunError
from pipeline.runs.run import Run

LEAST_SEEDS, LEAST_GROUPS = 8, 4

WIN_COLUMNS = {
    "other": "the run with the change",
    "differs": "what it is drawn differently with: this run's setting > the other's",
    "metric": "name of the metric",
    "seeds": "seeds that both have",
    "groups": "groups of the prompts that both have",
    "n": "cells",
    "win_rate": "share of cells whose picture is better with the change, a tie counting half",
    "win_rate_low": "lower end of its 95 % interval over seeds and prompt groups",
    "win_rate_high": "upper end",
    "wins": "share of cells that are better with the change",
    "ties": "share of cells that are alike",
    "p": "two-sided: it is exchanged by prompt group which of both is the change; 0.5 is its mean",
    "before": "mean without the change, in the metric's unit",
    "after": "mean with it",
    "change": "after less before",
    "change_low": "lower end of its 95 % interval, cell by cell",
    "change_high": "upper end",
}
PICTURE_COLUMNS = {
    "other": "the run with the change",
    "measure": "pixels (0..1, all channels), or the feature whose embeddings are compared",
    "n": "cells",
    "change": "root mean square distance of the two pictures of a cell",
    "seeds": "the same of two seeds' pictures of one prompt, both without the change",
    "ratio": "change over seeds: 0 where nothing is altered, 1 where it is as another seed",
    "ratio_low": "lower end of its 95 % interval (jackknife over seeds and over prompt groups)",
    "ratio_high": "upper end",
}
DETAIL_COLUMNS = {
    "other": "the run with the change",
    "band": "spatial frequencies of luma, in cycles along a side of the picture; 0 is the mean",
    "n": "cells",
    "before": "mean natural logarithm of a picture's root mean square amplitude, without",
    "after": "the same with the change",
    "change": "after less before; exp of it is the factor on the amplitude",
    "change_low": "lower end of its 95 % interval over seeds and prompt groups, cell by cell",
    "change_high": "upper end",
    "p": "two-sided: it is exchanged by prompt group which of both is the change",
}
SHARE_COLUMNS = {
    "other": "the run with the change",
    "metric": "metric whose number of each image is taken",
    "n": "cells",
    "before": "share of the variance that is the seed's alone, without the change",
    "before_low": "lower end of its 95 % interval",
    "before_high": "upper end",
    "before_p": "share of permuted owners with as high a share",
    "after": "the same with the change",
    "after_low": "lower end of its 95 % interval",
    "after_high": "upper end",
    "after_p": "share of permuted owners with as high a share",
    "change": "after less before",
    "change_low": "lower end of its 95 % interval (jackknife over seeds and over prompt groups)",
    "change_high": "upper end",
    "note": "why the shares are null where they are",
}
RANK_COLUMNS = {
    "other": "the run with the change",
    "metric": "name of the metric",
    "seeds": "seeds that both have",
    "n": "images per seed in the smallest of the four sets",
    "cross": "rank correlation of set 1 without and set 2 with the change, both ways",
    "cross_low": "lower end of its 95 % interval, seeds resampled",
    "cross_high": "upper end",
    "null_high": "95th percentile of it with permuted owners in the run with the change",
    "p": "share of permuted draws with at least as high a correlation",
    "reliability_before": "rank correlation of the two sets without the change",
    "reliability_after": "the same with it",
    "corrected": "cross over the root of both reliabilities: with endless prompts; not clipped",
    "corrected_low": "lower end of its interval, the whole ratio resampled; null: none can be had",
    "corrected_high": "upper end",
    "same": "rank correlation of equal sets; holds what seed and prompt do together: optimistic",
}


@dataclass(frozen=True, eq=False)
class Pair:
    """A run and the same cells with a change.

    Attributes:
        name: Of the run with the change.
        before: The run without.
        after: The run with it.
    """

    name: str
    before: Run
    after: Run

    @property
    def differs(self) -> str:
        """What the change is."""
        return differences(self.before, self.after)

    def samples(self, metric: Metric) -> tuple[Sample, Sample]:
        """What a metric needs, on the cells that both have, without and with the change.

        Raises:
            RunError: If a run lacks a feature or cells, or both have too few in common.
        """
        read = {"before": _sample(self.before, metric.needs, "this run")}
        read["after"] = _sample(self.after, metric.needs, self.name)
        both = aligned(read)
        require(len(both["before"].seeds), LEAST_SEEDS, f"seeds in both this run and {self.name}")
        groups = len(set(both["before"].groups.tolist()))
        require(groups, LEAST_GROUPS, f"prompt groups in both this run and {self.name}")
        return both["before"], both["after"]

    def win_row(self, metric: Metric, rng: np.random.Generator, draws: int) -> dict[str, Any]:
        """Which of the two pictures of a cell is better."""
        before, after = self.samples(metric)
        one, two = (metric.prepare(each.only(metric.needs))[0] for each in (before, after))
        signs = np.sign(two - one) * (1 if metric.higher_is_better else -1)
        rate = crossed_share_interval((signs + 1) / 2, before.groups)
        change = crossed_mean_interval(two - one, before.groups)
        return {
            "other": self.name,
            "differs": self.differs,
            "metric": metric.name,
            "seeds": len(before.seeds),
            "groups": len(set(before.groups.tolist())),
            "n": rate.n,
            **_ends("win_rate", rate),
            "wins": float((signs > 0).mean()),
            "ties": float((signs == 0).mean()),
            "p": exchange_p(signs, before.groups, rng, draws=draws),
            "before": float(one.mean()),
            "after": float(two.mean()),
            **_ends("change", change),
        }

    def picture_row(self, apart: Apart) -> dict[str, Any]:
        """How far a cell's two pictures lie apart, beside two seeds' pictures."""
        seeds, prompts = apart.change.shape
        changed, others, _ = apart.distances(np.arange(seeds), np.arange(prompts))
        ratio = _jackknife(lambda s, p: float(apart.distances(s, p)[2]), seeds, apart.groups)
        return {
            "other": self.name,
            "measure": apart.measure,
            "n": ratio.n,
            "change": float(changed),
            "seeds": float(others),
            **_ends("ratio", ratio),
        }

    def detail_rows(
        self, detail: Detail, rng: np.random.Generator, draws: int
    ) -> list[dict[str, Any]]:
        """How strong every band of frequencies is, without and with the change."""
        rows = []
        for place, band in enumerate(detail.bands):
            one, two = detail.logs[..., place]
            change = crossed_mean_interval(two - one, detail.groups)
            rows.append(
                {
                    "other": self.name,
                    "band": band,
                    "n": change.n,
                    "before": float(one.mean()),
                    "after": float(two.mean()),
                    **_ends("change", change),
                    "p": exchange_p(two - one, detail.groups, rng, draws=draws),
                }
            )
        return rows

    def share_row(self, metric: Metric, rng: np.random.Generator, draws: int) -> dict[str, Any]:
        """The seed's share of the variance, without and with the change."""
        samples = self.samples(metric)
        measure, groups = Measure(metric.name, metric.needs, metric), samples[0].groups
        without, with_it = (measure.values(each) for each in samples)
        row: dict[str, Any] = dict.fromkeys(SHARE_COLUMNS) | {
            "other": self.name,
            "metric": metric.name,
            "n": int(np.isfinite([without, with_it]).all(axis=0).sum()),
            "note": "",
        }
        try:
            for name, each in (("before", without), ("after", with_it)):
                share = variance_shares(each, groups).seed
                null = compare_with_null(share.value, each, groups, rng, draws=draws)
                row |= {**_ends(name, share), f"{name}_p": null.p}
            return row | _ends("change", seed_share_change(without, with_it, groups))
        except ValueError as error:
            return dict.fromkeys(SHARE_COLUMNS) | {
                **{name: row[name] for name in ("other", "metric", "n")},
                "note": str(error),
            }

    def rank_row(
        self, metric: Metric, rng: np.random.Generator, permutations: int, draws: int
    ) -> dict[str, Any]:
        """Whether the seeds that are good without the change are good with it."""
        sets = [read_sets(run, metric.needs) for run in (self.before, self.after)]
        pair = RunPair.of(self.name, self.differs, metric, *sets)
        first, second = pair.of_sets(pair.first), pair.of_sets(pair.second)
        found = carried(first, second, rng, draws=draws)
        null = np.array([cross_correlation(first, pair.null(rng)) for _ in range(permutations)])
        return {
            "other": self.name,
            "metric": metric.name,
            "seeds": len(pair.seeds),
            "n": pair.n,
            **_ends("cross", found.cross),
            "null_high": float(np.percentile(null, 95)),
            "p": float(((null >= found.cross.value).sum() + 1) / (permutations + 1)),
            "reliability_before": found.reliabilities[0],
            "reliability_after": found.reliabilities[1],
            **_ends("corrected", found.corrected),
            "same": found.same,
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
    """A statistic of seeds crossed with prompts, with its interval."""
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


def _ends(name: str, found: Interval) -> dict[str, float]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
