"""What a card, a condition or an intervention cannot do is refused before the first image."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.cards.card import Card, load_cards
from pipeline.cards.card_parts import Part
from tests.goldenseed import tiny_recipes as tiny
from tests.goldenseed.conftest import Call
from tests.pipeline import tiny_pipelines


def refused(call: Call, recipe: Path, command: str, message: str) -> None:
    """Check that the command refuses a recipe with a message, and has drawn nothing."""
    out = recipe.parent / "run"
    options = ["--executor", "local"] if command == "run" else []
    called = call(command, recipe, "--out", out, *options)
    assert called.code == 2, called.err
    assert message in called.err
    assert "Traceback" not in called.err
    assert not list(out.glob("images/**/*.parquet"))


# Conditions. The cards are shipped ones; checking conditions needs no checkpoint.

GOOD = {"image": tiny.picture(1, (512, 512)), "mask": tiny.mask((512, 512))}
FACE = {"image": tiny.picture(1, (1024, 1024)), "mask": tiny.numbers(1)}


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize(
    ("card", "changes", "message"),
    [
        ("sd2-inpainting", {"image": tiny.picture(1)}, "its image is 64 x 64 pixels"),
        ("sd2-inpainting", {"mask": tiny.mask((512, 256))}, "its mask is 512 x 256 pixels"),
        ("sd2-inpainting", {"mask": None}, "has no mask, which card sd2-inpainting needs"),
        ("sd2-inpainting", {"image": None}, "has no image, which card sd2-inpainting needs"),
        ("sd2-inpainting", {"mask": "0" * 64}, "found no condition image 000000000000"),
        ("sd2-inpainting", {"mask": b"no picture"}, "cannot be decoded"),
        ("sd2-inpainting", {"mask": tiny.numbers(1)}, "its mask is a row of numbers"),
        ("controlnet-canny", {}, "comes with a mask"),
        ("sd2-base", {}, "comes with an image"),
        ("instantid", {**FACE, "mask": GOOD["mask"]}, "needs a row of numbers"),
        ("instantid", {**FACE, "mask": b"\x93NUMPY"}, "damaged .npy"),
        ("instantid", {**FACE, "mask": tiny.numbers(1, 0)}, "wanted one axis of finite floats"),
        ("instantid", {**FACE, "image": GOOD["image"]}, "its image is 512 x 512 pixels"),
    ],
)
def test_condition(
    call: Call, tmp_path: Path, command: str, card: str, changes: Mapping[str, Any], message: str
) -> None:
    prompts = tiny.write_prompts(tmp_path, [{"text": "a red ball", **GOOD, **changes}])
    refused(call, tiny.write_recipe(tmp_path, card, prompts), command, message)


def test_a_condition_whose_file_is_missing(call: Call, tmp_path: Path) -> None:
    prompts = tiny.write_prompts(tmp_path, [{"text": "a red ball", **GOOD}], keep=False)
    recipe = tiny.write_recipe(tmp_path, "sd2-inpainting", prompts)
    refused(call, recipe, "plan", "put it there as")


def test_rows_of_numbers_of_two_lengths(call: Call, tmp_path: Path) -> None:
    cells = [{"text": "a", **FACE}, {"text": "b", **FACE, "mask": tiny.numbers(2, 128)}]
    recipe = tiny.write_recipe(tmp_path, "instantid", tiny.write_prompts(tmp_path, cells))
    refused(call, recipe, "plan", "a row of 128 numbers, and that of an earlier prompt has 512")


def test_good_conditions_are_planned(call: Call, tmp_path: Path) -> None:
    for card, conditions in (("sd2-inpainting", GOOD), ("instantid", FACE)):
        prompts = tiny.write_prompts(tmp_path, [{"text": "a red ball", **conditions}])
        assert call("plan", tiny.write_recipe(tmp_path, card, prompts)).code == 0


# Interventions. A plan checks their parameters.


def seedling(folder: Path, **sampling: Any) -> Path:  # noqa: ANN401
    """A recipe of the shipped model."""
    prompts = tiny.write_prompts(folder, [{"text": "a red ball"}, {"text": "a blue ball"}])
    fields = {"tile": {"seeds": 4, "prompts": 2}, "seeds": {"count": 4}, "batch_size": 4}
    steps = {"num_inference_steps": 2, **sampling}
    return tiny.write_recipe(folder, "seedling-mini", prompts, sampling=steps, **fields)


FREEU = {"version": 1, "b1": 1.1, "b2": 1.2, "s1": 0.9, "s2": 0.2}


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("freeu", {**FREEU, "s1": 0}, "s1 is 0; wanted a number above 0"),
        ("freeu", {**FREEU, "b_1": 1}, "unknown parameters: b_1; did you mean 'b1'"),
        ("freeu", {"version": 1, "b1": 1.1}, "b2 is None"),
        ("freeu", {"preset": "sd2.1"}, "version is None"),
        ("freeu", {"version": 1, "preset": "sd1.5"}, "has no preset 'sd1.5'"),
        ("none", {"scale": 1}, "unknown parameters: scale; known: none"),
        ("offset_noise", {}, "parameter missing: weights"),
        ("offset_noise", {"weights": "w.safetensors", "scale": "1"}, "scale is '1'"),
        ("particle_guidance", {"variant": "coded"}, "variant is 'coded'"),
        ("particle_guidance", {"coefficient": -1}, "coefficient is -1"),
        ("seed_plant", {"strengths": [0.1, 2]}, "a strength is 2"),
        ("seed_plant", {"one_in": 0}, "one_in is 0"),
        ("seed_scramble", {"salt": 1}, "unknown parameters: salt"),
        ("seed_swap", {"seed": 3}, "parameters missing: step"),
        ("seed_swap", {"seed": 2**32, "step": 0}, "seed 4294967296 is outside [0, 2**32)"),
        ("seed_swap", {"seed": 3, "step": "first"}, "step is 'first'; wanted a whole number"),
        ("singdiffusion", {}, "wanted the parameter `weights`"),
        ("zero_snr", {"guidance_rescale": 7}, "guidance_rescale is 7; wanted a number from 0 to 1"),
    ],
)
def test_parameters(
    call: Call, tmp_path: Path, name: str, parameters: Mapping[str, Any], message: str
) -> None:
    intervention = {"name": name, "parameters": dict(parameters)}
    refused(call, seedling(tmp_path, intervention=intervention), "plan", message)


def test_parameters_of_an_arm(call: Call, tmp_path: Path) -> None:
    recipe = seedling(tmp_path)
    arm = "{intervention: {name: freeu, parameters: {version: 3}}}"
    recipe.write_text(recipe.read_text() + f"arms: {{baseline: {{}}, freeu: {arm}}}\n")
    refused(call, recipe, "plan", "intervention freeu: version is 3")


@pytest.mark.parametrize(
    ("name", "parameters", "sampling", "message"),
    [
        ("particle_guidance", {}, {"scheduler": "EulerDiscreteScheduler"}, "changes the predicted"),
        ("seed_swap", {"seed": 3, "step": 0}, {}, "DDIM at eta 0 draws none"),
        (
            "seed_swap",
            {"seed": 3, "step": 0},
            {"scheduler": "PNDMScheduler", "num_inference_steps": 5},
            "found PNDM",
        ),
        ("zero_snr", {}, {}, "predicts epsilon; zero_snr needs v_prediction"),
        ("offset_noise", {"weights": "none.safetensors"}, {}, "found no weights at"),
    ],
)
def test_a_sampler_that_an_intervention_cannot_work_with(
    call: Call,
    tmp_path: Path,
    name: str,
    parameters: Mapping[str, Any],
    sampling: Mapping[str, Any],
    message: str,
) -> None:
    intervention = {"name": name, "parameters": dict(parameters)}
    refused(call, seedling(tmp_path, intervention=intervention, **sampling), "run", message)


# Cards and prompts


@pytest.mark.parametrize("command", ["plan", "run"])
def test_what_a_network_predicts_must_fit(call: Call, tmp_path: Path, command: str) -> None:
    velocity = seedling(tmp_path, scheduler_config={"prediction_type": "v_prediction"})
    message = "card seedling-mini predicts epsilon, and the run would sample as if it predicted v_"
    refused(call, velocity, command, message)
    epsilon = seedling(tmp_path, scheduler_config={"prediction_type": "epsilon"})
    refused(call, epsilon, command, "prediction_type to 'epsilon', which it is without the key")
    assert call("plan", seedling(tmp_path, scheduler_config={})).code == 0


def test_prompts_over_the_token_limit(call: Call, tmp_path: Path) -> None:
    cells = [{"text": "a red ball"}, {"text": "a ball " * 60}]
    recipe = tiny.write_recipe(tmp_path, "seedling-mini", tiny.write_prompts(tmp_path, cells))
    for command in ("plan", "run"):
        refused(call, recipe, command, "1 prompt is longer than the text encoder reads")
    recipe.write_text(recipe.read_text() + "long_prompts: cut\n")
    called = call("generate", recipe, "--out", tmp_path / "run", "--executor", "local")
    assert called.code == 0
    assert "longer than a text encoder reads, and cut" in called.err


def classes(folder: Path, *texts: str) -> Path:
    """A recipe of a card whose prompts are class numbers."""
    card = tiny_pipelines.checkpoint(folder / "card", load_cards()["dit"])
    prompts = tiny.write_prompts(folder, [{"text": text} for text in texts])
    return tiny.write_recipe(folder, card, prompts)


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_prompt_that_is_no_class_number(call: Call, tmp_path: Path, command: str) -> None:
    recipe = classes(tmp_path, "207", "a red ball")
    refused(call, recipe, command, "prompt 'a red ball' is not a class number")


def test_a_class_that_the_network_does_not_have(call: Call, tmp_path: Path) -> None:
    """The number after the last class is refused; the last class is drawn."""
    recipe = classes(tmp_path, "207", "1000")
    refused(
        call, recipe, "run", "prompt '1000' is not a class of card card, whose classes are 0 to 999"
    )
    tiny.write_prompts(tmp_path, [{"text": "0"}, {"text": "999"}])
    called = call("generate", recipe, "--out", tmp_path / "good", "--executor", "local")
    assert called.code == 0, called.err


def canny(folder: Path) -> Card:
    return tiny_pipelines.checkpoint(folder / "card", load_cards()["controlnet-canny"])


def with_parts(card: Card, **parts: Part) -> Card:
    return card.model_copy(update={"parts": parts})


def test_a_part_that_a_card_lacks_is_named(call: Call, tmp_path: Path) -> None:
    prompts = tiny.write_prompts(tmp_path, [{"text": "a red ball", "image": tiny.picture(1)}])
    card = canny(tmp_path)
    recipe = tiny.write_recipe(tmp_path, with_parts(card), prompts)
    refused(call, recipe, "run", "StableDiffusionControlNetPipeline needs the part controlnet")
    missing = card.parts["canny"].model_copy(update={"path": str(tmp_path / "missing")})
    recipe = tiny.write_recipe(tmp_path, with_parts(card, canny=missing), prompts)
    refused(call, recipe, "run", "its part canny is missing")
    nowhere = missing.model_copy(update={"path": ""})
    recipe = tiny.write_recipe(tmp_path, with_parts(card, canny=nowhere), prompts)
    refused(call, recipe, "run", "part canny has neither path nor repo")


def test_a_stage_in_a_part_that_the_card_lacks(call: Call, tmp_path: Path) -> None:
    card = with_parts(load_cards()["kandinsky22"])
    prompts = tiny.write_prompts(tmp_path, [{"text": "a red ball"}])
    recipe = tiny.write_recipe(tmp_path, card, prompts)
    refused(call, recipe, "plan", "is in the part 'prior', which is not in `parts`")


def test_a_feature_without_a_mean_over_frames(call: Call, tmp_path: Path) -> None:
    prompts = tiny.write_prompts(tmp_path, [{"text": "a red ball"}])
    recipe = tiny.write_recipe(tmp_path, "text-to-video-ms", prompts, features=["ocr"], metrics=[])
    refused(call, recipe, "plan", "feature ocr gives words")
    recipe = tiny.write_recipe(tmp_path, "text-to-video-ms", prompts)
    assert call("plan", recipe).code == 0
