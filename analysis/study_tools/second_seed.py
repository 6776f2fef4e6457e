"""Compare images into which a second seed was brought with the images of both seeds.

A run draws the seeds i; in an arm beside it, an intervention brings in a second seed j. For the
same prompt, each image of the arm is compared with the run's image of i, with that of j, and with
that of a seed that is neither: the null, since images are similar because of the prompt alone.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from analysis.pictures import plots
from analysis.pictures.plots import DrawnFigure
from analysis.statistics.arrays import Floats
from analysis.statistics.intervals import Interval, grouped_mean_interval
from analysis.study_tools.image_similarity import PIXELS, SETS, Vectors, cosines, image_vectors
from analysis.study_tools.measured import require
from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run

LEAST_SEEDS, LEAST_GROUPS = 3, 4
COLOURS = {"to_i": plots.GOOD, "to_j": plots.BAD, "to_other": plots.QUIET}
Similar = Floats
"""Shape (3, I, P): similarities to i, to j and to another seed, for I seeds i and P prompts."""


class HasSecondSeed(Protocol):
    """A run with a second seed.

    Attributes:
        run: The run.
        seed: Seed j.
    """

    @property
    def run(self) -> Run: ...  # noqa: D102 - see the class

    @property
    def seed(self) -> int: ...  # noqa: D102 - see the class


Arm = TypeVar("Arm", bound=HasSecondSeed)


@dataclass(frozen=True)
class SecondSeedArm:
    """An arm whose intervention brings in a seed of the run.

    Attributes:
        name: The arm's folder.
        run: The arm.
        seed: Seed j.
        parameters: The parameters of the intervention.
    """

    name: str
    run: Run
    seed: int
    parameters: Mapping[str, Any]


def refuse_intervention(run: Run, arms: str) -> None:
    """Refuse a run that has an intervention itself.

    Args:
        run: The run.
        arms: What the study compares it with, for the message.

    Raises:
        RunError: If it has one.
    """
    name = run.config.intervention.name
    if name != "none":
        raise RunError(
            f"this run has the intervention {name}; this study needs the plain arm next to the "
            f"{arms}: study the arm without an intervention"
        )


def sampling(run: Run, *ignored: str) -> dict[str, Any]:
    """The settings that define a run's images, without its intervention and the ignored ones."""
    without = {"intervention", *ignored}
    return {name: v for name, v in run.config.identity().items() if name not in without}


def second_seed_arms(plain: Run, arms: Mapping[str, Run], intervention: str) -> list[SecondSeedArm]:
    """List the arms that differ from a run only in an intervention with one of its seeds."""
    seeds = set(plain.seeds)
    listed = []
    for name, arm in arms.items():
        own = arm.config.intervention
        if own.name == intervention and sampling(arm) == sampling(plain):
            seed = own.parameters["seed"]
            listed += [SecondSeedArm(name, arm, seed, own.parameters)] if seed in seeds else []
    return listed


def kept_prompts(run: Run) -> list[Prompt]:
    """Prompts of sets 1 and 2 whose images are kept, in the order of their ids."""
    kept = run.kept_prompts()
    prompts = (p for p in run.prompts.values() if p.set in SETS and p.id in kept)
    return sorted(prompts, key=lambda prompt: prompt.id)


def compared_prompts(run: Run, most: int) -> list[Prompt]:
    """The prompts to compare images of, in the order of their ids.

    Args:
        run: The run.
        most: How many at most; 0 for all.

    Raises:
        RunError: If the run has too few seeds, or the prompts too few groups.
    """
    require(len(run.seeds), LEAST_SEEDS, "seeds")
    prompts = kept_prompts(run)[: most or None]
    groups = {prompt.group for prompt in prompts}
    require(len(groups), LEAST_GROUPS, "prompt groups in sets 1 and 2 with kept images")
    return prompts


def similarities(
    plain: Run, arms: Sequence[Arm], prompts: Sequence[Prompt], measure: str
) -> Iterator[tuple[Arm, Similar]]:
    """Compare each arm with a run, by one measure.

    Args:
        plain: The run.
        arms: Arms with seeds i and prompts of the run.
        prompts: The P prompts.
        measure: `PIXELS`, or a feature with embeddings, which are centred.
    """
    vectors = image_vectors(plain, prompts, measure)
    centre = np.mean([*vectors.values()], axis=(0, 1)) if measure != PIXELS else 0.0
    for arm in arms:
        own = arm.run.root == plain.root
        changed = vectors if own else image_vectors(arm.run, prompts, measure)
        yield arm, _compare(vectors, changed, centre, arm.seed)


def _compare(vectors: Vectors, changed: Vectors, centre: Floats | float, j: int) -> Similar:
    starts = [seed for seed in sorted(changed) if seed != j and seed in vectors]
    others = [seed for seed in sorted(vectors) if seed != j]
    similar = []
    for i in starts:
        other = others[(others.index(i) + 1) % len(others)]
        images = (vectors[i], vectors[j], vectors[other])
        similar.append([cosines(changed[i] - centre, image - centre) for image in images])
    return np.moveaxis(np.array(similar), 1, 0)


def summary(similar: Similar, groups: Sequence[str]) -> dict[str, Any]:
    """Average the similarities of an arm over the seeds i, with intervals over prompt groups.

    Args:
        similar: Shape (3, I, P).
        groups: The prompt group of each of the P prompts.

    Returns:
        `to_i` and `to_j` with the ends of their intervals; `to_other`; `kept`, the share of what
        an image has in common with that of i beyond that of another seed, 1 for the image of i
        and None where all images are equal; `n`, `seeds` and `groups`, the numbers of each.
    """
    to_i, to_j, to_other = similar.mean(axis=1)
    own, other = grouped_mean_interval(to_i, groups), float(to_other.mean())
    return {
        **with_ends("to_i", "to_i", own),
        **with_ends("to_j", "to_j", grouped_mean_interval(to_j, groups)),
        "to_other": other,
        "kept": (own.value - other) / (1 - other) if other < 1 else None,
        "n": similar[0].size,
        "seeds": similar.shape[1],
        "groups": len(set(groups)),
    }


def strip_columns(
    run: Run, arms: Sequence[Arm], label: Callable[[Arm], str]
) -> list[tuple[str, Run, int]]:
    """The columns of a strip from the image of a seed i, over the arms, to that of a seed j.

    Args:
        run: The run, which has both seeds.
        arms: The arms in the order of their columns; j is the seed of the first.
        label: The title of an arm's column.
    """
    j = arms[0].seed
    i = next(seed for seed in sorted(run.seeds) if seed != j)
    between = [arm for arm in arms if arm.seed == j and i in arm.run.seeds]
    shown = [(label(arm), arm.run, i) for arm in between]
    return [(f"seed {i}", run, i), *shown, (f"seed {j}", run, j)]


def similarity_figure(
    rows: Sequence[Mapping[str, Any]],
    x: tuple[str, str],
    labels: Mapping[str, str],
    *,
    title: str,
    caption: str,
) -> DrawnFigure:
    """Draw the similarities to i, to j and to any other seed, one panel per measure.

    Args:
        rows: Rows with the columns "measure", "to_i", "to_j", "to_other" and that of x; the mean
            is taken over rows with equal x.
        x: Column of the horizontal axis, and its label.
        labels: What i, j and other seeds are, by column.
        title: What is seen.
        caption: What was compared.
    """  # fmt: skip
    measures = list(dict.fromkeys(row["measure"] for row in rows))
    name, x_label = x

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        for axes, measure in zip(plots.panels(figure, 1, len(measures)), measures, strict=True):
            shown = [row for row in rows if row["measure"] == measure]
            values = sorted({row[name] for row in shown})
            for column, colour in COLOURS.items():
                y = [np.mean([r[column] for r in shown if r[name] == value]) for value in values]
                label = labels[column]
                axes.plot(values, y, color=colour, marker="o", markersize=4, label=label)
            axes.set(title=measure, xlabel=x_label)
            axes.set_ylabel("similarity to this run's image")

    width = 4.8 * len(measures)
    return plots.figure(draw, title=title, caption=caption, width=width, height=3.8)


def with_ends(name: str, short: str, interval: Interval) -> dict[str, float]:
    """Name an estimate and the ends of its interval, for a row of a table."""
    return {name: interval.value, f"{short}_low": interval.low, f"{short}_high": interval.high}
