"""What every intervention class is asked: which hooks it has, and that none has an old name."""

from pathlib import Path

import pytest

from pipeline.errors import RegistryError
from pipeline.interventions import INTERVENTIONS
from pipeline.interventions.base import RENAMED_HOOKS, Intervention
from pipeline.registry import load
from pipeline.runs.sampling import make_intervention
from pipeline.settings.config import InterventionConfig
from tests.in_process import exit_code

HOOKS = {
    "none": set(),
    "freeu": {"prepare", "restore"},
    "seed_plant": {"pixels"},
    "seed_scramble": {"noise_seeds"},
    "seed_swap": {"check", "starting_noise", "step_generators", "call_kwargs"},
    "stage_seed": {"check", "stage_generators"},
}
"""Intervention -> the hooks that it has."""


@pytest.mark.parametrize("name", HOOKS)
def test_an_intervention_changes_the_hooks_that_its_class_defines(name: str) -> None:
    kind = load(INTERVENTIONS, name, "intervention", base=Intervention)
    hooks = [hook for hook in vars(Intervention) if not hook.startswith("_")]
    made = kind.__new__(kind)
    assert {hook for hook in hooks if callable(getattr(kind, hook)) and made.changes(hook)} == (
        HOOKS[name]
    )


def test_a_hook_that_does_not_exist_is_a_defect() -> None:
    with pytest.raises(AttributeError):
        Intervention({}).changes("pixel")


@pytest.mark.parametrize(("old", "new"), RENAMED_HOOKS.items())
def test_an_old_hook_is_refused_by_its_new_name(
    old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    text = "from pipeline.interventions.base import Intervention\n"
    text += f"class Mine(Intervention):\n    def {old}(self, given, batch):\n        return given\n"
    (tmp_path / f"with_{old}.py").write_text(text)
    with pytest.raises(RegistryError, match=rf"with_{old}:Mine defines the hook `{old}`.*`{new}`"):
        make_intervention(InterventionConfig(name=f"with_{old}:Mine"))
    (tmp_path / f"with_{new}.py").write_text(text.replace(f"def {old}", f"def {new}"))
    assert make_intervention(InterventionConfig(name=f"with_{new}:Mine")).changes(new)


def test_a_plan_refuses_an_old_hook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    text = "from pipeline.interventions.base import Intervention\n"
    text += "class Mine(Intervention):\n    def latents(self, noise, batch): ...\n"
    (tmp_path / "planned_hook.py").write_text(text)
    (tmp_path / "own.yaml").write_text(
        "card: seedling-mini\nprompts: {source: seedling, count: 4}\nseeds: {count: 2}\n"
        "sampling: {intervention: {name: 'planned_hook:Mine'}}\n"
    )
    assert exit_code("plan", tmp_path / "own.yaml", "--out", tmp_path / "run") == 2
    assert "`latents`, which is called `starting_noise` now" in capsys.readouterr().err
