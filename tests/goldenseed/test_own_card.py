"""Mistakes in a card of one's own are named by the plan, or before the first image is drawn."""

import json
import shutil
from pathlib import Path

import pytest

from analysis.metrics import METRICS, load_metric
from pipeline.cards.card import find_card
from pipeline.cards.checkpoints import PROJECT_ROOT
from pipeline.errors import ConfigError
from tests.goldenseed.conftest import Call

CARD = """
family: stable_diffusion
path: seedling/weights/seedling-mini
dtype: float32
scheduler: DDIMScheduler
num_inference_steps: 2
guidance_scale: 3.0
height: 64
width: 64
latent_channels: 16
vae_factor: 8
gpu: false
licence: Apache-2.0
"""
RECIPE = """
card: my_model.yaml
prompts: {source: seedling, count: 4}
seeds: {count: 4}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a card and a recipe that have no mistake."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_model.yaml").write_text(CARD)
    (tmp_path / "own.yaml").write_text(RECIPE)
    return tmp_path


def change(file: Path, field: str, value: str | None) -> None:
    """Give a field another value, or take it out."""
    lines = [line for line in file.read_text().splitlines() if not line.startswith(f"{field}:")]
    lines += [] if value is None else [f"{field}: {value}"]
    file.write_text("\n".join(lines))


def test_without_a_mistake_nothing_is_complained_of(call: Call, folder: Path) -> None:
    planned = call("plan", folder / "own.yaml")
    assert planned.code == 0
    assert "cannot be drawn" not in planned.err


def test_a_missing_field_is_named_without_the_whole_card(call: Call, folder: Path) -> None:
    change(folder / "my_model.yaml", "licence", None)
    called = call("plan", folder / "own.yaml")
    assert called.code == 2
    assert "licence: Field required" in called.err
    assert "found" not in called.err


def test_a_number_in_place_of_named_fields(call: Call, folder: Path) -> None:
    change(folder / "own.yaml", "seeds", "4")
    called = call("plan", folder / "own.yaml")
    assert called.code == 2
    assert "seeds: wanted named fields, {FIELD: VALUE, ...} (found 4)" in called.err


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("path", "no/such/folder", "no/such/folder is no folder; `path` is a folder in the diffu"),
        ("path", "no/such/folder", "a relative path starts at"),
        ("path", "seedling/weights/seedling-mini/unet", "unet holds no model_index.json"),
        ("path", None, "has neither `path` nor `repo`"),
        ("family", "stable_difusion", "did you mean 'stable_diffusion'?"),
    ],
)
def test_what_would_stop_the_drawing(
    call: Call, folder: Path, field: str, value: str | None, message: str
) -> None:
    """A plan needs no checkpoint, so it warns; `generate` refuses."""
    change(folder / "my_model.yaml", field, value)
    planned = call("plan", folder / "own.yaml")
    assert planned.code == 0
    assert "this plan cannot be drawn here: card my_model" in planned.err
    assert message in planned.err
    drawn = call("generate", folder / "own.yaml", "--executor", "local")
    assert drawn.code == 2
    assert message in drawn.err
    assert "Traceback" not in drawn.err


@pytest.mark.parametrize("command", ["plan", "generate"])
def test_a_size_that_the_autoencoder_cannot_draw(call: Call, folder: Path, command: str) -> None:
    change(folder / "my_model.yaml", "height", "60")
    called = call(command, folder / "own.yaml")
    assert called.code == 2
    assert "height 60 is not a multiple of 8" in called.err
    assert "the nearest are 56 and 64" in called.err


@pytest.mark.parametrize(
    ("field", "value", "right"), [("latent_channels", "4", "16"), ("vae_factor", "4", "8")]
)
def test_latents_that_are_not_those_of_the_checkpoint(
    call: Call, folder: Path, field: str, value: str, right: str
) -> None:
    change(folder / "my_model.yaml", field, value)
    called = call("generate", folder / "own.yaml", "--executor", "local")
    assert called.code == 2
    assert f"write `{field}: {right}`" in called.err
    assert not list(folder.glob("runs/**/*.parquet"))


def test_a_scheduler_written_without_its_ending(call: Call, folder: Path) -> None:
    change(folder / "my_model.yaml", "scheduler", "DDIM")
    called = call("generate", folder / "own.yaml", "--executor", "local")
    assert called.code == 2
    assert "has no scheduler 'DDIM'; did you mean 'DDIMScheduler'" in called.err


def test_a_card_that_is_not_there(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"no card my_modl\.yaml: .* did you mean 'my_model\.y"):
        find_card("my_modl.yaml")
    with pytest.raises(ConfigError, match=r"did you mean 'my_model\.yaml'\? known: .* path of its"):
        find_card("my_model")
    assert find_card("my_model.yaml").name == "my_model"
    assert folder.is_dir()


def test_too_few_seeds_for_a_ranking_are_said_before_anything_is_drawn(
    call: Call, folder: Path
) -> None:
    recipe = folder / "own.yaml"
    for field, value in {
        "features": "[]", "metrics": "[]", "ranking": "{metric: failure_rate}",
    }.items():  # fmt: skip
        change(recipe, field, value)
    planned = call("plan", recipe)
    assert planned.code == 2
    assert "4 seeds cannot be ranked: draw at least 8" in planned.err
    assert "cannot be ranked" not in call("plan", recipe, "--seeds", "8").err


def test_metrics_of_the_small_world_refuse_other_models(call: Call, folder: Path) -> None:
    recipe = folder / "own.yaml"
    change(recipe, "seeds", "{count: 8}")
    for feature, metric in (
        ("perceptual", "kid_perceptual"), ("perceptual", "frechet_perceptual"),
        ("clip_seedling", "clip_seedling"), ("layout_seedling", "layout_x_seedling"),
    ):  # fmt: skip
        change(recipe, "features", f"[{feature}]")
        for field in ("metrics", "ranking"):
            change(recipe, "metrics", "[]")
            change(recipe, "ranking", "null")
            change(recipe, field, f"[{metric}]" if field == "metrics" else f"{{metric: {metric}}}")
            called = call("plan", recipe)
            assert called.code == 2
            assert f"metric {metric} knows only the small world" in called.err
    change(folder / "my_model.yaml", "demonstration", "true")
    assert "small world" not in call("plan", recipe).err


def test_an_own_card_and_no_ranking_rank_nothing(call: Call, folder: Path) -> None:
    called = call("plan", folder / "own.yaml")
    assert called.code == 0
    assert "recipe own ranks nothing" in called.err


def test_the_names_say_which_metrics_know_the_small_world_only() -> None:
    known = {name for name in METRICS if load_metric(name).small_world}
    named = {name for name in METRICS if name.endswith(("_perceptual", "_seedling"))}
    assert known == named


OTHER_UNET = """
parts:
  unet: {use: component, component: unet, kind: "diffusers:UNet2DConditionModel", path: ANOTHER}
"""


@pytest.mark.parametrize("part", ["", OTHER_UNET])
def test_a_plan_says_that_a_model_brings_code_of_its_own(
    call: Call, folder: Path, part: str
) -> None:
    """`generate` refuses it; a plan of it must not look as if it could be drawn."""
    copy = shutil.copytree(PROJECT_ROOT / "seedling/weights/seedling-mini", folder / "model")
    another = shutil.copytree(copy / "unet", folder / "another")
    change(folder / "my_model.yaml", "path", str(copy))
    with (folder / "my_model.yaml").open("a") as file:
        file.write(part.replace("ANOTHER", str(another)))
    assert "cannot be drawn" not in call("plan", folder / "own.yaml").err
    changed = another if part else copy / "unet"
    config = json.loads((changed / "config.json").read_text())
    (changed / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "x.Y"}}))
    planned = call("plan", folder / "own.yaml")
    assert planned.code == 0
    assert "this plan cannot be drawn here" in planned.err
    assert "its key auto_map runs Python code" in " ".join(planned.err.split())
