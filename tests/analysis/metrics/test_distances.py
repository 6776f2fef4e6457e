import tracemalloc
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import pytest
from scipy import linalg

from analysis.metrics.base import ReferenceMetric
from analysis.metrics.frechet import FrechetPerceptual
from analysis.metrics.kid import SEEDS_AT_ONCE, KidPerceptual
from analysis.statistics.arrays import Floats
from pipeline.errors import ConfigError

NEED = "perceptual.embedding"
REFERENCE = np.random.default_rng(7).normal(size=(50, 4))


class Kid(KidPerceptual):
    reference: ClassVar[Floats] = REFERENCE


class Frechet(FrechetPerceptual):
    reference: ClassVar[Floats] = REFERENCE


def embeddings(seeds: int, prompts: int) -> Floats:
    rng = np.random.default_rng(3)
    return rng.normal(size=(seeds, prompts, 4)) + rng.normal(size=(seeds, 1, 4))


def k(x: Floats, y: Floats) -> float:
    return float((x @ y / len(x) + 1) ** 3)


def slow_kid(x: Floats, y: Floats, *, biased: bool = False) -> float:
    """Binkowski et al. 2018, written out pair by pair."""
    n, m = len(x), len(y)
    own = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if biased or i != j)
    other = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j)
    cross = sum(k(a, b) for a in x for b in y)
    return own / (n * (n - (not biased))) + other / (m * (m - 1)) - 2 * cross / (n * m)


def slow_frechet(x: Floats, y: Floats) -> float:
    root = linalg.sqrtm(np.cov(x, rowvar=False) @ np.cov(y, rowvar=False)).real
    shift = x.mean(axis=0) - y.mean(axis=0)
    return float(
        shift @ shift + np.trace(np.cov(x, rowvar=False) + np.cov(y, rowvar=False) - 2 * root)
    )


def test_kid_is_the_double_loop_for_more_seeds_than_are_done_at_once() -> None:
    x = embeddings(SEEDS_AT_ONCE + 3, 9)
    metric = Kid()
    found = metric.values(metric.prepare({NEED: x}))
    wanted = [slow_kid(row, REFERENCE) for row in x]
    np.testing.assert_allclose(found, wanted, rtol=1e-10)
    # The negative control: the biased estimator, which pairs each image with itself.
    wrong = [slow_kid(row, REFERENCE, biased=True) for row in x]
    assert np.abs(found - wrong).min() > 1e-3


def test_frechet_is_scipys_square_root_of_the_product() -> None:
    x = embeddings(3, 12)
    found = [interval.value for interval in Frechet().compute({NEED: x}, np.arange(12))]
    np.testing.assert_allclose(found, [slow_frechet(row, REFERENCE) for row in x], rtol=1e-8)
    means = ((x.mean(axis=1) - REFERENCE.mean(axis=0)) ** 2).sum(axis=1)
    assert np.abs(found - means).min() > 1e-3  # the negative control: means alone


def test_a_frechet_distance_of_few_images_says_that_it_is_comparable_at_this_n_only() -> None:
    few = Frechet().compute({NEED: embeddings(1, 8)}, np.arange(8))[0]
    many = Frechet().compute({NEED: embeddings(1, 9)}, np.arange(9))[0]
    least = Frechet().compute({NEED: embeddings(1, 4)}, np.arange(4))[0]
    assert (few.n, many.n) == (8, 9)  # 2 d = 8
    assert few.method.startswith("comparable only at this n (8)")  # n > d: the full form
    assert least.method.startswith("low-rank form, comparable only at this n (4)")
    assert "comparable only" not in many.method


@pytest.mark.parametrize(
    ("metric", "bias"), [(Kid(), "unbiased at any n"), (Frechet(), "biased upwards by about 1/n")]
)
def test_the_method_states_the_bias_and_the_references_n(
    metric: ReferenceMetric, bias: str
) -> None:
    (found,) = metric.compute({NEED: embeddings(1, 9)}, np.arange(9))
    assert found.method.endswith(f"; {bias}; reference of 50 images")


@pytest.mark.parametrize("metric", [Kid(), Frechet()])
def test_the_floor_is_that_of_the_metrics_own_distance(metric: ReferenceMetric) -> None:
    floor = metric.floor(10, np.random.default_rng(0))
    assert floor is not None
    assert (floor.n, floor.reference_n) == (10, 40)
    rng, slow = np.random.default_rng(0), slow_kid if isinstance(metric, Kid) else slow_frechet
    orders = [rng.permutation(50) for _ in range(floor.splits)]
    wanted = [slow(REFERENCE[order[:10]], REFERENCE[order[10:]]) for order in orders]
    assert floor.mean == pytest.approx(np.mean(wanted), rel=1e-6, abs=1e-9)
    assert floor.spread == pytest.approx(np.std(wanted, ddof=1), rel=1e-6)
    with pytest.raises(ValueError, match=r"needs 2n = 52 reference images, there are 50"):
        metric.floor(26, rng)


@pytest.mark.parametrize("metric", [Kid(), Frechet()])
def test_intervals_never_hold_all_embeddings_in_float64(metric: ReferenceMetric) -> None:
    x = np.random.default_rng(0).normal(size=(400, 40, 4)).astype(np.float32)
    _ = metric.shared  # type: ignore[attr-defined]  # made once, not by the call measured below

    def peak(work: Callable[[], object]) -> int:
        tracemalloc.start()
        work()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    wide = 2 * x.nbytes
    assert peak(lambda: metric.compute({NEED: x}, np.arange(40))) < wide
    assert peak(lambda: np.asarray(x, np.float64)) >= wide  # the negative control


@pytest.mark.parametrize("metric", [Kid(), Frechet()])
def test_impossible_distances_are_refused_in_words(metric: ReferenceMetric) -> None:
    assert metric.refusal({NEED: embeddings(2, 3)}) == ""
    assert "2 images per seed" in metric.refusal({NEED: embeddings(2, 2)})
    assert "width 3" in metric.refusal({NEED: embeddings(2, 9)[:, :, :3]})


def test_the_reference_is_part_of_the_identity() -> None:
    class Other(KidPerceptual):
        reference: ClassVar[Floats] = REFERENCE + 1e-9

    assert Kid().parameters["reference_n"] == 50
    assert Kid().parameters != Other().parameters
    assert Kid().identity(["perceptual-1"]) != Kid().identity(["perceptual-2"])


def test_a_missing_reference_is_a_clear_error(tmp_path) -> None:  # noqa: ANN001
    missing = type("Missing", (KidPerceptual,), {"reference_file": tmp_path / "no.safetensors"})
    with pytest.raises(ConfigError, match=r"python -m seedling\.make\.reference"):
        _ = missing().parameters


def test_a_reference_of_other_weights_is_refused(tmp_path) -> None:  # noqa: ANN001
    (tmp_path / "model.safetensors").write_bytes(b"other weights")
    (tmp_path / "r.json").write_text('{"backbone_sha256": "00"}')
    stale = type("Stale", (KidPerceptual,), {"reference_file": tmp_path / "r.safetensors"})
    with pytest.raises(ConfigError, match="other weights"):
        _ = stale().reference
