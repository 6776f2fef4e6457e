"""`style`: a map of the seeds by the style of their images; groups of seeds, named and tested."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.cells.cells import Sample
from analysis.pictures import plots
from analysis.pictures.contact_sheet import one_prompt
from analysis.ranking.confirmation import p_value
from analysis.statistics.arrays import Floats, Indices
from analysis.statistics.embedding import cut_groups, holm, landmark_tsne, principal_scores, tsne
from analysis.statistics.intervals import grouped_error, grouped_mean_interval
from analysis.statistics.nulls import permute_within_prompt, permuted_means
from analysis.studies.base import Findings, Study, StudyTable
from analysis.study_tools.farthest_seeds import STYLES, farthest_points
from analysis.study_tools.measured import identities, measured_feature, read_sets, require
from pipeline.errors import RunError
from pipeline.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes


TRAITS = {
    "grey": ("appearance.saturation", -1.0),
    "sky": ("appearance.sky_score", 1.0),
    "border": ("appearance.border_score", 1.0),
}
"""What the paper names groups by -> the column, and which way it goes."""
LEVEL = 0.01
"""A name is confirmed when no seed effect gives as much at most this often, all groups together."""
SHARE_DRAWS = 200
"""Draws of the null of the seed's share."""
LEAST_SEEDS, LEAST_PROMPTS, LEAST_GROUPS = 8, 4, 4
WIDE = 50
"""Principal components that t-SNE is given at most."""
LEADING = 8
"""Of these, those that the seed's share is of."""
THUMBNAILS = 48

MAP_COLUMNS = {
    "seed": "the seed",
    "x": "place on the map of the seeds; t-SNE, no unit",
    "y": "place on the map of the seeds",
    "group": "group that the seed was cut into on set 1",
    "null_x": "place on the same map after owners were permuted within each prompt",
    "null_y": "place on that map",
}
GROUP_COLUMNS = {
    "group": "the group",
    "seeds": "its seeds",
    "members": "which ones",
    "trait": "what stands out most on set 1: grey (saturation, turned round), sky, border",
    "set1": "mean deviation from the all-seed mean of the same prompt, set 1, unit of the column",
    "set2": "the same on set 2, which had no part in cutting or naming",
    "low": "lower end of its 95 % interval",
    "high": "upper end",
    "n": "images of the group on set 2",
    "null_high": "95 % point of set 2's deviation for as many seeds under the null",
    "p": "share of the null at least as large",
    "p_holm": "p adjusted for the number of groups",
    "confirmed": "set 2 confirms the name, and the seed has a share of style",
}


@dataclass(frozen=True)
class Style(Study):
    """A map of the seeds by style, and whether groups of seeds are grey, show sky, or borders.

    Question: Do seeds fall into groups of one style - grey pictures, a pale sky at the top, image
        borders - whatever the prompt?
    Method: Style vectors (cosines between channels) of set 1's images to 50 principal components,
        to two numbers an image by t-SNE (above `landmarks` images, t-SNE of a sample and the
        others amid their nearest); a seed's P images one after the other, 2 P numbers, to two
        by t-SNE again. Groups are cut from that map by Ward's method and named by the trait that
        stands out most on set 1. A name is tested on set 2: each seed against the all-seed mean
        of the same prompt, interval by prompt groups, p adjusted by Holm, at 1 %, and only
        where the seed has a share of style at all.
    Null: Within each prompt it is permuted which seed owns which image: the same map of it (t-SNE
        shows groups in pure noise), the seed's share of the spread within prompts (of the first 8
        principal components), and the deviation of as many seeds on set 2.
    n: One image per seed and prompt; set 1 for map and names, set 2 for the test.
    Source: Xu, Zhang and Shi 2024, "Good Seed Makes a Good Crop", arXiv:2405.14828, section on
        style (Gram matrices, PCA, t-SNE twice). Network, perplexity and groups are our choice.

    Attributes:
        feature: The style feature; whichever the recipe measures if empty.
        perplexity: Of both maps.
        landmarks: Images that t-SNE maps itself.
        groups: Groups to cut; half the root of the number of seeds, 2 to 32, if 0.
        draws: Draws of the null of the groups; the smallest p is groups / (draws + 1).
    """

    name: ClassVar[str] = "style"
    version: ClassVar[int] = 2
    libraries: ClassVar[tuple[str, ...]] = ("openTSNE",)

    feature: str = ""
    perplexity: float = 30.0
    landmarks: int = 2000
    groups: int = 0
    draws: int = 4000

    def find(self, run: Run) -> Findings:
        """Map, cut, name, test."""
        need = f"{measured_feature(run, STYLES, asked=self.feature)}.style"
        columns = [column for column, _ in TRAITS.values()]
        (styles,) = read_sets(run, [need], sets=(1,))
        traits = read_sets(run, columns)
        _refuse_small(styles, traits)
        scores = _image_scores(styles.columns[need])
        share, share_null = self._seed_share(run, scores[..., :LEADING])
        images = self._image_map(run, scores)
        places = self._seed_map(run, images)
        moved = np.asarray(permute_within_prompt(images, self.rng(run, "null map")))
        null_places = self._seed_map(run, moved)
        count = self.groups or int(np.clip(round(np.sqrt(len(images)) / 2), 2, 32))
        labels = cut_groups(places, count)
        p_share = p_value(share_null, share)
        rows = self._test(run, traits, labels, there_are_seeds=p_share <= LEVEL)
        seeds = styles.seeds
        frame = pl.DataFrame(
            {
                "seed": list(seeds),
                **{"x": places[:, 0], "y": places[:, 1], "group": labels},
                **{"null_x": null_places[:, 0], "null_y": null_places[:, 1]},
            }
        )
        numbers = {
            "seeds": len(seeds),
            "prompts_set1": styles.n,
            "seed_share": share,
            "seed_share_null_high": float(np.percentile(share_null, 95)),
            "seed_share_p": p_share,
            "groups": rows,
        }
        return Findings(
            outcome=_sentence(numbers),
            numbers=numbers,
            tables={
                "map": StudyTable(frame, MAP_COLUMNS),
                "groups": StudyTable(pl.DataFrame(rows), GROUP_COLUMNS),
            },
            figures={"map": _map_figure(run, seeds, places, null_places, labels, count)},
            identities=identities(run, needs=[need, *columns]),
        )

    def _image_map(self, run: Run, scores: Floats) -> Floats:
        """Two numbers of every image, shape (S, P, 2)."""
        flat, rng = scores.reshape(-1, scores.shape[2]), self.rng(run, "image map")
        two = landmark_tsne(flat, landmarks=self.landmarks, rng=rng, perplexity=self.perplexity)
        return two.reshape(*scores.shape[:2], 2)

    def _seed_map(self, run: Run, images: Floats) -> Floats:
        """Two numbers of every seed, shape (S, 2)."""
        state = int(self.rng(run, "seed map").integers(2**31))
        scores = principal_scores(images.reshape(len(images), -1), WIDE)
        return tsne(scores, perplexity=self.perplexity, random_state=state)

    def _seed_share(self, run: Run, scores: Floats) -> tuple[float, Floats]:
        """The seeds' part of the spread of style within prompts; and the null's.

        Of principal components, not of a t-SNE map: there a seed's step away from the others
        points another way for every prompt, and its mean over prompts is no step at all.
        """
        apart = scores - scores.mean(axis=0)
        whole = float((apart**2).mean(axis=1).sum())

        def share(values: Floats) -> float:
            return float((values.mean(axis=1) ** 2).sum()) / whole

        rng = self.rng(run, "share")
        moved = (np.asarray(permute_within_prompt(apart, rng)) for _ in range(SHARE_DRAWS))
        return share(apart), np.array([share(each) for each in moved])

    def _test(
        self, run: Run, traits: Sequence[Sample], labels: Indices, *, there_are_seeds: bool
    ) -> list[dict[str, Any]]:
        """Name every group on set 1 and test the name on set 2.

        Groups of seeds are there only if seeds are: without a share of style none is confirmed.
        """
        first, second = (_deviations(sample) for sample in traits)
        nulls = {
            trait: permuted_means(second[trait], self.rng(run, f"null {trait}"), draws=self.draws)
            for trait in TRAITS
        }
        rows: list[dict[str, Any]] = []
        for label in range(int(labels.max()) + 1):
            mine = labels == label
            trait = _named(first, mine, traits[0].groups)
            found = grouped_mean_interval(second[trait][mine].mean(axis=0), traits[1].groups)
            null = nulls[trait][:, : int(mine.sum())].mean(axis=1)
            rows.append(
                {
                    "group": label,
                    "seeds": int(mine.sum()),
                    "members": ", ".join(map(str, np.array(traits[0].seeds)[mine])),
                    "trait": trait,
                    "set1": float(first[trait][mine].mean()),
                    "set2": found.value,
                    "low": found.low,
                    "high": found.high,
                    "n": int(mine.sum()) * traits[1].n,
                    "null_high": float(np.percentile(null, 95)),
                    "p": p_value(null, found.value),
                }
            )
        limit = LEVEL if there_are_seeds else 0.0
        adjusted = holm(np.array([row["p"] for row in rows]))
        return [
            row | {"p_holm": float(p), "confirmed": bool(p <= limit) and row["low"] > 0}
            for row, p in zip(rows, adjusted, strict=True)
        ]


def _image_scores(styles: NDArray[np.floating]) -> Floats:
    """Principal components of every image, shape (S, P, at most 50)."""
    try:
        scores = principal_scores(styles.reshape(-1, styles.shape[2]), WIDE)
    except ValueError as error:
        raise RunError(
            f"style vectors cannot be mapped; varying ones are needed: {error}"
        ) from error
    return scores.reshape(*styles.shape[:2], -1)


def _refuse_small(styles: Sample, traits: Sequence[Sample]) -> None:
    require(len(styles.seeds), LEAST_SEEDS, "seeds")
    require(styles.n, LEAST_PROMPTS, "prompts in set 1")
    for number, sample in enumerate(traits, start=1):
        groups = len(set(sample.groups.tolist()))
        require(groups, LEAST_GROUPS, f"prompt groups in set {number}")


def _deviations(sample: Sample) -> dict[str, Floats]:
    """Every image's trait less the all-seed mean of its prompt, shape (S, P) each."""
    found = {}
    for trait, (column, sign) in TRAITS.items():
        values = sign * np.asarray(sample.columns[column], dtype=np.float64)
        found[trait] = values - values.mean(axis=0)
    return found


def _named(values: dict[str, Floats], mine: NDArray[np.bool_], groups: NDArray[np.str_]) -> str:
    """The trait whose mean deviation is the most errors above 0."""

    def stands_out(trait: str) -> float:
        each = values[trait][mine].mean(axis=0)
        return float(each.mean()) / max(grouped_error(each, groups)[0], 1e-12)

    return max(TRAITS, key=stands_out)


def _sentence(numbers: dict[str, Any]) -> str:
    named = [row for row in numbers["groups"] if row["confirmed"]]
    parts = [
        f"{row['trait']} ({row['seeds']} seeds, {row['set2']:+.3f} [{row['low']:+.3f}, "
        f"{row['high']:+.3f}], p = {row['p_holm']:.2g})"
        for row in named
    ]
    return (
        f"the seed has {numbers['seed_share']:.1%} of the spread of style within prompts, "
        f"{numbers['seeds']:,} seeds x {numbers['prompts_set1']:,} prompts; no seed effect gives "
        f"at most {numbers['seed_share_null_high']:.1%} (p = {numbers['seed_share_p']:.2g}); set 2 "
        f"confirms {len(named)} of {len(numbers['groups'])} groups of seeds"
        f"{': ' if parts else ''}{', '.join(parts)}"
    )


def _map_figure(
    run: Run, seeds: Sequence[int], places: Floats, null: Floats, labels: Indices, count: int
) -> bytes:
    """The map with thumbnails, and beside it what the same method makes of no seed effect."""
    shown = farthest_points(places, min(THUMBNAILS, len(places)), first=0)
    pictures = one_prompt(run, [seeds[at] for at in shown])

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        left, right = plots.panels(figure, 1, 2)
        _dots(left, places, labels)
        _dots(right, null, cut_groups(null, count))
        for at in shown:
            if seeds[at] in pictures:
                plots.thumbnail(left, pictures[seeds[at]], places[at])
        left.set_title("this run")
        right.set_title("no seed effect: the same method, owners permuted")

    return plots.figure_png(draw, width=13, height=6.5)


def _dots(axes: "Axes", places: Floats, labels: Indices) -> None:
    axes.scatter(places[:, 0], places[:, 1], s=14, c=labels, cmap="tab20", linewidths=0)
    axes.set(xticks=[], yticks=[], xlabel="one dot a seed, coloured by group")
