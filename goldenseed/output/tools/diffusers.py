"""A script for diffusers that draws what goldenseed draws."""

import json
from collections.abc import Mapping, Sequence

from goldenseed.output.tools.base import Guide, Use, refuse_added, steps_words
from goldenseed.steps.seed_lists.origin import Network, Origin
from pipeline.cards.checkpoints import PROJECT_ROOT
from pipeline.noise import noise_spec

_SCRIPT = """\
import torch
{imports}

# Older versions of diffusers call `dtype` `torch_dtype`.
{networks}pipe = DiffusionPipeline.from_pretrained(
    {model}, {arguments}dtype=torch.{dtype}, use_safetensors=True
)
pipe.scheduler = {scheduler}.from_config(pipe.scheduler.config{config})
{device}
seeds = {seeds}
prompt = {prompt}
generators = [{generator} for seed in seeds]
images = [
    pipe(
        prompt,
        negative_prompt={negative},
        height={height},
        width={width},
        num_inference_steps={steps},
        guidance_scale={guidance},{eta}
        generator=generator,
    ).images[0]
    for generator in generators
]
for seed, image in zip(seeds, images):
    image.save(f"seed-{{seed}}.png")
"""


def guide(use: Use) -> Guide:
    """Write the script.

    Raises:
        ConfigError: If the model is more than a checkpoint.
    """
    origin = use.origin
    refuse_added(origin, "script")
    content = _script(use)
    philox = not noise_spec(origin.noise).step_noise
    return Guide(
        content,
        "the same on an NVIDIA GPU" if philox else "the same",
        steps_words(origin, "the same, from the same generator"),
        (
            "The script draws one image at a time. A batch gives the same images, up to rounding, "
            "if each image has its own generator (a list of generators).",
        ),
        {"script": content},
    )


_NETWORK = """\
{component} = {kind}.from_pretrained(
    {source}, {arguments}dtype=torch.{dtype}, use_safetensors=True
)
"""


def _script(use: Use) -> str:
    origin = use.origin
    width, height = origin.size
    generator = noise_spec(origin.noise).user_code.partition(" = ")[2]
    options = "".join(f", {name}={value!r}" for name, value in origin.scheduler_config.items())
    return _SCRIPT.format(
        imports=_imports(origin),
        networks="".join(_network(network, origin) for network in origin.networks),
        model=json.dumps(_model(origin)),
        arguments=_arguments(
            {"revision": origin.revision if origin.repo else ""},
            [network.component for network in origin.networks],
        ),
        dtype=origin.sampling["dtype"],
        scheduler=origin.scheduler,
        config=options,
        device="" if origin.demonstration else 'pipe.to("cuda")\n',
        seeds=list(use.seeds),
        prompt=repr(use.prompt),
        generator=generator,
        negative=repr(origin.negative_prompt),
        height=height,
        width=width,
        steps=origin.steps,
        guidance=origin.guidance,
        eta=f"\n        eta={origin.eta}," if origin.eta else "",
    )


def _imports(origin: Origin) -> str:
    """Write an import for each library that gives a class."""
    kinds = {"diffusers": {"DiffusionPipeline", origin.scheduler}}
    for network in origin.networks:
        kinds.setdefault(network.library, set()).add(network.kind)
    return "\n".join(f"from {n} import {', '.join(sorted(k))}" for n, k in sorted(kinds.items()))


def _network(network: Network, origin: Origin) -> str:
    return _NETWORK.format(
        component=network.component,
        kind=network.kind,
        source=json.dumps(network.source),
        arguments=_arguments({"revision": network.revision, "subfolder": network.subfolder}),
        dtype=origin.sampling["dtype"],
    )


def _arguments(texts: Mapping[str, str], names: Sequence[str] = ()) -> str:
    """Write arguments with a comma after each; an empty text is left out."""
    filled = [f"{name}={text!r}, " for name, text in texts.items() if text]
    return "".join([*filled, *(f"{name}={name}, " for name in names)])


def _model(origin: Origin) -> str:
    return origin.repo or str(PROJECT_ROOT / origin.path if origin.path else origin.card)
