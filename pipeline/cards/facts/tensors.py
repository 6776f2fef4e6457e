"""Reads the names, dtypes and shapes of the tensors in safetensors files; no data, no torch.

A file of another kind is refused with the reason: nothing here ever opens a pickle.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from pipeline.errors import ModelError

PICKLES = (".ckpt", ".pt", ".pth", ".bin", ".pkl")
"""Endings of files that hold pickles."""


@dataclass(frozen=True)
class Tensor:
    """A tensor of a file, without its numbers.

    Attributes:
        dtype: Its name in the file, for example "F16".
        shape: Its shape.
    """

    dtype: str
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


def read_tensor_list(path: Path) -> dict[str, Tensor]:
    """List the tensors of a safetensors file by name.

    Args:
        path: The file.

    Raises:
        ModelError: If there is no such file, or it is a pickle, cut off, or of another kind.
    """
    refuse_pickle(path)
    try:
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            return {
                name: Tensor(str(part.get_dtype()), tuple(part.get_shape()))
                for name, part in slices.items()
            }
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{path} is no whole safetensors file ({error}): it is of another kind, or its "
            f"download stopped early; get it again and compare its size with the page's"
        ) from error


def refuse_pickle(path: Path) -> None:
    """Refuse a file that is missing, is a folder, or is a pickle, which can run code when opened.

    Raises:
        ModelError: If it is; for a pickle with the command that converts it without running code.
    """
    if not path.is_file():
        raise ModelError(f"{path} is {'a folder' if path.is_dir() else 'no file'}; wanted a file")
    with path.open("rb") as file:
        start = file.read(4)
    zipped, old_pickle = start == b"PK\x03\x04", start[:1] == b"\x80" and start[1:2] <= b"\x05"
    if zipped or old_pickle or path.suffix.lower() in PICKLES:
        raise ModelError(
            f"{path} is a pickle, which can run the code of whoever made it, so goldenseed does "
            f"not open it. Convert it once; this command builds tensors only and runs no code:\n  "
            f"{conversion_command(path)}"
        )


def conversion_command(path: Path) -> str:
    """Give a command that turns a pickle of tensors into safetensors without running its code.

    Args:
        path: The pickle.
    """
    target = path.with_suffix(".safetensors")
    code = (
        "import sys, torch; from safetensors.torch import save_file; "
        "d = torch.load(sys.argv[1], map_location='cpu', weights_only=True); "
        "d = d.get('state_dict', d); "
        "save_file({k: v.clone().contiguous() for k, v in d.items() if torch.is_tensor(v)}, "
        "sys.argv[2])"
    )
    return f'python -c "{code}" "{path}" "{target}"'
