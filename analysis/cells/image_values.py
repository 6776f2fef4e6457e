"""Read the number that a metric gives to each image of a run."""

from collections.abc import Sequence

import numpy as np

from analysis.cells.cells import read_cells
from analysis.metrics import METRICS, Metric, load_metric
from analysis.statistics.arrays import Floats
from pipeline.errors import GoldenseedError
from pipeline.runs.run import Run

SETS = (1, 2, 3)


def image_metrics(run: Run) -> list[Metric]:
    """The metrics of a run that are a mean of one number per image; that of the ranking is first.

    Metrics that the recipe names by their dotted path are left out.
    """
    ranking = [run.recipe.ranking.metric] if run.recipe.ranking else []
    names = dict.fromkeys([*ranking, *run.recipe.metrics])
    known = (load_metric(name) for name in names if name.partition("@")[0] in METRICS)
    return [metric for metric in known if metric.per_image_mean]


def image_values(
    run: Run, metric: Metric, seeds: Sequence[int], prompts: Sequence[str]
) -> Floats | None:
    """Read the number that a metric gives to each image.

    Args:
        run: The run.
        metric: A mean of one number per image.
        seeds: Seeds of the run.
        prompts: Ids of prompts of the run.

    Returns:
        Shape (S, P), NaN where an image has no value; None if the run did not measure it.
    """
    try:
        cells = read_cells(run, metric.needs, sets=SETS)
    except GoldenseedError:
        return None
    with np.errstate(all="ignore"):  # cells without a value hold zeros
        prepared = metric.prepare({need: cells.columns[need] for need in metric.needs})
    if len(prepared) != 1 or prepared[0].shape != (len(cells.seeds), len(cells.prompts)):
        return None
    values = np.array(prepared[0], dtype=np.float64)
    for absent in (cells.missing, cells.failed, cells.not_applicable):
        for flags in absent.values():
            values[np.broadcast_to(flags, values.shape)] = np.nan
    column = {seed: index for index, seed in enumerate(cells.seeds)}
    row = {prompt.id: index for index, prompt in enumerate(cells.prompts)}
    return values[np.ix_([column[seed] for seed in seeds], [row[prompt] for prompt in prompts])]
