"""Draw on the CPU the noise that `torch.randn` draws on an NVIDIA GPU.

Torch's CUDA generator is Philox4x32-10, a function of a counter and a key. So the noise of a seed
can be computed anywhere. It is not the same on each GPU: torch starts one thread for each number,
but not more threads than the GPU runs at once, and above that number each thread draws several
numbers. Up to 40,960 numbers (latents of 4 x 64 x 64 have 16,384) all GPUs of the table agree.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Words = npt.NDArray[np.uint64]
"""Unsigned 32-bit words, each in an array element of 64 bits so that products do not overflow."""

Numbers = npt.NDArray[np.float64]

MULTIPLIERS: Final = (0xD2511F53, 0xCD9E8D57)
WEYL: Final = (0x9E3779B9, 0xBB67AE85)
ROUNDS: Final = 10
LOW: Final = np.uint64(0xFFFFFFFF)
HALF: Final = np.uint64(32)
BLOCK: Final = 256

GPU_THREADS = MappingProxyType({
    "t4": 40 * 1024,
    "rtx-3060": 28 * 1536,
    "rtx-3090": 82 * 1536,
    "rtx-4090": 128 * 1536,
    "a100": 108 * 2048,
    "h100": 132 * 2048,
})  # fmt: skip
"""Threads that a GPU runs at once: multiprocessors times threads of one multiprocessor, as in
NVIDIA's data sheets. H100 is the SXM model; the H200 has as many."""


def philox(counter: Sequence[Words], key: tuple[int, int]) -> tuple[Words, Words, Words, Words]:
    """Compute Philox4x32-10.

    Args:
        counter: Four arrays of the same shape, 32-bit words, the lowest first.
        key: Two 32-bit words, the lower first.

    Returns:
        Four arrays of that shape, uniformly distributed 32-bit words.

    Source:
        Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3. The
        constants are those of Random123's philox.h.
    """
    first, second, third, fourth = counter
    for turn in range(ROUNDS):
        keys = [
            np.uint64((word + turn * step) & 0xFFFFFFFF)
            for word, step in zip(key, WEYL, strict=True)
        ]
        low_product = np.uint64(MULTIPLIERS[0]) * first
        high_product = np.uint64(MULTIPLIERS[1]) * third
        first, second, third, fourth = (
            (high_product >> HALF) ^ second ^ keys[0],
            high_product & LOW,
            (low_product >> HALF) ^ fourth ^ keys[1],
            low_product & LOW,
        )
    return first, second, third, fourth


def box_muller(first: Words, second: Words) -> tuple[Numbers, Numbers]:
    """Turn pairs of uniform words into pairs of normal numbers, sine first, as cuRAND does.

    Source:
        `_curand_box_muller` in CUDA's curand_normal.h. The uniform numbers are rounded to float32
        as there. Logarithm and sine are computed in double precision, which is more exact.
    """
    scale = np.float32(2.0**-32)
    angle_scale = np.float32(2.0**-32 * 2 * np.pi)
    uniform = first.astype(np.float32) * scale + scale / np.float32(2)
    angle = second.astype(np.float32) * angle_scale + angle_scale / np.float32(2)
    radius = np.sqrt(-2 * np.log(uniform.astype(np.float64)))
    return radius * np.sin(angle.astype(np.float64)), radius * np.cos(angle.astype(np.float64))


def normal_numbers(seed: int, count: int, threads: int | None = None) -> npt.NDArray[np.float32]:
    """Draw what `torch.randn(count, device="cuda")` draws first after `manual_seed(seed)`.

    Args:
        seed: Seed, in [0, 2**64).
        count: How many numbers.
        threads: Threads that the GPU runs at once, a multiple of 256. None stands for a GPU that
            has a thread for each number.

    Returns:
        Shape (count,), float32. A GPU's own numbers differ by up to 1e-6: it computes sine and
        logarithm less exactly.

    Source:
        `calc_execution_policy` and `distribution_elementwise_grid_stride_kernel` in PyTorch's
        ATen/native/cuda/DistributionTemplates.h.

    Example:
        >>> [f"{number:.4f}" for number in normal_numbers(0, 3)]
        ['-0.9247', '-0.4253', '-2.6438']
    """
    needed = -(-count // BLOCK) * BLOCK
    grid = needed if threads is None else min(threads, needed)
    index = np.arange(count, dtype=np.uint64)
    thread, turn = index % np.uint64(grid), index // np.uint64(grid)
    zeros = np.zeros_like(index)
    words = philox((turn // np.uint64(4), zeros, thread, zeros), (seed & 0xFFFFFFFF, seed >> 32))
    lanes = (*box_muller(words[0], words[1]), *box_muller(words[2], words[3]))
    return np.choose((turn % np.uint64(4)).astype(np.intp), lanes).astype(np.float32)


@dataclass(frozen=True)
class Philox:
    """The starting noise of `torch.Generator("cuda")`, computed on the CPU.

    A1111 and Forge draw it with the random number source "GPU" on an NVIDIA GPU, and with "NV"
    anywhere. SD.Next draws it by default on an NVIDIA GPU.

    Attributes:
        name: Published name of the rule.
        threads: Threads that the imitated GPU runs at once, or None for a thread for each number.
        user_code: See `NoiseSpec`.
        step_noise: False. Only starting noise can be drawn: the generators that a
            scheduler takes are torch's own, and those do not draw Philox's numbers on a CPU.
    """

    name: str
    threads: int | None = None
    user_code: str = 'generator = torch.Generator("cuda").manual_seed(seed)'
    step_noise: bool = False

    def draw(
        self, seeds: Sequence[int], latents_shape: tuple[int, int, int]
    ) -> "tuple[torch.Tensor, list[torch.Generator]]":
        """See `draw_noise`. The generators are those of the CPU, and have drawn nothing."""
        import torch

        count = int(np.prod(latents_shape))
        noise = [normal_numbers(seed, count, self.threads).reshape(latents_shape) for seed in seeds]
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        return torch.from_numpy(np.stack(noise)), generators


NAME: Final = "torch-cuda-philox4x32-10-normal-fp32/v1"
PHILOX_SPECS = MappingProxyType(
    {"philox": Philox(NAME)}
    | {f"philox-{gpu}": Philox(f"{NAME}+{gpu}", n) for gpu, n in GPU_THREADS.items()}
)
"""Short name in recipes -> rule: without a limit of threads, and as drawn by one kind of GPU."""
