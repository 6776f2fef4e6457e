"""All errors that the user can fix have one base class."""

import pytest

from pipeline import errors

SUBCLASSES = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]


@pytest.mark.parametrize("error", SUBCLASSES)
def test_every_error_is_a_value_error_with_its_plain_message(error: type[Exception]) -> None:
    assert issubclass(error, errors.GoldenseedError)
    assert issubclass(error, ValueError)
    assert str(error("found 1, wanted 2")) == "found 1, wanted 2"


def test_nearest_names_at_most_three_and_only_near_ones() -> None:
    names = ["fid_a", "fid_b", "fid_c", "fid_d", "brightness"]
    text = errors.nearest("FID_", names)
    assert text.startswith("did you mean 'fid_")
    assert text.count("fid_") == 3
    assert "brightness" not in text
    assert errors.nearest("unrelated", names) == ""


def test_nearest_follows_a_user_who_types_capitals() -> None:
    assert "'SDXL'" in errors.nearest("sdxl", ["SDXL"])
