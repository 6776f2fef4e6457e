"""Noise depends on the seed alone."""

import pytest
import torch
from diffusers.utils.torch_utils import randn_tensor
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.noise import CHECK_TOLERANCE, NOISE_SPECS, draw_noise, noise_description, noise_spec

SHAPE = (4, 8, 8)
SEEDS = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=6)


@given(SEEDS)
def test_noise_does_not_depend_on_other_seeds_or_their_order(seeds: list[int]) -> None:
    together, _ = draw_noise(seeds, SHAPE)
    turned, _ = draw_noise(seeds[::-1], SHAPE)
    assert torch.equal(together, turned.flip(0))
    for noise, seed in zip(together, seeds, strict=True):
        assert torch.equal(noise, draw_noise([seed], SHAPE)[0][0])


@given(SEEDS)
def test_noise_is_that_of_diffusers(seeds: list[int]) -> None:
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    theirs = randn_tensor((len(seeds), *SHAPE), generator=generators, dtype=torch.float32)
    assert torch.equal(draw_noise(seeds, SHAPE)[0], theirs)


@pytest.mark.parametrize("spec", NOISE_SPECS)
def test_the_line_for_users_draws_our_noise(spec: str) -> None:
    if '"cuda"' in noise_spec(spec).user_code and not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU")

    def drawn(seed: int) -> torch.Tensor:
        names = {"torch": torch, "seed": seed}
        exec(noise_spec(spec).user_code, names)
        return torch.randn(SHAPE, generator=names["generator"])

    for seed in (0, 7, 2**32 - 1):
        assert torch.equal(drawn(seed), draw_noise([seed], SHAPE, spec=spec)[0][0])
        assert not torch.equal(drawn(seed ^ 1), draw_noise([seed], SHAPE, spec=spec)[0][0])


def test_one_generator_for_all_would_be_noticed() -> None:
    generator = torch.Generator().manual_seed(3)
    naive = torch.randn((2, *SHAPE), generator=generator)
    assert not torch.equal(draw_noise([3, 4], SHAPE)[0], naive)


def test_generators_continue_after_the_noise() -> None:
    noise, generators = draw_noise([5], SHAPE)
    following = torch.randn(SHAPE, generator=generators[0])
    assert not torch.equal(following, noise[0])
    fresh = torch.Generator().manual_seed(5)
    assert torch.equal(torch.randn(SHAPE, generator=fresh), noise[0])
    assert torch.equal(torch.randn(SHAPE, generator=fresh), following)


def test_the_global_generator_is_not_touched() -> None:
    state = torch.get_rng_state()
    draw_noise([1, 2], SHAPE)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("seed", [-1, 2**32, 2**40])
def test_seeds_outside_32_bits_are_refused(seed: int) -> None:
    with pytest.raises(ConfigError, match=str(seed)):
        draw_noise([0, seed], SHAPE)


def test_torch_keeps_32_bits_only() -> None:
    """The reason for the refusal: a larger seed would be a second name for a smaller seed."""
    low, high = (torch.Generator().manual_seed(seed) for seed in (5, 5 + 2**32))
    assert torch.equal(torch.randn(8, generator=low), torch.randn(8, generator=high))


def test_unknown_specs_name_the_known() -> None:
    with pytest.raises(ConfigError, match="torch-cpu"):
        draw_noise([0], SHAPE, spec="torch-gpu")


def test_check_values_are_those_of_the_seed() -> None:
    text = noise_description("torch-cpu", SHAPE)
    assert text["noise_spec"] == noise_spec("torch-cpu").name
    checks = text["check"]
    assert isinstance(checks, list)
    assert [check["seed"] for check in checks] == [0, 2**32 - 1]
    for check in checks:
        noise = draw_noise([check["seed"]], SHAPE)[0].flatten()
        assert noise[:16].tolist() == pytest.approx(check["first16"], abs=CHECK_TOLERANCE)
        assert float(noise.mean()) == pytest.approx(check["mean"], abs=CHECK_TOLERANCE)
    other = draw_noise([1], SHAPE)[0].flatten()[:16].tolist()
    assert other != pytest.approx(checks[0]["first16"], abs=CHECK_TOLERANCE)


OTHER_TOOLS = {
    "AUTOMATIC1111, CPU, ENSD 0": None,  # the generator of the start goes on
    "ComfyUI on a CPU": lambda seed: seed + 1,  # default_noise_sampler
    "InvokeAI": lambda seed: seed ^ 0xFFFFFFFF,
}
"""Tool -> the seed of its generator of the step noise, as read in its code."""


@pytest.mark.parametrize("tool", OTHER_TOOLS)
def test_other_tools_share_the_start_and_only_some_the_step_noise(tool: str) -> None:
    """What docs/seeds.md says of other tools."""
    seed, (noise, [ours]) = 469, draw_noise([469], SHAPE)
    theirs = torch.Generator("cpu").manual_seed(seed)
    assert torch.equal(noise[0], torch.randn(SHAPE, generator=theirs))
    reseeded = OTHER_TOOLS[tool]
    if reseeded is not None:
        theirs = torch.Generator("cpu").manual_seed(reseeded(seed))
    same = [
        torch.equal(*(torch.randn(SHAPE, generator=generator) for generator in (ours, theirs)))
        for _ in range(3)
    ]
    assert same == [reseeded is None] * 3
