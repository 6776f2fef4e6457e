"""Keys and samplers of other programs are answered with ours."""

from pathlib import Path

import pytest

from pipeline.cards.card import find_card
from pipeline.cards.diffusers_source import arguments, scheduler_names
from pipeline.cards.other_tools import (
    FIELDS,
    SAMPLERS,
    SPACINGS,
    diffusers_scheduler,
    scheduler_hint,
)
from pipeline.errors import ConfigError
from pipeline.runs.sampling import check_sampling
from pipeline.settings.choices import PromptChoice, SeedChoice
from pipeline.settings.recipe import Recipe, Sampling, load_recipe

BASE = "card: seedling-mini\nprompts: {source: brightness}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sampling: {steps: 20}", "sampling.steps: unknown field; did you mean 'num_inference_st"),
        ("arms: {a: {steps: 20}}", "arms.a.steps: .* mean 'num_inference_steps'"),
        ("steps: 20", "steps: unknown field; did you mean 'sampling.num_inference_steps'"),
        ("sampling: {cfg: 4}", "did you mean 'guidance_scale'"),
        ("sampling: {CFG Scale: 4}", "did you mean 'guidance_scale'"),
        ("sampling: {sampler: euler}", "did you mean 'scheduler'"),
        ("sampling: {colour: red}", "its fields: dtype, height"),
        ("guidance_scal: 4", "did you mean 'sampling.guidance_scale'"),
        ("batchsize: 4", "did you mean 'batch_size'"),
    ],
)
def test_keys(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "r.yaml").write_text(f"{BASE}seeds: {{count: 2}}\n{text}\n")
    with pytest.raises(ConfigError, match=message):
        load_recipe(str(tmp_path / "r.yaml"))


def test_keys_of_seeds(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(f"{BASE}seeds: {{stop: 9}}\n")
    with pytest.raises(ConfigError, match=r"mean 'count'. its fields: start, count, chosen"):
        load_recipe(str(tmp_path / "r.yaml"))


MULTISTEP, KARRAS = "DPMSolverMultistepScheduler", {"use_karras_sigmas": True}
SDE = {"algorithm_type": "sde-dpmsolver++"}


@pytest.mark.parametrize(
    ("name", "scheduler", "config"),
    [
        ("DPM++ 2M Karras", MULTISTEP, KARRAS),
        ("dpmpp_2m", MULTISTEP, {}),
        ("dpmpp_2m_k", MULTISTEP, KARRAS),
        ("dpmpp_2m (karras)", MULTISTEP, KARRAS),
        ("dpmpp_2m+karras", MULTISTEP, KARRAS),
        ("DPM++2MKarras", MULTISTEP, KARRAS),
        ("k_dpmpp_2m", MULTISTEP, {}),
        ("sample_dpmpp_2m_sde", MULTISTEP, SDE),
        ("DPM++ 2M SDE Heun Karras", MULTISTEP, {**SDE, "solver_type": "heun", **KARRAS}),
        ("dpmpp_3m_sde_gpu karras", MULTISTEP, {**SDE, "solver_order": 3, **KARRAS}),
        ("DPM++ 2M SGM Uniform", MULTISTEP, {"timestep_spacing": "trailing"}),
        ("Euler simple", "EulerDiscreteScheduler", {"timestep_spacing": "trailing"}),
        ("Euler Automatic", "EulerDiscreteScheduler", {}),
        (
            "euler beta",
            "EulerDiscreteScheduler",
            {"timestep_spacing": "linspace", "use_beta_sigmas": True},
        ),
        ("euler_ancestral", "EulerAncestralDiscreteScheduler", {}),
        ("Euler a", "EulerAncestralDiscreteScheduler", {}),
        ("k_euler_a", "EulerAncestralDiscreteScheduler", {}),
        ("dpmpp_2m_sde_gpu", MULTISTEP, SDE),
        ("DPM2 a Karras", "KDPM2AncestralDiscreteScheduler", KARRAS),
        ("k_dpm_2_ancestral", "KDPM2AncestralDiscreteScheduler", {}),
        ("uni_pc", "UniPCMultistepScheduler", {}),
        ("uni_pc_bh2", "UniPCMultistepScheduler", {"solver_type": "bh2"}),
    ],
)
def test_samplers(name: str, scheduler: str, config: dict[str, object]) -> None:
    assert diffusers_scheduler(name) == (scheduler, config, "")


def test_every_sampler_of_invokeai() -> None:
    names = (
        "ddim ddpm deis deis_k lms lms_k pndm heun heun_k euler euler_k euler_a kdpm_2 kdpm_2_k "
        "kdpm_2_a kdpm_2_a_k dpmpp_2s dpmpp_2s_k dpmpp_2m dpmpp_2m_k dpmpp_2m_sde dpmpp_2m_sde_k "
        "dpmpp_3m dpmpp_3m_k dpmpp_sde dpmpp_sde_k unipc unipc_k lcm tcd"
    )
    for name in names.split():
        found = diffusers_scheduler(name)
        assert found is not None, name
        assert (found[1].get("use_karras_sigmas") is True) == name.endswith("_k"), name
        assert not found[2]


@pytest.mark.parametrize("name", ["Euler a Karras", "PLMS karras", "euler kl_optimal"])
def test_noise_levels_that_the_scheduler_does_not_have(name: str) -> None:
    assert "which it does not have" in scheduler_hint(name)


@pytest.mark.parametrize("name", ["DPM adaptive", "dpm_fast", "Restart karras", "res_multistep"])
def test_samplers_that_diffusers_does_not_have(name: str) -> None:
    assert scheduler_hint(name).startswith("diffusers has no counterpart")


@pytest.mark.parametrize("name", ["DDIMScheduler", "", "karras", "a sampler"])
def test_other_names_are_no_samplers(name: str) -> None:
    assert scheduler_hint(name) == ""


def test_each_target_exists() -> None:
    fields = {*Recipe.model_fields, *Sampling.model_fields}
    assert set(FIELDS.values()) <= fields | {*SeedChoice.model_fields, *PromptChoice.model_fields}
    for scheduler, config in SAMPLERS.values():
        assert scheduler in scheduler_names()
        assert set(config) <= arguments("schedulers", scheduler, "__init__")
    multistep = arguments("schedulers", MULTISTEP, "__init__")
    assert {key for config in SPACINGS.values() for key in config or ()} <= multistep


def test_a_recipe_with_a_sampler() -> None:
    fields = {"name": "r", "card": "seedling-mini", "prompts": {"source": "p"}}
    sampling = {"scheduler": "DPM++ 2M Karras"}
    recipe = Recipe.model_validate({**fields, "seeds": {"count": 2}, "sampling": sampling})
    hint = r"DPMSolverMultistepScheduler' with `scheduler_config: {use_karras_sigmas: true}`"
    with pytest.raises(ConfigError, match=hint):
        check_sampling(recipe, find_card("seedling-mini"))
