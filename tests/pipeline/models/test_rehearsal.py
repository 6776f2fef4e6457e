"""A scheduler that cannot sample, or draws noise of its own, is refused without any weights."""

import random
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

from pipeline.cards.card import load_cards
from pipeline.cards.checkpoints import PROJECT_ROOT
from pipeline.errors import ConfigError
from pipeline.models.rehearsal import Schedule, rehearse
from pipeline.models.rehearsal.refusals import _stored
from pipeline.models.rehearsal.steps import walk

FOLDER = PROJECT_ROOT / "seedling/weights/seedling-mini"


@pytest.mark.parametrize(
    ("scheduler", "config", "steps", "message"),
    [
        ("DDIMScheduler", {}, 1000, "asks for time step 1000, and the model knows 0 to 999; 999 "),
        ("DDPMScheduler", {}, 1500, "num_inference_steps: 1500.*; 999 steps work"),
        ("EulerDiscreteScheduler", {}, 1001, "; 1000 steps work"),
        ("DPMSolverMultistepScheduler", {}, 999, "infinite or NaN.*; 998 steps work|steps work"),
        ("PNDMScheduler", {}, 2, "PNDMScheduler cannot sample.*: 2: ValueError.*; 5 steps work"),
        ("LCMScheduler", {}, 60, "is smaller than `num_inference_steps`: 60.*; 50 steps work"),
        ("DDIMScheduler", {"timestep_spacing": "log"}, 20, "timestep_spacing: log: .*'leading' or"),
        ("DDIMScheduler", {"prediction_type": "flow"}, 20, "must be one of `epsilon`, `sample`"),
        ("EulerDiscreteScheduler", {"prediction_type": "x"}, 20, "must be one of `epsilon`"),
        ("DDIMScheduler", {"beta_schedule": "steep"}, 20, "steep is not implemented"),
        ("DDIMScheduler", {"rescale_betas_zero_snr": True}, 20, "predicts the noise .epsilon.: at"),
        ("EulerDiscreteScheduler", {"rescale_betas_zero_snr": True}, 20, "divides by zero"),
        ("VQDiffusionScheduler", {}, 20, "missing 1 required positional argument"),
    ],
)
def test_refused(scheduler: str, config: dict[str, Any], steps: int, message: str) -> None:
    with pytest.raises(ConfigError, match=f"arm a: .*{message}"):
        rehearse("arm a: ", Schedule(scheduler, config, steps), FOLDER)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:diffusers")
@pytest.mark.parametrize(
    ("scheduler", "key", "value", "switch"),
    [
        ("DDIMScheduler", "clip_sample_range", 0.5, "clip_sample"),
        ("DDIMScheduler", "dynamic_thresholding_ratio", 0.5, "thresholding"),
        ("LCMScheduler", "sample_max_value", 2.0, "thresholding"),
        ("DPMSolverMultistepScheduler", "flow_shift", 3.0, "use_flow_sigmas"),
        ("UniPCMultistepScheduler", "flow_shift", 3.0, "use_flow_sigmas"),
    ],
)
def test_a_setting_whose_switch_is_off(scheduler: str, key: str, value: float, switch: str) -> None:
    """Such a setting would name a new run with the same images, as the steps themselves show."""
    schedule = Schedule(scheduler, {key: value}, 4)
    with pytest.raises(ConfigError, match=f"arm a: .*{key}.* reads only if {switch} is true"):
        rehearse("arm a: ", schedule, FOLDER)
    rehearse("", Schedule(scheduler, {key: value, switch: True}, 4), FOLDER)
    stored = _stored(FOLDER)
    assert stored is not None
    without = walk(Schedule(scheduler, {}, 4), stored, (0,))[0]
    assert torch.equal(walk(schedule, stored, (0,))[0], without)


def test_a_default_may_be_written_out_though_its_switch_is_off() -> None:
    rehearse("", Schedule("DDIMScheduler", {"clip_sample_range": 1.0}, 4), FOLDER)


def test_zero_snr_with_trailing_steps_divides_by_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers themselves are seen, not only the two settings that are known to clash."""
    module = "pipeline.models.rehearsal.refusals"
    monkeypatch.setattr(f"{module}._refuse_epsilon_at_pure_noise", lambda *_, **__: None)
    config = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    with pytest.raises(ConfigError, match="the latents are infinite or NaN after time step 999"):
        rehearse("", Schedule("DDIMScheduler", config, 20), FOLDER)


@pytest.mark.parametrize(
    ("scheduler", "config", "steps", "eta"),
    [
        ("DDIMScheduler", {}, 999, 1.0),
        ("DDIMScheduler", {"timestep_spacing": "trailing"}, 1000, 0.0),
        ("DDIMScheduler", {"prediction_type": "v_prediction"}, 1, 0.0),
        (
            "DDIMScheduler",
            {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True},
            20,
            0.5,
        ),
        ("DDPMScheduler", {}, 20, 0.0),
        ("EulerAncestralDiscreteScheduler", {}, 20, 0.0),
        ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}, 20, 0.0),
        ("PNDMScheduler", {}, 20, 0.0),
        ("LCMScheduler", {}, 4, 0.0),
        ("FlowMatchEulerDiscreteScheduler", {"use_dynamic_shifting": True}, 20, 0.0),
    ],
)
def test_allowed(scheduler: str, config: dict[str, Any], steps: int, eta: float) -> None:
    rehearse("", Schedule(scheduler, config, steps, eta), FOLDER)


@pytest.mark.parametrize("name", load_cards())
def test_settings_of_shipped_cards(name: str) -> None:
    """A plan does not rehearse them, so that it starts at once."""
    card = load_cards()[name]
    folder = PROJECT_ROOT / card.path if card.path and not card.stages else None
    schedule = Schedule(card.scheduler, card.scheduler_config, card.num_inference_steps)
    rehearse("", schedule, folder if folder and folder.is_dir() else None)


def test_a_pipeline_that_steps_its_scheduler_in_a_way_of_its_own(tmp_path: Path) -> None:
    """Where the checkpoint's own scheduler cannot be stepped, nothing is concluded."""
    (tmp_path / "scheduler").mkdir()
    config = '{"_class_name": "RePaintScheduler"}'
    (tmp_path / "scheduler" / "scheduler_config.json").write_text(config)
    rehearse("", Schedule("RePaintScheduler"), tmp_path)
    with pytest.raises(ConfigError, match="missing 2 required positional arguments"):
        rehearse("", Schedule("RePaintScheduler"), FOLDER)


# Schedulers that draw noise of their own


class Noisy(diffusers.DDIMScheduler):  # type: ignore[misc]  # diffusers is untyped
    """Adds noise after each step: none, unless a subclass says which."""

    def noise(self, shape: torch.Size, generators: list[torch.Generator]) -> torch.Tensor:
        return torch.zeros(shape)

    def step(
        self,
        model_output: torch.Tensor,
        timestep: int,
        sample: torch.Tensor,
        *,
        generator: list[torch.Generator],
        return_dict: bool,
    ) -> tuple[torch.Tensor]:
        plain = super().step(model_output, timestep, sample, return_dict=return_dict)[0]
        return (plain + 0.1 * self.noise(plain.shape, generator),)


class OfTorch(Noisy):
    def noise(self, shape: torch.Size, generators: list[torch.Generator]) -> torch.Tensor:
        return torch.randn(shape)


class OfNumpy(Noisy):
    def noise(self, shape: torch.Size, generators: list[torch.Generator]) -> torch.Tensor:
        return torch.from_numpy(np.random.standard_normal(shape)).float()  # noqa: NPY002


class OfPython(Noisy):
    def noise(self, shape: torch.Size, generators: list[torch.Generator]) -> torch.Tensor:
        return torch.full(shape, random.random())


class OfTheSystem(Noisy):
    def noise(self, shape: torch.Size, generators: list[torch.Generator]) -> torch.Tensor:
        return torch.from_numpy(np.random.default_rng().standard_normal(shape)).float()


class OfAFixedSeed(Noisy):
    """The same noise each time, for the whole batch: an image depends on its place."""

    def noise(self, shape: torch.Size, generators: list[torch.Generator]) -> torch.Tensor:
        return torch.randn(shape, generator=torch.Generator().manual_seed(7))


class OfTheFirstGenerator(Noisy):
    def noise(self, shape: torch.Size, generators: list[torch.Generator]) -> torch.Tensor:
        return torch.randn(shape, generator=generators[0])


class OfTheGenerators(Noisy):
    """The negative control: each image's noise comes from its own generator."""

    def noise(self, shape: torch.Size, generators: list[torch.Generator]) -> torch.Tensor:
        torch.rand(1)  # draws from a shared stream, but nothing depends on it
        return torch.stack([torch.randn(shape[1:], generator=g) for g in generators])


@pytest.mark.parametrize("folder", [FOLDER, None])
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (OfTorch, "it draws from the shared stream of torch"),
        (OfNumpy, "it draws from the shared stream of numpy"),
        (OfPython, "it draws from the shared stream of random"),
        (OfTheSystem, "it draws from a random stream of its own"),
        (OfAFixedSeed, "an image would depend on its place in the batch"),
        (OfTheFirstGenerator, "an image would depend on its place in the batch"),
        (OfTheGenerators, ""),
    ],
)
def test_noise_of_its_own(
    kind: type[Noisy], message: str, folder: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diffusers, kind.__name__, kind, raising=False)
    schedule = Schedule(kind.__name__)
    if not message:
        return rehearse("", schedule, folder)
    with pytest.raises(ConfigError, match=f"{kind.__name__} draws noise without .*: {message}"):
        rehearse("", schedule, folder)


@pytest.mark.skipif(bool(find_spec("torchsde")), reason="with torchsde, its noise is looked at")
@pytest.mark.parametrize(
    "scheduler", ["DPMSolverSDEScheduler", "CosineDPMSolverMultistepScheduler"]
)
@pytest.mark.parametrize("folder", [None, FOLDER])
def test_without_torchsde_it_is_said_at_once(scheduler: str, folder: Path | None) -> None:
    with pytest.raises(ConfigError, match=f"{scheduler} .* the library torchsde") as error:
        rehearse("", Schedule(scheduler), folder)
    assert "pip install" not in str(error.value)


@pytest.mark.parametrize("config", [{}, {"noise_sampler_seed": 5}])
def test_dpm_solver_sde(config: dict[str, Any]) -> None:
    pytest.importorskip("torchsde")
    with pytest.raises(ConfigError, match="DPMSolverSDEScheduler draws noise without"):
        rehearse("", Schedule("DPMSolverSDEScheduler", config), FOLDER)


@pytest.mark.parametrize(
    ("scheduler", "config", "eta"),
    [
        ("DDIMScheduler", {}, 0.5),
        ("DDPMScheduler", {}, 0.0),
        ("EulerAncestralDiscreteScheduler", {}, 0.0),
        ("LCMScheduler", {}, 0.0),
        ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}, 0.0),
    ],
)
def test_step_noise_is_refused_where_the_rule_has_none(
    scheduler: str, config: dict[str, Any], eta: float
) -> None:
    rehearse("", Schedule(scheduler, config, 10, eta), FOLDER)
    with pytest.raises(ConfigError, match="philox-t4 gives starting noise only"):
        rehearse("", Schedule(scheduler, config, 10, eta, noise="philox-t4"), FOLDER)


@pytest.mark.parametrize(
    "scheduler", ["DDIMScheduler", "EulerDiscreteScheduler", "DPMSolverMultistepScheduler"]
)
def test_schedulers_without_step_noise_take_any_rule(scheduler: str) -> None:
    rehearse("", Schedule(scheduler, {}, 10, 0.0, noise="philox"), FOLDER)
