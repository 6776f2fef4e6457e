"""A setting that nothing reads is refused before anything loads."""

import subprocess
import sys
from typing import Any

import diffusers
import pytest

from pipeline.cards.card import Card, find_card, load_cards
from pipeline.cards.diffusers_source import arguments, scheduler_names
from pipeline.errors import ConfigError
from pipeline.runs.sampling import check_sampling
from pipeline.settings.recipe import Recipe, load_recipe, recipe_names
from pipeline.settings.unread import check_settings_are_read


def recipe(card: str, sampling: dict[str, Any], arms: dict[str, Any] | None = None) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "r",
            "card": card,
            "prompts": {"source": "p"},
            "seeds": {"count": 2},
            "sampling": sampling,
            "arms": arms or {},
        }
    )


REFUSED = [
    (
        "seedling-mini",
        {"scheduler_config": {"use_karras_sigmas": True}},
        r"has 'use_karras_sigmas', which DDIMScheduler does not read.*timestep_spacing",
    ),
    (
        "seedling-mini",
        {"scheduler_config": {"timestep_spaceing": "trailing"}},
        r"'timestep_spaceing'.*did you mean 'timestep_spacing'",
    ),
    (
        "seedling-mini",
        {"scheduler": "EulerDiscreteScheduler", "eta": 1.0},
        r"eta is set, and EulerDiscreteScheduler does not read it.*DDIMScheduler",
    ),
    (
        "seedling-mini",
        {"guidance_scale": 1.0, "negative_prompt": "blurry"},
        r"negative_prompt is set.*guidance_scale is 1, which switches guidance off",
    ),
    (
        "seedling-mini",
        {"scheduler": "EulerDiscretScheduler"},
        r"no scheduler 'EulerDiscretScheduler'; did you mean 'EulerDiscreteScheduler'",
    ),
    ("sd2-inpainting", {"guidance_scale": 0.0, "negative_prompt": "b"}, "switches guidance off"),
    ("glide", {"eta": 0.5}, "DDPMScheduler does not read it"),
    ("instantid", {"eta": 0.5}, "EulerDiscreteScheduler does not read it"),
    ("text-to-video-ms", {"scheduler_config": {"etta": 1}}, "'etta', which DDIMScheduler"),
    ("sd35-large", {"scheduler": "DDIMScheduler", "eta": 0.5}, "StableDiffusion3Pipeline.*eta"),
    ("ddpm-cat", {"guidance_scale": 3.0}, "guidance_scale is 3, and DDPMPipeline.*does not take"),
    ("flux-dev", {"negative_prompt": "blurry"}, "FluxPipeline of card flux-dev takes none"),
]


@pytest.mark.parametrize(("card", "sampling", "message"), REFUSED)
def test_refused(card: str, sampling: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_sampling(recipe(card, sampling), find_card(card))
    with pytest.raises(ConfigError, match=f"arm b: .*{message}"):
        check_sampling(recipe(card, {}, {"a": {}, "b": sampling}), find_card(card))


@pytest.mark.parametrize(
    ("card", "sampling"),
    [
        ("seedling-mini", {"scheduler_config": {"timestep_spacing": "trailing"}, "eta": 1.0}),
        ("seedling-mini", {"scheduler": "EulerDiscreteScheduler", "eta": 0.0}),
        ("seedling-mini", {"guidance_scale": 1.0, "negative_prompt": ""}),
        ("seedling-mini", {"guidance_scale": 2.0, "negative_prompt": "blurry"}),
        (
            "seedling-mini",
            {
                "scheduler": "DPMSolverMultistepScheduler",
                "scheduler_config": {"use_karras_sigmas": True},
            },
        ),
        # The card's own scheduler_config has set_alpha_to_one, which Euler does not read.
        ("seedling-turbo", {"scheduler": "EulerDiscreteScheduler"}),
        ("ddpm-cat", {"guidance_scale": find_card("ddpm-cat").guidance_scale}),
        ("flux-dev", {"guidance_scale": 2.0}),
        ("deepfloyd-if", {"guidance_scale": 1.0, "negative_prompt": "blurry"}),
    ],
)
def test_allowed(card: str, sampling: dict[str, Any]) -> None:
    check_settings_are_read(recipe(card, sampling), find_card(card))


@pytest.mark.parametrize("card", load_cards().values(), ids=lambda card: card.name)
def test_shipped_cards_set_what_is_read(card: Card) -> None:
    check_settings_are_read(recipe(card.name, {}), card)


def test_shipped_recipes_set_what_is_read() -> None:
    for name in recipe_names():
        shipped = load_recipe(name)
        check_settings_are_read(shipped, find_card(shipped.card))


def test_a_mistyped_key_of_a_card() -> None:
    card = find_card("seedling-mini").model_copy(update={"scheduler_config": {"clip_sampel": 1}})
    with pytest.raises(ConfigError, match=r"card seedling-mini: .*did you mean 'clip_sample'"):
        check_settings_are_read(recipe("seedling-mini", {}), card)


def test_own_classes_may_read_anything() -> None:
    own = find_card("seedling-mini").model_copy(update={"family": "somewhere.models:Mine"})
    sampling = {"scheduler_config": {"mine": 1}, "eta": 1, "scheduler": "Mine"}
    check_settings_are_read(recipe("seedling-mini", sampling), own)
    swapped = sampling | {"intervention": {"name": "somewhere.changes:Mine"}}
    check_settings_are_read(recipe("seedling-mini", swapped), find_card("seedling-mini"))


def test_the_source_says_what_the_classes_take() -> None:
    for name in scheduler_names():
        cls: Any = getattr(diffusers, name, None)
        if isinstance(cls, type) and hasattr(cls, "_get_init_keys"):
            assert arguments("schedulers", name, "__init__") >= cls._get_init_keys(cls) - {
                "self", "kwargs",
            }  # fmt: skip


def test_reading_the_source_imports_nothing() -> None:
    code = (
        "import sys; from pipeline.settings.unread import check_scheduler; "
        "check_scheduler('', 'DDIMScheduler'); "
        "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
