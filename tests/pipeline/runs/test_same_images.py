"""Settings that mean the same images never get two run ids."""

from typing import Any

import pytest

from pipeline.cards.card import find_card
from pipeline.cards.diffusers_source import guidance_begins_above
from pipeline.errors import ConfigError
from pipeline.runs.sampling import check_sampling
from pipeline.settings.recipe import Recipe

WEIGHTS = "seedling/weights/offset-noise.safetensors"
FREEU = {"version": 1, "b1": 1.2, "b2": 1.4, "s1": 0.9, "s2": 0.2}


def check(card: str, arms: dict[str, Any], **sampling: Any) -> None:  # noqa: ANN401
    fields = {
        "name": "r", "card": card, "prompts": {"source": "seedling"},
        "seeds": {"start": 0, "count": 2}, "sampling": sampling, "arms": arms,
    }  # fmt: skip
    check_sampling(Recipe.model_validate(fields), find_card(card))


@pytest.mark.parametrize(
    ("card", "sampling", "message"),
    [
        ("seedling-mini", {"guidance_scale": 0.5}, "without guidance up to 1.*write `guid.*1.0"),
        ("seedling-mini", {"guidance_scale": 0}, "write `guidance_scale: 1.0`"),
        ("seedling-turbo", {"guidance_scale": 1.0}, "write `guidance_scale: 0.0`"),
        ("sdxl-turbo", {"guidance_scale": 0.7}, "write `guidance_scale: 0.0`"),
        ("controlnet-canny", {"guidance_scale": 0.9}, "write `guidance_scale: 1.0`"),
        ("sd35-large", {"guidance_scale": 0.9}, "write `guidance_scale: 1.0`"),
        ("sd2-inpainting", {"guidance_scale": 0.9}, "write `guidance_scale: 1.0`"),
        ("seedling-mini", {"scheduler_config": {"timestep_spacing": "leading"}}, "without the key"),
        ("seedling-mini", {"scheduler_config": {"beta_end": 0.012, "clip_sample": True}},
         "beta_end to 0.012.*write `scheduler_config: {'clip_sample': True}`"),
        ("seedling-mini", {"scheduler_config": {"num_train_timesteps": 1000.0}}, "without the key"),
        ("seedling-mini", {"negative_prompt": "blurry "}, "has blanks at an end"),
        ("seedling-mini", {"negative_prompt": " "}, "has blanks at an end"),
    ],
)  # fmt: skip
def test_a_second_name_of_the_same_images(card: str, sampling: Any, message: str) -> None:  # noqa: ANN401
    with pytest.raises(ConfigError, match=message):
        check(card, {}, **sampling)
    with pytest.raises(ConfigError, match=f"arm b: .*{message}"):
        check(card, {"a": {}, "b": sampling})


@pytest.mark.parametrize(
    ("card", "sampling"),
    [
        ("seedling-mini", {"guidance_scale": 1.0}),
        ("seedling-mini", {"guidance_scale": 1.1}),
        ("seedling-turbo", {"guidance_scale": 0.0}),
        ("ldm-text2im", {"guidance_scale": 0.5}),  # its pipeline guides at any scale but 1
        ("flux-dev", {"guidance_scale": 0.5}),  # its network reads the scale
        ("glide", {"guidance_scale": 0.5}),
        ("seedling-mini", {"scheduler_config": {"timestep_spacing": "trailing"}}),
        ("seedling-mini", {"scheduler_config": {"clip_sample": True}}),
        ("seedling-mini", {"negative_prompt": "blurry"}),
    ],
)
def test_settings_that_draw_other_images_are_let_through(card: str, sampling: Any) -> None:  # noqa: ANN401
    check(card, {}, **sampling)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({}, {"guidance_scale": 3.0}, True),
        ({}, {"eta": 0.0, "noise": "torch-cpu"}, True),
        ({"guidance_scale": 1.0}, {"guidance_scale": 1.0}, True),
        ({"intervention": {"name": "none"}}, {}, True),
        ({"intervention": {"name": "offset_noise", "parameters": {"weights": WEIGHTS, "scale": 1}}},
         {"intervention": {"name": "offset_noise", "parameters": {"weights": WEIGHTS}}}, True),
        ({"intervention": {"name": "freeu", "parameters": FREEU}},
         {"intervention": {"name": "freeu", "parameters": {**FREEU, "code": "diffusers"}}}, True),
        ({"intervention": {"name": "freeu", "parameters": FREEU}},
         {"intervention": {"name": "freeu", "parameters": {**FREEU, "b1": 1.3}}}, False),
        ({}, {"guidance_scale": 1.0}, False),
        ({}, {"eta": 0.5}, False),
    ],
)  # fmt: skip
def test_two_arms_of_the_same_images(first: Any, second: Any, *, same: bool) -> None:  # noqa: ANN401
    if same:
        with pytest.raises(ConfigError, match="arms a and b have the same settings"):
            check("seedling-mini", {"a": first, "b": second})
    else:
        check("seedling-mini", {"a": first, "b": second})


def test_a_sources_comparisons_are_read() -> None:
    assert guidance_begins_above("DiTPipeline") == 1.0
    assert guidance_begins_above("ZImagePipeline") == 0.0
    assert guidance_begins_above("LDMTextToImagePipeline") is None  # it compares with !=
    assert guidance_begins_above("NoSuchPipeline") is None
