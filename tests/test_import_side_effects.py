"""What imports really bring, each in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.interventions import INTERVENTIONS
from tests.goldenseed.conftest import RECIPE

ROOT = str(Path(__file__).parents[1])
PACKAGES = ("goldenseed", "pipeline", "analysis", "seedling")
HEAVY = ("torch", "diffusers", "transformers", "ray")
SLOW = (*HEAVY, "joblib", "matplotlib", "numpy", "polars", "pyarrow", "rich", "scipy", "sklearn")
"""Libraries that `--help` has no use for."""


def heavy_modules_after(imports: str, *, python_path: str = ROOT) -> list[str]:
    """Import in a fresh process; give the heavy libraries that came along."""
    return modules_after(f"import {imports}", HEAVY, python_path=python_path)


def modules_after(code: str, names: Sequence[str], *, python_path: str = ROOT) -> list[str]:
    """Run code in a fresh process; give those of some modules that it imported."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"{code}\nimport sys\nprint('', *sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": python_path},
    )
    return sorted(set(names) & set(done.stdout.rpartition("\n ")[2].split()))


def command_modules(*arguments: str, names: Sequence[str]) -> list[str]:
    """Call the command in a fresh process; give those of some modules that it imported."""
    code = f"""
import sys
from goldenseed.cli import main
sys.argv = {["goldenseed", *arguments]}
try:
    main()
except SystemExit as stop:
    assert stop.code == 0
"""
    return modules_after(code, names)


@pytest.mark.parametrize(
    "imports",
    [
        "pipeline.storage.schema, pipeline.runs.grid, pipeline.prompts.prompt_sets",
        "pipeline.settings.config, pipeline.runs.run, pipeline.storage.shards, pipeline.registry",
        "goldenseed, goldenseed.steps.plan, pipeline.runs.sampling",
        "pipeline.prompts.conditions",
        ", ".join(sorted(path.split(":")[0] for path in INTERVENTIONS.values())),
    ],
)
def test_planning_loads_no_heavy_library(imports: str) -> None:
    assert heavy_modules_after(imports) == []


def test_a_heavy_library_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("")
    (tmp_path / "innocent.py").write_text("def f():\n    pass\n\n\nimport torch\n")
    assert heavy_modules_after("innocent", python_path=str(tmp_path)) == ["torch"]


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]])
def test_help_loads_no_slow_library(arguments: list[str]) -> None:
    assert command_modules(*arguments, names=SLOW) == []


def test_a_plan_loads_no_heavy_library(tmp_path: Path) -> None:
    arguments = ("plan", "seedling", "--out", str(tmp_path))
    assert command_modules(*arguments, names=HEAVY) == []
    slow = command_modules(*arguments, names=[*SLOW, "scipy.stats", "scipy.linalg"])
    # The negative control of the help: a plan loads more than the help does.
    assert slow == ["numpy", "polars", "pyarrow", "rich", "scipy"]


def test_a_command_that_needs_a_heavy_library_loads_it(tmp_path: Path) -> None:
    """The negative control of the plan."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.replace("count: 40", "count: 1").replace("count: 8", "count: 1"))
    options = ("--out", str(tmp_path / "run"), "--executor", "local")
    assert "torch" in command_modules("generate", str(recipe), *options, names=HEAVY)


# A stranger's packages of the same names

ACTOR_SCRIPT = """
import pipeline
from pipeline.executors.base import make_executor
from pipeline.stage import Outcome, Resources

class Task:
    id = "one"

class Where:
    name = "where"
    resources = Resources(cpus=1)
    def setup(self): pass
    def run(self, task):
        import analysis, pipeline
        return Outcome(task.id, error=" ".join([analysis.__file__, pipeline.__file__]))

for outcome in make_executor("ray", 1).run(Where(), [Task()]):
    print(outcome.error)
"""


@pytest.fixture
def strangers(tmp_path: Path) -> Path:
    """A folder with packages that have our names and refuse to be imported."""
    for name in PACKAGES:
        package = tmp_path / name
        package.mkdir()
        (package / "__init__.py").write_text("raise SystemExit('a stranger was imported')\n")
    return tmp_path


def run_in(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, words)), cwd=folder, capture_output=True, text=True, timeout=200
    )


def test_the_command_runs_beside_a_strangers_packages(strangers: Path, command: Path) -> None:
    done = run_in(strangers, command, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert "0.1.0" in done.stdout


def test_the_packages_found_beside_a_strangers_are_ours(strangers: Path, root: Path) -> None:
    code = f"import {', '.join(PACKAGES)}; print({PACKAGES[1]}.__file__)"
    done = run_in(strangers, sys.executable, "-P", "-c", code)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(root)


def test_actors_beside_a_strangers_packages_import_ours(strangers: Path, root: Path) -> None:
    done = run_in(strangers, sys.executable, "-P", "-c", ACTOR_SCRIPT)
    assert done.returncode == 0, done.stderr
    found = [Path(word) for word in done.stdout.split()]
    assert found == [root / "analysis/__init__.py", root / "pipeline/__init__.py"]


def test_a_stranger_would_be_noticed(strangers: Path) -> None:
    done = run_in(strangers, sys.executable, "-c", "import analysis")
    assert done.returncode != 0
    assert "a stranger was imported" in done.stderr
