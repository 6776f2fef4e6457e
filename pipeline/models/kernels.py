"""Chooses the kernels that a run's networks use: compiled, in which layout, in which precision.

Each of these settings changes the last bits of a float, so each is part of a run's identity. What
each is good for is in the guide to recipes.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from pipeline.batch import Batch, Drawn
from pipeline.errors import ModelError
from pipeline.models.base import Model, require_compiler
from pipeline.models.texts import encode_once
from pipeline.settings.config import RunConfig

ATTENTION = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "math": SDPBackend.MATH,
}
"""Value of `attention` -> the implementation in torch's scaled_dot_product_attention."""

NO_KERNEL = ("No available kernel", "No viable backend")
"""What torch says, on a GPU and on a CPU, if the chosen implementation cannot be used."""

DENOISERS = ("unet", "transformer", "prior", "decoder")
"""Names of the networks of a pipeline that are called once per step."""


def compile_networks(pipe: Any, config: RunConfig) -> None:  # noqa: ANN401 - diffusers is untyped
    """Compile the networks that a pipeline calls in each step, if the run asks for it.

    Args:
        pipe: The pipeline, whose networks are changed.
        config: Its `compiled`: true compiles each network whole, "blocks" only the blocks that it
            repeats, which takes a fraction of the time.

    Raises:
        ModelError: If there is no compiler, or no such network.
    """
    if not config.compiled:
        return
    require_compiler()
    networks = [getattr(pipe, name, None) for name in DENOISERS]
    denoisers = [network for network in networks if isinstance(network, torch.nn.Module)]
    if not denoisers:
        raise ModelError(f"{type(pipe).__name__} has no network to compile; set `compiled: false`")
    for denoiser in denoisers:
        if config.compiled == "blocks":
            _compile_blocks(denoiser)
        else:
            denoiser.compile(fullgraph=True, dynamic=False)


def _compile_blocks(network: Any) -> None:  # noqa: ANN401
    if not getattr(network, "_repeated_blocks", None):
        raise ModelError(
            f"{type(network).__name__} does not say which blocks it repeats; set `compiled: true`, "
            f"which compiles it whole, or `compiled: false`"
        )
    network.compile_repeated_blocks(fullgraph=True, dynamic=False)


def tune(pipe: Any, config: RunConfig) -> None:  # noqa: ANN401
    """Prepare a pipeline to draw fast: texts encoded once, weights placed, networks compiled.

    Args:
        pipe: The pipeline as it will be called, which is changed.
        config: The run.

    Raises:
        ModelError: In the cases of `place_weights` and `compile_networks`.
    """
    encode_once(pipe)
    place_weights(pipe, config)
    compile_networks(pipe, config)


def place_weights(pipe: Any, config: RunConfig) -> None:  # noqa: ANN401
    """Give the weights of a pipeline the layout and the decoder the dtype that the run asks for.

    Args:
        pipe: The pipeline, whose networks are changed.
        config: Its `channels_last` and `vae_dtype`.

    Raises:
        ModelError: If the pipeline has no autoencoder and the run sets its dtype.
    """
    if config.channels_last:
        for network in pipe.components.values():
            if isinstance(network, torch.nn.Module):
                network.to(memory_format=torch.channels_last)
    if config.vae_dtype:
        vae = getattr(pipe, "vae", None)
        if vae is None:
            raise ModelError(f"{type(pipe).__name__} has no autoencoder; remove `vae_dtype`")
        _decode_in(vae, getattr(torch, config.vae_dtype))


def _decode_in(vae: Any, dtype: torch.dtype) -> None:  # noqa: ANN401
    """Let an autoencoder work in a dtype of its own, whatever the dtype of its inputs."""
    vae.to(dtype)
    # In float16, SDXL's pipeline would otherwise move the decoder to float32 at every call.
    vae.register_to_config(force_upcast=False)
    for name in ("encode", "decode"):
        setattr(vae, name, _with_dtype(getattr(vae, name), dtype))


def _with_dtype(method: Callable[..., Any], dtype: torch.dtype) -> Callable[..., Any]:
    def converted(values: torch.Tensor, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        return method(values.to(dtype), *args, **kwargs)

    return converted


def with_kernels(model: Model, config: RunConfig) -> Model:
    """Let a model draw with the run's kernels, and leave those of other code alone.

    Args:
        model: The model, whose method `generate` is replaced if the run chooses kernels.
        config: Its `attention` and `tf32`.
    """
    if config.attention == "default" and config.tf32 == "default":
        return model
    generate = model.generate

    def in_kernels(batch: Batch) -> Drawn:
        with kernels(config):
            return generate(batch)

    vars(model)["generate"] = in_kernels
    return model


@contextmanager
def kernels(config: RunConfig) -> Iterator[None]:
    """Use the run's kernels for attention and for float32 on a GPU.

    Raises:
        ModelError: If this device has no such kernel for attention of this dtype.
    """
    with ExitStack() as stack:
        if config.attention != "default":
            stack.enter_context(sdpa_kernel(ATTENTION[config.attention]))
        if config.tf32 != "default":
            stack.enter_context(_float32_as("tf32" if config.tf32 == "all" else "ieee"))
        try:
            yield
        except RuntimeError as error:
            if not any(words in str(error) for words in NO_KERNEL):
                raise
            raise ModelError(
                f"`attention: {config.attention}` has no kernel on this device for {config.dtype}; "
                f"remove it, or take one of {', '.join(ATTENTION)}"
            ) from error


@contextmanager
def _float32_as(precision: str) -> Iterator[None]:
    """Multiply float32 on a GPU as "ieee" or as "tf32", in products and in convolutions."""
    convolutions = torch.backends.cudnn.conv  # type: ignore[attr-defined]  # made at import
    places = (torch.backends.cuda.matmul, convolutions)
    before = [place.fp32_precision for place in places]
    for place in places:
        place.fp32_precision = precision
    try:
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            place.fp32_precision = value
