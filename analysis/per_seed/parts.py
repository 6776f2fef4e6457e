"""Measure metrics of vectors a part of the seeds at a time, on an executor.

A part is read once, for all its metrics and prompt sets. Parts do not depend on one another, so
they are spread over actors: the distances of 1,024 seeds with 10,000 images each take many hours of
one core.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from analysis.cells.cells import Cells, Sample
from analysis.cells.memory import refuse_large
from analysis.cells.seed_parts import column_bytes, part_bytes, read_part, seed_parts
from analysis.metrics import Metric, load_metric
from analysis.metrics.base import REFERENCES_VARIABLE
from analysis.per_seed.rows import seed_rows
from pipeline.runs.run import Run
from pipeline.settings.recipe import Recipe
from pipeline.stage import Outcome, Resources
from pipeline.storage.address import Place

FLOAT32 = 4
"""Bytes of a number in a column."""


@dataclass(frozen=True)
class Wanted:
    """A metric to be measured on some prompts of a set.

    Attributes:
        metric: Its name.
        prompt_set: The set.
        prompts: Ids of the prompts.
    """

    metric: str
    prompt_set: int
    prompts: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """Seeds that are measured together; a `pipeline.stage.Task`.

    Attributes:
        seeds: The seeds, ascending.
    """

    seeds: tuple[int, ...]

    @property
    def id(self) -> str:
        """Name of the part."""
        return f"seeds {self.seeds[0]}-{self.seeds[-1]}"


@dataclass(frozen=True)
class MeasuredPart(Outcome):
    """The rows of a part, which are small.

    Attributes:
        rows: For each `Wanted`, its rows, seeds in order; empty if it is refused.
        refusals: For each `Wanted`, why it cannot be shown; empty if it can.
    """

    rows: tuple[list[dict[str, Any]], ...] = ()
    refusals: tuple[str, ...] = ()


class MeasureStage:
    """Measures parts of the seeds of a run; a `pipeline.stage.Stage`.

    Args:
        run_root: The run folder.
        recipe: The recipe of the command that measures.
        wanted: What is measured.
        memory: Bytes that a part takes.
    """

    name: str = "measure seeds"

    def __init__(
        self, run_root: Place, recipe: Recipe, wanted: Sequence[Wanted], *, memory: int = 0
    ) -> None:
        self.recipe, self.wanted = recipe, tuple(wanted)
        # An actor has another working folder.
        self.run_root = run_root.absolute() if isinstance(run_root, Path) else run_root
        self.resources = Resources(memory=memory)
        folder = os.environ.get(REFERENCES_VARIABLE)
        self.references = str(Path(folder).absolute()) if folder else ""

    @property
    def images(self) -> int:
        """Number of images of each seed that are measured."""
        return len({name for each in self.wanted for name in each.prompts})

    @cached_property
    def opened(self) -> Run:
        """The run."""
        return Run.open(self.run_root, self.recipe)

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """The metrics by name; what they share among seeds is computed once per actor."""
        names = dict.fromkeys(wanted.metric for wanted in self.wanted)
        return {name: load_metric(name, model=self.opened.card) for name in names}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what an actor opens by itself."""
        return {key: v for key, v in vars(self).items() if key not in ("opened", "metrics")}

    def setup(self) -> None:
        """Open the run and read the references, which are where the driver says."""
        if self.references:
            os.environ[REFERENCES_VARIABLE] = self.references
        for metric in self.metrics.values():
            metric.check()

    def run(self, task: Part) -> MeasuredPart:
        """Read the features of some seeds once, and compute all metrics of each set."""
        start = perf_counter()
        found: dict[int, tuple[list[dict[str, Any]], str]] = {}
        for needs in dict.fromkeys(metric.needs for metric in self.metrics.values()):
            found |= self._measure(task, needs)
        rows, refusals = zip(*(found[i] for i in range(len(self.wanted))), strict=True)
        cells, seconds = len(task.seeds) * self.images, perf_counter() - start
        return MeasuredPart(task.id, cells, seconds=seconds, rows=rows, refusals=refusals)

    def _measure(
        self, task: Part, needs: tuple[str, ...]
    ) -> dict[int, tuple[list[dict[str, Any]], str]]:
        """Compute the rows of all that is wanted of some columns, by its number."""
        served = {i: w for i, w in enumerate(self.wanted) if self.metrics[w.metric].needs == needs}
        names = {name for wanted in served.values() for name in wanted.prompts}
        cells = read_part(self.opened, needs, seeds=task.seeds, prompts=names)
        return {
            number: seed_rows(self.metrics[wanted.metric], _sample(cells, wanted))
            for number, wanted in served.items()
        }


def plan_parts(
    run: Run, metrics: Mapping[str, Metric], wanted: Sequence[Wanted]
) -> tuple[list[Part], int]:
    """Cut the seeds of a run into parts that fit into memory with what is computed from them.

    Args:
        run: The run, whose recipe may state the memory.
        metrics: The metrics by name.
        wanted: What is measured.

    Returns:
        The parts, and the bytes that the largest takes with what is computed from it.

    Raises:
        RunError: If one seed takes more memory than the recipe states.
    """
    seed = max(
        _seed_bytes(run, metrics, needs, wanted)
        for needs in {metrics[each.metric].needs for each in wanted}
    )
    work = _work_bytes(run, metrics, wanted)
    refuse_large(run, seed + work)
    parts = list(map(Part, seed_parts(run, seed_bytes=seed, limit=part_bytes(run, work))))
    return parts, max(len(part.seeds) for part in parts) * seed + work


def _seed_bytes(
    run: Run, metrics: Mapping[str, Metric], needs: tuple[str, ...], wanted: Sequence[Wanted]
) -> int:
    """Bytes of all that is read of one seed for the metrics of some columns."""
    served = [each for each in wanted if metrics[each.metric].needs == needs]
    prompts = {name for each in served for name in each.prompts}
    return len(prompts) * column_bytes(run, needs)


def _work_bytes(run: Run, metrics: Mapping[str, Metric], wanted: Sequence[Wanted]) -> int:
    """Bytes that computing one seed takes, as if all metrics were computed at once."""
    most: dict[str, int] = {}
    for each in wanted:
        most[each.metric] = max(len(each.prompts), most.get(each.metric, 0))
    return sum(
        metrics[name].working_bytes(n, column_bytes(run, metrics[name].needs) // FLOAT32)
        for name, n in most.items()
    )


def _sample(cells: Cells, wanted: Wanted) -> Sample:
    """Take the prompts of a metric and set."""
    names = set(wanted.prompts)
    chosen = np.flatnonzero([prompt.id in names for prompt in cells.prompts])
    return cells.sample_of(chosen)
