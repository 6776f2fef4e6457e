"""What speaks against the golden seeds of the study: cut groups, an order that does not repeat."""

from collections.abc import Sequence

import numpy as np

from analysis.ranking.belief import why_withheld
from analysis.ranking.joint_rule import Judged
from analysis.ranking.repeatability import repeatability


def group_warnings(judged: Sequence[Judged]) -> list[str]:
    """List which prompt groups were cut, because they were too heavy; each sentence once."""
    return [*dict.fromkeys(each.warning.rstrip(".") for each in judged if each.warning)]


def not_repeatable(sets: Sequence[Sequence[Judged]], rng: np.random.Generator) -> list[str]:
    """Say by which metrics the order of the seeds is not shown to repeat on other prompts.

    Args:
        sets: The metrics that choose, on set 1 and on set 2.
        rng: Deals prompt groups into halves.

    Returns:
        A sentence for each such metric. Seeds that were chosen by it may be chance.
    """
    sentences = []
    for pair in zip(*sets, strict=True):
        metric, samples = pair[0].metric, [judged.sample for judged in pair]
        repeated = repeatability(metric, [judged.prepared for judged in pair], samples, rng)
        if why := why_withheld(samples, repeated):
            sentences.append(
                f"the order of the seeds by {metric.name} has no shown reliability, so golden "
                f"seeds that it chose may be chance: {why}"
            )
    return sentences
