"""`inpainting`: which seeds write words into the inpainted region, and what they write."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from analysis.extraction.extract import run_feature
from analysis.pictures import plots
from analysis.pictures.plots import DrawnFigure
from analysis.ranking.rank import MEAN_PERMUTATIONS, rank_samples, ranking_identity
from analysis.statistics.bounds import Interval
from analysis.statistics.crossed import crossed_share_interval
from analysis.statistics.proportions import grouped_share_interval
from analysis.studies.base import Findings, Study, StudyTable
from analysis.studies.inpainting.mimicry import ImageWords, Mimicry, mimicry
from analysis.studies.inpainting.sentences import (
    between_sentence,
    mimicry_sentence,
    task_sentence,
)
from analysis.studies.inpainting.tasks import (
    COMPLETION,
    REMOVAL,
    Task,
    TextInMask,
    removal_mimicry,
    task_correlation,
)
from analysis.studies.inpainting.writing import (
    ConditionImages,
    Inside,
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
    **_with_ends("set2", "share of its images of set 2 with a word in the mask"),
    **_with_ends("set3", "share of its images of set 3 with a word in the mask"),
    "text_share": "mean share of the mask that detected text covers, legible or not, all sets",
    "chosen": "whether the seed is among the cleanest share of the seeds on set 1",
    "clean": "whether the seed is listed: chosen on set 1 and confirmed on set 2",
}
TASK_COLUMNS = {
    "task": "removal or completion",
    "seeds": "seeds",
    "pairs": "pairs of condition image and mask",
    **_with_ends("rate", "share of images with a word in the mask, all seeds and sets"),
    **_with_ends("text_share", "mean share of the mask that detected text covers, likewise"),
    **_with_ends("floor", "share of the originals in which a word is read inside the same mask"),
    "floor_text_share": "mean share of the mask that text covers in the originals",
    "floor_n": "originals read",
    "rank_correlation": "Spearman rank correlation of the seeds' rates on set 1 and set 2",
    "gap": "highest minus lowest rate of writing among the seeds, set 2",
    "gap_null_mean": "mean of the gap under the null",
    "gap_p": "share of null draws with at least this gap",
    "chosen": "cleanest seeds on set 1, with all ties",
    "again": "how many of them are among the cleanest on set 2",
    "again_chance": "mean of that number under the null",
    "again_p": "share of null draws with at least as many",
    "withheld": "why no seed is listed as clean, even if set 2 agrees; empty if there is no reason",
    **_with_ends("gain", "rate of the chosen seeds minus that of all, held-out pairs of set 3"),
    "held_out": "pairs of set 3 whose image is in no pair of set 1 or 2",
}


@dataclass(frozen=True)
class Inpainting(Study):
    """Which seeds write words into images that they should clear or complete.

    Question: How often does a seed write words inside the mask, in removal and in completion? Do
        the same seeds write in both, and do the words resemble the prompt?
    Method: A word counts if it is read with at least `confidence` and half of its box is in the
        mask. The share of the mask in which the detector sees text, legible or not, is reported
        too. Rates per seed have Wilson intervals over groups. The cleanest seeds are chosen on set
        1, confirmed on set 2, and evaluated on the pairs of set 3 whose image is in neither set.
        The rates in removal and completion are correlated across sets, with no image on both
        sides, and corrected for attenuation. Words are compared with prompts by edit distance.
    Null: No seed effect: in each prompt group, the images are permuted among the seeds. For
        mimicry, the prompts are permuted among the images. The floor is what is read in the
        originals.
    n: Images per seed; pairs; groups, which are objects, or images where no object is named.
    Source: Xu, Zhang and Shi 2024, arXiv:2405.14828, section on inpainting, with 500 pairs.

    Attributes:
        feature: The feature that reads words, as the recipe names it; `ocr` if empty.
        removal: The prompt that asks to remove the object.
        confidence: Words read with less confidence do not count.
        share: Share of the seeds in the list of clean seeds.
        originals: Originals that are read for the floor, at most.
        permutations: Draws of each null.
    """

    name: ClassVar[str] = "inpainting"
    version: ClassVar[int] = 4

    feature: str = ""
    removal: str = "clear background"
    confidence: float = 0.3
    share: float = 0.25
    originals: int = 500
    permutations: int = MEAN_PERMUTATIONS

    def find(self, run: Run) -> Findings:
        """Read the words inside the masks of both tasks, and compare the seeds."""
        conditions = ConditionImages(run)
        feature = measured_feature(run, ["ocr"], name=self.feature)
        tasks = {task.name: task for task in self._tasks(run, feature, conditions)}
        rows = [self._row(run, feature, conditions, task) for task in tasks.values()]
        mimics = {name: self._mimicry(run, t) for name, t in tasks.items() if name != REMOVAL}
        between = None
        if len(tasks) == 2:
            between = task_correlation(*tasks.values(), rng=self.rng(run, "tasks"))
        seeds = [r for row in rows for r in _seed_rows(self, tasks[row["task"]], row["clean"])]
        sentences = [
            *(task_sentence(row, self.permutations) for row in rows),
            mimicry_sentence(mimics, self.permutations),
            between_sentence(between),
        ]
        return Findings(
            outcome="; ".join(sentences),
            numbers={
                "tasks": rows,
                "mimicry": mimics,
                "removal_mimicry": removal_mimicry(tasks, self.removal),
                "between": between,
            },
            tables={
                "seeds": StudyTable(pl.DataFrame(seeds), SEED_COLUMNS),
                "tasks": StudyTable(pl.DataFrame(rows).drop("clean"), TASK_COLUMNS),
            },
            figures={"seeds": _figure([*tasks.values()])},
            identities=identities(run, needs=[f"{feature}.words"]),
        )

    def _tasks(self, run: Run, feature: str, conditions: ConditionImages) -> list[Task]:
        """The tasks of the run, without prompts that have a failed cell or an empty mask."""
        prompts = sorted((p for p in run.prompts.values() if p.mask), key=lambda p: p.id)
        require(len(run.seeds), LEAST_SEEDS, "seeds")
        require(len(prompts), LEAST_PAIRS, "prompts with an image and a mask")
        words, shares = read_text(run, feature, prompts)
        complete = np.flatnonzero(np.isfinite(shares).all(axis=0)).tolist()
        columns: dict[str, list[int]] = {REMOVAL: [], COMPLETION: []}
        for i in complete:
            removes = normalise(prompts[i].text) == normalise(self.removal)
            columns[REMOVAL if removes else COMPLETION].append(i)
        masks = [conditions.mask(str(prompt.mask)) for prompt in prompts]

        def inside(seed: int, i: int) -> Inside:
            texts = words_inside(words[seed, i], masks[i], confidence=self.confidence)
            return Inside(texts, float(shares[seed, i]))

        return [
            Task(
                name,
                tuple(sorted(run.seeds)),
                tuple(prompts[i] for i in of_task),
                [[inside(seed, i) for i in of_task] for seed in range(len(words))],
            )
            for name, of_task in columns.items()
            if of_task
        ]

    def _row(
        self, run: Run, feature: str, conditions: ConditionImages, task: Task
    ) -> dict[str, Any]:
        """The row of one task."""
        for number in (1, 2):
            pairs = task.of_set(number)
            require(len(pairs), LEAST_PAIRS, f"pairs for {task.name} in set {number}")
            groups = len(set(task.groups[pairs].tolist()))
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
            **self._floor(run, feature, conditions, task),
            "rank_correlation": ranking.rank_correlation.value,
            "gap": ranking.gap.value,
            "gap_null_mean": ranking.gap.null_mean,
            "gap_p": ranking.gap.p,
            "chosen": ranking.golden.chosen,
            "again": ranking.golden.again,
            "again_chance": ranking.golden.null_mean,
            "again_p": ranking.golden.null_p,
            "withheld": ranking.golden.withheld,
            **_ends("gain", gain),
            "held_out": held_out,
            "clean": list(ranking.golden.seeds),
        }

    def _floor(
        self, run: Run, feature: str, conditions: ConditionImages, task: Task
    ) -> dict[str, Any]:
        """How often a word is read in the originals, inside the same masks."""
        prompts = task.prompts[: self.originals]
        reader = run_feature(run, feature)
        originals = read_originals(reader, conditions, prompts, confidence=self.confidence)
        hits = [float(bool(original.texts)) for original in originals]
        floor = grouped_share_interval(hits, task.groups[: len(hits)])
        share = float(np.mean([original.share for original in originals]))
        return {**_ends("floor", floor), "floor_text_share": share, "floor_n": floor.n}

    def _mimicry(self, run: Run, task: Task) -> Mimicry | None:
        images = [
            ImageWords(cell.texts, prompt.text, str(group))
            for row in task.inside
            for cell, prompt, group in zip(row, task.prompts, task.groups, strict=True)
            if cell.texts
        ]
        return mimicry(images, self.rng(run, f"mimicry {task.name}"), draws=self.permutations)


def _ends(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _seed_rows(study: Inpainting, task: Task, clean: Sequence[int]) -> list[dict[str, Any]]:
    """The rows of one task in the table "seeds"."""
    chosen = {task.seeds[index] for index in task.chosen(study.share)}
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
    """The rate of every seed on one set; NaN if the set has fewer than two groups."""
    columns = task.of_set(number)
    groups = task.groups[columns]
    if len(set(groups.tolist())) < 2:
        return [Interval(np.nan, np.nan, np.nan, len(columns), "too few groups")] * len(task.seeds)
    return [grouped_share_interval(row[columns], groups) for row in task.hits]


def _figure(tasks: Sequence[Task]) -> DrawnFigure:
    """Draw the rates on set 1 against those on set 2, one point per seed."""

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        for axes, task in zip(plots.panels(figure, 1, len(tasks)), tasks, strict=True):
            plots.scatter(axes, task.rates(1), task.rates(2))
            axes.set(title=task.name, xlabel="rate on set 1", ylabel="rate on set 2")

    return plots.figure(
        draw,
        title="How often each seed writes text into the region, on two sets of prompts",
        caption="One dot per seed: the share of its images with a word in the filled region, on "
        "prompts of set 1 and of set 2.",
        width=4.6 * len(tasks),
        height=4,
    )
