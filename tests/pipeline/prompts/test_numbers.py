"""A file of numbers whose header promises more than the file has is refused before it is read."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import PromptError
from pipeline.prompts.conditions import Conditions, numbers_of


def stored(folder: Path, data: bytes) -> str:
    name = hashlib.sha256(data).hexdigest()
    (folder / f"{name}.npy").write_bytes(data)
    return name


def saved(version: tuple[int, int]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.arange(1, 5, dtype=np.float32), version)
    return file.getvalue()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_a_file_of_numbers_is_read(tmp_path: Path, version: tuple[int, int]) -> None:
    name = stored(tmp_path, saved(version))
    assert numbers_of(Conditions(tmp_path)[name]).tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("count", [5, 10**9, 10**12, 10**18])
@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
def test_a_false_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int], count: int
) -> None:
    file = io.BytesIO()
    old = version == (1, 0)
    write = np.lib.format.write_array_header_1_0 if old else np.lib.format.write_array_header_2_0
    write(file, {"descr": "<f4", "fortran_order": False, "shape": (count,)})
    name = stored(tmp_path, file.getvalue() + saved(version)[-16:])
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("it was read"))
    with pytest.raises(PromptError, match=f"its header says shape .{count},"):
        Conditions(tmp_path)[name]
