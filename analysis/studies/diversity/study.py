"""`diversity`: do seeds that lie far apart draw more different pictures than random ones?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.cells.cells import Sample
from analysis.cells.vectors import LAYOUT
from analysis.pictures import plots
from analysis.ranking.confirmation import p_value
from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.intervals import Interval, grouped_mean_interval
from analysis.studies.base import Findings, Study, StudyTable
from analysis.studies.diversity.guided_run import GUIDED, guided_recipes, open_guided
from analysis.study_tools.diversity_cost import REPORTS, quality_of, seconds_per_image, share_found
from analysis.study_tools.farthest_seeds import (
    By,
    cosine_matrix,
    farthest_points,
    mean_pairs,
    nanmean,
    seed_space,
    similarities,
    space_feature,
)
from analysis.study_tools.measured import identities, read_sets, require
from pipeline.errors import RunError
from pipeline.runs.run import Run

SPACES: tuple[By, ...] = ("style", "composition")
LEAST_SEEDS, LEAST_GROUPS = 8, 4

COLUMNS = {
    "space": "style or composition: in what seeds are far apart, and images are compared",
    "method": "farthest points, random seeds, or particle_guidance",
    "similarity": "mean cosine similarity of the images of a prompt; lower is more diverse",
    "low": "lower end of its 95 % interval",
    "high": "upper end",
    "less_random": "similarity less that of random seeds, the same prompts",
    "less_random_low": "lower end of its 95 % interval",
    "less_random_high": "upper end",
    "null_low": "5 % point of that difference under the null; null where there is no such null",
    "p": "share of the null at most as large",
    "found": "share of the images that show the object; null where it was not measured",
    "quality": "mean of the quality metric over the images; null where the recipe has none",
    "quality_metric": "its name and unit",
    "seconds": "seconds an image as the shards' receipts state them, same for seeds of one run",
    "prompts": "prompts of set 3",
    "images": "images of a prompt that are compared with one another",
}


@dataclass(frozen=True)
class Diversity(Study):
    """Whether seeds that lie far apart draw more different pictures of one prompt.

    Question: Are the pictures of a prompt less alike when its seeds are far apart in style or
        composition, and at what price in quality?
    Method: Farthest point sampling of `k` seeds over per-seed vectors of set 1, from `firsts`
        random first seeds; on set 3 the mean cosine similarity of every two of a prompt's images
        (style vectors, or x, y, size and depth of the object), against as many random seeds with
        the same first one, by prompt, interval by prompt groups. Images without an object are
        left out of composition, so the share of found objects and the quality of every method
        stand beside it. Particle Guidance, a run of its own (`guided`), is compared on the same
        prompts at the same guidance scale and steps; time an image beside it.
    Null: Within each prompt of set 3 it is permuted which seed owns which image; the chosen seeds
        stay, and the difference from random seeds is computed again.
    n: Prompts of set 3, `firsts` choices of `k` seeds; nothing of set 3 takes part in choosing.
    Source: Xu, Zhang and Shi 2024, "Good Seed Makes a Good Crop", arXiv:2405.14828, Table 2;
        Corso et al. 2024, Particle Guidance, arXiv:2310.13102. Mean vectors instead of a second
        t-SNE, and the euclidean distance, are our choice. For SDXL Turbo the paper finds no gain
        in composition.

    Attributes:
        by: Spaces; those that the recipe's features allow if empty.
        style: The style feature; whichever the recipe measures if empty.
        layout: The layout feature; likewise.
        k: Images of a prompt.
        firsts: Random first seeds.
        draws: Draws of the null.
        guided: Folder of the same recipe's run with the intervention particle_guidance; there can
            be none of a run of one step, or by another sampler than DDIM and DDPM.
    """

    name: ClassVar[str] = "diversity"
    version: ClassVar[int] = 1

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
        nulls: dict[str, tuple[Floats, float]] = {}
        for by, feature in spaces.items():
            found = _Compared.of(self, run, by, feature)
            nulls[by] = (found.null, found.difference.value)
            rows += found.rows(run)
            if guided is not None:
                rows.append(found.guided_row(guided))
        return Findings(
            outcome=_sentence(rows),
            numbers={"methods": rows, "first_seeds": self.firsts},
            tables={"methods": StudyTable(pl.DataFrame(rows, infer_schema_length=None), COLUMNS)},
            figures={"methods": _figure(rows, nulls)},
            recipes={} if guided is not None else guided_recipes(run),
            identities=identities(run, needs=[f"{name}." for name in spaces.values()]),
        )

    def _spaces(self, run: Run) -> dict[By, str]:
        """Space -> its feature.

        Raises:
            RunError: If the recipe measures none.
        """
        found: dict[By, str] = {}
        reasons = []
        for by in self.by or SPACES:
            try:
                found[by] = space_feature(run, by, name=getattr(self, _SETTING[by]))
            except RunError as error:
                reasons.append(str(error))
        if not found or (self.by and reasons):
            raise RunError("; ".join(reasons))
        return found


_SETTING: Mapping[By, str] = {"style": "style", "composition": "layout"}


def _columns(by: By, feature: str) -> list[str]:
    return [f"{feature}.style"] if by == "style" else [f"{feature}.{name}" for name in LAYOUT]


def _images(sample: Sample, needs: Sequence[str]) -> Floats:
    """What images are compared by, shape (S, P, d)."""
    parts = [np.asarray(sample.columns[need], dtype=np.float64) for need in needs]
    return parts[0] if len(parts) == 1 else np.stack(parts, axis=2)


@dataclass(frozen=True, eq=False)
class _Compared:
    """Farthest against random seeds in one space.

    Attributes:
        by: The space.
        needs: Columns of the images.
        sample: Set 3.
        sets: Method -> shape (F, k), places of seeds.
        similar: Method -> shape (P,), per prompt, mean over first seeds.
        null: Shape (B,), the difference under permuted owners.
    """

    by: By
    needs: Sequence[str]
    sample: Sample
    sets: Mapping[str, Indices]
    similar: Mapping[str, Floats]
    null: Floats

    @classmethod
    def of(cls, study: Diversity, run: Run, by: By, feature: str) -> "_Compared":
        needs = _columns(by, feature)
        space = seed_space(run, by, feature=feature)
        require(len(space.seeds), max(LEAST_SEEDS, 2 * study.k), "seeds")
        (sample,) = read_sets(run, needs, sets=(REPORTS,))
        require(len(set(sample.groups.tolist())), LEAST_GROUPS, "prompt groups in set 3")
        rng = study.rng(run, f"seeds {by}")
        firsts = rng.permutation(len(space.seeds))[: study.firsts]
        sets = {
            "farthest points": np.array(
                [farthest_points(space.values, study.k, first=int(one)) for one in firsts]
            ),
            "random seeds": np.array(
                [_random_set(int(one), study.k, space, rng) for one in firsts]
            ),
        }
        similar, null = similarities(
            _images(sample, needs), sets, study.rng(run, f"null {by}"), study.draws
        )
        return cls(by, needs, sample, sets, similar, null)

    @property
    def difference(self) -> Interval:
        """Farthest less random."""
        return self._less_random(self.similar["farthest points"], self.sample.groups)

    def _less_random(self, similar: Floats, groups: NDArray[np.str_]) -> Interval:
        return _mean(similar - self.similar["random seeds"], groups)

    def rows(self, run: Run) -> list[dict[str, Any]]:
        """Both methods of this run."""
        return [
            self._row(run, method, self.similar[method], places, self.sample)
            for method, places in self.sets.items()
        ]

    def _row(
        self, run: Run, method: str, similar: Floats, places: Indices, sample: Sample
    ) -> dict[str, Any]:
        own = _mean(similar, sample.groups)
        less = self._less_random(similar, sample.groups) if method != "random seeds" else None
        tested = method == "farthest points"
        ids = [prompt.id for prompt in sample.prompts]
        return {
            "space": self.by,
            "method": method,
            "similarity": own.value,
            "low": own.low,
            "high": own.high,
            "less_random": less.value if less else None,
            "less_random_low": less.low if less else None,
            "less_random_high": less.high if less else None,
            "null_low": float(np.percentile(self.null, 5)) if tested else None,
            "p": p_value(-self.null, -less.value) if tested and less else None,
            "found": share_found(self.by, sample, self.needs, places),
            **quality_of(run, places, ids),
            "seconds": seconds_per_image(run),
            "prompts": int(np.isfinite(similar).sum()),
            "images": int(places.shape[1]),
        }

    def guided_row(self, guided: Run) -> dict[str, Any]:
        """Particle Guidance on the same prompts: its groups are four seeds in a row."""
        (sample,) = read_sets(guided, self.needs, sets=(REPORTS,))
        if [p.id for p in sample.prompts] != [p.id for p in self.sample.prompts]:
            raise RunError(
                f"{guided.root} has other prompts in set 3; the same ones are needed: draw it with "
                f"the recipe that this study names"
            )
        k = next(iter(self.sets.values())).shape[1]
        places = np.arange(len(sample.seeds) // k * k).reshape(-1, k)
        images = _images(sample, self.needs)
        pairs = (mean_pairs(cosine_matrix(images[:, p]), places) for p in range(images.shape[1]))
        similar = np.array([float(nanmean(each)) for each in pairs])
        return self._row(guided, GUIDED, similar, places, sample)


def _random_set(first: int, k: int, space: Any, rng: np.random.Generator) -> Indices:  # noqa: ANN401
    """The same first seed, the others at random."""
    others = np.delete(np.arange(len(space.seeds)), first)
    return np.concatenate([[first], rng.permutation(others)[: k - 1]]).astype(np.intp)


def _mean(values: Floats, groups: NDArray[np.str_]) -> Interval:
    there = np.isfinite(values)
    if len(set(groups[there].tolist())) < 2:
        raise RunError(
            "too few prompts of set 3 have two images with a found object; at least 2 prompt "
            "groups are needed"
        )
    return grouped_mean_interval(values[there], groups[there])


def _sentence(rows: Sequence[Mapping[str, Any]]) -> str:
    parts = []
    for row in rows:
        if row["method"] == "random seeds":
            continue
        test = ""
        if row["p"] is not None:
            test = f", no seed effect gives at least {row['null_low']:+.4f}, p = {row['p']:.2g}"
        parts.append(
            f"{row['method']} in {row['space']}: similarity {row['similarity']:.4f}, "
            f"{row['less_random']:+.4f} [{row['less_random_low']:+.4f}, "
            f"{row['less_random_high']:+.4f}] against random seeds on {row['prompts']} prompts of "
            f"set 3{test}"
        )
    return "; ".join(parts)


def _figure(rows: Sequence[Mapping[str, Any]], nulls: Mapping[str, tuple[Floats, float]]) -> bytes:
    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        for axes, by in zip(plots.panels(figure, 1, len(nulls)), nulls, strict=True):
            plots.against_null(axes, *nulls[by], name=f"farthest less random, {by}")
            for row in rows:
                if row["space"] == by and row["method"] == GUIDED:
                    axes.axvline(row["less_random"], color=plots.BAD, label=GUIDED)
                    axes.legend(fontsize=8, frameon=False)

    return plots.figure_png(draw, width=4.6 * len(nulls), height=3.6)
