"""`composition`: where a seed puts the object of the prompt, how large and how near."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from analysis.cells.vectors import LAYOUT
from analysis.metrics.layout import LEAST_FOUND
from analysis.statistics.intervals import Interval, grouped_mean_interval
from analysis.statistics.monte_carlo import p_words
from analysis.statistics.reliability import rank_correlation
from analysis.statistics.seed_shares import compare_with_null
from analysis.statistics.variance import variance_shares
from analysis.studies.base import Findings, Study, StudyTable
from analysis.studies.composition.figures import extremes_sheet, positions_figure, shares_figure
from analysis.studies.composition.layouts import Layouts
from analysis.study_tools.farthest_seeds import LAYOUTS
from analysis.study_tools.measured import identities, measured_feature, read_sets, require
from pipeline.errors import RunError
from pipeline.runs.run import Run

LEAST_SEEDS, LEAST_GROUPS = 8, 3


@dataclass(frozen=True)
class Composition(Study):
    """Where the seeds of a model put the object, how large they make it, and how near.

    Question: Does a seed put the object in the same place, at the same size and depth, whatever
        the prompt says about it?
    Method: The centroid, size and depth of the prompt's object are measured in every image, with
        means per seed, and per seed and object. The variance of each measure is split among seed,
        prompt and their interaction, with intervals from a two-way jackknife over seeds and prompt
        groups. A cell is deterministic, so the variance that seed and prompt do not explain is
        their interaction. Images in which the object was not found are left out of the shares and
        of the means per object; in the mean of a seed they count as the mean over the other seeds
        for that prompt.
    Null: No seed effect: in each prompt group, the images are permuted among the seeds, and the
        seed's share is computed again.
    n: One image per seed and prompt of sets 1 and 2; every row states how often the object was
        found. The seeds on the contact sheets are chosen on set 1 and shown with means and images
        of set 2.
    Source: Xu, Zhang and Shi 2024, "Good Seed Makes a Good Crop", arXiv:2405.14828, figure 10
        ("horse" by place, "bowl" by size and depth; 880 prompts of 40 objects).

    Attributes:
        feature: The layout feature; if empty, that of the recipe.
        objects: Objects to show images of; if empty, the two that are found most often.
        draws: Draws of the null.
    """

    name: ClassVar[str] = "composition"
    version: ClassVar[int] = 2

    feature: str = ""
    objects: tuple[str, ...] = ()
    draws: int = 2000

    def find(self, run: Run) -> Findings:
        """Estimate the variance shares and show the most extreme seeds."""
        feature = measured_feature(run, LAYOUTS, name=self.feature)
        needs = [f"{feature}.{name}" for name in LAYOUT]
        sets = [Layouts.of(sample, needs) for sample in read_sets(run, needs)]
        both = Layouts.joined(sets)
        _refuse_small(both)
        shares = [self._share(run, both, name) for name in LAYOUT]
        shown = _shown(both, sets, self.objects)
        seeds, objects = _seed_frame(both), _object_frame(both)
        by_object = {name: objects.filter(object=name).to_dicts() for name in shown}
        figures = {"places": positions_figure(seeds.to_dicts(), by_object)}
        for object_name in shown:
            figures |= extremes_sheet(run, sets, object_name)
        repeats = {
            name: rank_correlation(*(part.seed_means(name) for part in sets)) for name in LAYOUT
        }
        return Findings(
            outcome=_sentence(both, shares, repeats, self.draws),
            numbers={
                "seeds": len(both.seeds),
                "prompts": len(both.prompts),
                "found": both.found,
                "shares": shares,
                "rank_correlation_of_the_sets": repeats,
                "shown": shown,
            },
            tables={
                "seeds": StudyTable(seeds, SEED_COLUMNS),
                "objects": StudyTable(objects, OBJECT_COLUMNS),
                "shares": StudyTable(pl.DataFrame(shares), SHARE_COLUMNS),
            },
            figures={**figures, "shares": shares_figure(shares)},
            identities=identities(run, needs=needs),
        )

    def _share(self, run: Run, both: Layouts, name: str) -> dict[str, Any]:
        """The shares of one measure, with the null of the seed's share."""
        values = both.values[name]
        try:
            shares = variance_shares(values, both.groups)
        except ValueError as error:
            raise RunError(
                f"{name} has no variance shares, which this study needs: {error}"
            ) from error
        rng = self.rng(run, f"null {name}")
        null = compare_with_null(shares.seed.value, values, both.groups, rng, draws=self.draws)
        row: dict[str, Any] = {"measure": name}
        for part in ("seed", "prompt", "rest"):
            share: Interval = getattr(shares, part)
            row |= {part: share.value, f"{part}_low": share.low, f"{part}_high": share.high}
        return row | {
            "seed_null_high": null.high,
            "seed_p": null.p,
            "seed_p_error": null.error,
            "n": int(np.isfinite(values).sum()),
            "groups": len(set(both.groups.tolist())),
            "method": shares.seed.method,
        }


SEED_COLUMNS = {
    "seed": "the seed",
    "found": "share of its images that show the object",
    **{
        f"{name}{end}": f"mean {name}, fraction of the image{text}"
        for name in LAYOUT
        for end, text in (
            ("", ""),
            ("_low", ", lower end of its 95 % interval"),
            ("_high", ", upper end"),
        )
    },
    "n": "images",
}
OBJECT_COLUMNS = {
    "seed": "the seed",
    "object": "the object",
    "found": "images in which it was found",
    "n": "images",
    **{name: f"mean {name} over the images in which it was found, fraction" for name in LAYOUT},
}
SHARE_COLUMNS = {
    "measure": "centroid x and y, size (share of the image), depth (share that is nearer)",
    **{
        f"{part}{end}": f"share of the variance that {what}{text}"
        for part, what in (
            ("seed", "the seed explains"),
            ("prompt", "the prompt explains"),
            ("rest", "is the interaction of seed and prompt"),
        )
        for end, text in (
            ("", ""),
            ("_low", ", lower end of its 95 % interval"),
            ("_high", ", upper end"),
        )
    },
    "seed_null_high": "97.5th percentile of the seed's share under the null",
    "seed_p": "share of null draws with at least this share; one-sided",
    "seed_p_error": "its Monte-Carlo standard error",
    "n": "images in which the object was found",
    "groups": "prompt groups",
    "method": "how the intervals were made",
}


def _seed_frame(both: Layouts) -> pl.DataFrame:
    rows: dict[str, Any] = {"seed": list(both.seeds)}
    rows["found"] = np.isfinite(both.values["x"]).mean(axis=1)
    for name in LAYOUT:
        means = [grouped_mean_interval(values, both.groups) for values in both.filled(name)]
        rows[name] = [mean.value for mean in means]
        rows[f"{name}_low"] = [mean.low for mean in means]
        rows[f"{name}_high"] = [mean.high for mean in means]
    rows["n"] = [len(both.prompts)] * len(both.seeds)
    return pl.DataFrame(rows)


def _object_frame(both: Layouts) -> pl.DataFrame:
    frames = []
    for object_name in sorted(set(both.objects.tolist())):
        prompts = both.objects == object_name
        columns: dict[str, Any] = {
            "seed": list(both.seeds),
            "object": [object_name] * len(both.seeds),
            "found": np.isfinite(both.values["x"][:, prompts]).sum(axis=1),
            "n": [int(prompts.sum())] * len(both.seeds),
        }
        columns |= {name: both.of_object(name, object_name) for name in LAYOUT}
        frames.append(pl.DataFrame(columns))
    return pl.concat(frames)


def _refuse_small(both: Layouts) -> None:
    require(len(both.seeds), LEAST_SEEDS, "seeds")
    require(len(set(both.groups.tolist())), LEAST_GROUPS, "prompt groups in sets 1 and 2")
    if both.found < LEAST_FOUND:
        raise RunError(
            f"the object was found in {both.found:.0%} of the images; this study needs "
            f"{LEAST_FOUND:.0%}: use another feature, or prompts whose objects the model draws"
        )


def _shown(both: Layouts, sets: Sequence[Layouts], wanted: Sequence[str]) -> list[str]:
    """Choose the objects to show: the wanted objects, or the two that are found most often.

    Raises:
        RunError: If a wanted object is not in both sets.
    """
    known = set.intersection(*(set(part.objects.tolist()) for part in sets)) - {""}
    unknown = sorted(set(wanted) - known)
    if unknown:
        raise RunError(
            f"there is no prompt of {', '.join(unknown)} in both sets; this study needs objects "
            f"that both have: choose from {', '.join(sorted(known)) or 'none'}"
        )
    counts = {
        name: int(np.isfinite(both.values["x"][:, both.objects == name]).sum()) for name in known
    }
    return list(wanted) or sorted(known, key=lambda name: (-counts[name], name))[:2]


def _sentence(
    both: Layouts, shares: Sequence[dict[str, Any]], repeats: dict[str, Interval], draws: int
) -> str:
    parts = [
        f"{row['measure']} {row['seed']:.1%} [{row['seed_low']:.1%}, {row['seed_high']:.1%}] "
        f"(without a seed effect at most {row['seed_null_high']:.1%}, "
        f"{p_words(row['seed_p'], draws)}; rank correlation of the sets "
        f"{repeats[row['measure']].value:.2f})"
        for row in shares
    ]
    return (
        f"the seed's share of the variance of the object's layout: {', '.join(parts)}; "
        f"{len(both.seeds):,} seeds x {len(both.prompts):,} prompts, object found in "
        f"{both.found:.0%} of the images"
    )
