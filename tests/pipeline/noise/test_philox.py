"""The noise of NVIDIA GPUs, computed on the CPU."""

import math

import numpy as np
import pytest
import torch

from pipeline.noise import draw_noise, noise_spec
from pipeline.noise.philox import GPU_THREADS, normal_numbers, philox

FULL = 0xFFFFFFFF
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((FULL,) * 4, (FULL, FULL), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
"""Random123's file kat_vectors, the lines of philox4x32 with 10 rounds."""

CUDA_SEED_0 = [
    -0.92466259, -0.42534415, -2.6438457, 0.14518388, -0.12086647, -0.57972564,
    -0.62285122, -0.32838709, -1.07454231, -0.36314407, -1.67105067, 2.26550497,
]  # fmt: skip
"""torch.manual_seed(0); torch.randn(12, device="cuda"), as printed in A1111's rng_philox.py."""


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN_ANSWERS)
def test_philox_gives_the_known_answers(
    counter: tuple[int, ...], key: tuple[int, int], expected: tuple[int, ...]
) -> None:
    words = [np.array([word], np.uint64) for word in counter]
    assert tuple(int(word[0]) for word in philox(words, key)) == expected
    assert tuple(int(word[0]) for word in philox(words, (key[0] ^ 1, key[1]))) != expected


@pytest.mark.parametrize("spec", ["philox", "philox-t4", "philox-h100"])
def test_seed_0_is_that_of_a_gpu(spec: str) -> None:
    noise, _ = draw_noise([0, 1], (12, 1, 1), spec=spec)
    assert noise[0].flatten().tolist() == pytest.approx(CUDA_SEED_0, abs=1e-6)
    assert noise[1].flatten().tolist() != pytest.approx(CUDA_SEED_0, abs=1e-2)


def words_of(seed: int, thread: int, step: int) -> list[int]:
    """Philox in plain integers, for one counter."""
    counter, key = [step, 0, thread, 0], [seed & FULL, seed >> 32]
    for _ in range(10):
        low, high = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [
            (high >> 32) ^ counter[1] ^ key[0], high & FULL,
            (low >> 32) ^ counter[3] ^ key[1], low & FULL,
        ]  # fmt: skip
        key = [(key[0] + 0x9E3779B9) & FULL, (key[1] + 0xBB67AE85) & FULL]
    return counter


def kernel(seed: int, count: int, blocks: int) -> list[float]:
    """Torch's kernel, thread by thread: each draws four numbers at a time and strides the grid."""
    total = min(blocks, math.ceil(count / 256)) * 256
    numbers = [math.nan] * count
    for thread in range(total):
        for step, start in enumerate(range(thread, count, 4 * total)):
            words = words_of(seed, thread, step)
            lanes = []
            for first, second in (words[:2], words[2:]):
                radius = math.sqrt(-2 * math.log(first * 2**-32 + 2**-33))
                angle = (second + 0.5) * 2**-32 * 2 * math.pi
                lanes += [radius * math.sin(angle), radius * math.cos(angle)]
            for lane, number in enumerate(lanes):
                if start + lane * total < count:
                    numbers[start + lane * total] = number
    return numbers


@pytest.mark.parametrize("seed", [0, 5, 2**32 - 1, 2**40 + 3])
@pytest.mark.parametrize("count", [1, 255, 512, 513, 2048, 2100, 5000])
def test_a_small_grid_strides_like_the_kernel(seed: int, count: int) -> None:
    ours = normal_numbers(seed, count, 512)
    assert ours.tolist() == pytest.approx(kernel(seed, count, 2), abs=2e-6)
    if count > 512:
        assert not np.allclose(ours, normal_numbers(seed, count), atol=1e-2)


@pytest.mark.parametrize("gpu", GPU_THREADS)
@pytest.mark.parametrize("shape", [(4, 64, 64), (4, 128, 128), (16, 128, 128)])
def test_gpus_agree_up_to_their_number_of_threads(gpu: str, shape: tuple[int, int, int]) -> None:
    ours, free = (
        draw_noise([3], shape, spec=spec)[0].flatten() for spec in (f"philox-{gpu}", "philox")
    )
    differ = (ours != free).nonzero().flatten().tolist()
    threads = GPU_THREADS[gpu]
    assert not differ if len(ours) <= threads else differ[0] == threads


def test_numbers_are_standard_normal() -> None:
    noise = draw_noise([7], (16, 128, 128), spec="philox-t4")[0]
    assert float(noise.mean()) == pytest.approx(0, abs=4 / math.sqrt(noise.numel()))
    assert float(noise.std()) == pytest.approx(1, abs=0.01)
    assert float((noise**4).mean()) == pytest.approx(3, abs=0.1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("shape", [(4, 64, 64), (16, 256, 256)])
def test_this_gpu_draws_the_same(shape: tuple[int, int, int]) -> None:
    device = torch.cuda.get_device_properties(0)
    threads = device.multi_processor_count * device.max_threads_per_multi_processor
    generator = torch.Generator("cuda").manual_seed(11)
    theirs = torch.randn(shape, generator=generator, device="cuda").cpu().flatten()
    ours = normal_numbers(11, theirs.numel(), threads)
    assert np.abs(ours - theirs.numpy()).max() < 1e-5


def test_rules_have_names_of_their_own() -> None:
    names = {noise_spec(spec).name for spec in ("torch-cpu", "philox", "philox-a100")}
    assert len(names) == 3
