"""What every model family promises, over every card, with tiny random weights of its classes."""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.cards.card import Card, load_cards, resolve
from pipeline.errors import ModelError
from pipeline.models import MODELS, base
from pipeline.noise import draw_noise
from tests.pipeline import tiny

# diffusers 0.42 turns a tensor into an array in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

STEP_NOISE = {
    "ancestral": {"scheduler": "EulerAncestralDiscreteScheduler"},
    "eta": {"eta": 1.0},
}


@pytest.fixture(scope="module", params=tiny.CARDS)
def card(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Card:
    folder = tmp_path_factory.mktemp(request.param)
    return with_own_parts(tiny.checkpoint(folder, load_cards()[request.param]), folder / "own")


def with_own_parts(card: Card, folder: Path) -> Card:
    """Put the parts that a card takes from elsewhere into a folder, tiny as the others are."""
    parts = {}
    for name, part in card.parts.items():
        shutil.copytree(Path(card.path) / part.component, folder / name / part.subfolder)
        parts[name] = part.model_copy(update={"path": str(folder / name), "repo": ""})
    return card.model_copy(update={"parts": parts})


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Card:
    return tiny.checkpoint(tmp_path_factory.mktemp("one"), load_cards()["seedling-mini"])


def worst(ours: np.ndarray, others: object) -> int:
    """Largest difference of a pixel."""
    theirs = np.stack([np.asarray(image) for image in others])  # type: ignore[attr-defined]
    return int(abs(ours.astype(int) - theirs.astype(int)).max())


def test_every_family_has_cards_here(card: Card) -> None:
    assert card.family in MODELS


def test_uint8_images_that_equal_the_native_call(card: Card) -> None:
    settings = tiny.config(card)
    drawn = tiny.model(card, settings).generate(tiny.batch())
    assert drawn.images.shape == (4, tiny.SIZE, tiny.SIZE, 3)
    assert drawn.images.dtype == np.uint8
    assert drawn.finite.all()
    assert not drawn.flagged.any()
    assert worst(drawn.images, tiny.native_images(card, settings, tiny.batch())) <= 1


@pytest.mark.parametrize("changes", STEP_NOISE.values(), ids=STEP_NOISE)
def test_step_noise_equals_the_native_call(one: Card, changes: dict[str, object]) -> None:
    settings = tiny.config(one, **changes)
    drawn = tiny.model(one, settings).generate(tiny.batch())
    assert worst(drawn.images, tiny.native_images(one, settings, tiny.batch())) <= 1


@pytest.mark.parametrize("changes", STEP_NOISE.values(), ids=STEP_NOISE)
def test_a_fresh_generator_would_be_noticed(one: Card, changes: dict[str, object]) -> None:
    """The usual mistake: starting noise as `latents=`, then a fresh generator of that seed."""
    settings = tiny.config(one, **changes)
    drawn = tiny.model(one, settings).generate(tiny.batch())
    noise, _ = draw_noise(tiny.SEEDS, one.latents_shape(tiny.SIZE, tiny.SIZE))
    naive = tiny.native_images(one, settings, tiny.batch(), latents=noise)
    assert worst(drawn.images, naive) > 1


def test_one_generator_for_a_batch_would_be_noticed(one: Card) -> None:
    settings = tiny.config(one)
    drawn = tiny.model(one, settings).generate(tiny.batch())
    shared = torch.Generator().manual_seed(tiny.SEEDS[0])
    assert (
        worst(drawn.images, tiny.native_images(one, settings, tiny.batch(), generator=shared)) > 1
    )


def test_v_prediction_is_another_image(one: Card) -> None:
    plain, v = (
        tiny.config(one),
        tiny.config(one, scheduler_config={"prediction_type": "v_prediction"}),
    )
    drawn = tiny.model(one, v).generate(tiny.batch())
    assert worst(drawn.images, tiny.native_images(one, v, tiny.batch())) <= 1
    assert worst(drawn.images, tiny.native_images(one, plain, tiny.batch())) > 1


def test_bfloat16(one: Card) -> None:
    settings = tiny.config(one, dtype="bfloat16")
    drawn = tiny.model(one, settings).generate(tiny.batch())
    assert drawn.finite.all()
    native = tiny.native_images(one, settings, tiny.batch())
    assert abs(drawn.images.astype(int) - np.stack([np.asarray(i) for i in native])).mean() < 2


def test_an_image_depends_on_its_own_cell_only(card: Card) -> None:
    model = tiny.model(card, tiny.config(card))
    images = model.generate(tiny.batch()).images
    assert worst(images, model.generate(tiny.batch()).images) == 0
    turned = model.generate(tiny.batch(tiny.PROMPTS[::-1], tiny.SEEDS[::-1])).images[::-1]
    assert worst(images, turned) <= 1
    alone = model.generate(tiny.batch(tiny.PROMPTS[2:3], tiny.SEEDS[2:3])).images
    assert worst(images[2:3], alone) <= 1
    company = model.generate(tiny.batch((*tiny.PROMPTS[:1], "x", "y", "z"), (7, 1, 2, 3))).images
    assert np.array_equal(images[0], company[0])
    assert worst(images[:1], images[2:3]) > 1, "another seed gives another image"
    assert worst(images[:1], images[1:2]) > 0, "another prompt gives another image"


def test_the_callers_noise_stays(one: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []

    def draw(*arguments: object, **options: object) -> tuple[torch.Tensor, list[torch.Generator]]:
        noise, generators = draw_noise(*arguments, **options)  # type: ignore[arg-type]
        kept.append((noise, noise.clone()))
        return noise, generators

    monkeypatch.setattr(base, "draw_noise", draw)
    tiny.model(one, tiny.config(one, eta=1.0)).generate(tiny.batch())
    assert all(torch.equal(now, before) for now, before in kept)
    assert kept


def test_no_global_random_numbers(one: Card) -> None:
    model = tiny.model(one, tiny.config(one, eta=1.0))
    images = model.generate(tiny.batch()).images
    with torch.random.fork_rng():
        torch.manual_seed(999)
        states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
        again = model.generate(tiny.batch()).images
        assert torch.equal(states[0], torch.get_rng_state())
    assert np.array_equal(states[1], np.random.get_state()[1])  # noqa: NPY002
    assert states[2] == random.getstate()
    assert np.array_equal(images, again)


def test_nan_is_said_and_not_black(one: Card) -> None:
    model = tiny.model(one, tiny.config(one))
    with torch.inference_mode():
        model.pipe.unet.conv_out.weight.fill_(float("nan"))
    assert not model.generate(tiny.batch()).finite.any()


def test_cut_off_prompts_are_counted(one: Card) -> None:
    model = tiny.model(one, tiny.config(one))
    long = "abcdefghijklmnopqrst"
    drawn = model.generate(tiny.batch((long, "a", "a", "a")))
    assert drawn.truncated_tokens.tolist() == [len(long) + 2 - tiny.TEXT_LENGTH, 0, 0, 0]


def test_no_compiler_is_an_error(
    one: Card, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(ModelError, match=r"no C\+\+ compiler"):
        tiny.model(one, tiny.config(one, compiled=True))


@pytest.mark.slow
def test_compiled_equals_eager(one: Card) -> None:
    eager = tiny.model(one, tiny.config(one)).generate(tiny.batch())
    compiled = tiny.model(one, tiny.config(one, compiled=True)).generate(tiny.batch())
    assert worst(eager.images, compiled.images) <= 1


def test_an_unknown_scheduler_names_the_nearest(one: Card) -> None:
    with pytest.raises(ModelError, match="DDIMScheduler"):
        tiny.model(one, tiny.config(one, scheduler="DDIMSheduler"))


def test_a_folder_without_a_model(one: Card, tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text("{}")
    broken = one.model_copy(update={"path": str(tmp_path)})
    with pytest.raises(ModelError, match=r"needs the part .*unet"):
        tiny.model(broken, tiny.config(broken))


def test_truncated_weights(one: Card, tmp_path: Path) -> None:
    shutil.copytree(resolve(one).folder, tmp_path, dirs_exist_ok=True)
    weights = next((tmp_path / "unet").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:1000])
    broken = one.model_copy(update={"path": str(tmp_path)})
    with pytest.raises(ModelError, match="does not load"):
        tiny.model(broken, tiny.config(broken))


def test_a_gpu_card_without_a_gpu(one: Card) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ModelError, match="needs a CUDA GPU"):
        tiny.model(one.model_copy(update={"gpu": True}), tiny.config(one))
