"""Names of runs: what changes them, what does not, and that old ones stay."""

from pathlib import Path

import pytest

from pipeline.settings.config import InterventionConfig, RunConfig

FIELDS: dict[str, object] = {
    "card": "seedling-mini",
    "card_sha256": "ab" * 32,
    "dtype": "float32",
    "height": 64,
    "width": 64,
    "scheduler": "DDIMScheduler",
    "num_inference_steps": 20,
    "guidance_scale": 3.0,
    "batch_size": 64,
}
GOLDEN_ID = "6b3fc1e2393db4fe"
"""The id of FIELDS. If this test fails, every published run of the world was renamed: raise
IDENTITY_VERSION only on purpose, and take the new id from the failing comparison."""


def config(**changes: object) -> RunConfig:
    return RunConfig(**{**FIELDS, **changes})


def test_golden_id() -> None:
    assert config().run_id == GOLDEN_ID


def test_fields_at_their_default_are_not_in_the_identity() -> None:
    explicit = config(eta=0.0, noise="torch-cpu", negative_prompt="", compiled=False, decoder="vae")
    assert explicit.run_id == config().run_id


@pytest.mark.parametrize(
    "change",
    [
        {"card_sha256": "cd" * 32},
        {"dtype": "float16"},
        {"height": 128},
        {"width": 128},
        {"scheduler": "DDPMScheduler"},
        {"scheduler_config": {"prediction_type": "v_prediction"}},
        {"num_inference_steps": 21},
        {"guidance_scale": 3.5},
        {"negative_prompt": "grey"},
        {"eta": 0.5},
        {"noise": "another"},
        {"intervention": {"name": "seed_scramble"}},
        {"intervention": {"name": "none", "parameters": {"x": 1}}},
        {"batch_size": 32},
        {"compiled": True},
        {"safety_checker": True},
        {"family_sha256": "ef" * 32},
    ],
)
def test_whatever_moves_a_pixel_renames_the_run(change: dict[str, object]) -> None:
    assert config(**change).run_id != config().run_id


def test_names_and_commits_do_not_rename_the_run() -> None:
    assert config(card="renamed", revision="abc").run_id == config().run_id


def test_own_intervention_counts_with_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    text = "from pipeline.interventions.base import Intervention\nclass Mine(Intervention): ...\n"
    found = []
    for number, extra in enumerate(("", "# changed\n")):
        (tmp_path / f"own_{number}.py").write_text(text + extra)
        chosen = InterventionConfig(name=f"own_{number}:Mine").with_source()
        found.append(config(intervention=chosen))
    sources = [run.identity()["intervention"]["source_sha256"] for run in found]
    assert sources[0] != sources[1]
    (tmp_path / "own_0.py").unlink()
    assert RunConfig(**found[0].model_dump()).run_id == found[0].run_id
