from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch.nn import functional
from torchvision.models import get_model

from analysis.features.backbones import Maps
from analysis.features.base import Batch
from analysis.features.cards import load_card
from analysis.features.gram import Gram, GramOptions, cosine_gram, half_vector
from analysis.features.networks import read_options
from pipeline.errors import ConfigError, ModelError
from tests.analysis.features import tiny_gram


@pytest.fixture(scope="module")
def gram(tmp_path_factory: pytest.TempPathFactory) -> Gram:
    made = Gram(str(tiny_gram.write_card(tmp_path_factory.mktemp("gram"), sketch=256)))
    made.setup()
    return made


def images(count: int) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3)).astype(np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


def test_inner_products_are_those_of_the_whole_matrices(gram: Gram) -> None:
    """G1 : G2 = |F1' F2|^2 of the unit maps, computed without any Gram matrix."""
    pixels = gram.prepared(images(2))
    rows = gram.style_rows(images(2)).astype(np.float64)
    wanted, raw = 0.0, 0.0
    with torch.no_grad():
        for maps in gram._maps.of(pixels):
            flat = maps.flatten(2).double()
            unit = functional.normalize(flat, dim=2)
            wanted += float((unit[0].T @ unit[1]).square().sum())
            raw += float((flat[0].T @ flat[1]).square().sum())
    assert rows[0] @ rows[1] == pytest.approx(wanted, rel=1e-5)
    # The negative control: the Gram matrix of maps that are not normalised differs.
    assert abs(raw - wanted) > 0.1 * wanted


def test_a_dead_channel_has_no_cosine() -> None:
    maps = torch.rand(1, 3, 4, 4)
    maps[:, 1] = 0
    found = cosine_gram(maps)[0]
    assert torch.equal(found[1], torch.zeros(3))
    torch.testing.assert_close(found[[0, 2], [0, 2]], torch.ones(2))
    assert half_vector(found[None]).shape == (1, 6)


def test_the_sketch_is_what_is_stored(gram: Gram) -> None:
    found = gram.extract(Batch(images(10), [{}] * 10))["style"]
    assert found.shape == (10, 256)
    wanted = gram.sketch.apply(gram.style_rows(images(10)))
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_the_default_layers_are_vgg19s_and_have_610304_cosines() -> None:
    """The real architecture with the card's own layers, on the meta device: no weights needed."""
    options = read_options(GramOptions, load_card("vgg19-tv-in1k", "gram"))
    with torch.device("meta"):
        network = timm.create_model("vgg19", pretrained=False)
        maps = Maps(network, options.layer_names).of(torch.empty(1, 3, 224, 224))
    channels = [each.shape[1] for each in maps]
    assert channels == [64, 128, 256, 512, 512]
    assert sum(c * c for c in channels) == 610_304
    modules = dict(network.named_modules())
    assert {type(modules[name]) for name in options.layer_names} == {torch.nn.ReLU}


def test_the_network_runs_no_further_than_its_last_layer() -> None:
    network = tiny_gram.tiny_vgg()
    seen = []
    network.head.register_forward_hook(lambda *_: seen.append(1))
    Maps(network, ["features.1"]).of(torch.zeros(1, 3, 64, 64))
    assert seen == []


def test_a_layer_is_as_it_gave_it_though_the_next_writes_over_it() -> None:
    network, pixels = tiny_gram.tiny_vgg(), torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        found, _ = Maps(network, ["features.0", "features.3"]).of(pixels)
        alone = network.features[0](pixels)
        assert torch.equal(found, alone)
        network.features[1](alone)  # the negative control: this layer does overwrite it
        assert not torch.equal(found, alone)


@pytest.mark.parametrize(
    ("backbone", "layers", "first"),
    [
        ("timm:test_resnet.r160_in1k", "act1, layer1", ["conv1", "bn1", "act1"]),
        ("torchvision:squeezenet1_1", "features.1, features.3", ["features.0", "features.1"]),
    ],
)
def test_networks_of_the_other_libraries_are_filled_from_the_cards_file(
    tmp_path: Path, backbone: str, layers: str, first: list[str]
) -> None:
    library, _, name = backbone.partition(":")
    with torch.random.fork_rng():
        network = {"timm": timm.create_model, "torchvision": get_model}[library](name).eval()
    weights = tiny_gram.random_weights(network)
    made = Gram(str(tiny_gram.write_card(tmp_path, backbone=backbone, layers=layers)))
    save_file(weights, tmp_path / "model.safetensors")
    made.setup()
    with torch.inference_mode():
        maps = pixels = made.prepared(images(1))
        for layer in first:
            maps = network.get_submodule(layer)(maps)
        found = made._maps.of(pixels)[0]
        torch.testing.assert_close(found, maps, rtol=1e-5, atol=1e-5)
        assert not torch.allclose(made._maps.of(-pixels)[0], maps, atol=1e-3)
    assert made.extract(Batch(images(2), [{}] * 2))["style"].shape == (2, 64)


def test_bad_cards_are_refused(tmp_path: Path) -> None:
    for changes, message in (
        ({"backbone": "tim:vgg19"}, "did you mean 'timm'"),
        ({"mean": "1, 2"}, "not three numbers"),
        ({"sise": 3}, "unknown or of the wrong kind"),
    ):
        with pytest.raises(ConfigError, match=message):
            Gram(str(tiny_gram.write_card(tmp_path, **changes)))
    unknown = Gram(str(tiny_gram.write_card(tmp_path, layers="encoder.stages.7")))
    with pytest.raises(ConfigError, match=r"no layer 'encoder\.stages\.7'"):
        unknown.setup()


def test_damaged_weights_are_a_clear_error(tmp_path: Path) -> None:
    feature = Gram(str(tiny_gram.write_card(tmp_path)))
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ModelError, match="does not fill transformers"):
        feature.setup()
