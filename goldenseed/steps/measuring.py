"""Estimate the time that measuring takes: the operations of the features' networks over a rate."""

from collections.abc import Iterable
from dataclasses import dataclass

from analysis.features import Feature, load_feature
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
        seconds: Time on one GPU and one CPU core for the features whose operations are counted.
        words: The cost in words, feature by feature.
    """

    seconds: float
    words: str


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
    seconds, texts, unknown = 0.0, [], []
    for name in dict.fromkeys(recipe.features):
        feature = load_feature(name)
        count = images * frames * _count_prompts(ids, recipe.feature_prompts.get(name))
        if feature.gflop is None:
            unknown.append(name)
            continue
        time = _seconds(feature, count)
        seconds += time
        work = f"{feature.gflop:,.1f} GFLOP x {count:,.0f} images, {_device(feature)}"
        texts.append(f"{name} {time / 3600:,.1f} h ({work})")
    texts += [f"no cost figures, not counted: {', '.join(unknown)}"] if unknown else []
    return MeasuringCost(seconds, f"measuring: {'; '.join(texts) or 'nothing'}")


def _count_prompts(prompt_ids: list[str], share: PromptShare | None) -> int:
    """Count the prompts on which a feature is measured."""
    return sum(1 for prompt in prompt_ids if share is None or not share.skips(prompt))


def _seconds(feature: Feature, images: float) -> float:
    rate = H100_FLOAT32 if feature.resources.gpus else CORE_FLOAT32
    return (feature.gflop or 0.0) * 1e9 * images / rate


def _device(feature: Feature) -> str:
    return "float32 at 40 % of an H100's 67 TFLOP/s" if feature.resources.gpus else "one CPU core"
