"""`inpainting`: which seeds write words where a picture is drawn anew, and what they write."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from analysis.extraction.extract import run_feature
from analysis.pictures import plots
from analysis.ranking.rank import PERMUTATIONS, rank_samples, ranking_identity
from analysis.statistics.attenuation import Carried
from analysis.statistics.bounds import Interval
from analysis.statistics.crossed import crossed_share_interval
from analysis.statistics.proportions import grouped_share_interval
from analysis.studies.base import Findings, Study, StudyTable
from analysis.studies.inpainting.mimicry import Mimicry, Read, mimicry
from analysis.studies.inpainting.tasks import (
    COMPLETION,
    REMOVAL,
    Task,
    TextInMask,
    between,
    removal_mimicry,
)
from analysis.studies.inpainting.writing import (
    Inside,
    Pictures,
    read_originals,
    read_text,
    words_inside,
)
from analysis.study_tools.measured import identities, measured_feature, require
from pipeline.prompts.prompt_sets import normalise
from pipeline.runs.run import Run

LEAST_SEEDS, LEAST_PAIRS, LEAST_GROUPS = 8, 6, 3


def _with_ends(name: str, meaning: str) -> dict[str, str]:
    low, high = "lower end of its 95 % interval", "upper end"
    return {name: meaning, f"{name}_low": low, f"{name}_high": high}


SEED_COLUMNS = {
    "task": "removal: the prompt asks for a clear background; completion: for an object",
    "seed": "the seed",
    **_with_ends("set1", "share of its images of set 1 with a word in the mask"),
    **_with_ends("set2", "the same of set 2"),
    **_with_ends("set3", "the same of set 3"),
    "text_share": "mean share of the mask that detected text covers, legible or not, all sets",
    "chosen": "whether it is among the cleanest share of the seeds on set 1",
    "clean": "whether it is listed: chosen, and confirmed on set 2",
}
TASK_COLUMNS = {
    "task": "removal or completion",
    "seeds": "seeds",
    "pairs": "pairs of image and mask",
    **_with_ends("rate", "share of images with a word in the mask, all seeds and sets"),
    **_with_ends("text_share", "mean share of the mask that detected text covers, likewise"),
    **_with_ends("floor", "share of the originals with a word inside the same mask, as read"),
    "floor_text_share": "mean share of the mask that text covers in the originals",
    "floor_n": "originals read",
    "rank_correlation": "Spearman correlation of the seeds' rates on set 1 and set 2",
    "gap": "most less least writing seed on set 2",
    "gap_null_mean": "the same with permuted owners, mean",
    "gap_p": "share of permuted draws with a gap at least as large",
    "chosen": "cleanest seeds on set 1, ties listed whole",
    "again": "how many of them are among the cleanest on set 2",
    "again_chance": "the same with permuted owners, mean",
    "again_p": "share of permuted draws with as many",
    **_with_ends("gain", "rate of the chosen seeds less that of all, on held-out pairs of set 3"),
    "held_out": "pairs of set 3 whose image stands in no pair of set 1 or 2",
}


@dataclass(frozen=True)
class Inpainting(Study):
    """Which seeds write into pictures, where they were asked to clear them or to complete them.

    Question: How often does a seed write words inside the mask, in removal and in completion; do
        the same seeds do so in both, and does what they write look like the prompt?
    Method: A word counts when it was read with the confidence asked for and half of its box lies
        in the mask; beside it, the share of the mask that the detector calls text, legible or
        not. Rates per seed with Wilson intervals over groups; the cleanest seeds of set
        1, confirmed on set 2, judged on pairs of set 3 whose image is in neither. Removal
        against completion across sets, no image on both sides, corrected for reliability. Words
        against prompts by edit distance.
    Null: within each prompt it is permuted which seed owns which image; for mimicry, prompts are
        dealt anew to the images; the reader's floor is what it finds in the originals.
    n: images per seed; pairs; groups, which are objects, or images where no object is named.
    Source: Xu, Zhang and Shi 2024, arXiv:2405.14828, section on inpainting, with 500 pairs.

    Attributes:
        feature: The feature that reads, as the recipe names it; `ocr` if empty.
        removal: The prompt that asks for the object to be gone.
        confidence: Words read with less do not count.
        share: Share of the seeds in the clean list.
        originals: Originals that are read for the floor, at most.
        permutations: Draws of the nulls.
    """

    name: ClassVar[str] = "inpainting"
    version: ClassVar[int] = 3

    feature: str = ""
    removal: str = "clear background"
    confidence: float = 0.3
    share: float = 0.25
    originals: int = 500
    permutations: int = PERMUTATIONS

    def find(self, run: Run) -> Findings:
        """Read what the masks hold, task by task."""
        pictures = Pictures(run)
        feature = measured_feature(run, ["ocr"], name=self.feature)
        tasks = self._tasks(run, feature, pictures)
        rows = [self._row(run, feature, pictures, task) for task in tasks]
        named = {task.name: task for task in tasks}
        found = {name: self._mimicry(run, task) for name, task in named.items() if name != REMOVAL}
        seen = between(tasks[0], tasks[1], self.rng(run, "tasks")) if len(tasks) == 2 else None
        seeds = [
            r for t, row in zip(tasks, rows, strict=True) for r in _seed_rows(self, t, row["clean"])
        ]
        return Findings(
            outcome="; ".join([*map(_sentence, rows), _said(found), _compared(seen)]),
            numbers={
                "tasks": rows,
                "mimicry": found,
                "removal_mimicry": removal_mimicry(named, self.removal),
                "between": seen,
            },
            tables={
                "seeds": StudyTable(pl.DataFrame(seeds), SEED_COLUMNS),
                "tasks": StudyTable(pl.DataFrame(rows).drop("clean"), TASK_COLUMNS),
            },
            figures={"seeds": _figure(tasks)},
            identities=identities(run, needs=[f"{feature}.words"]),
        )

    def _tasks(self, run: Run, feature: str, pictures: Pictures) -> list[Task]:
        """The tasks of the run; prompts with a failed cell or an empty mask go for all seeds."""
        prompts = sorted((p for p in run.prompts.values() if p.mask), key=lambda p: p.id)
        require(len(run.seeds), LEAST_SEEDS, "seeds")
        require(len(prompts), LEAST_PAIRS, "prompts with an image and a mask")
        words, shares = read_text(run, feature, prompts)
        whole = np.flatnonzero(np.isfinite(shares).all(axis=0)).tolist()
        places: dict[str, list[int]] = {REMOVAL: [], COMPLETION: []}
        for i in whole:
            clear = normalise(prompts[i].text) == normalise(self.removal)
            places[REMOVAL if clear else COMPLETION].append(i)
        masks = [pictures.mask(str(prompt.mask)) for prompt in prompts]

        def inside(seed: int, i: int) -> Inside:
            texts = words_inside(words[seed, i], masks[i], confidence=self.confidence)
            return Inside(texts, float(shares[seed, i]))

        return [
            Task(
                name,
                tuple(sorted(run.seeds)),
                tuple(prompts[i] for i in own),
                [[inside(seed, i) for i in own] for seed in range(len(words))],
            )
            for name, own in places.items()
            if own
        ]

    def _row(self, run: Run, feature: str, pictures: Pictures, task: Task) -> dict[str, Any]:
        for number in (1, 2):
            found = len(task.places(number))
            require(found, LEAST_PAIRS, f"pairs for {task.name} in set {number}")
            groups = len(set(task.groups[task.places(number)].tolist()))
            require(groups, LEAST_GROUPS, f"prompt groups for {task.name} in set {number}")
        metric = TextInMask()
        ranking = rank_samples(
            metric,
            [task.sample(1), task.sample(2)],
            ranking_identity(run, metric),
            share=self.share,
            permutations=self.permutations,
        )
        gain, held_out = task.gain(task.chosen(self.share))
        return {
            "task": task.name,
            "seeds": len(task.seeds),
            "pairs": len(task.prompts),
            **_ends("rate", crossed_share_interval(task.hits, task.groups)),
            **_ends("text_share", crossed_share_interval(task.shares, task.groups)),
            **self._floor(run, feature, pictures, task),
            "rank_correlation": ranking.rank_correlation.value,
            "gap": ranking.gap.value,
            "gap_null_mean": ranking.gap.null_mean,
            "gap_p": ranking.gap.p,
            "chosen": ranking.golden.chosen,
            "again": ranking.golden.again,
            "again_chance": ranking.golden.null_mean,
            "again_p": ranking.golden.null_p,
            **_ends("gain", gain),
            "held_out": held_out,
            "clean": list(ranking.golden.seeds),
        }

    def _floor(self, run: Run, feature: str, pictures: Pictures, task: Task) -> dict[str, Any]:
        """How often the reader finds a word in the originals, inside the same masks."""
        prompts = task.prompts[: self.originals]
        reader = run_feature(run, feature)
        found = read_originals(reader, pictures, prompts, confidence=self.confidence)
        hits = [float(bool(one.texts)) for one in found]
        floor = grouped_share_interval(hits, task.groups[: len(hits)])
        share = float(np.mean([one.share for one in found]))
        return {**_ends("floor", floor), "floor_text_share": share, "floor_n": floor.n}

    def _mimicry(self, run: Run, task: Task) -> Mimicry | None:
        images = [
            Read(one.texts, prompt.text, str(group))
            for row in task.inside
            for one, prompt, group in zip(row, task.prompts, task.groups, strict=True)
            if one.texts
        ]
        return mimicry(images, self.rng(run, f"mimicry {task.name}"), draws=self.permutations)


def _ends(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _seed_rows(study: Inpainting, task: Task, clean: Sequence[int]) -> list[dict[str, Any]]:
    chosen = {task.seeds[place] for place in task.chosen(study.share)}
    rates = {number: _set_rates(task, number) for number in (1, 2, 3)}
    return [
        {
            "task": task.name,
            "seed": seed,
            **{k: v for n in rates for k, v in _ends(f"set{n}", rates[n][i]).items()},
            "text_share": float(task.shares[i].mean()),
            "chosen": seed in chosen,
            "clean": seed in clean,
        }
        for i, seed in enumerate(task.seeds)
    ]


def _set_rates(task: Task, number: int) -> list[Interval]:
    places = task.places(number)
    groups = task.groups[places]
    if len(set(groups.tolist())) < 2:
        return [Interval(np.nan, np.nan, np.nan, len(places), "too few groups")] * len(task.seeds)
    return [grouped_share_interval(row[places], groups) for row in task.hits]


def _sentence(row: Mapping[str, Any]) -> str:
    return (
        f"{row['task']}: {row['seeds']:,} seeds, {row['pairs']:,} pairs, a word in the mask in "
        f"{row['rate']:.1%} [{row['rate_low']:.1%}, {row['rate_high']:.1%}] of the images, in "
        f"{row['floor']:.1%} [{row['floor_low']:.1%}, {row['floor_high']:.1%}] of "
        f"{row['floor_n']:,} originals; text covers {row['text_share']:.1%} of the mask, in the "
        f"originals {row['floor_text_share']:.1%}; rates of the two sets correlate at "
        f"{row['rank_correlation']:.2f}, most less least writing seed {row['gap']:.1%} where no "
        f"seed effect gives {row['gap_null_mean']:.1%} (p = {row['gap_p']:.2g}); {row['again']} "
        f"of {row['chosen']} clean seeds again, chance {row['again_chance']:.1f} (p = "
        f"{row['again_p']:.2g}); on {row['held_out']:,} held-out pairs they write "
        f"{-row['gain']:.1%} less [{-row['gain_high']:.1%}, {-row['gain_low']:.1%}]"
    )


def _said(found: Mapping[str, Mimicry | None]) -> str:
    words = [
        f"words like their {name} prompt {one.own:.2f}, like others {one.other:.2f}, prompts dealt "
        f"anew {one.null_mean:.2f} (p = {one.p:.2g}, {one.n:,} images with words)"
        if one
        else f"too few words or prompts to see mimicry in {name}"
        for name, one in found.items()
    ]
    return "; ".join(words)


def _compared(found: Carried | None) -> str:
    if found is None:
        return "removal and completion are not compared: one is missing or shares all images"
    cross = found.cross
    return (
        f"seeds' rates in removal and completion correlate across sets at {cross.value:.2f} "
        f"[{cross.low:.2f}, {cross.high:.2f}], corrected {found.corrected.value:.2f}"
    )


def _figure(tasks: Sequence[Task]) -> bytes:
    """Set 1 against set 2, seed by seed."""

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        for axes, task in zip(plots.panels(figure, 1, len(tasks)), tasks, strict=True):
            plots.scatter(axes, task.rates(1), task.rates(2))
            title = f"{task.name}: images with a word in the mask"
            axes.set(title=title, xlabel="rate, pairs of set 1", ylabel="rate, pairs of set 2")

    return plots.figure_png(draw, width=4.6 * len(tasks), height=4)
