"""Conditions (pictures, rows of numbers): found by hash, checked before the first image is drawn.

A prompt names its image and its mask by the sha256 of their files, so a cell is the same cell
wherever the files lie. A prompt file keeps them in the folder `conditions` beside it, named by
their hash (`<sha256>.png`); a run copies them into its own folder, where every actor sees them.

A row of numbers, as a face recogniser gives, is a .npy file of one axis; it travels as a picture
of one row of float pixels (mode F), of which `numbers_of` makes numbers again.
"""

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.cards.card import Card
from pipeline.errors import ImageFileError, PromptError
from pipeline.prompts.image_files import decode_image_file
from pipeline.prompts.prompt import Prompt
from pipeline.storage.store import LocalStore

FOLDER = "conditions"
NPY = b"\x93NUMPY"
KEPT_DECODED = 256
"""Pictures whose pixels an actor keeps."""


class Conditions(Mapping[str, Image.Image]):
    """The pictures of a folder by the sha256 of their files, decoded when they are asked for.

    Args:
        folder: Holds files whose name without suffix is their sha256.

    Raises:
        PromptError: From a look-up, if there is no such file, it is not a picture, or its bytes
            are not those of the hash.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._decoded = lru_cache(KEPT_DECODED)(self._decode)

    def __getitem__(self, sha256: str) -> Image.Image:
        """The picture, RGB; numbers are one row of float pixels."""
        return self._decoded(sha256)

    def __iter__(self) -> Iterator[str]:
        return (path.stem for path in sorted(self.folder.glob("*")) if len(path.stem) == 64)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def read(self, sha256: str) -> bytes:
        """The file's bytes, checked against the hash."""
        found = sorted(self.folder.glob(f"{sha256}*"))
        if not found:
            raise PromptError(
                f"found no picture {sha256[:12]}... in {self.folder}; put it there as "
                f"{sha256[:12]}....png, named by the sha256 of its bytes"
            )
        data = found[0].read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise PromptError(f"{found[0]}: its bytes do not have the sha256 of its name")
        return data

    def _decode(self, sha256: str) -> Image.Image:
        data = self.read(sha256)
        try:
            return _read_numbers(data) if data.startswith(NPY) else decode_image_file(data).image
        except ImageFileError as error:
            raise PromptError(f"condition {sha256[:12]}... in {self.folder}: {error}") from error


def _read_numbers(data: bytes) -> Image.Image:
    try:
        found = np.load(io.BytesIO(data), allow_pickle=False)
        right = found.ndim == 1 and found.dtype.kind == "f" and bool(np.isfinite(found).all())
    except (ValueError, EOFError, OSError) as error:
        raise ImageFileError(f"a damaged .npy file: {error}") from error
    if not right or not found.any():
        raise ImageFileError(
            f"an array of {found.dtype} and shape {found.shape}; wanted one axis of finite floats "
            f"that are not all 0"
        )
    return Image.fromarray(found.astype(np.float32)[None])


def numbers_of(picture: Image.Image) -> npt.NDArray[np.float32]:
    """The numbers that a condition of kind `numbers` holds, shape (n,)."""
    numbers: npt.NDArray[np.float32] = np.array(picture, np.float32)[0]
    return numbers


def check_conditions(
    card: Card,
    prompts: Iterable[Prompt],
    pictures: Mapping[str, Image.Image],
    size: tuple[int, int],
) -> None:
    """Refuse cells that lack a condition of their card, have one too many, or of a wrong size.

    Where the card reads a prompt's text as a class number, the text must be one.

    Args:
        card: Says which conditions it needs.
        prompts: The run's.
        pictures: By sha256; each is looked up once.
        size: (width, height) of the run's images.

    Raises:
        PromptError: At the first prompt that cannot be drawn; names prompt, part and sizes.
    """
    right: set[tuple[str, str]] = set()
    lengths: dict[str, int] = {}
    labels = any("label" in stage.sources() for stage in card.stages)
    for prompt in prompts:
        if labels:
            class_number(prompt)
        for name, sha256 in (("image", prompt.image), ("mask", prompt.mask)):
            _check_presence(card, prompt, name, sha256)
            if sha256 is None or (name, sha256) in right:
                continue
            _check_kind(card, prompt, name, pictures[sha256])
            found = pictures[sha256].size
            _check_length(card, prompt, name, found[0], lengths)
            if (name, "same") in card.conditions.items() and found != size:
                raise PromptError(
                    f"prompt {prompt.text!r}: its {name} is {found[0]} x {found[1]} pixels; card "
                    f"{card.name} draws {size[0]} x {size[1]} and needs it in that size"
                )
            right.add((name, sha256))


def class_number(prompt: Prompt) -> int:
    """The class that a prompt's text names.

    Raises:
        PromptError: If the text is no whole number.

    Example:
        >>> class_number(Prompt("207"))
        207
    """
    if not prompt.text.isdecimal():
        raise PromptError(
            f"prompt {prompt.text!r} is no class number, which the card needs; write the number "
            f"of a class alone, as 207"
        )
    return int(prompt.text)


def _check_kind(card: Card, prompt: Prompt, name: str, found: Image.Image) -> None:
    wanted = card.conditions[name] == "numbers"  # type: ignore[index]
    if wanted != (found.mode == "F"):
        kinds = "a row of numbers (.npy)", "a picture"
        given, right = reversed(kinds) if wanted else kinds
        raise PromptError(
            f"prompt {prompt.text!r}: its {name} is {given}; card {card.name} needs {right}"
        )


def _check_length(
    card: Card, prompt: Prompt, name: str, found: int, lengths: dict[str, int]
) -> None:
    """One recogniser gives rows of one length."""
    if card.conditions[name] == "numbers" and lengths.setdefault(name, found) != found:  # type: ignore[index]
        raise PromptError(
            f"prompt {prompt.text!r}: its {name} is a row of {found} numbers, and an earlier "
            f"prompt's of {lengths[name]}; one recogniser gives one length"
        )


def _check_presence(card: Card, prompt: Prompt, name: str, sha256: str | None) -> None:
    wanted = name in card.conditions
    if wanted and sha256 is None:
        raise PromptError(
            f"prompt {prompt.text!r} has no {name}, which card {card.name} needs; give its sha256 "
            f"in the prompt file and its file in the folder {FOLDER} beside it"
        )
    if sha256 is not None and not wanted:
        raise PromptError(
            f"prompt {prompt.text!r} comes with {'an image' if name == 'image' else 'a mask'}, "
            f"and card {card.name} ({card.family}) takes none; leave this field out of the "
            f"prompt file"
        )


def bring_conditions(prompts: Iterable[Prompt], source: Path, store: LocalStore) -> None:
    """Copy the pictures of prompts into a run's folder; what is there stays.

    Args:
        prompts: The prompts.
        source: The folder `conditions` beside their file.
        store: The run's.

    Raises:
        PromptError: If a picture is missing or not the one of its hash.
    """
    there = Conditions(source)
    wanted = {sha256 for p in prompts for sha256 in (p.image, p.mask) if sha256}
    for sha256 in sorted(wanted - set(Conditions(store.root / FOLDER))):
        store.put_if_absent(f"{FOLDER}/{sha256}", there.read(sha256))
