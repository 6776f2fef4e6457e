"""What measuring will cost: floating-point operations of the features' networks, over a rate."""

from collections.abc import Iterable
from dataclasses import dataclass

from analysis.features import Feature, load_feature
from pipeline.settings.choices import PromptShare
from pipeline.settings.recipe import Recipe

H100_FLOAT32 = 0.4 * 67e12
"""Assumed rate of one H100 in float32, in which features run: 40 % of the 67 TFLOP/s that its data
sheet states (SXM, without tensor cores)."""

CORE_FLOAT32 = 0.4 * 96e9
"""Assumed rate of one CPU core, on which a feature runs whose card does not say `gpu`: 40 % of 32
operations a cycle (AVX2) at 3 GHz."""


@dataclass(frozen=True)
class Measuring:
    """What measuring comes to, after drawing or in the same pass.

    Attributes:
        seconds: Of the features whose operations are counted, on one GPU and one core.
        words: Feature by feature.
    """

    seconds: float
    words: str


def measuring(
    recipe: Recipe, prompt_ids: Iterable[str], *, images: float, frames: int = 1
) -> Measuring:
    """Say what a recipe's features cost; loads no network.

    Decoding, resizing and a feature without a network are not counted, nor is what a feature
    leaves out because it does not apply to a prompt.

    Args:
        recipe: The recipe.
        prompt_ids: Its prompts, by their ids.
        images: Images to measure of each prompt.
        frames: Frames in an image; each is measured.
    """
    ids = list(prompt_ids)
    known, unknown = [], []
    for name in dict.fromkeys(recipe.features):
        feature, share = load_feature(name), recipe.feature_prompts.get(name)
        count = images * frames * _measured(ids, share)
        if feature.gflop is None:
            unknown.append(name)
        else:
            known.append((name, feature, feature.gflop, count, _seconds(feature, count)))
    said = [
        f"{name} {seconds / 3600:,.1f} h ({gflop:,.1f} GFLOP x {count:,.0f} images, {_place(one)})"
        for name, one, gflop, count, seconds in known
    ]
    said += [f"not counted: {', '.join(unknown)}"] if unknown else []
    words = "; ".join(said) or "nothing"
    return Measuring(sum(seconds for *_, seconds in known), f"measuring: {words}")


def _measured(prompt_ids: list[str], share: PromptShare | None) -> int:
    """Prompts that a feature is measured on."""
    return sum(1 for each in prompt_ids if share is None or not share.skips(each))


def _seconds(feature: Feature, images: float) -> float:
    rate = H100_FLOAT32 if feature.resources.gpus else CORE_FLOAT32
    return (feature.gflop or 0.0) * 1e9 * images / rate


def _place(feature: Feature) -> str:
    return "float32 at 40 % of an H100's 67 TFLOP/s" if feature.resources.gpus else "one CPU core"
