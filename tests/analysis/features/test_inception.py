"""Compare the FID Inception, and distances on its features, with torchmetrics."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torchmetrics.image.fid import NoTrainInceptionV3
from torchmetrics.image.kid import maximum_mean_discrepancy

from analysis.features.base import Batch
from analysis.features.inception import WIDTH, Inception
from analysis.statistics.distances import Reference, frechet_distance, kid
from pipeline.errors import ModelError
from pipeline.stage import Uint8Images
from tests.analysis.features import tiny_inception
from tests.analysis.features.card_files import write_card_file


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_inception.write_card(tmp_path_factory.mktemp("inception"))


def pictures(count: int, height: int = 320, width: int = 400) -> Uint8Images:
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (count, height, width, 3)).astype(np.uint8)


def test_features_are_those_of_torchmetrics_class_and_no_other_resize(card: Path) -> None:
    feature = Inception(str(card))
    feature.setup()
    images = pictures(2)
    ours = feature.extract(Batch(images, [{}] * 2))["embedding"]
    pixels = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    weights = str(card.with_name("inception.pth"))
    for antialias, same in ((False, True), (True, False)):
        theirs = NoTrainInceptionV3("x", [str(WIDTH)], weights, antialias=antialias)
        with torch.inference_mode():
            found = theirs(pixels).numpy()
        assert np.allclose(ours, found, rtol=1e-5, atol=1e-6) == same
    swapped = feature.extract(Batch(images[..., ::-1].copy(), [{}] * 2))["embedding"]
    assert not np.allclose(ours, swapped, rtol=1e-5, atol=1e-6)


def features_like_its_own(n: int, shift: float) -> np.ndarray:
    """Make features that are correlated and not negative, like Inception's, but fewer."""
    rng = np.random.default_rng(n)
    mixing = np.random.default_rng(0).normal(size=(48, 48)) / 7
    return np.maximum(rng.normal(size=(n, 48)) @ mixing + shift, 0).astype(np.float32)


def test_fid_and_kid_are_those_of_torch_fidelity_and_torchmetrics() -> None:
    ours, real = features_like_its_own(300, 0.4), features_like_its_own(400, 0.3)
    statistics = [fid_features_to_statistics(torch.from_numpy(each)) for each in (ours, real)]
    fid = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    found = frechet_distance(ours, Reference.from_features(real))
    assert found == pytest.approx(float(fid), rel=1e-6)
    x, y = (torch.from_numpy(each).double() for each in (ours[:300], real[:300]))
    kernels = [(a @ b.T / x.shape[1] + 1) ** 3 for a, b in ((x, x), (x, y), (y, y))]
    theirs = float(maximum_mean_discrepancy(*kernels))
    assert kid(ours[:300], real[:300]) == pytest.approx(theirs, rel=1e-6)
    whole = kid_features_to_metric(x, y, kid_subsets=1, kid_subset_size=300, verbose=False)
    mean = whole["kernel_inception_distance_mean"]
    assert kid(ours[:300], real[:300]) == pytest.approx(mean, rel=1e-6)
    # The negative controls: the biased estimator, and another reference.
    biased = float(kernels[0].mean() + kernels[2].mean() - 2 * kernels[1].mean())
    assert kid(ours[:300], real[:300]) != pytest.approx(biased, rel=1e-6)
    assert frechet_distance(ours, Reference.from_features(real[:399])) != pytest.approx(
        float(fid), rel=1e-6
    )


def test_a_pickle_that_is_not_pinned_or_is_changed_is_refused(card: Path, tmp_path: Path) -> None:
    weights = card.with_name("inception.pth")
    unpinned = write_card_file(tmp_path, "inception", weights, pickled=True)
    with pytest.raises(ModelError, match="pins no sha256"):
        Inception(str(unpinned)).setup()
    other = write_card_file(tmp_path, "inception", weights, pickled=True, sha256="00" * 32)
    with pytest.raises(ModelError, match="its card says 0000"):
        Inception(str(other)).setup()
    undeclared = write_card_file(tmp_path, "inception", weights)
    with pytest.raises(ModelError, match="not a safetensors file"):
        Inception(str(undeclared)).setup()
