"""`style`: a map of the seeds by the style of their images; groups of seeds, named and tested."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.cells.cells import Sample
from analysis.pictures.contact_sheet import read_one_prompt
from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.embedding import cut_groups, landmark_tsne, principal_scores, tsne
from analysis.statistics.monte_carlo import p_value, p_words
from analysis.statistics.owners import permute_owners, permuted_means
from analysis.studies.base import Findings, Study, StudyTable
from analysis.studies.style.figures import map_figure, spread_seeds
from analysis.studies.style.groups import GROUP_COLUMNS, TRAITS, deviations, group_rows
from analysis.study_tools.farthest_seeds import STYLES
from analysis.study_tools.measured import identities, measured_feature, read_sets, require
from pipeline.errors import RunError
from pipeline.runs.run import Run

LEVEL = 0.01
"""Largest adjusted p-value at which a name is confirmed, for all groups together."""
SHARE_DRAWS = 200
"""Draws of the null of the seed's share."""
LEAST_SEEDS, LEAST_PROMPTS, LEAST_GROUPS = 8, 4, 4
COMPONENTS = 50
"""Principal components that t-SNE is given, at most."""
LEADING = 8
"""The first of these components, on which the seed's share is computed."""

MAP_COLUMNS = {
    "seed": "the seed",
    "x": "position on the map of the seeds; t-SNE, no unit",
    "y": "position on the map of the seeds",
    "group": "group of the seed, cut on set 1",
    "null_x": "position on the map made after images were permuted within each prompt group",
    "null_y": "position on that map",
}


@dataclass(frozen=True)
class Style(Study):
    """A map of the seeds by style, and a test of groups that are grey, show sky or have borders.

    Question: Do seeds fall into groups of one style (grey images, a pale sky at the top, image
        borders), whatever the prompt?
    Method: The style vectors (cosines between channels) of the images of set 1 are reduced to at
        most 50 principal components, then to two numbers per image with t-SNE; above `landmarks`
        images, t-SNE maps a sample and each other image is placed among its nearest neighbours.
        The P images of a seed make one vector of 2 P numbers, which t-SNE reduces to two again.
        Ward's method cuts groups from this map; a group is named after the trait that stands out
        most on set 1. The name is tested on set 2: the deviation of the group's images from the
        prompt's mean over all seeds, with an interval over prompt groups and p-values adjusted by
        Holm's method, at the 1 % level, and only if the seed has a share of style at all.
    Null: No seed effect: in each prompt group, the images are permuted among the seeds. It gives a
        map (t-SNE shows groups even in pure noise), the seed's share of the variance of style
        within prompts (first 8 principal components), and the set-2 deviation of as many seeds.
    n: One image per seed and prompt; set 1 for the map and the names, set 2 for the test.
    Source: Xu, Zhang and Shi 2024, "Good Seed Makes a Good Crop", arXiv:2405.14828, section on
        style (Gram matrices, PCA, t-SNE twice). The network, the perplexity and the groups are our
        choice.

    Attributes:
        feature: The style feature; if empty, that of the recipe.
        perplexity: Perplexity of both maps.
        landmarks: Images that t-SNE maps itself.
        groups: Groups to cut; if 0, half the square root of the number of seeds, between 2 and 32.
        draws: Draws of the null of the groups; the smallest p is groups / (draws + 1).
    """

    name: ClassVar[str] = "style"
    version: ClassVar[int] = 3
    libraries: ClassVar[tuple[str, ...]] = ("openTSNE",)

    feature: str = ""
    perplexity: float = 30.0
    landmarks: int = 2000
    groups: int = 0
    draws: int = 4000

    def find(self, run: Run) -> Findings:
        """Map the seeds, cut the map into groups, name the groups and test the names."""
        need = f"{measured_feature(run, STYLES, name=self.feature)}.style"
        columns = [column for column, _ in TRAITS.values()]
        (styles,) = read_sets(run, [need], sets=(1,))
        traits = read_sets(run, columns)
        _refuse_small(styles, traits)
        scores = _image_scores(styles.columns[need])
        share, share_null = self._seed_share(run, scores[..., :LEADING], styles.groups)
        images = self._image_map(run, scores)
        points = self._seed_map(run, images)
        permuted = np.asarray(permute_owners(images, styles.groups, self.rng(run, "null map")))
        null_points = self._seed_map(run, permuted)
        count = self.groups or int(np.clip(round(np.sqrt(len(images)) / 2), 2, 32))
        labels = cut_groups(points, count)
        p_share = p_value(share_null, share)
        # Without a seed effect on style there are no groups of seeds to confirm.
        level = LEVEL if p_share <= LEVEL else 0.0
        rows = group_rows(traits, labels, self._group_nulls(run, traits[1]), level=level)
        numbers = {
            "seeds": len(styles.seeds),
            "prompts_set1": styles.n,
            "seed_share": share,
            "seed_share_null_high": float(np.percentile(share_null, 95)),
            "seed_share_p": p_share,
            "groups": rows,
        }
        table = _map_table(styles.seeds, points, labels, null_points)
        shown = read_one_prompt(run, spread_seeds(points, styles.seeds))
        return Findings(
            outcome=_sentence(numbers),
            numbers=numbers,
            tables={
                "map": table,
                "groups": StudyTable(pl.DataFrame(rows), GROUP_COLUMNS),
            },
            figures={"map": map_figure(table.frame.to_dicts(), shown)},
            identities=identities(run, needs=[need, *columns]),
        )

    def _image_map(self, run: Run, scores: Floats) -> Floats:
        """Two numbers per image, shape (S, P, 2)."""
        flat, rng = scores.reshape(-1, scores.shape[2]), self.rng(run, "image map")
        points = landmark_tsne(flat, landmarks=self.landmarks, rng=rng, perplexity=self.perplexity)
        return points.reshape(*scores.shape[:2], 2)

    def _seed_map(self, run: Run, images: Floats) -> Floats:
        """Two numbers per seed, shape (S, 2)."""
        state = int(self.rng(run, "seed map").integers(2**31))
        scores = principal_scores(images.reshape(len(images), -1), COMPONENTS)
        return tsne(scores, perplexity=self.perplexity, random_state=state)

    def _seed_share(
        self, run: Run, scores: Floats, groups: NDArray[np.str_]
    ) -> tuple[float, Floats]:
        """The seed's share of the variance of style within prompts, and the share's null.

        It is computed on principal components, not on a t-SNE map: there the same seed moves in
        a different direction for each prompt, so its mean over prompts cancels.
        """
        centred = scores - scores.mean(axis=0)
        total = float((centred**2).mean(axis=1).sum())

        def share(values: Floats) -> float:
            return float((values.mean(axis=1) ** 2).sum()) / total

        rng = self.rng(run, "share")
        draws = (np.asarray(permute_owners(centred, groups, rng)) for _ in range(SHARE_DRAWS))
        return share(centred), np.array([share(draw) for draw in draws])

    def _group_nulls(self, run: Run, sample: Sample) -> dict[str, Floats]:
        """Trait -> mean deviation of each seed on set 2 under the null, shape (draws, S)."""
        return {
            trait: permuted_means(
                values, sample.groups, self.rng(run, f"null {trait}"), draws=self.draws
            )
            for trait, values in deviations(sample).items()
        }


def _image_scores(styles: NDArray[np.floating]) -> Floats:
    """Principal components of every image, shape (S, P, at most 50)."""
    try:
        scores = principal_scores(styles.reshape(-1, styles.shape[2]), COMPONENTS)
    except ValueError as error:
        raise RunError(
            f"the style vectors cannot be mapped: {error}; this study needs vectors that vary: "
            f"check the feature"
        ) from error
    return scores.reshape(*styles.shape[:2], -1)


def _refuse_small(styles: Sample, traits: Sequence[Sample]) -> None:
    require(len(styles.seeds), LEAST_SEEDS, "seeds")
    require(styles.n, LEAST_PROMPTS, "prompts in set 1")
    for number, sample in enumerate(traits, start=1):
        groups = len(set(sample.groups.tolist()))
        require(groups, LEAST_GROUPS, f"prompt groups in set {number}")


def _map_table(seeds: Sequence[int], points: Floats, labels: Indices, null: Floats) -> StudyTable:
    frame = pl.DataFrame(
        {
            "seed": list(seeds),
            **{"x": points[:, 0], "y": points[:, 1], "group": labels},
            **{"null_x": null[:, 0], "null_y": null[:, 1]},
        }
    )
    return StudyTable(frame, MAP_COLUMNS)


def _sentence(numbers: dict[str, Any]) -> str:
    confirmed = [row for row in numbers["groups"] if row["confirmed"]]
    names = [
        f"{row['trait']} ({row['seeds']} seeds, {row['set2']:+.3f} [{row['low']:+.3f}, "
        f"{row['high']:+.3f}], p = {row['p_holm']:.2g})"
        for row in confirmed
    ]
    return (
        f"the seed explains {numbers['seed_share']:.1%} of the variance of style within prompts, "
        f"{numbers['seeds']:,} seeds x {numbers['prompts_set1']:,} prompts; without a seed effect "
        f"at most {numbers['seed_share_null_high']:.1%} (95th percentile, "
        f"{p_words(numbers['seed_share_p'], SHARE_DRAWS)}); set 2 confirms {len(confirmed)} of "
        f"{len(numbers['groups'])} groups of seeds{': ' if names else ''}{', '.join(names)}"
    )
