"""Prompts for inpainting from a folder of pictures, their masks and the names of what they hide.

    FOLDER/images/NAME.jpg      a picture
    FOLDER/masks/NAME.png       white where it is to be drawn anew
    FOLDER/objects.json         {"NAME": "horse", ...}: what lies under the mask

Every pair gives two prompts: one that asks for the object to be gone, one that names it.
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
from pipeline.storage.store import LocalStore

REMOVAL = "clear background"
"""The prompt that asks for the object to be gone: Xu, Zhang and Shi 2024, arXiv:2405.14828."""
OBJECTS = "objects.json"


@dataclass(frozen=True)
class Pair:
    """A picture with what is to be drawn anew, as PNG of the size a model draws.

    Attributes:
        name: Of its files.
        object: What lies under the mask.
        image: The picture.
        mask: White where it is drawn anew.
    """

    name: str
    object: str
    image: bytes
    mask: bytes

    def prompts(self) -> list[Prompt]:
        """Removal and completion."""
        both = {
            "object": self.object,
            "image": hashlib.sha256(self.image).hexdigest(),
            "mask": hashlib.sha256(self.mask).hexdigest(),
        }
        return [Prompt(REMOVAL, **both), Prompt(self.object, **both)]


def read_pairs(folder: Path, *, size: int, count: int | None = None) -> list[Pair]:
    """Read the pairs of a folder.

    Args:
        folder: See above.
        size: Pixels a side; pictures are cut to their middle square, masks alike.
        count: Pairs, the first in the order of the hash of their names, so that a larger number
            only adds to a smaller one; all if None.

    Raises:
        ImageFileError: If a picture or mask is missing, damaged, or the two are not of one size.
        PromptError: If `objects.json` is missing or does not name an object of every picture.
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
        found = json.loads(path.read_bytes())
        return {str(name): str(thing) for name, thing in found.items()}
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
            f"{mask.size[0]} x {mask.size[1]}; the two must be of one size"
        )
    hole = crop_square(mask, size).convert("L").point(lambda level: 255 if level >= 128 else 0)
    if hole.getextrema()[1] == 0:
        raise ImageFileError(f"masks/{masks[stem]} is black in its middle square: nothing to draw")
    return Pair(stem, objects[stem], _png(crop_square(image, size)), _png(hole.convert("RGB")))


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def write_pairs(path: Path, pairs: Sequence[Pair]) -> int:
    """Write the prompt file, and the pictures into the folder `conditions` beside it.

    Returns:
        Prompts in the file; what was there stays.
    """
    store = LocalStore(path.absolute().parent)
    for pair in pairs:
        for data in (pair.image, pair.mask):
            store.put_if_absent(f"{FOLDER}/{hashlib.sha256(data).hexdigest()}.png", data)
    prompts = [prompt for pair in pairs for prompt in pair.prompts()]
    return len(write_prompts_jsonl(path, prompts))
