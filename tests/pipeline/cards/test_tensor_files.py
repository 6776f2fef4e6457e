"""Tensors from files: both formats give the same, and what could run code is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from pipeline.cards.tensor_files import read_tensors
from pipeline.errors import ModelError

TENSORS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2).half()}


class Trap:
    """Unpickled without a guard, it makes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:  # noqa: ANN401 - pickle's own protocol
        return Path.touch, (self.target,)


def saved(folder: Path, content: object, name: str = "w.bin") -> Path:
    torch.save(content, folder / name)
    return folder / name


def test_both_formats_give_the_tensors_that_were_saved(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "w.safetensors")
    for path in (saved(tmp_path, TENSORS), tmp_path / "w.safetensors"):
        found = read_tensors(path)
        assert set(found) == set(TENSORS)
        for name, tensor in TENSORS.items():
            assert found[name].dtype == tensor.dtype
            assert torch.equal(found[name], tensor)


@pytest.mark.parametrize("name", ["w.bin", "w.safetensors"])
def test_a_damaged_file_is_refused(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, TENSORS)
    if name.endswith(".safetensors"):
        path = tmp_path / name
        save_file(TENSORS, path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ModelError, match=r"w\.\w+ cannot be read as tensors .* damaged"):
        read_tensors(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.bin cannot be read as tensors"):
        read_tensors(tmp_path / "gone.bin")


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    target = tmp_path / "touched"
    path = saved(tmp_path, {"a": Trap(target)})
    with pytest.raises(ModelError, match="could run code") as refusal:
        read_tensors(path)
    assert not target.exists()
    assert "weights_only" not in str(refusal.value)  # torch advises to switch the guard off
    torch.load(path, weights_only=False)  # without the guard the trap springs
    assert target.exists()


@pytest.mark.parametrize("content", [{"state_dict": TENSORS, "epoch": 3}, [torch.ones(1)]])
def test_more_than_tensors_by_name_is_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(ModelError, match="more than tensors by name"):
        read_tensors(saved(tmp_path, content))
