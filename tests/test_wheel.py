"""What a wheel holds: each file that is not code, so that commands find it outside a checkout."""

import os
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from setuptools import Distribution
from setuptools.config.pyprojecttoml import apply_configuration

PACKAGES = ("goldenseed", "pipeline", "analysis", "seedling", "prompts", "lists")


def data_files(change: Callable[[Distribution], None] = lambda _: None) -> set[str]:
    """List the files that setuptools copies beside the code, as pyproject.toml has it."""
    distribution = Distribution()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # setuptools' own
        apply_configuration(distribution, "pyproject.toml")
    change(distribution)
    command = distribution.get_command_obj("build_py")
    command.ensure_finalized()
    command.manifest_files = {}  # no MANIFEST.in, and nothing is written to find that out
    return {
        os.path.normpath(file)
        for package in distribution.packages
        for file in command.find_data_files(package, command.get_package_dir(package))
    }


@pytest.fixture(scope="module")
def tracked(root: Path) -> set[str]:
    done = subprocess.run(
        ["git", "ls-files", "-z", *PACKAGES], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("this folder is no git checkout, so what belongs to it is not known")
    return {file for file in done.stdout.split("\0") if file and not file.endswith(".py")}


def test_each_file_that_is_not_code_is_in_the_wheel(
    root: Path, tracked: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    assert tracked - data_files() == set()
    assert "lists/showcase-turbo-v1/golden_seeds.json" in tracked

    def without_lists(distribution: Distribution) -> None:
        distribution.packages.remove("lists")

    missing = tracked - data_files(without_lists)
    assert {file.split("/")[0] for file in missing} == {"lists"}
