"""Describes how a card saves memory, and estimates what it needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
"""Bytes of one number."""

GIB = 2**30

RUNTIME = GIB
"""Bytes that CUDA and torch take for themselves, about."""

SEQUENTIAL = GIB // 2
"""Bytes of the layers that are on the GPU together with sequential offloading, about."""

DECODER_TENSORS = 4
"""Tensors of the size of the image, with the channels of the second block, that a decoder holds."""

NETWORK_TENSORS = 16
"""Tensors of the size of the latents, with the width of the network, that a step holds."""

USABLE = 0.9
"""Share of a GPU's memory that is counted on."""

TILE = 512
"""Side of a tile in pixels, if the autoencoder decodes in tiles."""


class Memory(BaseModel):
    """How a card saves memory on a GPU.

    Attributes:
        offload: What is kept on the CPU until it is used: nothing (`none`), networks (`model`:
            only one of text encoders, main network and autoencoder is on the GPU), or layers
            (`sequential`, slow). Images stay as they are.
        vae_slicing: Whether images are decoded one by one.
        vae_tiling: Whether an image is decoded in overlapping tiles, which changes its pixels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    offload: Literal["none", "model", "sequential"] = "none"
    vae_slicing: bool = False
    vae_tiling: bool = False


@dataclass(frozen=True)
class Load:
    """What is drawn, as far as memory depends on it.

    Attributes:
        parameters: Component -> how many numbers its weights have.
        dtype: Dtype of the networks.
        height: Pixels of an image.
        width: The same.
        batch: Images drawn together.
        guided: Whether each is drawn with and without its prompt.
        vae_factor: Image pixels for each latent pixel along one axis.
        network_width: Channels of the main network's first block, or width of its tokens.
        decoder_channels: Channels of the decoder's second block.
    """

    parameters: Mapping[str, int]
    dtype: str
    height: int
    width: int
    batch: int
    guided: bool
    vae_factor: int
    network_width: int
    decoder_channels: int


@dataclass(frozen=True)
class Need:
    """An estimate in bytes: computed, not measured.

    Attributes:
        weights: Weights on the GPU at a time.
        activations: The larger of what a step of the network and decoding hold.
    """

    weights: int
    activations: int

    @property
    def total(self) -> int:
        """All bytes, with those of the runtime."""
        return self.weights + self.activations + RUNTIME

    @property
    def words(self) -> str:
        """Say what is expected and by which rule."""
        weights, activations, total = (
            f"{n / GIB:.1f} GiB" for n in (self.weights, self.activations, self.total)
        )
        return (
            f"memory on the GPU: about {total} = {weights} of weights + {activations} for the "
            f"images of a batch + 1 GiB for CUDA; computed from the sizes of the weights and of "
            f"{DECODER_TENSORS} tensors of the decoder or {NETWORK_TENSORS} of the network, not "
            f"measured on a GPU"
        )


def need(load: Load, memory: Memory) -> Need:
    """Estimate the memory that drawing needs.

    Args:
        load: What is drawn.
        memory: How memory is saved.

    Example:
        >>> sizes = {"unet": 860_000_000, "vae": 84_000_000, "text_encoder": 123_000_000}
        >>> sd = Load(sizes, "float16", 512, 512, 1, True, 8, 320, 256)
        >>> round(need(sd, Memory()).total / GIB, 1)
        3.5
        >>> round(need(sd, Memory(offload="model")).total / GIB, 1)
        3.1
    """
    size, sizes = BYTES[load.dtype], load.parameters.values()
    weights = {
        "none": sum(sizes) * size,
        "model": max(sizes, default=0) * size,
        "sequential": min(SEQUENTIAL, sum(sizes) * size),
    }[memory.offload]
    pixels = load.height * load.width
    decoded = min(pixels, TILE**2) if memory.vae_tiling else pixels
    together = 1 if memory.vae_slicing else load.batch
    decoding = DECODER_TENSORS * decoded * load.decoder_channels * together * size
    latents = pixels // load.vae_factor**2 * load.batch * (2 if load.guided else 1)
    step = NETWORK_TENSORS * latents * load.network_width * size
    return Need(weights, max(decoding, step))


def usable(gib: float) -> int:
    """Give the bytes of a GPU that are counted on; the screen and fragments take some.

    Args:
        gib: Its memory in GiB.

    Example:
        >>> usable(10) == 9 * 2**30
        True
    """
    return int(gib * USABLE * GIB)


def fitting(load: Load, limit: int) -> tuple[Memory, int]:
    """Choose how to save memory, and the images drawn together, so that a limit is kept.

    The fastest way that fits is taken: fewer images together first, then tiles, then networks on
    the CPU, then layers on the CPU.

    Args:
        load: What is drawn; its `batch` is the largest that is tried.
        limit: Bytes of the GPU.

    Returns:
        The settings and the batch size; if nothing fits, those that need least.
    """
    tries = [
        Memory(vae_slicing=True),
        Memory(vae_slicing=True, vae_tiling=True),
        Memory(offload="model", vae_slicing=True),
        Memory(offload="model", vae_slicing=True, vae_tiling=True),
        Memory(offload="sequential", vae_slicing=True, vae_tiling=True),
    ]
    for memory in tries:
        batch = load.batch
        while batch > 1 and need(_with_batch(load, batch), memory).total > limit:
            batch //= 2
        if need(_with_batch(load, batch), memory).total <= limit:
            return memory, batch
    return tries[-1], 1


def _with_batch(load: Load, batch: int) -> Load:
    return Load(**{**vars(load), "batch": batch})
