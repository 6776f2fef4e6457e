"""Compare `clip` and `hps` with open_clip and the authors' code, and `dinov2` with transformers."""

from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as vision
from transformers import Dinov2Model

from analysis.features.base import Batch
from analysis.features.clip import Clip
from analysis.features.dinov2 import Dinov2, prepared
from analysis.features.hps import Hps
from pipeline.cpu import OneDnnAttention, OneDnnLinear, use_onednn
from pipeline.errors import ModelError
from pipeline.stage import Uint8Images
from tests.analysis.features import tiny_clip, tiny_dinov2, tiny_hps
from tests.analysis.features.card_files import write_card_file

TEXTS = ("a red horse", "a blue bowl on a table", "a red horse")
PROMPTS = [{"text": text} for text in TEXTS]


def pictures(height: int, width: int) -> Uint8Images:
    """Make images that are smooth, so that a resize keeps their structure."""
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 256, (3, height // 10, width // 10, 3)).astype(np.uint8)
    return coarse.repeat(10, axis=1).repeat(10, axis=2)


@pytest.mark.parametrize("config", [tiny_clip.CONFIG, tiny_clip.PROJ_BIAS])
def test_clip_is_open_clips_own_forward(tmp_path: Path, config: dict[str, Any]) -> None:
    from PIL import Image

    feature = Clip(str(tiny_clip.write_card(tmp_path, config)))
    feature.setup()
    images = pictures(60, 80)
    ours = feature.extract(Batch(images, PROMPTS))
    name = f"local-dir:{tmp_path / 'clip'}"
    with torch.random.fork_rng():
        model, _, transform = open_clip.create_model_and_transforms(name)
    pixels = torch.stack([transform(Image.fromarray(image)) for image in images])
    with torch.inference_mode():
        image, text, _ = model.eval()(pixels, open_clip.get_tokenizer(name)(list(TEXTS)))
    np.testing.assert_allclose(ours["embedding"], image.numpy(), atol=1e-5)
    np.testing.assert_allclose(ours["similarity"], (image * text).sum(1).numpy(), atol=1e-5)
    swapped = feature.extract(Batch(images[..., ::-1].copy(), PROMPTS))
    assert np.abs(swapped["embedding"] - image.numpy()).max() > 1e-3


def test_the_projection_of_the_second_model_above_is_a_layer() -> None:
    """The layers put in place of linear layers must pass an `isinstance` check for them."""
    network = tiny_clip.random_clip(config=tiny_clip.PROJ_BIAS)
    assert isinstance(network.text.text_projection, torch.nn.Linear)
    use_onednn(network)
    assert type(network.text.text_projection) is OneDnnLinear
    assert not isinstance(tiny_clip.random_clip().text_projection, torch.nn.Linear)


def test_without_onednn_the_networks_stay_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = str(tiny_clip.write_card(tmp_path))
    kinds, found = [], []
    for available in (True, False):
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda own=available: own)
        feature = Clip(card)
        feature.setup()
        kinds.append({type(module) for module in feature.towers.model.modules()})
        found.append(feature.extract(Batch(pictures(60, 80), PROMPTS))["embedding"])
    assert {OneDnnLinear, OneDnnAttention} <= kinds[0]
    assert not {OneDnnLinear, OneDnnAttention} & kinds[1]
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)


def by_formula(
    images: Uint8Images, model: open_clip.CLIP, *, antialias: bool = True, crop: bool = False
) -> np.ndarray:
    """Score as the authors do, one image at a time, with functions of torchvision."""
    mean, std = [0.5, 0.4, 0.3], [0.2, 0.25, 0.3]
    scores = []
    for image, text in zip(images, TEXTS, strict=True):
        pixels = vision.to_tensor(image)
        height, width = pixels.shape[1:]
        scale = 32 / (min if crop else max)(height, width)
        size = [round(height * scale), round(width * scale)]
        pixels = vision.resize(pixels, size, InterpolationMode.BICUBIC, antialias=antialias)
        gap = (32 - size[1], 32 - size[0])
        around = [gap[0] // 2, gap[1] // 2, gap[0] - gap[0] // 2, gap[1] - gap[1] // 2]
        pixels = vision.center_crop(pixels, [32, 32]) if crop else vision.pad(pixels, around)
        with torch.inference_mode():
            picture = model.encode_image(vision.normalize(pixels, mean, std)[None])
            words = model.encode_text(open_clip.get_tokenizer("ViT-H-14")([text]))
        scores.append(torch.cosine_similarity(picture, words).item())
    return np.array(scores)


@pytest.mark.parametrize("shape", [(60, 80), (80, 60), (64, 64), (20, 30)])
def test_hps_is_the_formula(tmp_path: Path, shape: tuple[int, int]) -> None:
    feature = Hps(str(tiny_hps.write_card(tmp_path)))
    feature.setup()
    images, model = pictures(*shape), tiny_clip.random_clip(1)
    ours = feature.extract(Batch(images, PROMPTS))["score_v2_0"]
    np.testing.assert_allclose(ours, by_formula(images, model), atol=1e-5)
    if shape == (60, 80):
        for wrong in (
            by_formula(images, model, antialias=False),
            by_formula(images, model, crop=True),
            by_formula(images[..., ::-1].copy(), model),
        ):
            assert np.abs(ours - wrong).max() > 1e-4


def test_each_distinct_text_is_encoded_once(tmp_path: Path) -> None:
    feature = Hps(str(tiny_hps.write_card(tmp_path)))
    feature.setup()
    calls: list[int] = []
    encode = feature.towers.model.encode_text

    def counted(tokens: torch.Tensor, *, normalize: bool) -> torch.Tensor:
        calls.append(len(tokens))
        found: torch.Tensor = encode(tokens, normalize=normalize)
        return found

    feature.towers.model.encode_text = counted
    for _ in range(2):
        feature.extract(Batch(pictures(40, 40), PROMPTS))
    assert calls == [1, 1]


def test_the_version_is_in_the_columns_name(tmp_path: Path) -> None:
    names = [Hps(card).columns[0].name for card in ("hps-v2.0", "hps-v2.1")]
    assert names == ["score_v2_0", "score_v2_1"]
    card = tiny_hps.write_card(tmp_path, version="small-1")
    assert Hps(str(card)).columns[0].name == "score_small_1"
    assert Hps("hps-v2.0").applies({"text": None}) == "the prompt has no text"


Shapes = dict[str, tuple[int, ...]]


def blocks(prefix: str, count: int, width: int, hidden: int) -> Shapes:
    """The 12 tensors of each transformer block."""
    layers = {
        "ln_1": (width,),
        "attn.in_proj": (3 * width, width),
        "attn.out_proj": (width, width),
        "ln_2": (width,),
        "mlp.c_fc": (hidden, width),
        "mlp.c_proj": (width, hidden),
    }
    found: Shapes = {}
    for layer, shape in layers.items():
        join = "_" if layer == "attn.in_proj" else "."
        found |= {f"{layer}{join}weight": shape, f"{layer}{join}bias": shape[:1]}
    return {f"{prefix}.{i}.{name}": shape for i in range(count) for name, shape in found.items()}


VIT_H_14: Shapes = {
    **blocks("visual.transformer.resblocks", 32, 1280, 5120),
    "visual.class_embedding": (1280,),
    "visual.positional_embedding": (257, 1280),
    "visual.proj": (1280, 1024),
    "visual.conv1.weight": (1280, 3, 14, 14),
    "visual.ln_pre.weight": (1280,),
    "visual.ln_pre.bias": (1280,),
    "visual.ln_post.weight": (1280,),
    "visual.ln_post.bias": (1280,),
    **blocks("transformer.resblocks", 24, 1024, 4096),
    "positional_embedding": (77, 1024),
    "text_projection": (1024, 1024),
    "logit_scale": (),
    "token_embedding.weight": (49408, 1024),
    "ln_final.weight": (1024,),
    "ln_final.bias": (1024,),
}
"""Every tensor of the network: 32 visual blocks and 8 others, 24 text blocks and 6 others."""


def shapes(state: dict[str, torch.Tensor]) -> Shapes:
    return {name: tuple(values.shape) for name, values in state.items()}


def test_the_full_network_has_the_checkpoints_layout() -> None:
    """686 tensors with 986.1 million parameters in fp16 are 1.97 GB, the size of the files."""
    with torch.device("meta"):
        model = open_clip.create_model("ViT-H-14", load_weights=False, device="meta")
    state = model.state_dict()
    total = sum(values.numel() for values in state.values())
    assert total == 986_109_441
    assert shapes(state) == VIT_H_14
    assert len(VIT_H_14) == 32 * 12 + 8 + 24 * 12 + 6 == 686
    assert 0 < 1_972_484_501 - 2 * total < 400_000
    with torch.device("meta"):
        other = open_clip.create_model("ViT-L-14", load_weights=False, device="meta")
    assert shapes(other.state_dict()) != VIT_H_14


def test_no_alarm_about_weights_that_are_read_from_a_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Clip(str(tiny_clip.write_card(tmp_path))).setup()
    assert "initialized randomly" not in caplog.text
    with torch.random.fork_rng():  # the negative control: the library alone does warn
        open_clip.create_model(f"local-dir:{tmp_path / 'clip'}", load_weights=False)
    assert "initialized randomly" in caplog.text


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    weights = tiny_clip.write_folder(tmp_path / "clip") / "open_clip_model.safetensors"
    options = {"architecture": "ViT-B-32", "version": "x"}
    card = write_card_file(tmp_path, "hps", weights, options=options)
    with pytest.raises(ModelError, match="no checkpoint of open_clip's ViT-B-32"):
        Hps(str(card)).setup()


def test_dinov2_is_the_class_token_of_pictures_prepared_as_dgm_eval_does(tmp_path: Path) -> None:
    from PIL import Image
    from torchvision import transforms

    feature = Dinov2(str(tiny_dinov2.write_card(tmp_path)))
    feature.setup()
    images = pictures(300, 260)
    ours = feature.extract(Batch(images, PROMPTS))["embedding"]
    theirs = transforms.Compose(
        [
            transforms.Resize((224, 224), InterpolationMode.BICUBIC),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    pixels = torch.stack([theirs(Image.fromarray(image)) for image in images])
    np.testing.assert_allclose(prepared(images), pixels, atol=1e-6)
    network = Dinov2Model.from_pretrained(tmp_path / "dinov2").eval()
    with torch.inference_mode():
        hidden = network(pixel_values=pixels).last_hidden_state
    np.testing.assert_allclose(ours, hidden[:, 0], atol=2e-5)
    assert np.abs(ours - hidden.mean(1).numpy()).max() > 1e-2
    bilinear = np.stack(
        [
            np.asarray(Image.fromarray(i).resize((224, 224), Image.Resampling.BILINEAR))
            for i in images
        ]
    )
    wrong = feature.extract(Batch(bilinear, PROMPTS))["embedding"]
    assert np.abs(ours - wrong).max() > 2e-4
