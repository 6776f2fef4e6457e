"""Count floating-point operations on networks without weights, and compare with the cards."""

from collections.abc import Callable
from typing import Any

import open_clip
import pytest
import timm
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    CLIPSegConfig,
    CLIPSegForImageSegmentation,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    Dinov2Model,
)

from analysis.features import load_feature
from analysis.features.cards import cards
from analysis.features.gram import cosine_gram
from tests.analysis.features.tiny_inception import Untrained

Run = Callable[[torch.Tensor], object]


def clip(name: str) -> Run:
    model: Any = open_clip.create_model(name, load_weights=False, device="meta")
    return lambda pixels: model.eval().encode_image(pixels)


def vgg() -> Run:
    model: Any = timm.create_model("vgg19")

    def run(pixels: torch.Tensor) -> None:
        for place, layer in enumerate(model.features[:30]):
            pixels = layer(pixels)
            if place in (1, 6, 11, 20, 29):
                cosine_gram(pixels)

    return run


def dinov2(width: int, layers: int, **more: object) -> Dinov2Config:
    size = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": width // 64}
    return Dinov2Config(image_size=518, patch_size=14, **size, **more)


def segmenter() -> Run:
    model = CLIPSegForImageSegmentation(
        CLIPSegConfig(vision_config={"patch_size": 16}, use_complex_transposed_convolution=True)
    )
    words = torch.zeros(1, 512)
    return lambda pixels: model.eval()(pixel_values=pixels, conditional_embeddings=words)


def depth() -> Run:
    backbone = dinov2(384, 12, out_indices=[3, 6, 9, 12], reshape_hidden_states=False)
    model = DepthAnythingForDepthEstimation(
        DepthAnythingConfig(
            backbone_config=backbone,
            reassemble_hidden_size=384,
            neck_hidden_sizes=[48, 96, 192, 384],
        )
    )
    return lambda pixels: model.eval()(pixel_values=pixels)


# Card -> its network, and the side of the images that it takes.
NETWORKS: dict[str, tuple[Callable[[], Run], int]] = {
    "clip-vit-b-32-laion2b": (lambda: clip("ViT-B-32"), 224),
    "clip-vit-h-14-laion2b": (lambda: clip("ViT-H-14"), 224),
    "clip-vit-l-14-openai": (lambda: clip("ViT-L-14-quickgelu"), 224),
    "clipseg-rd64-refined": (segmenter, 352),
    "depth-anything-v2-small": (depth, 518),
    "dinov2-large": (lambda: Dinov2Model(dinov2(1024, 24)).eval(), 224),
    "hps-v2.1": (lambda: clip("ViT-H-14"), 224),
    "inception-2015-12-05": (lambda: Untrained().to("meta"), 299),
    "vgg19-tv-in1k": (vgg, 224),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_card_says_what_torch_counts(name: str) -> None:
    make, side = NETWORKS[name]
    with torch.device("meta"), torch.no_grad():
        run = make()
        pixels = torch.zeros(1, 3, side, side)
        with FlopCounterMode(display=False) as counter:
            run(pixels.to(torch.uint8) if name.startswith("inception") else pixels)
    counted = counter.get_total_flops() / 1e9
    assert cards()[name].gflop == pytest.approx(counted, abs=0.05)
    others = [other for other in NETWORKS if cards()[other].gflop != cards()[name].gflop]
    assert all(abs((cards()[other].gflop or 0) - counted) > 1 for other in others)


def test_a_feature_costs_what_all_its_networks_cost() -> None:
    layout = load_feature("layout@clipseg-rd64-refined-gpu")
    assert layout.gflop == pytest.approx(92.8 + 115.3)
    assert load_feature("hps@hps-v2.1-gpu").gflop == 334.6
    assert load_feature("layout_seedling").gflop is None  # nobody counted the shipped networks
    assert load_feature("appearance").gflop is None
