"""Check what each metric of the registry promises. The registry finds a new metric by itself.

Unequal n is refused, and shard cuts do not matter, in the code that feeds all metrics: see
tests/analysis/cells/test_cells.py and tests/analysis/test_per_seed.py.
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
from pipeline.stage import Uint8Images
from tests.contracts.example_images import batch_of, blurred, noise, plain, scene
from tests.contracts.tiny import with_tiny_card
from tests.contracts.words import classes_with_a_name, unregistered

HERE = "tests/contracts/test_metric_contract.py"
Columns = dict[str, NDArray[np.float64]]
SEEDS, PROMPTS = 6, 24
GROUPS = np.arange(PROMPTS) % 8
SCENE, BLURRED, NOISE, PLAIN = scene(), blurred(scene()), noise(), plain()
BETTER_AND_WORSE = {
    "clip_seedling": (SCENE, NOISE),
    "object_found_rate_seedling": (SCENE, PLAIN),
    "preference_seedling": (SCENE, NOISE),
}
"""A better and a worse image for "a red horse", which show the direction of a metric."""
NO_IMAGES = {
    "clip_score": "its checkpoint here is tiny and random",
    "failure_rate": "it needs no image",
    "hps_v2_0": "its checkpoint here is tiny and random",
    "hps_v2_1": "its checkpoint here is tiny and random",
    "object_found_rate": "its checkpoint here is tiny and random",
    "text_artifact_rate": "tests/analysis/features/test_ocr.py reads words",
}
"""Metrics whose direction no image can show here, and why."""


@pytest.fixture(scope="module", params=METRICS)
def metric(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Metric]:
    """The metric. A distance from real images gets a tiny checkpoint and a reference made here."""
    metric = load_metric(request.param)
    if not isinstance(metric, ReferenceMetric) or metric.reference_file is not None:
        yield metric
        return
    folder = tmp_path_factory.mktemp(metric.name)
    feature = with_tiny_card(metric.features[0], folder)
    tiny = load_metric(f"{metric.name}@{feature.partition('@')[2]}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(REFERENCES_VARIABLE, str(folder))
        assert isinstance(tiny, ReferenceMetric)
        write_reference(tiny.reference_path, feature)
        yield tiny


def write_reference(path: Path, feature: str) -> None:
    """Write a reference in the layout of `goldenseed reference build`, of a few numbers."""
    features = np.random.default_rng(7).normal(size=(96, 6)).astype(np.float32)
    save_file({"features": features}, path)
    notes = {"feature_identity": load_feature(feature).identity(), "n": len(features)}
    path.with_suffix(".json").write_text(json.dumps(notes), encoding="utf-8")


def good_columns(metric: Metric) -> Columns:
    """Make columns of good images: embeddings of the reference itself, or numbers in 0..0.5."""
    rng = np.random.default_rng(0)
    if isinstance(metric, ReferenceMetric):
        rows = rng.integers(0, len(metric.reference), (SEEDS, PROMPTS))
        return {metric.needs[0]: metric.reference[rows]}
    return {need: rng.random((SEEDS, PROMPTS)) * 0.5 for need in metric.needs}


def worse(metric: Metric, columns: Columns) -> Columns:
    """Make each seed a little worse than the seed before it."""
    step = np.linspace(0, 1, SEEDS).reshape(-1, 1, 1)
    if isinstance(metric, ReferenceMetric):
        spread = metric.reference.std(axis=0)
        return {need: values[:1] + 4 * step * spread for need, values in columns.items()}
    sign = -1.0 if metric.higher_is_better else 1.0
    return {need: values[:1] + sign * step[..., 0] for need, values in columns.items()}


def values(metric: Metric, columns: Columns) -> NDArray[np.float64]:
    return np.array([interval.value for interval in metric.compute(columns, GROUPS)])


def test_it_is_declared_in_full(metric: Metric) -> None:
    kind = f"{type(metric).__module__}:{type(metric).__name__}"
    stated = ("name", "version", "unit", "higher_is_better", "needs", "method")
    lacking = [name for name in stated if not hasattr(metric, name)]
    assert not lacking, f"{kind} lacks the class attribute {', '.join(lacking)}: state it"
    assert METRICS.get(metric.name.partition("@")[0]) == kind, (
        f"{kind} is named {metric.name!r} and has another name in METRICS "
        f"(analysis/metrics/__init__.py): its `name` and the registry's must be equal"
    )
    assert metric.unit, f"{kind} states no unit"
    assert metric.method, f"{kind} states no method"
    assert metric.higher_is_better in (True, False, None)
    for need in metric.needs:
        if need != FAILED_CELL:
            feature, column = need.rsplit(".", 1)
            name = feature.partition("@")[0]
            assert name in FEATURES, (
                f"metric {metric.name} needs {need}, and {name} is no feature: add it to FEATURES "
                f"(analysis/features/__init__.py)"
            )
            columns = [column.name for column in load_feature(feature).columns]
            assert column in columns, (
                f"metric {metric.name} needs {need}; feature {name} has the columns "
                f"{', '.join(columns)}"
            )


@pytest.mark.parametrize(("name", "path"), classes_with_a_name("analysis.metrics"))
def test_a_class_in_the_folder_is_in_the_registry(name: str, path: str) -> None:
    table = "METRICS (analysis/metrics/__init__.py)"
    assert not unregistered(name, path, METRICS, table=table)
    assert path in unregistered(name, path, {}, table=table)  # the negative control


def test_one_interval_per_seed_with_its_n_and_method(metric: Metric) -> None:
    columns = good_columns(metric)
    assert metric.refusal(columns) == "", "good columns are refused"
    intervals = metric.compute(columns, GROUPS)
    assert len(intervals) == SEEDS, "`compute` must return one interval per seed"
    for interval in intervals:
        assert np.isfinite([interval.value, interval.low, interval.high]).all()
        assert interval.low <= interval.value <= interval.high
        assert interval.n == PROMPTS, "`n` must be the number of images of the seed"
        assert interval.method, "the interval does not say how it was made"


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
            err_msg="`compute` depends on the order of the images",
        )


def test_a_seeds_value_depends_only_on_its_own_images(metric: Metric) -> None:
    columns = good_columns(metric)
    some = {need: each[[4, 1]] for need, each in columns.items()}
    np.testing.assert_allclose(
        values(metric, some),
        values(metric, columns)[[4, 1]],
        rtol=1e-9,
        err_msg="the value of a seed depends on which other seeds are there",
    )


def test_the_fast_form_for_nulls_gives_the_same_values(metric: Metric) -> None:
    columns = good_columns(metric)
    fast = metric.values(metric.prepare(columns))
    np.testing.assert_allclose(
        fast,
        values(metric, columns),
        rtol=1e-9,
        atol=1e-12,
        err_msg="`values(prepare(columns))` and `compute` give different values",
    )
    for array in metric.prepare(columns):
        assert array.shape[:2] == (SEEDS, PROMPTS), "`prepare` must keep seeds and prompts apart"
        assert array.dtype == np.float64, "`prepare` must return float64"


def test_owners_can_be_permuted_before_or_after_preparing(metric: Metric) -> None:
    columns = good_columns(metric)
    rng = np.random.default_rng(2)
    owner = rng.permuted(np.tile(np.arange(SEEDS)[:, None], PROMPTS), axis=0)
    prompts = np.arange(PROMPTS)
    after = metric.values([array[owner, prompts] for array in metric.prepare(columns)])
    before = metric.values(
        metric.prepare({need: array[owner, prompts] for need, array in columns.items()})
    )
    np.testing.assert_allclose(
        after,
        before,
        rtol=1e-9,
        atol=1e-12,
        err_msg="`prepare` mixes images: its arrays must hold what belongs to each image alone",
    )


def test_worse_input_moves_it_as_documented(metric: Metric) -> None:
    steps = np.diff(values(metric, worse(metric, good_columns(metric))))
    right = (steps < 0).all() if metric.higher_is_better else (steps > 0).all()
    assert right, f"worse images move {metric.name} in the direction that it calls better"


def test_a_worse_image_is_worse(metric: Metric) -> None:
    """The direction is that of real images, so the metric cannot state the wrong end."""
    if metric.higher_is_better is None or isinstance(metric, ReferenceMetric):
        return  # images worse than a reference are far from it, by construction
    if metric.name not in BETTER_AND_WORSE:
        assert metric.name in NO_IMAGES, (
            f"metric {metric.name} has a direction and no line in BETTER_AND_WORSE ({HERE}): add a "
            f"better and a worse image, for example (SCENE, BLURRED)"
        )
        return
    better, worse = values(metric, measured(metric, *BETTER_AND_WORSE[metric.name]))
    right = better > worse if metric.higher_is_better else better < worse
    assert right, (
        f"{metric.name} gives {better:.4g} to the better image of BETTER_AND_WORSE ({HERE}) and "
        f"{worse:.4g} to the worse one, and says higher_is_better = {metric.higher_is_better}: "
        f"turn `higher_is_better`, or the two images"
    )


def test_a_metric_that_states_the_wrong_end_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control."""
    metric = load_metric("preference_seedling")
    monkeypatch.setattr(type(metric), "higher_is_better", False)
    with pytest.raises(AssertionError, match="turn `higher_is_better`"):
        test_a_worse_image_is_worse(metric)


def measured(metric: Metric, *images: Uint8Images) -> Columns:
    """Measure each image; a seed for each, which has it `PROMPTS` times."""
    columns = {}
    for need in metric.needs:
        name, column = need.rsplit(".", 1)
        feature = load_feature(name)
        feature.setup()
        numbers = feature.extract(batch_of(np.stack(images)))[column].astype(np.float64)
        columns[need] = np.repeat(numbers[:, None], PROMPTS, axis=1)
    return columns


def test_known_answers(metric: Metric) -> None:
    """The mean of a constant is the constant; a reference is near itself and far from zero."""
    if isinstance(metric, ReferenceMetric):
        near = good_columns(metric)
        far = {need: 5 * column for need, column in near.items()}
        assert values(metric, near).max() < values(metric, far).min()
    else:
        constant = {need: np.full((2, PROMPTS), 0.25) for need in metric.needs}
        assert values(metric, constant).tolist() == [0.25, 0.25], (
            f"{metric.name} of images that all have 0.25 is not 0.25. If that is right, give the "
            f"metric a known answer of its own in test_known_answers ({HERE})"
        )


def test_the_reference_itself_lies_at_the_floor_and_worse_images_above_it(metric: Metric) -> None:
    floor = metric.floor(PROMPTS, np.random.default_rng(3))
    if metric.reference_n is None:
        assert floor is None
        return
    assert floor is not None, f"{metric.name} has a reference and no noise floor: define `floor`"
    assert floor.n + floor.reference_n == metric.reference_n
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
    for interval in found:
        assert 0 <= interval.low <= interval.value <= interval.high <= 1
        assert interval.low < interval.high, f"{name} must be a ShareMetric"
    # The negative control: the interval of a mean has width 0 at both ends and leaves 0..1.
    naive = MeanMetric.compute(metric, columns, GROUPS)
    assert [each.low == each.high for each in naive[:2]] == [True, True]
    assert naive[2].low < 0
    assert naive[3].high > 1


def test_the_identity_depends_on_version_and_features(
    metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{name}-00000000" for name in metric.features]
    first = metric.identity(names)
    assert re.fullmatch(r"[0-9a-f]{16}", first)
    assert first == load_metric(metric.name).identity(names)
    if names:
        others = [name.replace("0", "1") for name in names]
        assert first != metric.identity(others), "the identity does not depend on the features"
    monkeypatch.setattr(type(metric), "version", metric.version + 1)
    assert metric.identity(names) != first, "the identity does not depend on `version`"


def test_nothing_heavy_is_needed_to_compute() -> None:
    assert pa.types.is_float64(pa.array([1.0]).type)
    with pytest.raises(RegistryError, match="did you mean 'kid_perceptual'"):
        load_metric("kid_perceptul")
