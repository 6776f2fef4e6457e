"""Text to video: a filmstrip equals the native call's frames, and features are means over them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import TextToVideoSDPipeline, UNet3DConditionModel

from analysis.features import load_feature
from analysis.features.base import Batch as Images
from analysis.features.base import extract_in_batches
from pipeline.batch import Batch
from pipeline.cards.card import Card, load_cards, resolve
from pipeline.errors import ModelError
from pipeline.interventions.base import Intervention
from pipeline.models.text_to_video import TextToVideo
from pipeline.settings.recipe import Recipe
from tests.pipeline import tiny

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FRAMES = 3
HEIGHT, WIDTH = FRAMES * 32, 40


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return build(tmp_path_factory.mktemp("video"))


def build(folder: Path) -> Card:
    """A tiny checkpoint of the real classes that draws 3 frames."""
    shipped = load_cards()["text-to-video-ms"]
    with torch.random.fork_rng():
        torch.manual_seed(4)
        plain = tiny._pipe(folder, shipped)
        unet = UNet3DConditionModel(
            sample_size=4, in_channels=4, out_channels=4, block_out_channels=(8, 8),
            layers_per_block=1, norm_num_groups=2, cross_attention_dim=tiny.TEXT_WIDTH,
            attention_head_dim=4, down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
            up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
        )  # fmt: skip
        TextToVideoSDPipeline(
            vae=plain.vae, text_encoder=plain.text_encoder, tokenizer=plain.tokenizer, unet=unet,
            scheduler=plain.scheduler,
        ).save_pretrained(folder)  # fmt: skip
    changes = {
        "path": str(folder), "repo": "", "variant": "", "gpu": False, "dtype": "float32",
        "frames": FRAMES, "height": HEIGHT, "width": WIDTH,
    }  # fmt: skip
    return shipped.model_copy(update=changes)


def settings(card: Card, **changes: Any) -> Any:  # noqa: ANN401
    return tiny.config(card, height=HEIGHT, width=WIDTH, **changes)


def model(card: Card, **changes: Any) -> TextToVideo:  # noqa: ANN401
    return TextToVideo(card, resolve(card), settings(card, **changes), Intervention({}))


def native(card: Card, cells: Batch, **changes: Any) -> np.ndarray:  # noqa: ANN401
    """(B, F, H, W, 3) uint8 frames of the library's own calls, a cell at a time."""
    pipe = TextToVideoSDPipeline.from_pretrained(card.path)
    pipe.set_progress_bar_config(disable=True)
    chosen = settings(card, **changes)
    videos = [
        pipe(
            prompt.text, generator=torch.Generator().manual_seed(seed), num_frames=FRAMES,
            height=HEIGHT // FRAMES, width=WIDTH, guidance_scale=chosen.guidance_scale,
            num_inference_steps=chosen.num_inference_steps, eta=chosen.eta, output_type="np",
        ).frames[0]
        for prompt, seed in zip(cells.prompts, cells.seeds, strict=True)
    ]  # fmt: skip
    return (np.stack(videos) * 255).round().astype(np.uint8)


def worst(ours: np.ndarray, theirs: np.ndarray) -> int:
    return int(abs(ours.astype(int) - theirs.astype(int)).max())


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_the_strip_is_the_native_calls_frames(card: Card, eta: float) -> None:
    drawn = model(card, eta=eta).generate(tiny.batch())
    assert drawn.images.shape == (4, HEIGHT, WIDTH, 3)
    assert drawn.images.dtype == np.uint8
    assert drawn.finite.all()
    frames = drawn.images.reshape(4, FRAMES, HEIGHT // FRAMES, WIDTH, 3)
    theirs = native(card, tiny.batch(), eta=eta)
    assert worst(frames, theirs) <= 1
    assert worst(frames, theirs[:, ::-1]) > 1, "the order of frames counts"


def test_a_list_of_generators_fails_in_the_library(card: Card) -> None:
    """Why cells are drawn one by one."""
    pipe = TextToVideoSDPipeline.from_pretrained(card.path)
    pipe.set_progress_bar_config(disable=True)
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    with pytest.raises((IndexError, ValueError)):
        pipe(
            ["a", "b"], generator=generators, num_frames=FRAMES, height=32, width=WIDTH,
            num_inference_steps=2, eta=1.0,
        )  # fmt: skip


def test_an_image_depends_on_its_own_cell_only(card: Card) -> None:
    ours = model(card, eta=1.0)
    images = ours.generate(tiny.batch()).images
    turned = ours.generate(tiny.batch(tiny.PROMPTS[::-1], tiny.SEEDS[::-1])).images[::-1]
    assert worst(images, turned) == 0
    assert worst(images[:1], images[2:3]) > 1, "another seed gives another video"


def test_no_global_random_numbers(card: Card) -> None:
    ours = model(card, eta=1.0)
    images = ours.generate(tiny.batch()).images
    with torch.random.fork_rng():
        torch.manual_seed(999)
        state = torch.get_rng_state()
        assert worst(images, ours.generate(tiny.batch()).images) == 0
        assert torch.equal(state, torch.get_rng_state())


def test_a_height_that_is_no_whole_number_of_frames_is_refused(card: Card) -> None:
    with pytest.raises(ModelError, match="cannot be cut into 5 frames"):
        model(card.model_copy(update={"frames": 5}))
    with pytest.raises(ModelError, match="`frames` to at least 2"):
        model(card.model_copy(update={"frames": 1}))


def test_the_number_of_frames_names_the_run(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_id(frames: int) -> str:
        chosen = card.model_copy(update={"frames": frames})
        monkeypatch.setattr("pipeline.settings.recipe.find_card", lambda _: chosen)
        fields: dict[str, Any] = {"prompts": {"source": "x.jsonl"}, "seeds": {"count": 4}}
        recipe = Recipe(name="video", card=card.name, **fields)
        return recipe.run_configs(resolve(card))[""].run_id

    assert run_id(3) == run_id(3)
    assert run_id(3) != run_id(6)


def test_a_videos_feature_is_the_mean_over_its_frames() -> None:
    rng = np.random.default_rng(1)
    strips = rng.integers(0, 256, (2, FRAMES * 32, 40, 3), np.uint8)
    prompts: list[dict[str, object]] = [{"text": "a"}, {"text": "b"}]
    feature = load_feature("appearance")
    feature.setup()
    whole = extract_in_batches(feature, Images(strips, prompts))
    plain = feature.identity()
    feature.frames = FRAMES
    assert feature.identity() != plain
    means = extract_in_batches(feature, Images(strips, prompts))
    for name, values in means.items():
        for row in range(2):
            frames = strips[row].reshape(FRAMES, 32, 40, 3)
            feature.frames = 1
            each = extract_in_batches(feature, Images(frames, prompts[:1] * FRAMES))[name]
            np.testing.assert_allclose(values[row], each.mean(0, dtype=np.float64), rtol=1e-6)
    assert any(not np.allclose(whole[name], means[name]) for name in means)
