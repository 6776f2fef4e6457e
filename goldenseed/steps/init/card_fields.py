"""Turn what is known of a model into the fields of a card."""

from collections.abc import Mapping

from goldenseed.steps.init.request import Request
from pipeline.cards.facts.fact import Fact, Facts
from pipeline.errors import ConfigError

OPTIONS: Mapping[str, str] = {
    "num_inference_steps": "--steps",
    "guidance_scale": "--guidance",
    "scheduler": "--scheduler",
    "height": "--height",
    "width": "--width",
    "parts": "--base",
    "config": "--config",
    "prediction": "--prediction",
}
"""Field of a card -> the option that gives it."""

ORDER = (
    "family", "path", "config", "repo", "revision", "variant", "dtype", "gpu", "scheduler",
    "scheduler_config", "num_inference_steps", "guidance_scale", "height", "width",
    "latent_channels", "vae_factor", "stages", "parts", "loras", "embeddings",
    "demonstration", "licence",
)  # fmt: skip
"""Fields of a card, as they are written."""

HALF_SAFE = ("StableDiffusionPipeline",)
"""Pipelines whose autoencoder does not overflow in float16."""


def card_fields(facts: Facts, request: Request) -> dict[str, Fact]:
    """Give the fields of a card, in the order in which they are written.

    Args:
        facts: What the files say.
        request: What the user gave, which replaces it.

    Raises:
        ConfigError: If a field is not known; the message names the options to give.
    """
    for name, value in request.given.items():
        facts.known[name] = Fact(value, OPTIONS.get(name, "given"))
        facts.unknown.pop(name, None)
    _refuse_unknown(facts, request)
    facts.say("gpu", request.gpu, "--device" if request.gpu else "--device, or no GPU was found")
    facts.say("dtype", *_dtype(facts, gpu=request.gpu))
    return {name: facts.known[name] for name in ORDER if name in facts.known}


def _refuse_unknown(facts: Facts, request: Request) -> None:
    if facts.unknown:
        lines = [f"  {OPTIONS[name]}: {why}" for name, why in facts.unknown.items()]
        raise ConfigError(
            f"the files of {request.model} do not say all that a card needs; give these options, "
            f"whose values the model's page states:\n" + "\n".join(lines)
        )


def _dtype(facts: Facts, *, gpu: bool) -> tuple[str, str]:
    """Choose a dtype: that of the files if a GPU draws fast in it, and float32 on a CPU."""
    stored = facts.known.get("stored_dtype", Fact("", "the weights are not on this machine"))
    if not gpu:
        return "float32", "networks run on the CPU in float32"
    if stored.value == "bfloat16":
        return "bfloat16", f"as stored in {stored.source}"
    if facts.value("pipeline") in HALF_SAFE:
        return "float16", "half the memory of float32, and what this pipeline is used with"
    return "bfloat16", "float16 overflows in this kind of autoencoder or transformer"
