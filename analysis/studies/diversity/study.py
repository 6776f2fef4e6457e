"""`diversity`: do seeds that are far apart draw more different images than random seeds?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.cells.cells import Sample
from analysis.pictures import plots
from analysis.pictures.plots import DrawnFigure
from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.intervals import Interval, grouped_mean_interval
from analysis.statistics.monte_carlo import p_value, p_words
from analysis.studies.base import Findings, Study, StudyTable
from analysis.studies.diversity.comparison import (
    FARTHEST,
    RANDOM,
    Similarities,
    choose_seeds,
    compare_groups,
    consecutive_groups,
    image_vectors,
    space_columns,
)
from analysis.studies.diversity.cost import quality_of, seconds_per_image, share_found
from analysis.studies.diversity.guided_run import GUIDED, guided_recipes, open_guided
from analysis.study_tools.farthest_seeds import By, seed_space, space_feature
from analysis.study_tools.measured import REPORTING_SET, identities, read_sets, require
from pipeline.errors import RunError
from pipeline.runs.run import Run

SPACES: tuple[By, ...] = ("style", "composition")
LEAST_SEEDS, LEAST_GROUPS = 8, 4

COLUMNS = {
    "space": "style or composition: how seeds are far apart, and how images are compared",
    "method": "farthest points, random seeds, or particle_guidance",
    "similarity": "mean cosine similarity of the images of a prompt; lower is more diverse",
    "low": "lower end of its 95 % interval",
    "high": "upper end",
    "less_random": "similarity minus that of random seeds, same prompts",
    "less_random_low": "lower end of its 95 % interval",
    "less_random_high": "upper end",
    "null_low": "5th percentile of that difference under the null; null where there is no null",
    "p": "share of null draws with at most this difference",
    "found": "share of the images that show the object; null where it was not measured",
    "quality": "mean of the quality metric over the images; null where the recipe has none",
    "quality_metric": "its name and unit",
    "seconds": "seconds per image from the receipts of the shards, the same for all seeds of a run",
    "prompts": "prompts of set 3",
    "images": "images of a prompt that are compared with one another",
}


@dataclass(frozen=True)
class Diversity(Study):
    """Whether seeds that are far apart draw more different images of the same prompt.

    Question: Are the images of a prompt less similar if its seeds are far apart in style or in
        composition, and what does that cost in quality?
    Method: Farthest point sampling chooses `k` seeds by their vectors on set 1, from each of
        `firsts` random first seeds. On set 3, the mean cosine similarity of all pairs of a prompt's
        images (style vectors; or x, y, size and depth of the object) is compared with that of as
        many random seeds with the same first seed, prompt by prompt, with an interval over prompt
        groups. Images in which the object was not found are left out of composition, so the share
        of found objects is reported for each method, and so is the quality. Particle Guidance, a
        run of its own (`guided`), is compared on the same prompts with the same guidance scale and
        steps; the time per image is reported.
    Null: No seed effect: in each prompt group of set 3, the images are permuted among the seeds.
        The chosen seeds stay the same, and the difference from random seeds is computed again.
    n: Prompts of set 3, and `firsts` choices of `k` seeds; set 3 is not used for choosing.
    Source: Xu, Zhang and Shi 2024, "Good Seed Makes a Good Crop", arXiv:2405.14828, Table 2;
        Corso et al. 2024, Particle Guidance, arXiv:2310.13102. Mean vectors instead of a second
        t-SNE, and the Euclidean distance, are our choice. The paper finds no gain in composition
        for SDXL Turbo.

    Attributes:
        by: Spaces; if empty, those for which the recipe measures a feature.
        style: The style feature; if empty, that of the recipe.
        layout: The layout feature; if empty, that of the recipe.
        k: Images per prompt.
        firsts: Random first seeds.
        draws: Draws of the null.
        guided: Folder of the run of the same recipe with the intervention particle_guidance, which
            needs several steps and the scheduler DDIM or DDPM.
    """

    name: ClassVar[str] = "diversity"
    version: ClassVar[int] = 2

    by: tuple[By, ...] = ()
    style: str = ""
    layout: str = ""
    k: int = 4
    firsts: int = 100
    draws: int = 200
    guided: str = ""

    def find(self, run: Run) -> Findings:
        """Compare the methods in every space."""
        spaces = self._spaces(run)
        guided = open_guided(run, self.guided) if self.guided else None
        rows: list[dict[str, Any]] = []
        for by, feature in spaces.items():
            comparison = _Comparison.of(self, run, by, feature)
            rows += comparison.rows(run)
            if guided is not None:
                rows.append(comparison.guided_row(guided))
        return Findings(
            outcome=_sentence(rows, self.draws),
            numbers={"methods": rows, "first_seeds": self.firsts},
            tables={"methods": StudyTable(pl.DataFrame(rows, infer_schema_length=None), COLUMNS)},
            figures={"methods": methods_figure(rows)},
            recipes={} if guided is not None else guided_recipes(run),
            identities=identities(run, needs=[f"{name}." for name in spaces.values()]),
        )

    def _spaces(self, run: Run) -> dict[By, str]:
        """Space -> its feature.

        Raises:
            RunError: If the recipe measures none.
        """
        spaces: dict[By, str] = {}
        reasons = []
        for by in self.by or SPACES:
            try:
                spaces[by] = space_feature(run, by, name=getattr(self, _SETTING[by]))
            except RunError as error:
                reasons.append(str(error))
        if not spaces or (self.by and reasons):
            raise RunError("; ".join(reasons))
        return spaces


_SETTING: Mapping[By, str] = {"style": "style", "composition": "layout"}


@dataclass(frozen=True, eq=False)
class _Comparison:
    """Farthest seeds and random seeds in one space.

    Attributes:
        by: The space.
        needs: Columns of the images.
        sample: Set 3.
        seeds: Method -> shape (F, k), indices of seeds.
        similarities: The similarities of both methods on set 3, with their null.
    """

    by: By
    needs: Sequence[str]
    sample: Sample
    seeds: Mapping[str, Indices]
    similarities: Similarities

    @classmethod
    def of(cls, study: Diversity, run: Run, by: By, feature: str) -> "_Comparison":
        needs = space_columns(by, feature)
        space = seed_space(run, by, feature=feature)
        require(len(space.seeds), max(LEAST_SEEDS, 2 * study.k), "seeds")
        (sample,) = read_sets(run, needs, sets=(REPORTING_SET,))
        require(len(set(sample.groups.tolist())), LEAST_GROUPS, "prompt groups in set 3")
        seeds = choose_seeds(space, study.k, study.firsts, study.rng(run, f"seeds {by}"))
        images = image_vectors(sample, needs)
        rng = study.rng(run, f"null {by}")
        similar = compare_groups(images, seeds, sample.groups, rng, study.draws)
        return cls(by, needs, sample, seeds, similar)

    def _minus_random(self, similar: Floats, groups: NDArray[np.str_]) -> Interval:
        return _mean(similar - self.similarities.by_method[RANDOM], groups)

    def rows(self, run: Run) -> list[dict[str, Any]]:
        """Both methods of this run."""
        return [
            self._row(run, method, self.similarities.by_method[method], seeds, self.sample)
            for method, seeds in self.seeds.items()
        ]

    def _row(
        self, run: Run, method: str, similar: Floats, seeds: Indices, sample: Sample
    ) -> dict[str, Any]:
        mean, null = _mean(similar, sample.groups), self.similarities.null
        less = self._minus_random(similar, sample.groups) if method != RANDOM else None
        tested = method == FARTHEST
        ids = [prompt.id for prompt in sample.prompts]
        return {
            "space": self.by,
            "method": method,
            "similarity": mean.value,
            "low": mean.low,
            "high": mean.high,
            "less_random": less.value if less else None,
            "less_random_low": less.low if less else None,
            "less_random_high": less.high if less else None,
            "null_low": float(np.percentile(null, 5)) if tested else None,
            "p": p_value(-null, -less.value) if tested and less else None,
            "found": share_found(self.by, sample, self.needs, seeds),
            **quality_of(run, seeds, ids),
            "seconds": seconds_per_image(run),
            "prompts": int(np.isfinite(similar).sum()),
            "images": int(seeds.shape[1]),
        }

    def guided_row(self, guided: Run) -> dict[str, Any]:
        """Particle Guidance on the same prompts."""
        (sample,) = read_sets(guided, self.needs, sets=(REPORTING_SET,))
        if [p.id for p in sample.prompts] != [p.id for p in self.sample.prompts]:
            raise RunError(
                f"{guided.root} has other prompts in set 3; the same prompts are needed: draw it "
                f"with the recipe that this study writes"
            )
        k = self.seeds[FARTHEST].shape[1]
        seeds, similar = consecutive_groups(image_vectors(sample, self.needs), k)
        return self._row(guided, GUIDED, similar, seeds, sample)


def _mean(values: Floats, groups: NDArray[np.str_]) -> Interval:
    """Mean over the prompts that have a value, with an interval over prompt groups."""
    known = np.isfinite(values)
    if len(set(groups[known].tolist())) < 2:
        raise RunError(
            "too few prompts of set 3 have two images with a found object; at least 2 prompt "
            "groups are needed: draw more prompts, or leave composition out of `by`"
        )
    return grouped_mean_interval(values[known], groups[known])


def _sentence(rows: Sequence[Mapping[str, Any]], draws: int) -> str:
    parts = []
    for row in rows:
        if row["method"] == RANDOM:
            continue
        test = ""
        if row["p"] is not None:
            p = p_words(row["p"], draws)
            test = f", without a seed effect at least {row['null_low']:+.4f}, {p}"
        parts.append(
            f"{row['method']} in {row['space']}: similarity {row['similarity']:.4f}, difference "
            f"from random seeds {row['less_random']:+.4f} [{row['less_random_low']:+.4f}, "
            f"{row['less_random_high']:+.4f}] on {row['prompts']} prompts of set 3{test}"
        )
    return "; ".join(parts)


def methods_figure(rows: Sequence[Mapping[str, Any]]) -> DrawnFigure:
    """Draw the difference of each method from random seeds.

    Args:
        rows: The rows of the table "methods".
    """
    shown = [row for row in rows if row["method"] != RANDOM]

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        (axes,) = plots.panels(figure, 1, 1)
        labels = [f"{row['method']}, {row['space']}" for row in shown]
        ends = (plots.column(shown, f"less_random{end}") for end in ("", "_low", "_high"))
        plots.intervals(axes, labels, *ends, name="this run, 95 % interval")
        null = plots.column(shown, "null_low")
        plots.null_ticks(axes, null, name="seeds without an effect, 5th percentile")
        axes.axvline(0, color=plots.QUIET, linewidth=1)
        axes.set_xlabel("cosine similarity of a prompt's images, minus that with random seeds")

    return plots.figure(
        draw,
        title="How much more varied the images of a prompt are with seeds chosen far apart",
        caption="Similarity of the images of a prompt by each choice of seeds, minus that by "
        "random seeds; below 0 the images vary more. Purple: what seeds without an effect reach "
        "in 5 % of the draws.",
        width=8,
        height=1.7 + 0.3 * len(shown),
    )
