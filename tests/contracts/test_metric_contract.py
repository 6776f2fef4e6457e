"""What every metric of the registry keeps. A new one is found here by itself.

That unequal n is refused, and that shard cuts do not matter, is kept by what feeds them all:
see tests/analysis/cells/test_cells.py and test_per_seed.py.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from analysis.features import FEATURES, load_feature
from analysis.metrics import METRICS, Metric, load_metric
from analysis.metrics.base import FAILED_CELL, REFERENCES_VARIABLE, MeanMetric, ReferenceMetric
from pipeline.errors import RegistryError
from tests.contracts.tiny import with_tiny_card

Columns = dict[str, NDArray[np.float64]]
SEEDS, PROMPTS = 6, 24
GROUPS = np.arange(PROMPTS) % 8


@pytest.fixture(scope="module", params=METRICS)
def metric(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Metric]:
    """The metric; one of real images with a tiny checkpoint and a reference made here."""
    made = load_metric(request.param)
    if not isinstance(made, ReferenceMetric) or made.reference_file is not None:
        yield made
        return
    folder = tmp_path_factory.mktemp(made.name)
    feature = with_tiny_card(made.features[0], folder)
    tiny = load_metric(f"{made.name}@{feature.partition('@')[2]}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(REFERENCES_VARIABLE, str(folder))
        assert isinstance(tiny, ReferenceMetric)
        write_reference(tiny.reference_path, feature)
        yield tiny


def write_reference(path: Path, feature: str) -> None:
    """Write a reference in the layout of `goldenseed reference build`, of a few numbers."""
    features = np.random.default_rng(7).normal(size=(96, 6)).astype(np.float32)
    save_file({"features": features}, path)
    made = {"feature_identity": load_feature(feature).identity(), "n": len(features)}
    path.with_suffix(".json").write_text(json.dumps(made), encoding="utf-8")


def good_columns(metric: Metric) -> Columns:
    """Columns of good images: embeddings from the reference itself, numbers from 0 to 1."""
    rng = np.random.default_rng(0)
    if isinstance(metric, ReferenceMetric):
        rows = rng.integers(0, len(metric.reference), (SEEDS, PROMPTS))
        return {metric.needs[0]: metric.reference[rows]}
    return {need: rng.random((SEEDS, PROMPTS)) * 0.5 for need in metric.needs}


def worse(metric: Metric, columns: Columns) -> Columns:
    """Every seed a little worse than the one before it."""
    step = np.linspace(0, 1, SEEDS).reshape(-1, 1, 1)
    if isinstance(metric, ReferenceMetric):
        spread = metric.reference.std(axis=0)
        return {need: values[:1] + 4 * step * spread for need, values in columns.items()}
    sign = -1.0 if metric.higher_is_better else 1.0
    return {need: values[:1] + sign * step[..., 0] for need, values in columns.items()}


def values(metric: Metric, columns: Columns) -> NDArray[np.float64]:
    return np.array([interval.value for interval in metric.compute(columns, GROUPS)])


def test_it_is_declared_in_full(metric: Metric) -> None:
    assert METRICS[metric.name.partition("@")[0]].split(":")[1] == type(metric).__name__
    assert metric.unit
    assert metric.method
    assert metric.higher_is_better in (True, False, None)
    assert {name.partition("@")[0] for name in metric.features} <= set(FEATURES)
    for need in metric.needs:
        if need != FAILED_CELL:
            feature, column = need.rsplit(".", 1)
            assert column in {each.name for each in load_feature(feature).columns}


def test_one_interval_per_seed_with_its_n_and_method(metric: Metric) -> None:
    columns = good_columns(metric)
    assert metric.refusal(columns) == ""
    for interval in metric.compute(columns, GROUPS):
        assert np.isfinite([interval.value, interval.low, interval.high]).all()
        assert interval.low <= interval.value <= interval.high
        assert interval.n == PROMPTS
        assert interval.method


def test_the_order_of_images_does_not_matter(metric: Metric) -> None:
    columns = good_columns(metric)
    order = np.random.default_rng(1).permutation(PROMPTS)
    turned = {need: each[:, order] for need, each in columns.items()}
    first, second = metric.compute(columns, GROUPS), metric.compute(turned, GROUPS[order])
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(
            [one.value, one.low, one.high],
            [other.value, other.low, other.high],
            rtol=1e-7,
            atol=1e-9,
        )


def test_a_seeds_value_is_its_own(metric: Metric) -> None:
    """The other seeds in the table change nothing."""
    columns = good_columns(metric)
    some = {need: each[[4, 1]] for need, each in columns.items()}
    np.testing.assert_allclose(values(metric, some), values(metric, columns)[[4, 1]], rtol=1e-9)


def test_the_fast_form_for_nulls_gives_the_same_values(metric: Metric) -> None:
    columns = good_columns(metric)
    fast = metric.values(metric.prepare(columns))
    np.testing.assert_allclose(fast, values(metric, columns), rtol=1e-9, atol=1e-12)
    for array in metric.prepare(columns):
        assert array.shape[:2] == (SEEDS, PROMPTS)
        assert array.dtype == np.float64


def test_moving_images_between_seeds_moves_what_is_prepared_alike(metric: Metric) -> None:
    """Preparing and then permuting owners is permuting and then preparing."""
    columns = good_columns(metric)
    rng = np.random.default_rng(2)
    owner = rng.permuted(np.tile(np.arange(SEEDS)[:, None], PROMPTS), axis=0)
    place = np.arange(PROMPTS)
    after = metric.values([each[owner, place] for each in metric.prepare(columns)])
    before = metric.values(
        metric.prepare({need: each[owner, place] for need, each in columns.items()})
    )
    np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-12)


def test_worse_input_moves_it_as_documented(metric: Metric) -> None:
    found = values(metric, worse(metric, good_columns(metric)))
    steps = np.diff(found)
    assert (steps < 0).all() if metric.higher_is_better else (steps > 0).all()


def test_known_answers(metric: Metric) -> None:
    """A mean of a constant is the constant; a reference is near itself and far from zero."""
    if isinstance(metric, ReferenceMetric):
        near, far = (
            good_columns(metric),
            {metric.needs[0]: good_columns(metric)[metric.needs[0]] * 5},
        )
        assert values(metric, near).max() < values(metric, far).min()
    else:
        constant = {need: np.full((2, PROMPTS), 0.25) for need in metric.needs}
        assert values(metric, constant).tolist() == [0.25, 0.25]


def test_the_reference_itself_lies_at_the_floor_and_worse_images_above_it(metric: Metric) -> None:
    if not isinstance(metric, ReferenceMetric):
        return
    floor = metric.floor(PROMPTS, np.random.default_rng(3))
    assert floor is not None
    assert floor.n + floor.reference_n == len(metric.reference)
    good = values(metric, good_columns(metric))
    assert abs(good.mean() - floor.mean) < 3 * floor.spread
    assert values(metric, worse(metric, good_columns(metric)))[-1] > floor.mean + 3 * floor.spread


@pytest.mark.parametrize("name", [name for name in METRICS if "_rate" in name])
def test_a_rates_interval_lies_inside_0_to_1_and_has_a_width(name: str) -> None:
    metric = load_metric(name)
    assert isinstance(metric, MeanMetric)
    rates = np.array([0, 1, 1 / PROMPTS, 1 - 1 / PROMPTS])
    hits = (np.arange(PROMPTS) < np.rint(rates * PROMPTS)[:, None]).astype(np.float32)
    columns = {metric.needs[0]: hits}
    found = metric.compute(columns, GROUPS)
    np.testing.assert_allclose([each.value for each in found], rates, rtol=1e-6)
    assert all(0 <= each.low <= each.value <= each.high <= 1 for each in found)
    assert all(each.low < each.high for each in found)
    # The negative control: the interval of a mean, symmetric and as wide as what was seen.
    naive = MeanMetric.compute(metric, columns, GROUPS)
    assert [each.low == each.high for each in naive[:2]] == [True, True]
    assert naive[2].low < 0
    assert naive[3].high > 1


def test_the_identity_hangs_on_version_and_features(
    metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{name}-00000000" for name in metric.features]
    first = metric.identity(names)
    assert re.fullmatch(r"[0-9a-f]{16}", first)
    assert first == load_metric(metric.name).identity(names)
    if names:
        assert first != metric.identity([name.replace("0", "1") for name in names])
    monkeypatch.setattr(type(metric), "version", metric.version + 1)
    assert metric.identity(names) != first


def test_nothing_heavy_is_needed_to_compute() -> None:
    assert pa.types.is_float64(pa.array([1.0]).type)
    with pytest.raises(RegistryError, match="did you mean 'kid_perceptual'"):
        load_metric("kid_perceptul")
