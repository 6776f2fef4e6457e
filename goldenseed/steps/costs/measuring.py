"""Estimate what measuring costs: the networks of the features, and the values of the seeds."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from analysis.features import Feature, load_feature
from analysis.metrics import load_metric
from analysis.per_seed import SETS
from goldenseed.steps.costs.cost import Cost
from pipeline.settings.choices import PromptShare
from pipeline.settings.recipe import Recipe

H100_FLOAT32 = 0.4 * 67e12
"""Assumed rate of one H100 in float32, the precision of features: 40 % of the 67 TFLOP/s that its
data sheet states (SXM, without tensor cores)."""

CORE_FLOAT32 = 0.4 * 96e9
"""Assumed rate of one CPU core, for features whose card does not say `gpu`: 40 % of 32 operations
per cycle (AVX2) at 3 GHz."""


@dataclass(frozen=True)
class MeasuringCost:
    """The cost of measuring, after drawing or in the same pass.

    Attributes:
        cost: Time of the features whose operations are counted, and room for their numbers.
        words: The cost in words, feature by feature.
        complete: Whether the operations of all features are counted.
    """

    cost: Cost
    words: str
    complete: bool


def measuring_cost(
    recipe: Recipe, prompt_ids: Iterable[str], *, images: float, frames: int = 1
) -> MeasuringCost:
    """Estimate what a recipe's features cost; loads no network.

    Not counted are decoding, resizing and features without a network. Images that a feature
    skips because it does not apply to their prompt count as if they were measured.

    Args:
        recipe: The recipe.
        prompt_ids: Ids of its prompts.
        images: Images to measure for each prompt.
        frames: Frames of an image; each frame is measured.
    """
    ids = list(prompt_ids)
    cost, texts, unknown = Cost(), [], []
    for name in dict.fromkeys(recipe.features):
        feature = load_feature(name)
        rows = images * _count_prompts(ids, recipe.feature_prompts.get(name))
        cost += Cost(disk_bytes=rows * row_bytes(feature))
        if feature.gflop is None:
            unknown.append(name)
            continue
        work = _work(feature, rows * frames)
        cost += work
        hours = (work.gpu_seconds + work.core_seconds) / 3600
        operations = f"{feature.gflop:,.1f} GFLOP x {rows * frames:,.0f} images"
        texts.append(f"{name} {hours:,.1f} h ({operations}, {_device(feature)})")
    texts += [f"no cost figures, not counted: {', '.join(unknown)}"] if unknown else []
    return MeasuringCost(cost, f"measuring: {'; '.join(texts) or 'nothing'}", not unknown)


def value_costs(recipe: Recipe, sets: Iterable[int], seeds: int) -> Mapping[str, float]:
    """Estimate how long one core computes the values of all seeds, with their intervals.

    Only distances take long. The nulls of a ranking are not counted.

    Args:
        recipe: The recipe.
        sets: The set of each prompt of the grid.
        seeds: Number of seeds.

    Returns:
        Metric -> seconds of one CPU core, for metrics that take any time worth counting.
    """
    count = Counter(sets)
    seconds = {}
    for name in recipe.metrics:
        metric, limit = load_metric(name), recipe.metric_prompts.get(name)
        images = [min(count[number], limit or count[number]) for number in SETS]
        seconds[name] = seeds * sum(metric.core_seconds(n) for n in images if n)
    return {name: value for name, value in seconds.items() if value}


def row_bytes(feature: Feature) -> int:
    """Estimate the bytes of a feature's numbers for one image; texts count as nothing.

    Example:
        >>> row_bytes(load_feature("perceptual"))
        128
    """
    return sum(_bytes_of(column.type) for column in feature.columns)


def _bytes_of(kind: pa.DataType) -> int:
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size) * _bytes_of(kind.value_type)
    return int(kind.bit_width) // 8 if pa.types.is_primitive(kind) else 0


def _count_prompts(prompt_ids: list[str], share: PromptShare | None) -> int:
    """Count the prompts on which a feature is measured."""
    return sum(1 for prompt in prompt_ids if share is None or not share.skips(prompt))


def _work(feature: Feature, images: float) -> Cost:
    flop = (feature.gflop or 0.0) * 1e9 * images
    if feature.resources.gpus:
        return Cost(gpu_seconds=flop / H100_FLOAT32)
    return Cost(core_seconds=flop / CORE_FLOAT32)


def _device(feature: Feature) -> str:
    return "float32 at 40 % of an H100's 67 TFLOP/s" if feature.resources.gpus else "one CPU core"
