"""No recipe, card, run folder or option imports a module outside goldenseed by itself.

The modules of this file leave a mark when they are imported. Without `--allow-code` each place that
takes a dotted path must refuse it with exit code 2, and leave no mark; with it, the mark is there.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.features import FEATURES
from pipeline import registry
from pipeline.errors import RegistryError
from tests.in_process import exit_code, run_recipe

RECIPE = """
card: seedling-mini
prompts: {source: seedling, count: 4}
seeds: {start: 0, count: 2}
batch_size: 4
sampling: {num_inference_steps: 2}
features: [appearance]
metrics: [brightness]
"""
CARD = """
family: PATH
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
RECIPES = {
    "feature": RECIPE.replace("[appearance]", "['PATH']"),
    "metric": RECIPE.replace("[brightness]", "['PATH']"),
    "metric of a ranking": RECIPE + "ranking: {metric: 'PATH'}\n",
    "metric with a card": RECIPE.replace("[brightness]", "['PATH@seedling']"),
    "intervention": RECIPE.replace("steps: 2}", "steps: 2, intervention: {name: 'PATH'}}"),
    "intervention of an arm": RECIPE + "arms: {a: {}, b: {intervention: {name: 'PATH'}}}\n",
    "model family": RECIPE.replace("seedling-mini", "card.yaml"),
}
"""What names a class in a recipe -> the recipe. PATH stands for the dotted path."""
CONTINUED = ("measure", "rank", "shares", "study", "status", "verify", "publish")


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A stranger's module on the Python path; the file that it makes when it is imported."""
    mark = tmp_path / "imported"
    text = f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n\n\nclass Mine:\n    pass\n"
    (tmp_path / "strangers_module.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_permission", {"code": False})
    yield mark
    sys.modules.pop("strangers_module", None)


def written(folder: Path, recipe: str, path: str) -> Path:
    (folder / "card.yaml").write_text(CARD.replace("PATH", path))
    (folder / "recipe.yaml").write_text(recipe.replace("PATH", path))
    return folder / "recipe.yaml"


@pytest.mark.parametrize("command", ["plan", "generate", "run"])
@pytest.mark.parametrize("what", RECIPES)
@pytest.mark.parametrize("path", ["strangers_module:Mine", "strangers_module.Mine"])
def test_a_recipe_imports_no_module_without_the_option(
    mark: Path, capsys: pytest.CaptureFixture[str], command: str, what: str, path: str
) -> None:
    recipe = written(mark.parent, RECIPES[what], path)
    executor = [] if command == "plan" else ["--executor", "local"]
    assert exit_code(command, recipe, "--out", "run", *executor) == 2
    assert not mark.exists()
    error = capsys.readouterr().err
    assert "is a class outside goldenseed" in error
    assert "--allow-code" in error


@pytest.mark.parametrize("what", ["feature", "metric", "intervention", "model family"])
def test_a_search_imports_no_module_either(mark: Path, what: str) -> None:
    text = RECIPES[what] + "ranking: {metric: brightness}\n"
    recipe = written(mark.parent, text, "strangers_module:Mine")
    assert exit_code("search", recipe, "--out", "run", "--executor", "local") == 2
    assert not mark.exists()


@pytest.mark.parametrize("what", RECIPES)
def test_with_the_option_the_module_is_imported(mark: Path, what: str) -> None:
    """The negative control. The class is of no use, so the command is refused afterwards."""
    recipe = written(mark.parent, RECIPES[what], "strangers_module:Mine")
    local = ("--executor", "local", "--allow-code")
    assert exit_code("generate", recipe, "--out", "run", *local) == 2
    assert mark.exists()


@pytest.mark.parametrize(
    "words",
    [
        ("generate", "recipe.yaml", "--executor", "strangers_module:Mine"),
        ("generate", "recipe.yaml", "--executor", "subprocess:Popen"),
        ("generate", "recipe.yaml", "--executor", "os.system"),
        ("reference", "build", ".", "--feature", "strangers_module:Mine", "--out", "a.safetensors"),
    ],
)
def test_an_option_imports_no_module_either(
    mark: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    written(mark.parent, RECIPE, "strangers_module:Mine")
    assert exit_code(*words) == 2
    assert not mark.exists()
    assert "is a class outside goldenseed" in capsys.readouterr().err


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_recipe(tmp_path_factory.mktemp("finished"), RECIPE)


@pytest.mark.parametrize("command", CONTINUED)
def test_a_run_folder_imports_no_module_without_the_option(
    mark: Path, finished: Path, command: str
) -> None:
    """A folder that a stranger changed: it names a module wherever a folder can."""
    run = Path(shutil.copytree(finished, mark.parent / "run"))
    path = "strangers_module:Mine"
    text = (run / "recipe.json").read_text()
    text = text.replace('"appearance"', f'"{path}"').replace('"brightness"', f'"{path}"')
    ranking = f'"ranking": {{"metric": "{path}"}}'
    (run / "recipe.json").write_text(text.replace('"ranking": null', ranking))
    identity = (run / "run.json").read_text()
    (run / "run.json").write_text(identity.replace('"stable_diffusion"', f'"{path}"'))
    study = [path] if command == "study" else []
    code = exit_code(command, *study, run)
    assert not mark.exists()
    assert code == 2 or command in ("status", "verify")


def test_a_registered_class_may_be_written_by_its_path(mark: Path) -> None:
    path = FEATURES["appearance"]
    assert registry.load(FEATURES, path, "feature").__name__ == "Appearance"
    with pytest.raises(RegistryError, match="is a class outside goldenseed"):
        registry.load(FEATURES, "analysis.features.base:Feature", "feature")
    assert not mark.exists()


def test_no_permission_is_taken_back(mark: Path) -> None:
    registry.allow_code(allowed=False)
    assert not registry.code_allowed()
    registry.allow_code()
    registry.allow_code(allowed=False)
    assert registry.code_allowed()
    assert registry.load({}, "strangers_module:Mine", "map").__name__ == "Mine"
    assert mark.exists()
