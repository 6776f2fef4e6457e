"""The examples of docs/extending.md work: in a copy of the project, as the page says.

Each fenced block with a title is a file, or a line in a table ("FILE, in TABLE"). They are written
into a copy; then the contract suites must find the new members and pass, and the recipes must run.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.reading import DOCS, ROOT, blocks

EXAMPLES = [(title, text) for title, text in blocks(DOCS / "extending.md") if title]
PARTS = ("goldenseed", "pipeline", "analysis", "seedling", "prompts", "tests")
NEW = {
    "feature": "sharpness", "metric": "sharpness", "study": "spread",
    "intervention": "mirror_noise", "artifact": "plain",
}  # fmt: skip
"""Suite -> the member that the page adds to its registry."""

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with everything that the page adds."""
    root = tmp_path_factory.mktemp("project")
    ignore = shutil.ignore_patterns("__pycache__", "weights")
    for part in PARTS:
        shutil.copytree(ROOT / part, root / part, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", root)
    (root / "seedling" / "weights").symlink_to(ROOT / "seedling" / "weights")
    for title, text in EXAMPLES:
        add(root, title, text)
    return root


def add(root: Path, title: str, text: str) -> None:
    """Write a file of the page, or put a line into a table."""
    name, _, table = title.partition(", in ")
    path = root / name
    if not table:
        assert not path.exists(), f"{name} exists already"
        path.write_text(text, encoding="utf-8")
        return
    whole = path.read_text(encoding="utf-8")
    grown, times = re.subn(
        rf"(^{table}\b[^=]*=[^{{]*{{\n)", rf"\g<1>    {text}", whole, count=1, flags=re.MULTILINE
    )
    assert times == 1, f"{name} has no table {table}"
    path.write_text(grown, encoding="utf-8")


def python(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the copy, with the copy's packages."""
    return subprocess.run(
        [sys.executable, *words],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(root)},
    )


def contracts(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run contract suites in the copy."""
    return python(root, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words)


def test_the_contract_suites_find_the_new_members_and_pass(copy: Path) -> None:
    suites = [f"tests/contracts/test_{name}_contract.py" for name in NEW]
    done = contracts(copy, *suites, "-rp", "-k", " or ".join(NEW.values()))
    assert done.returncode == 0, done.stdout[-4000:]
    for suite, member in NEW.items():
        passed = re.findall(rf"PASSED \S*test_{suite}_contract.py::\S*\b{member}\b", done.stdout)
        assert len(passed) >= 3, f"{suite}: {len(passed)} tests of {member}"


def test_the_intervention_works_or_is_refused_on_each_design(copy: Path) -> None:
    done = contracts(copy, "tests/contracts/test_intervention_families.py", "-k", "mirror_noise")
    assert done.returncode == 0, done.stdout[-4000:]


def test_a_missing_line_is_named(copy: Path) -> None:
    """The negative control of the tables: the suite says what is missing, as the page quotes it."""
    path = copy / "tests" / "contracts" / "test_feature_contract.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('    "sharpness": 0.0,\n', ""), encoding="utf-8")
    done = contracts(copy, "tests/contracts/test_feature_contract.py", "-k", "tolerance_is_stated")
    path.write_text(text, encoding="utf-8")
    assert done.returncode == 1
    assert "feature sharpness has no line in TOLERANCE" in done.stdout


@pytest.mark.parametrize(
    ("recipe", "files"),
    [
        ("my_study.yaml", ["ranking.json", "per_seed.parquet"]),
        ("my_first_run.yaml", ["per_seed.parquet"]),
        ("mirrored.yaml", ["mirrored/per_seed.parquet", "baseline/per_seed.parquet"]),
    ],
)
def test_the_recipes_run(copy: Path, recipe: str, files: list[str]) -> None:
    own = ["--allow-code"] if recipe == "my_study.yaml" else []
    done = python(copy, "-m", "goldenseed", "run", recipe, "--executor", "local", *own)
    assert done.returncode == 0, done.stderr
    for name in files:
        assert (copy / "runs" / recipe.removesuffix(".yaml") / name).is_file()


@pytest.mark.parametrize("study", ["spread", "my_studies:Spread"])
def test_the_study_runs_by_its_name_and_by_its_path(copy: Path, study: str) -> None:
    shutil.copy(copy / "analysis" / "studies" / "spread.py", copy / "my_studies.py")
    local = ("--executor", "local", "--allow-code")
    python(copy, "-m", "goldenseed", "run", "my_study.yaml", *local)
    own = ("--set", "metric=my_metrics:MeanSharpness", "--allow-code")
    done = python(copy, "-m", "goldenseed", "study", study, "runs/my_study", *own)
    assert done.returncode == 0, done.stderr
    assert "best and worst seed are" in done.stdout
    for name in ("seeds.parquet", "seeds.png", "summary.json"):
        assert (copy / "runs" / "my_study" / "studies" / "spread" / name).is_file()


def test_a_class_without_the_demanded_docstring_is_noticed(copy: Path) -> None:
    """The negative control: the suites judge what the page adds."""
    path = copy / "analysis" / "studies" / "spread.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("    Null: ", "    Chance: "), encoding="utf-8")
    done = contracts(copy, "tests/contracts/test_study_contract.py", "-k", "states and spread")
    path.write_text(text, encoding="utf-8")
    assert done.returncode == 1
    assert "the docstring of Spread states no Null" in done.stdout
