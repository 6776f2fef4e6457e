"""Who may import whom: the import-linter contracts of pyproject.toml, kept and broken.

The contracts are checked on the project as it is, then on a copy in which one wrong line was added
for each of them: a contract that lets its line pass would be no rule.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PACKAGES = ("goldenseed", "pipeline", "analysis", "seedling")

# Contract -> a file, and a line that it must not hold.
WRONG = {
    "The command stands on the studies, the studies on the pipeline": (
        "pipeline/runs/grid.py",
        "from analysis.statistics import distances",
    ),
    "The rooms of pipeline": ("pipeline/storage/store.py", "import pipeline.runs.run"),
    "The rooms of analysis": (
        "analysis/statistics/nulls.py",
        "def f():\n    if True:\n        from analysis.cells import cells",
    ),
    "The rooms of seedling": ("seedling/world/specs.py", "import seedling.networks.model"),
    "The rooms of goldenseed": ("goldenseed/progress.py", "from goldenseed import cli"),
    "Analysis reads a run, it does not draw one": (
        "analysis/extraction/extract.py",
        "from pipeline.models import base",
    ),
    "The small models use the statistics of analysis, and nothing else of it": (
        "seedling/world/scenes.py",
        "from analysis.features import appearance",
    ),
    "A laptop plans a run and reads results without the libraries that draw": (
        "pipeline/runs/grid.py",
        "class A:\n    def f(self):\n        import torch.nn as nn",
    ),
    "Ray has one home": ("pipeline/executors/local.py", "def f():\n    import ray.util"),
    "Diffusers is for what draws": ("pipeline/drawing/stage/stage.py", "import diffusers.models"),
    "open_clip and EasyOCR are for features, and for training their small relatives": (
        "analysis/extraction/extract.py",
        "import open_clip",
    ),
    "Joblib has one home": ("analysis/statistics/nulls.py", "import joblib"),
    "The product imports neither its tests nor its benchmarks": (
        "goldenseed/cli.py",
        "from tests.conftest import root",
    ),
    "Nothing opens a pickle": ("pipeline/storage/manifest.py", "import pickle"),
    "Models share through their base": (
        "pipeline/models/glide.py",
        "from pipeline.models import stable_diffusion",
    ),
    "Interventions share through their base": (
        "pipeline/interventions/freeu.py",
        "import pipeline.interventions.none",
    ),
    "Executors share through their base": (
        "pipeline/executors/ray/executor.py",
        "from pipeline.executors.local import LocalExecutor",
    ),
    "Features share through their base and their networks": (
        "analysis/features/clip.py",
        "from analysis.features.hps import padded",
    ),
    "Metrics share through their base": (
        "analysis/metrics/kid.py",
        "from analysis.metrics.frechet import distance",
    ),
    "Studies share through their base and study_tools": (
        "analysis/studies/style.py",
        "from analysis.studies.golden import study",
    ),
    "Published artifacts share through their base": (
        "analysis/publish/sheet.py",
        "from analysis.publish.release.lists import rows",
    ),
}


def verdicts(folder: Path) -> dict[str, str]:
    """Check the contracts on the project in a folder; give KEPT or BROKEN by contract."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [linter, "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = re.findall(r"^(.*) (KEPT|BROKEN)(?: \(.*)?$", done.stdout, flags=re.MULTILINE)
    assert lines, done.stdout + done.stderr
    return dict(lines)


@pytest.fixture(scope="module")
def broken(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The verdicts on a copy of the project with every wrong line in it."""
    copy = tmp_path_factory.mktemp("project")
    shutil.copy(root / "pyproject.toml", copy)
    for package in PACKAGES:
        for path in (root / package).rglob("*.py"):
            target = copy / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    for path, line in WRONG.values():
        with (copy / path).open("a", encoding="utf-8") as file:
            file.write(f"\n\n{line}\n")
    return verdicts(copy)


def test_every_contract_is_kept(root: Path) -> None:
    assert [name for name, verdict in verdicts(root).items() if verdict != "KEPT"] == []


def test_every_contract_has_a_line_that_breaks_it(root: Path) -> None:
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    names = [contract["name"] for contract in settings["tool"]["importlinter"]["contracts"]]
    assert names == list(WRONG)


@pytest.mark.parametrize("contract", WRONG)
def test_a_wrong_line_breaks_its_contract(contract: str, broken: dict[str, str]) -> None:
    assert broken[contract] == "BROKEN"
