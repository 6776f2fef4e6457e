"""Prompts from the caption file of MS-COCO: one caption of each sampled image.

Format: https://cocodataset.org/#format-data, "Image Captioning": `images` with `id` and
`file_name`, `annotations` with `id`, `image_id` and `caption`.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import PromptError
from pipeline.prompts.making.sample import sample_order, without_duplicates
from pipeline.prompts.prompt import Prompt


@dataclass(frozen=True)
class CocoReport:
    """What sampling captions found.

    Attributes:
        images: Images in the file.
        captions: Captions in the file.
        repeated: Entries that stand in the file again, word for word; each counts once.
        unusable_captions: Captions that are empty or hold control characters.
        without_picture: Images whose file is not in the folder.
        without_caption: Images in the folder without a usable caption.
        same_text: Images passed over because an earlier one of the sample has the same caption.
        prompts: Prompts sampled.
    """

    images: int
    captions: int
    repeated: int
    unusable_captions: int
    without_picture: int
    without_caption: int
    same_text: int
    prompts: int

    def as_dict(self) -> dict[str, int]:
        """JSON-ready."""
        return asdict(self)


def sample_captions(path: Path, folder: Path, *, count: int) -> tuple[list[Prompt], CocoReport]:
    """Sample images by the hash of their id, and of each one caption by the hash of its id.

    A larger sample begins with a smaller one, whatever the order of the file.

    Args:
        path: The caption file, for example `captions_train2017.json`.
        folder: The images, without subfolders.
        count: Prompts wanted.

    Returns:
        The prompts, each with its image as group ("coco:<image id>"), and what was found.

    Raises:
        PromptError: If the file is no such JSON (the entry and the key are named), two entries
            contradict each other, the folder is none, or too few images can be used.
    """
    content = _read(path)
    images, again = _images(path, content)
    captions, unusable, more = _captions(path, content, images)
    if not folder.is_dir():
        raise PromptError(f"{folder} is no folder; wanted the one with the images of {path.name}")
    present = {file.name for file in folder.iterdir()}
    there = sorted((key for key, name in images.items() if name in present), key=_image_order)
    made = [_prompt(key, captions[key]) for key in there if key in captions]
    prompts, same = without_duplicates(made)
    report = CocoReport(
        images=len(images),
        captions=len(content["annotations"]) - more,
        repeated=again + more,
        unusable_captions=unusable,
        without_picture=len(images) - len(there),
        without_caption=len(there) - len(made),
        same_text=same,
        prompts=min(count, len(prompts)),
    )
    if len(prompts) < count:
        raise PromptError(
            f"{count:,} prompts are wanted and {len(prompts):,} images can be used: of "
            f"{len(images):,} in {path.name}, {report.without_picture:,} are not in {folder}, "
            f"{report.without_caption:,} have no usable caption, {same:,} share one"
        )
    return prompts[:count], report


def _image_order(image_id: int) -> str:
    return sample_order(f"coco image {image_id}")


def _prompt(image_id: int, captions: Mapping[int, str]) -> Prompt:
    chosen = min(captions, key=lambda key: sample_order(f"coco caption {key}"))
    return Prompt(captions[chosen], group=f"coco:{image_id}")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise PromptError(f"{path}: cannot be read as JSON: {error}") from error
    for name in ("images", "annotations"):
        if not isinstance(content, dict) or not isinstance(content.get(name), list):
            raise PromptError(
                f"{path}: found no list {name!r}; wanted COCO's caption file with the lists "
                f"'images' and 'annotations'"
            )
    entries: dict[str, Any] = content
    return entries


def _entries(path: Path, content: Mapping[str, Any], name: str, keys: Mapping[str, type]) -> (
    Iterator[tuple[Any, ...]]
):  # fmt: skip
    """The wanted values of every entry of a list, their types checked."""
    for place, entry in enumerate(content[name]):
        where = f"{path}: {name}[{place}]"
        if not isinstance(entry, dict):
            raise PromptError(f"{where}: found {type(entry).__name__}; wanted an object")
        for key, wanted in keys.items():
            if type(entry.get(key)) is not wanted:
                found = repr(entry[key])[:60] if key in entry else "no such key"
                raise PromptError(f"{where}: {key!r}: found {found}; wanted {wanted.__name__}")
        yield tuple(entry[key] for key in keys)


def _images(path: Path, content: Mapping[str, Any]) -> tuple[dict[int, str], int]:
    """Image id -> file name, and how many entries are there again."""
    found: dict[int, str] = {}
    again = 0
    for image_id, name in _entries(path, content, "images", {"id": int, "file_name": str}):
        again += image_id in found
        if found.setdefault(image_id, name) != name:
            raise PromptError(
                f"{path}: image {image_id} is there twice, as {found[image_id]!r} and {name!r}; "
                f"take one out"
            )
    return found, again


def _captions(
    path: Path, content: Mapping[str, Any], images: Mapping[int, str]
) -> tuple[dict[int, dict[int, str]], int, int]:
    """Image id -> caption id -> text; captions that cannot be used; entries there again."""
    keys = {"id": int, "image_id": int, "caption": str}
    seen: dict[int, tuple[int, str]] = {}
    found: dict[int, dict[int, str]] = defaultdict(dict)
    unusable = again = 0
    for own_id, image_id, caption in _entries(path, content, "annotations", keys):
        if own_id in seen:
            _refuse_other(path, own_id, seen[own_id], (image_id, caption))
            again += 1
            continue
        seen[own_id] = (image_id, caption)
        if image_id not in images:
            raise PromptError(
                f"{path}: caption {own_id} is of image {image_id}, which is not there"
            )
        text = " ".join(caption.split())
        if _usable(text):
            found[image_id][own_id] = text
        else:
            unusable += 1
    return dict(found), unusable, again


def _refuse_other(path: Path, own_id: int, first: object, second: object) -> None:
    if first != second:
        raise PromptError(f"{path}: caption {own_id} is there twice, as {first} and {second}")


def _usable(text: str) -> bool:
    try:
        Prompt(text)
    except PromptError:
        return False
    return True
