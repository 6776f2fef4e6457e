"""Finds the conditions of prompts by hash, and checks them before the first image is drawn.

A condition is an image, or a row of numbers. A prompt names its image and its mask by the sha256 of
their files, so a cell does not depend on where the files are. The files of a prompt file are in the
folder `conditions` next to it, named by their hash (`<sha256>.png`). A run copies them into its own
folder, where all actors see them.

A row of numbers, for example from a face recogniser, is a .npy file with one axis. It is passed on
as an image with one row of float pixels (mode F); `numbers_of` gives the numbers back.
"""

import hashlib
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from tokenize import TokenError

import numpy as np
import numpy.typing as npt
from PIL import Image

from pipeline.cards.card import Card
from pipeline.errors import ImageFileError, PromptError
from pipeline.prompts.image_files import decode_image_file
from pipeline.prompts.prompt import Prompt
from pipeline.storage.address import Place
from pipeline.storage.codec import UNDECODABLE
from pipeline.storage.open_store import store_at
from pipeline.storage.store import Store

FOLDER = "conditions"
NPY = b"\x93NUMPY"
KEPT_PIXELS = 2**26
"""Pixels of condition images that an actor keeps decoded: 256 images of 512 x 512."""


class Conditions(Mapping[str, Image.Image]):
    """The condition images of a folder, by the sha256 of their files; decoded when looked up.

    Args:
        folder: Holds files whose name without suffix is their sha256: a path, or an address.

    Raises:
        PromptError: From a look-up, if there is no such file, if it is not an image, or if its
            bytes do not have that hash.
    """

    def __init__(self, folder: Place) -> None:
        self.folder = folder
        self._store = store_at(folder)
        self._decoded: dict[str, Image.Image] = {}

    def __getitem__(self, sha256: str) -> Image.Image:
        """Decode an image, RGB; numbers are one row of float pixels."""
        image = self._decoded.pop(sha256, None) or self._decode(sha256)
        self._decoded[sha256] = image
        self._forget_oldest()
        return image

    def _forget_oldest(self) -> None:
        """Drop the images that were not looked up for longest, until the others are few enough."""
        sizes = {key: image.width * image.height for key, image in self._decoded.items()}
        total = sum(sizes.values())
        for key in list(sizes)[:-1]:
            if total <= KEPT_PIXELS:
                return
            del self._decoded[key]
            total -= sizes[key]

    def __iter__(self) -> Iterator[str]:
        stems = (PurePosixPath(key).stem for key in self._store.list("", "") if "/" not in key)
        return (stem for stem in stems if len(stem) == 64)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def read(self, sha256: str) -> bytes:
        """Read a file's bytes and check them against the hash."""
        key = self._key(sha256)
        data = self._store.read(key)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise PromptError(
                f"{self._store.where(key)}: its bytes do not have the sha256 of its name; replace "
                f"the file"
            )
        return data

    def _key(self, sha256: str) -> str:
        """Name a file: in a run by its hash alone, beside a prompt file often with a suffix."""
        if self._store.exists(sha256):
            return sha256
        for key in self._store.list("", ""):
            if key.startswith(sha256):
                return key
        raise PromptError(
            f"found no condition image {sha256[:12]}... in {self.folder}; put it there as "
            f"{sha256[:12]}....png, named by the sha256 of its bytes"
        )

    def _decode(self, sha256: str) -> Image.Image:
        data = self.read(sha256)
        try:
            return _read_numbers(data) if data.startswith(NPY) else decode_image_file(data).image
        except ImageFileError as error:
            raise PromptError(f"condition {sha256[:12]}... in {self.folder}: {error}") from error


def _read_numbers(data: bytes) -> Image.Image:
    try:
        _refuse_false_size(data)
        array = np.load(io.BytesIO(data), allow_pickle=False)
        valid = array.ndim == 1 and array.dtype.kind == "f" and bool(np.isfinite(array).all())
    except (*UNDECODABLE, MemoryError, TokenError) as error:  # numpy reads the header as Python
        raise ImageFileError(f"a damaged .npy file: {error}") from error
    if not valid or not array.any():
        raise ImageFileError(
            f"an array of {array.dtype} and shape {array.shape}; wanted one axis of finite floats "
            f"that are not all 0"
        )
    return Image.fromarray(array.astype(np.float32)[None])


def _refuse_false_size(data: bytes) -> None:
    """Refuse a file whose header promises more numbers than the file has bytes."""
    file = io.BytesIO(data)
    old = np.lib.format.read_magic(file) == (1, 0)
    read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
    shape, _, kind = read(file)
    if math.prod(shape) * kind.itemsize > len(data) - file.tell():
        raise ValueError(f"its header says shape {shape}, and it has {len(data):,} bytes")


def numbers_of(image: Image.Image) -> npt.NDArray[np.float32]:
    """Give the numbers of a condition of kind `numbers`, shape (n,)."""
    numbers: npt.NDArray[np.float32] = np.array(image, np.float32)[0]
    return numbers


def check_conditions(
    card: Card,
    prompts: Iterable[Prompt],
    condition_images: Mapping[str, Image.Image],
    size: tuple[int, int],
) -> None:
    """Refuse prompts with conditions that are missing, superfluous or of a wrong size.

    If the card reads a prompt's text as a class number, the text must be one.

    Args:
        card: Says which conditions it needs.
        prompts: The prompts of the run.
        condition_images: The condition images by sha256.
        size: (width, height) of the run's images.

    Raises:
        PromptError: At the first prompt that cannot be drawn; names prompt, part and sizes.
    """
    checked: set[tuple[str, str]] = set()
    lengths: dict[str, int] = {}
    labels = any("label" in stage.sources() for stage in card.stages)
    for prompt in prompts:
        if labels:
            class_number(prompt)
        for name, sha256 in (("image", prompt.image), ("mask", prompt.mask)):
            _check_presence(card, prompt, name, sha256)
            if sha256 is None or (name, sha256) in checked:
                continue
            image = condition_images[sha256]
            _check_kind(card, prompt, name, image)
            _check_length(card, prompt, name, image.width, lengths)
            if (name, "same") in card.conditions.items() and image.size != size:
                raise PromptError(
                    f"prompt {prompt.text!r}: its {name} is {image.width} x {image.height} pixels; "
                    f"card {card.name} draws {size[0]} x {size[1]} and needs it in that size"
                )
            checked.add((name, sha256))


def class_number(prompt: Prompt) -> int:
    """Read the class number that a prompt's text is.

    Raises:
        PromptError: If the text is not a whole number.

    Example:
        >>> class_number(Prompt("207"))
        207
    """
    if not prompt.text.isdecimal():
        raise PromptError(
            f"prompt {prompt.text!r} is not a class number, which the card needs; write only the "
            f"number of a class, for example 207"
        )
    return int(prompt.text)


def _check_kind(card: Card, prompt: Prompt, name: str, image: Image.Image) -> None:
    numbers = card.conditions[name] == "numbers"  # type: ignore[index]
    if numbers != (image.mode == "F"):
        kinds = "a row of numbers (.npy)", "an image"
        given, wanted = reversed(kinds) if numbers else kinds
        raise PromptError(
            f"prompt {prompt.text!r}: its {name} is {given}; card {card.name} needs {wanted}"
        )


def _check_length(
    card: Card, prompt: Prompt, name: str, length: int, lengths: dict[str, int]
) -> None:
    """Refuse rows of numbers of different lengths."""
    if card.conditions[name] == "numbers" and lengths.setdefault(name, length) != length:  # type: ignore[index]
        raise PromptError(
            f"prompt {prompt.text!r}: its {name} is a row of {length} numbers, and that of an "
            f"earlier prompt has {lengths[name]}; take all rows from one recogniser"
        )


def _check_presence(card: Card, prompt: Prompt, name: str, sha256: str | None) -> None:
    wanted = name in card.conditions
    if wanted and sha256 is None:
        raise PromptError(
            f"prompt {prompt.text!r} has no {name}, which card {card.name} needs; give its sha256 "
            f"in the prompt file and its file in the folder {FOLDER} next to it"
        )
    if sha256 is not None and not wanted:
        raise PromptError(
            f"prompt {prompt.text!r} comes with {'an image' if name == 'image' else 'a mask'}, "
            f"and card {card.name} ({card.family}) takes none; leave this field out of the "
            f"prompt file"
        )


def bring_conditions(prompts: Iterable[Prompt], source: Path, store: Store) -> None:
    """Copy the condition images of prompts into a run's folder; existing files stay.

    Args:
        prompts: The prompts.
        source: The folder `conditions` next to the prompt file.
        store: The run folder.

    Raises:
        PromptError: If an image is missing or does not have its hash.
    """
    conditions = Conditions(source)
    wanted = {sha256 for p in prompts for sha256 in (p.image, p.mask) if sha256}
    for sha256 in sorted(wanted - set(Conditions(store.root / FOLDER))):
        store.put_if_absent(f"{FOLDER}/{sha256}", conditions.read(sha256))
