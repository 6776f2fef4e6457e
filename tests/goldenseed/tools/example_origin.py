"""What the seeds of the tests of tools were drawn with."""

from collections.abc import Mapping
from types import MappingProxyType

from goldenseed.steps.seed_lists.origin import Origin

SEEDS = (5, 2, 7)
PROMPT = "a red apple: on a table"


def origin(
    changes: Mapping[str, object] = MappingProxyType({}), *, added: tuple[str, ...] = ()
) -> Origin:
    """Seeds of Stable Diffusion 2, with some settings changed."""
    sampling = {
        "width": 768, "height": 512, "scheduler": "EulerDiscreteScheduler", "dtype": "float16",
        "num_inference_steps": 30, "guidance_scale": 7.5, "negative_prompt": "blurred",
        **changes,
    }  # fmt: skip
    return Origin(
        card="sd2", repo="someone/sd2", revision="abc", demonstration=False,
        latents_shape=(4, 64, 96), noise="torch-cpu", sampling=sampling, added=added,
    )  # fmt: skip
