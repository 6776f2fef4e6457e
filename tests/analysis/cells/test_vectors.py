"""Vectors per seed, and the rule for images without the object."""

import numpy as np
import pytest

from analysis.cells.vectors import reduced
from analysis.metrics.layout import LayoutX, fill_not_found


def test_a_hard_prompt_left_out_does_not_move_a_seed() -> None:
    """Seeds have no effect; the second seed lacks the object of the prompt with large values."""
    values = np.tile([0.2, 0.4, 0.9], (4, 1))
    values[1, 2] = np.nan
    np.testing.assert_allclose(fill_not_found(values).mean(axis=1), [0.5] * 4)
    # The negative control: the mean over found objects alone shows an effect.
    assert abs(np.nanmean(values, axis=1)[1] - 0.5) > 0.1


def test_the_metric_fills_gaps_alike_in_both_its_forms() -> None:
    metric, rng = LayoutX(), np.random.default_rng(0)
    values = rng.random((5, 12))
    values[rng.random((5, 12)) < 0.2] = np.nan
    columns = {"layout.x": values}
    intervals = metric.compute(columns, np.arange(12))
    np.testing.assert_allclose(
        [each.value for each in intervals], metric.values(metric.prepare(columns))
    )
    assert {each.n for each in intervals} == {12}
    found = np.isfinite(values).sum(axis=1)
    assert [each.method.rpartition("; ")[2] for each in intervals] == [
        f"{count} of 12 found" for count in found
    ]
    assert min(found) < 12
    assert metric.refusal(columns) == ""
    assert "30%" in metric.refusal({"layout.x": np.where(np.arange(10) < 3, 1.0, np.nan)})


def test_nothing_found_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="no image at all"):
        fill_not_found(np.full((2, 3), np.nan))


def test_images_are_reduced_over_all_seeds_together() -> None:
    rng = np.random.default_rng(0)
    planted = rng.standard_normal((6, 5, 2)) * [3, 1]
    styles = planted @ rng.standard_normal((2, 40)) + 7
    found = reduced(styles, 2).reshape(-1, 2)
    centred = styles.reshape(-1, 40) - styles.reshape(-1, 40).mean(axis=0)
    np.testing.assert_allclose(found @ found.T, centred @ centred.T, atol=1e-8)
