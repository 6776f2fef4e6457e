"""No credential gets into a file or a message, over a whole run with Ray's actors.

The credentials lie where their libraries look for them: in the environment and in the home folder.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

RECIPE = """
card: seedling-mini
prompts: {source: seedling, count: 4}
seeds: {start: 0, count: 2}
batch_size: 4
sampling: {num_inference_steps: 2}
features: [appearance]
metrics: [brightness]
"""
SECRETS = {
    "HF_TOKEN": "hf_PLANTEDabcdefghijklmnopqrstuvwx",
    "AWS_ACCESS_KEY_ID": "AKIAPLANTED2345ABCDE",
    "AWS_SECRET_ACCESS_KEY": "PLANTEDwJalrXUtnFEMI/K7MDENG/bPxRfiCY",
    "RAY_AUTH_TOKEN": "PLANTED0123456789abcdef0123456789abcdef",
    "GOLDENSEED_TEST_PASSWORD": "PLANTED-password-1",
}
HOME_FILES = {
    ".cache/huggingface/token": "hf_PLANTEDinthehomefolderabcdefgh",
    ".aws/credentials": "[default]\naws_secret_access_key = PLANTEDinthehomefolder\n",
    ".netrc": "machine example.org login me password PLANTEDnetrc\n",
}
MARK = b"PLANTED"
"""Part of each credential."""


class Done(NamedTuple):
    """What a run left: its folder, the folder of Ray's logs, and what it printed."""

    run: Path
    ray: Path
    printed: bytes


def holding(folder: Path) -> list[str]:
    """Files below a folder that hold a planted credential."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [str(path.relative_to(folder)) for path in files if MARK in path.read_bytes()]


def run_with_secrets(folder: Path, command: Path) -> Done:
    """Run a recipe with Ray in a home folder with credentials; everything lies below `folder`."""
    home, ray, run = folder / "home", folder / "ray", folder / "work" / "run"
    for name, text in HOME_FILES.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    ray.mkdir()
    run.parent.mkdir()
    (run.parent / "recipe.yaml").write_text(RECIPE)
    done = subprocess.run(
        [command, "--verbose", "run", "recipe.yaml", "--out", run, "--workers", "1"],
        cwd=run.parent,
        env={**os.environ, **SECRETS, "HOME": str(home), "RAY_TMPDIR": str(ray)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode()
    return Done(run, ray, done.stdout)


@pytest.fixture(scope="module")
def done(command: Path) -> Iterator[Done]:
    """The folder has a short name, because Ray's sockets lie below it."""
    with tempfile.TemporaryDirectory(prefix="gs", dir="/tmp", ignore_cleanup_errors=True) as name:
        yield run_with_secrets(Path(name), command)


def test_no_file_of_a_run_holds_a_credential(done: Done) -> None:
    assert (done.run / "images").is_dir()
    assert holding(done.run.parent) == []


def test_no_log_of_ray_and_no_message_holds_a_credential(done: Done) -> None:
    assert MARK not in done.printed
    assert [*done.ray.rglob("raylet.out")], "Ray's logs are elsewhere"
    assert holding(done.ray) == []


def test_a_credential_in_a_file_is_found(done: Done, tmp_path: Path) -> None:
    """The negative control, and that the credentials were where the run could have read them."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "log.jsonl").write_text(SECRETS["HF_TOKEN"])
    assert holding(tmp_path) == ["deep/log.jsonl"]
    assert sorted(holding(done.run.parents[1] / "home")) == sorted(HOME_FILES)
