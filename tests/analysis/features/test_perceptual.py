import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import ResNetConfig, ResNetModel

from analysis.features.base import Batch
from analysis.features.perceptual import PREPROCESSING, Perceptual
from pipeline.errors import ModelError


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> type[Perceptual]:
    """The feature with a small random network in place of the shipped one."""
    where = tmp_path_factory.mktemp("network")
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic")
    with torch.random.fork_rng():
        network = ResNetModel(config)
        for parameter in network.parameters():
            parameter.data = torch.from_numpy(
                np.random.default_rng(parameter.numel()).normal(0, 0.2, parameter.shape)
            ).float()
    network.save_pretrained(where)
    preprocessing = {
        "size": {"height": 64, "width": 64},
        "image_mean": [0.5, 0.4, 0.3],
        "image_std": [0.2, 0.25, 0.3],
    }
    (where / PREPROCESSING).write_text(json.dumps(preprocessing))

    class Tiny(Perceptual):
        folder: ClassVar[Path] = where

    return Tiny


def images(count: int, size: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3)).astype(np.uint8)


def test_the_embedding_is_the_networks_own_pooled_output(tiny: type[Perceptual]) -> None:
    feature = tiny()
    feature.setup()
    batch = images(3)
    found = feature.extract(Batch(batch, [{}] * len(batch)))["embedding"]
    network = ResNetModel.from_pretrained(feature.folder).eval()
    pixels = (batch / 255 - [0.5, 0.4, 0.3]) / [0.2, 0.25, 0.3]
    tensor = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        wanted = network(tensor).pooler_output.flatten(1).numpy()
    assert found.shape == (3, 12)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    # The negative control: without standardised pixels, the embedding differs.
    with torch.no_grad():
        raw = network(torch.from_numpy(batch / 255).permute(0, 3, 1, 2).float()).pooler_output
    assert np.abs(raw.flatten(1).numpy() - found).max() > 1e-2


def test_the_resize_is_antialiased(tiny: type[Perceptual]) -> None:
    """Pillow's bilinear filter is antialiased; taking every fourth pixel is not."""
    feature = tiny()
    large = images(1, 256)
    found = feature.prepared(large)
    pillow = np.asarray(Image.fromarray(large[0]).resize((64, 64), Image.Resampling.BILINEAR))
    np.testing.assert_allclose(found, feature.prepared(pillow[None]), atol=1.1 / 255 / 0.2)
    skipping = feature.prepared(large[:, ::4, ::4])
    assert float((found - skipping).abs().max()) > 0.5


def test_nothing_of_the_global_random_stream_is_used(tiny: type[Perceptual]) -> None:
    feature = tiny()
    feature.setup()
    state = torch.get_rng_state()
    feature.extract(Batch(images(2), [{}] * 2))
    assert torch.equal(state, torch.get_rng_state())


def test_other_weights_are_another_feature(tiny: type[Perceptual], tmp_path: Path) -> None:
    for file in tiny.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    other = type("Other", (tiny,), {"folder": tmp_path})
    assert other().card_sha256 != tiny().card_sha256
    assert tiny().card_sha256 == tiny().card_sha256


def test_missing_weights_are_a_clear_error(tmp_path: Path) -> None:
    missing = type("Missing", (Perceptual,), {"folder": tmp_path})
    with pytest.raises(ModelError, match=r"config\.json"):
        _ = missing().columns


def test_damaged_weights_are_a_clear_error(tiny: type[Perceptual], tmp_path: Path) -> None:
    for file in tiny.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match="is damaged"):
        type("Damaged", (tiny,), {"folder": tmp_path})().setup()


def test_setting_up_touches_no_global_random_stream(tiny: type[Perceptual]) -> None:
    state = torch.get_rng_state()
    tiny().setup()
    assert torch.equal(state, torch.get_rng_state())
