"""Every file of a finished run: a changed byte, a cut, a swap, a deletion is found and named."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldenseed.commands import exit_codes
from goldenseed.steps.verify.run_folder import RunFolder
from pipeline.runs.layout import LOGS_FOLDER
from tests.goldenseed.conftest import Call
from tests.in_process import exit_code, run_recipe

RECIPE = """
card: seedling-mini
prompts: {source: seedling, count: 24}
seeds: {start: 0, count: 8}
tile: {seeds: 4, prompts: 24}
batch_size: 16
keep_latents: last
sampling: {num_inference_steps: 2}
features: [perceptual, appearance]
metrics: [kid_perceptual, brightness]
ranking: {metric: kid_perceptual}
"""

ANY_TEXT = ("token",)
"""Any text will do: every actor must find the same one. Its loss is found."""
MAY_BE_REMOVED = ("token", "canary.json", "manifests/*", "receipts/manifests/*")
"""Made again when they are missed. Changed bytes in them are found."""
DERIVED = ("ranking.json",)
"""Without it the run is not ranked yet, as `status` says. Changed bytes in it are found."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with images, latents, features, ranking, release and study. Do not change it."""
    run = run_recipe(tmp_path_factory.mktemp("finished"), RECIPE)
    assert exit_code("study", "quality", run, "--executor", "local") == 0
    return run


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def keys(run: Path) -> list[str]:
    """The files of a run; nothing depends on its logs, so no hash covers them."""
    files = [path.relative_to(run) for path in sorted(run.rglob("*")) if path.is_file()]
    return [file.as_posix() for file in files if file.parts[0] != LOGS_FOLDER]


def problems(run: Path) -> dict[str, str]:
    checked = RunFolder(run).check()
    return {file.name: file.problem for file in checked if file.problem}


def is_named(run: Path, key: str) -> bool:
    return any(key in name or key in problem for name, problem in problems(run).items())


def without(run: Path, *patterns: str) -> list[str]:
    return [key for key in keys(run) if not any(Path(key).match(p) for p in patterns)]


def positions(size: int) -> Iterator[int]:
    """The ends and some bytes between."""
    rng = random.Random(size)
    return iter({0, size - 1, *(rng.randrange(size) for _ in range(2))})


def test_an_untouched_run_has_no_problem(call: Call, finished: Path) -> None:
    kinds = {key.partition("/")[0] for key in keys(finished)}
    assert kinds == {
        "canary.json", "features", "grid", "images", "latents", "manifests", "per_seed.parquet",
        "ranking.json", "receipts", "recipe.json", "releases", "run.json", "studies", "token",
    }  # fmt: skip
    called = call("verify", finished)
    assert called.code == 0, called.out
    assert "as the hashes say" in called.out


def test_every_flipped_byte_is_named(run: Path) -> None:
    for key in without(run, *ANY_TEXT):
        path = run / key
        data = path.read_bytes()
        for position in positions(len(data)):
            path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
            assert is_named(run, key), (key, position, problems(run))
        path.write_bytes(data)
    assert problems(run) == {}


def test_every_cut_is_named(run: Path) -> None:
    for number, key in enumerate(without(run, *ANY_TEXT)):
        path = run / key
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2 if number % 2 else 0])
        assert is_named(run, key), key
        path.write_bytes(data)


def test_every_deletion_is_named(run: Path) -> None:
    for key in without(run, *MAY_BE_REMOVED[1:], *DERIVED):
        path = run / key
        data = path.read_bytes()
        path.unlink()
        assert is_named(run, key), (key, problems(run))
        path.write_bytes(data)


def test_every_swap_with_a_sibling_is_named(run: Path) -> None:
    swaps = 0
    for key in without(run, *ANY_TEXT):
        path = run / key
        data = path.read_bytes()
        siblings = [p for p in sorted(path.parent.parent.rglob(f"*{path.suffix}")) if p.is_file()]
        others = [p for p in siblings if p != path and p.read_bytes() != data]
        for other in others[:2]:
            kept = other.read_bytes()
            path.write_bytes(kept)
            other.write_bytes(data)
            assert is_named(run, key), (key, other, problems(run))
            path.write_bytes(data)
            other.write_bytes(kept)
            swaps += 1
    assert swaps > 20


def test_the_command_ends_with_4_and_names_the_file(call: Call, run: Path) -> None:
    for key in ("grid/0000.json", "run.json"):
        data = (run / key).read_bytes()
        (run / key).write_bytes(data[:50])
        called = call("verify", run)
        assert called.code == exit_codes.DAMAGED
        assert key in called.out
        assert "bring back a copy" in called.out
        assert call("publish", run).code == 2
        (run / key).write_bytes(data)
    assert call("verify", run).code == 0
