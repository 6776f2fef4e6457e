"""What the networks of a checkpoint cannot take is refused by their configs, in a plan."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.cards.card import Card, find_card, load_cards
from pipeline.cards.checkpoints import PROJECT_ROOT
from pipeline.errors import ConfigError
from pipeline.runs.checkpoint_limits import Folders, check_guidance, check_size, check_tokenizers
from pipeline.runs.sampling import check_sampling
from pipeline.settings.recipe import Recipe

MINI = PROJECT_ROOT / "seedling/weights/seedling-mini"


def recipe(card: str, **sampling: Any) -> Recipe:  # noqa: ANN401 - any setting
    fields = {"name": "r", "card": card, "prompts": {"source": "p"}, "seeds": {"count": 2}}
    arms = {"a": {}, "b": sampling} if sampling else {}
    return Recipe.model_validate({**fields, "arms": arms})


def configs(folder: Path) -> Path:
    """Copy the configs and the tokenizer of the small model, without weights."""
    shutil.copytree(MINI, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    return folder


def rewrite(path: Path, **changes: Any) -> None:  # noqa: ANN401 - any value; None removes a key
    config = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))


def mini(path: Path) -> Card:
    return find_card("seedling-mini").model_copy(update={"path": str(path)})


@pytest.mark.parametrize(
    ("says", "message"),
    [
        (None, "has no model_max_length, and the text encoder reads 24 tokens"),
        (10**30, "has no model_max_length, and the text encoder reads 24 tokens"),
        (77, "has model_max_length 77, and the text encoder reads 24 tokens"),
        (24, ""),
        (20, ""),
    ],
)
def test_a_tokenizer(tmp_path: Path, says: int | None, message: str) -> None:
    folder = configs(tmp_path / "m")
    rewrite(folder / "tokenizer" / "tokenizer_config.json", model_max_length=says)
    if not message:
        return check_sampling(recipe("seedling-mini"), mini(folder))
    with pytest.raises(ConfigError, match=f'{message}.*write `"model_max_length": 24`'):
        check_sampling(recipe("seedling-mini"), mini(folder))


def test_the_encoder_of_a_part_counts(tmp_path: Path) -> None:
    card = find_card("seedling-mini-b")
    part = configs(tmp_path / "part")
    folders = Folders(card, MINI, {"text_encoder": part})
    check_tokenizers(folders)
    rewrite(part / "text_encoder" / "config.json", max_position_embeddings=16)
    with pytest.raises(ConfigError, match="model_max_length 24, and the text encoder reads 16"):
        check_tokenizers(folders)


def test_a_t5_tokenizer_needs_no_limit(tmp_path: Path) -> None:
    """Pipelines with T5 take the number of tokens as an argument."""
    folder = configs(tmp_path / "m")
    rewrite(folder / "tokenizer" / "tokenizer_config.json", model_max_length=None)
    stages = load_cards()["pixart-sigma"].stages
    card = mini(folder).model_copy(update={"stages": stages})
    with pytest.raises(ConfigError, match="no model_max_length"):
        check_tokenizers(Folders(card, folder, {}))
    rewrite(folder / "model_index.json", tokenizer=["transformers", "T5Tokenizer"])
    check_tokenizers(Folders(card, folder, {}))


SIZES = [
    ("flux-dev", {}, {"height": 1032}, "height 1032 is not a multiple of 16.*1024 and 1040"),
    ("flux-dev", {}, {"height": 1040}, ""),
    ("sd35-large", {"transformer": {"patch_size": 2}}, {"width": 1000}, "width 1000.* of 16"),
    ("sd35-large", {"transformer": {"patch_size": 2}}, {"width": 1008}, ""),
    ("sd35-large", {}, {"width": 1000}, ""),  # its transformer is not on this machine
    (
        "seedling-mini",
        {"unet": {"_class_name": "UNet2DModel", "block_out_channels": [8, 8, 8]}},
        {"height": 72},
        "not a multiple of 32.*its UNet halves the latents 2 times",
    ),
    ("seedling-mini", {}, {"height": 72}, ""),
    ("text-to-video-ms", {}, {"height": 4104}, r"height 4104 \(in 16 frames\).* of 128"),
    ("dit", {}, {"height": 512, "width": 512}, "draws one size only: 256 and 256"),
    ("dit", {}, {"height": 256, "width": 256}, ""),
]


@pytest.mark.parametrize(("name", "networks", "size", "message"), SIZES)
def test_a_size(
    tmp_path: Path,
    name: str,
    networks: dict[str, dict[str, Any]],
    size: dict[str, int],
    message: str,
) -> None:
    card = find_card(name)
    for network, config in networks.items():
        (tmp_path / network).mkdir()
        (tmp_path / network / "config.json").write_text(json.dumps(config))
    wanted = {"height": card.height, "width": card.width, **size}
    folders = Folders(card, tmp_path, {})
    if not message:
        return check_size("", folders, **wanted)
    with pytest.raises(ConfigError, match=f"arm b: .*{message}"):
        check_size("arm b: ", folders, **wanted)


@pytest.mark.parametrize("name", load_cards())
def test_sizes_of_shipped_cards(name: str) -> None:
    card = load_cards()[name]
    folders = Folders(card, PROJECT_ROOT / card.path if card.path else None, {})
    check_size("", folders, height=card.height, width=card.width)
    check_guidance("", folders, guidance=card.guidance_scale, negative="")


def with_network(folder: Path, name: str, **config: Any) -> Path:  # noqa: ANN401 - any value
    (folder / name).mkdir(parents=True)
    (folder / name / "config.json").write_text(json.dumps(config))
    return folder


def test_a_negative_prompt_of_a_network_that_takes_the_scale(tmp_path: Path) -> None:
    sd15 = find_card("sd15")
    folders = Folders(sd15, with_network(tmp_path / "lcm", "unet", time_cond_proj_dim=256), {})
    with pytest.raises(ConfigError, match="arm b: negative_prompt is set, and nothing reads it"):
        check_guidance("arm b: ", folders, guidance=8.0, negative="blurry")
    check_guidance("", folders, guidance=8.0, negative="")
    plain = Folders(sd15, with_network(tmp_path / "sd", "unet", time_cond_proj_dim=None), {})
    check_guidance("", plain, guidance=8.0, negative="blurry")


def test_guidance_of_a_network_that_is_distilled_without_it(tmp_path: Path) -> None:
    flux = find_card("flux-schnell")
    folder = with_network(tmp_path / "a", "transformer", guidance_embeds=False)
    with pytest.raises(ConfigError, match="guidance_scale is 2, and nothing reads it"):
        check_guidance("", Folders(flux, folder, {}), guidance=2.0, negative="")
    check_guidance("", Folders(flux, folder, {}), guidance=flux.guidance_scale, negative="")
    folder = with_network(tmp_path / "b", "transformer", guidance_embeds=True)
    check_guidance("", Folders(flux, folder, {}), guidance=2.0, negative="")


@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        ({"num_inference_steps": 1000}, "arm b: DDIMScheduler .* 999 steps work"),
        ({"scheduler_config": {"rescale_betas_zero_snr": True}}, "arm b: rescale_betas_zero_snr"),
        ({"scheduler": "DPM++ 2M Karras"}, "DPMSolverMultistepScheduler' with `scheduler_config"),
        ({"num_inference_steps": 999}, ""),
    ],
)
def test_a_plan_rehearses_each_arm(sampling: dict[str, Any], message: str) -> None:
    wanted = recipe("seedling-mini", **sampling)
    if not message:
        return check_sampling(wanted, find_card("seedling-mini"))
    with pytest.raises(ConfigError, match=message):
        check_sampling(wanted, find_card("seedling-mini"))


@pytest.mark.parametrize(
    ("card", "sampling", "message"),
    [
        (
            "flux-dev",
            {"scheduler_config": {"stochastic_sampling": True}},
            "its pipeline passes none to it, and it draws from the shared stream of torch",
        ),
        ("flux-dev", {"num_inference_steps": 4}, ""),
        ("sd15", {"scheduler": "EulerAncestralDiscreteScheduler"}, ""),
        ("controlnet-canny", {"eta": 1.0}, ""),
    ],
)
def test_a_pipeline_that_passes_no_generator(
    card: str, sampling: dict[str, Any], message: str
) -> None:
    """The files of these cards are not on this machine, but their pipelines' source is."""
    if not message:
        return check_sampling(recipe(card, **sampling), find_card(card))
    with pytest.raises(ConfigError, match=message):
        check_sampling(recipe(card, **sampling), find_card(card))
