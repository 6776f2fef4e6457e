"""`composition`: where a seed puts the object, how large and how near, for every object."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import polars as pl

from analysis.cells.vectors import LAYOUT
from analysis.metrics.layout import LEAST_FOUND
from analysis.pictures import plots
from analysis.pictures.contact_sheet import Row, draw_sheet
from analysis.statistics.intervals import Interval, grouped_mean_interval
from analysis.statistics.reliability import rank_correlation
from analysis.statistics.seed_shares import beside_null
from analysis.statistics.variance import variance_shares
from analysis.studies.base import Findings, Study, StudyTable
from analysis.studies.composition.layouts import Layouts
from analysis.study_tools.farthest_seeds import LAYOUTS
from analysis.study_tools.measured import identities, measured_feature, read_sets, require
from pipeline.errors import RunError
from pipeline.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ENDS = {
    "x": ("leftmost", "rightmost"),
    "y": ("highest", "lowest"),
    "size": ("smallest", "largest"),
    "depth": ("nearest", "farthest"),
}
LEAST_SEEDS, LEAST_GROUPS = 8, 3
SEEDS_APART = 64
"""Seeds whose dots have room at full size; with more the dots shrink in proportion."""
COLUMNS = 6
"""Prompts on a sheet."""


@dataclass(frozen=True)
class Composition(Study):
    """Where the seeds of a model put the object, how large they make it, and how near.

    Question: Does a seed put the object in the same place, at the same size and depth, whatever
        the prompt says about it?
    Method: Centroid, size and depth of the prompt's object in every image; means per seed and
        per seed and object; each measure's variance shared out among seed, prompt and their
        interaction, by a two-way jackknife over seeds and prompt groups. A cell is
        deterministic, so what seed and prompt leave over is the interaction. Images without a
        found object are left out of shares and of an object's means; in a seed's mean they
        count with the other seeds' mean of that prompt.
    Null: Within each prompt it is permuted which seed owns which image; the seed's share is
        computed again.
    n: One image per seed and prompt of sets 1 and 2; counts of found objects in every row. The
        seeds of the pictures are chosen on set 1 and shown with set-2 means and pictures.
    Source: Xu, Zhang and Shi 2024, "Good Seed Makes a Good Crop", arXiv:2405.14828, figure 10
        ("horse" by place, "bowl" by size and depth; 880 prompts of 40 objects).

    Attributes:
        feature: The layout feature; whichever the recipe measures if empty.
        objects: Objects to show pictures of; the two most often found if empty.
        draws: Draws of the null.
    """

    name: ClassVar[str] = "composition"
    version: ClassVar[int] = 1

    feature: str = ""
    objects: tuple[str, ...] = ()
    draws: int = 200

    def find(self, run: Run) -> Findings:
        """Share out the variance and show the extremes."""
        feature = measured_feature(run, LAYOUTS, asked=self.feature)
        needs = [f"{feature}.{name}" for name in LAYOUT]
        sets = [Layouts.of(sample, needs) for sample in read_sets(run, needs)]
        both = Layouts.joined(sets)
        _refuse_small(both)
        shares = [self._share(run, both, name) for name in LAYOUT]
        shown = _shown(both, sets, self.objects)
        figures = {"places": _places_figure(both, shown)} if shown else {}
        for object_name in shown:
            figures |= _sheet(run, sets, object_name)
        repeats = {
            name: rank_correlation(*(one.seed_means(name) for one in sets)) for name in LAYOUT
        }
        return Findings(
            outcome=_sentence(both, shares, repeats),
            numbers={
                "seeds": len(both.seeds),
                "prompts": len(both.prompts),
                "found": both.found,
                "shares": shares,
                "rank_correlation_of_the_sets": repeats,
                "shown": shown,
            },
            tables={
                "seeds": StudyTable(_seed_frame(both), SEED_COLUMNS),
                "objects": StudyTable(_object_frame(both), OBJECT_COLUMNS),
                "shares": StudyTable(pl.DataFrame(shares), SHARE_COLUMNS),
            },
            figures={**figures, "shares": _shares_figure(shares)},
            identities=identities(run, needs=needs),
        )

    def _share(self, run: Run, both: Layouts, name: str) -> dict[str, Any]:
        values = both.values[name]
        try:
            shares = variance_shares(values, both.groups)
        except ValueError as error:
            raise RunError(
                f"{name} has no variance shares, this study needs them: {error}"
            ) from error
        rng = self.rng(run, f"null {name}")
        null = beside_null(shares.seed.value, values, both.groups, rng, draws=self.draws)
        row: dict[str, Any] = {"measure": name}
        for part in ("seed", "prompt", "rest"):
            share: Interval = getattr(shares, part)
            row |= {part: share.value, f"{part}_low": share.low, f"{part}_high": share.high}
        return row | {
            "seed_null_high": null.high,
            "seed_p": null.p,
            "n": int(np.isfinite(values).sum()),
            "groups": len(set(both.groups.tolist())),
            "method": shares.seed.method,
        }


SEED_COLUMNS = {
    "seed": "the seed",
    "found": "share of its images that show the object",
    **{
        f"{name}{end}": f"mean {name}, fraction of the picture{text}"
        for name in LAYOUT
        for end, text in (("", ""), ("_low", ", lower end of 95 %"), ("_high", ", upper end"))
    },
    "n": "images",
}
OBJECT_COLUMNS = {
    "seed": "the seed",
    "object": "the object",
    "found": "images that show it",
    "n": "images",
    **{name: f"mean {name} over the images that show it, fraction" for name in LAYOUT},
}
SHARE_COLUMNS = {
    "measure": "centroid x and y, size (share of the picture), depth (share that is nearer)",
    **{
        f"{part}{end}": f"share of the variance that is the {what}{text}"
        for part, what in (
            ("seed", "seed's"),
            ("prompt", "prompt's"),
            ("rest", "interaction of seed and prompt"),
        )
        for end, text in (("", ""), ("_low", ", lower end of 95 %"), ("_high", ", upper end"))
    },
    "seed_null_high": "97.5 % point of the seed's share under the null",
    "seed_p": "share of the null at least as large",
    "n": "images that show the object",
    "groups": "prompt groups",
    "method": "how the intervals were made",
}


def _seed_frame(both: Layouts) -> pl.DataFrame:
    rows: dict[str, Any] = {"seed": list(both.seeds)}
    rows["found"] = np.isfinite(both.values["x"]).mean(axis=1)
    for name in LAYOUT:
        each = [grouped_mean_interval(row, both.groups) for row in both.filled(name)]
        rows[name] = [one.value for one in each]
        rows[f"{name}_low"] = [one.low for one in each]
        rows[f"{name}_high"] = [one.high for one in each]
    rows["n"] = [len(both.prompts)] * len(both.seeds)
    return pl.DataFrame(rows)


def _object_frame(both: Layouts) -> pl.DataFrame:
    parts = []
    for object_name in sorted(set(both.objects.tolist())):
        here = both.objects == object_name
        columns: dict[str, Any] = {
            "seed": list(both.seeds),
            "object": [object_name] * len(both.seeds),
            "found": np.isfinite(both.values["x"][:, here]).sum(axis=1),
            "n": [int(here.sum())] * len(both.seeds),
        }
        columns |= {name: both.of_object(name, object_name) for name in LAYOUT}
        parts.append(pl.DataFrame(columns))
    return pl.concat(parts)


def _refuse_small(both: Layouts) -> None:
    require(len(both.seeds), LEAST_SEEDS, "seeds")
    require(len(set(both.groups.tolist())), LEAST_GROUPS, "prompt groups in sets 1 and 2")
    if both.found < LEAST_FOUND:
        raise RunError(
            f"the object was found in {both.found:.0%} of the images; this study needs "
            f"{LEAST_FOUND:.0%}: another feature, or prompts whose objects the model draws"
        )


def _shown(both: Layouts, sets: Sequence[Layouts], asked: Sequence[str]) -> list[str]:
    """Objects of both sets: those asked for, or the two found most often.

    Raises:
        RunError: If one that is asked for is not in both sets.
    """
    known = set.intersection(*(set(one.objects.tolist()) for one in sets)) - {""}
    if set(asked) - known:
        raise RunError(
            f"no prompt of {', '.join(sorted(set(asked) - known))} in both sets; this study needs "
            f"one of: {', '.join(sorted(known))}"
        )
    counts = {
        name: int(np.isfinite(both.values["x"][:, both.objects == name]).sum()) for name in known
    }
    return list(asked) or sorted(known, key=lambda name: (-counts[name], name))[:2]


def _sentence(both: Layouts, shares: Sequence[dict[str, Any]], repeats: dict[str, Interval]) -> str:
    parts = [
        f"{row['measure']} {row['seed']:.1%} [{row['seed_low']:.1%}, {row['seed_high']:.1%}] "
        f"(no seed effect: below {row['seed_null_high']:.1%}, p = {row['seed_p']:.2g}; sets "
        f"correlate {repeats[row['measure']].value:.2f})"
        for row in shares
    ]
    return (
        f"the seed's share of the variance of the object's place: {', '.join(parts)}; "
        f"{len(both.seeds):,} seeds x {len(both.prompts):,} prompts, object found in "
        f"{both.found:.0%}"
    )


def _shares_figure(shares: Sequence[dict[str, Any]]) -> bytes:
    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        (axes,) = plots.panels(figure, 1, 1)
        columns = [[row[key] for row in shares] for key in ("seed", "seed_low", "seed_high")]
        plots.intervals(axes, [row["measure"] for row in shares], *columns)
        for place, row in enumerate(shares):
            axes.plot([row["seed_null_high"]] * 2, [place - 0.3, place + 0.3], color=plots.BAD)
        axes.set_xlabel("the seed's share of the variance; red: 97.5 % of the null lies below")

    return plots.figure_png(draw, width=6, height=2.6)


def _places_figure(both: Layouts, shown: Sequence[str]) -> bytes:
    """Mean place of every seed, the dot in proportion to the object, its colour the depth."""
    area = 1500 * min(1.0, SEEDS_APART / len(both.seeds))

    def draw(axes: "Axes", name: str) -> None:
        x, y, size, depth = (both.of_object(measure, name) for measure in LAYOUT)
        dots = axes.scatter(x, y, s=area * np.nan_to_num(size), c=depth, alpha=0.7, lw=0)
        axes.figure.colorbar(dots, ax=axes, label="depth", shrink=0.7)
        axes.set(xlim=(0, 1), ylim=(1, 0), aspect="equal", title=f"{name}: one dot a seed")
        axes.set(xlabel="x, from the left", ylabel="y, from the top")

    return plots.panel_each(shown, draw, width=4.8, height=4.4)


def _sheet(run: Run, sets: Sequence[Layouts], object_name: str) -> dict[str, bytes]:
    """The extremes of set 1 with their pictures of set 2; nothing where none is kept."""
    first, second = sets
    rows = []
    for name in LAYOUT:
        chosen, seen = (one.of_object(name, object_name) for one in (first, second))
        there = np.flatnonzero(np.isfinite(chosen))
        order = there[np.argsort(chosen[there], kind="stable")]
        for words, at in zip(ENDS[name], (order[:1], order[-1:]), strict=True):
            for place in at:
                label = f"seed {first.seeds[place]}\n{words}\n{name} on set 2:\n{seen[place]:.2f}"
                rows.append(Row(label, first.seeds[place]))
    prompts = [prompt for prompt in second.prompts if prompt.object == object_name][:COLUMNS]
    key = "".join(letter if letter.isalnum() else "_" for letter in object_name)
    try:
        return {f"sheet_{key}": plots.image_png(draw_sheet(run, rows, prompts))}
    except RunError:
        return {}
