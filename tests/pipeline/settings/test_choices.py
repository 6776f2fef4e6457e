"""The number of seeds has a bound, and a seed may be an integer of numpy."""

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.errors import ConfigError
from pipeline.noise import check_seeds, draw_noise
from pipeline.settings.choices import SEED_COUNT_LIMIT, SeedChoice


@pytest.mark.parametrize("text", ["4294967295", "4294967296", "0:4294967295", "1048577"])
def test_too_many_seeds(text: str) -> None:
    with pytest.raises(ConfigError, match=r"more than the 1,048,576 .*`\d+,` \(with a comma\)"):
        SeedChoice.parse(text)


def test_one_large_seed() -> None:
    with pytest.raises(ConfigError, match=r"`4294967295,` \(with"):
        SeedChoice.parse("4294967295")
    assert SeedChoice.parse("4294967295,").values() == [4294967295]


def test_the_bound_itself() -> None:
    assert len(SeedChoice.parse(str(SEED_COUNT_LIMIT)).values()) == SEED_COUNT_LIMIT
    with pytest.raises(ValidationError, match="more than the 1,048,576"):
        SeedChoice(count=100_000_000)


def test_integers_of_numpy() -> None:
    seeds = np.array([7, 2**32 - 1], np.uint32)
    assert check_seeds(list(seeds)) == [7, 2**32 - 1]
    assert (draw_noise(list(seeds), (1, 2, 2))[0] == draw_noise([7, 2**32 - 1], (1, 2, 2))[0]).all()
    assert SeedChoice(chosen=tuple(seeds)).values() == [7, 2**32 - 1]


@pytest.mark.parametrize("seed", [True, 3.0, "3", None])
def test_what_is_no_seed(seed: object) -> None:
    with pytest.raises(ConfigError, match="wanted an integer"):
        draw_noise([seed], (1, 2, 2))  # type: ignore[list-item]
