"""Makes prompts for inpainting from a folder of images, masks and names of masked objects.

    FOLDER/images/NAME.jpg      an image
    FOLDER/masks/NAME.png       white where the image is to be drawn again
    FOLDER/objects.json         {"NAME": "horse", ...}: the object under each mask

Each pair gives two prompts: one asks for the object to be removed, the other names it.
"""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pipeline.errors import ImageFileError, PromptError
from pipeline.prompts.conditions import FOLDER
from pipeline.prompts.image_files import crop_square, decode_image_file, list_image_files
from pipeline.prompts.making.sample import sample_order
from pipeline.prompts.prompt import Prompt
from pipeline.prompts.prompt_sets import write_prompts_jsonl
from pipeline.storage.local_store import LocalStore

REMOVAL = "clear background"
"""The prompt that asks for the object to be removed: Xu, Zhang and Shi 2024, arXiv:2405.14828."""
OBJECTS = "objects.json"


@dataclass(frozen=True)
class Pair:
    """An image with its mask, as PNG files of the size that a model draws.

    Attributes:
        name: Name of its files, without suffix.
        object: Name of the object under the mask.
        image: The image.
        mask: White where the image is drawn again.
    """

    name: str
    object: str
    image: bytes
    mask: bytes

    def prompts(self) -> list[Prompt]:
        """Make the prompts for removal and for completion."""
        fields = {
            "object": self.object,
            "image": hashlib.sha256(self.image).hexdigest(),
            "mask": hashlib.sha256(self.mask).hexdigest(),
        }
        return [Prompt(REMOVAL, **fields), Prompt(self.object, **fields)]


def read_pairs(folder: Path, *, size: int, count: int | None = None) -> list[Pair]:
    """Read the pairs of a folder.

    Args:
        folder: The folder; see the module's description.
        size: Pixels per side. Images and masks are cropped to their central square.
        count: Number of pairs, the first in the order of the hashes of their names, so that a
            larger sample contains each smaller one; all if None.

    Raises:
        ImageFileError: If an image or mask is missing or damaged, or if their sizes differ.
        PromptError: If `objects.json` is missing or does not name the object of each image.
    """
    names, _ = list_image_files(folder / "images")
    masks = {Path(name).stem: name for name in list_image_files(folder / "masks")[0]}
    objects = _read_objects(folder / OBJECTS)
    chosen = sorted(names, key=sample_order)[:count]
    if count is not None and len(chosen) < count:
        raise ImageFileError(f"{folder} holds {len(chosen):,} pairs and {count:,} are wanted")
    return [_pair(folder, name, masks, objects, size) for name in chosen]


def _read_objects(path: Path) -> Mapping[str, str]:
    try:
        objects = json.loads(path.read_bytes())
        return {str(name): str(thing) for name, thing in objects.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise PromptError(f'{path}: {error}; wanted JSON such as {{"NAME": "horse"}}') from error


def _pair(
    folder: Path, name: str, masks: Mapping[str, str], objects: Mapping[str, str], size: int
) -> Pair:
    stem = Path(name).stem
    if stem not in masks:
        raise ImageFileError(f"{folder / 'masks'} holds no mask {stem}.png for images/{name}")
    if not objects.get(stem):
        raise PromptError(f"{folder / OBJECTS} names no object for {stem}")
    image = decode_image_file((folder / "images" / name).read_bytes()).image
    mask = decode_image_file((folder / "masks" / masks[stem]).read_bytes()).image
    if image.size != mask.size:
        raise ImageFileError(
            f"images/{name} is {image.size[0]} x {image.size[1]} pixels, its mask "
            f"{mask.size[0]} x {mask.size[1]}; the two must have the same size"
        )
    hole = crop_square(mask, size).convert("L").point(lambda level: 255 if level >= 128 else 0)
    if hole.getextrema()[1] == 0:
        raise ImageFileError(
            f"masks/{masks[stem]} is black in its central square: there is nothing to draw"
        )
    return Pair(stem, objects[stem], _png(crop_square(image, size)), _png(hole.convert("RGB")))


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def write_pairs(path: Path, pairs: Sequence[Pair]) -> int:
    """Write the prompt file, and the images into the folder `conditions` next to it.

    Returns:
        The number of prompts in the file, including those that were already there.
    """
    store = LocalStore(path.absolute().parent)
    for pair in pairs:
        for data in (pair.image, pair.mask):
            store.put_if_absent(f"{FOLDER}/{hashlib.sha256(data).hexdigest()}.png", data)
    prompts = [prompt for pair in pairs for prompt in pair.prompts()]
    return len(write_prompts_jsonl(path, prompts))
