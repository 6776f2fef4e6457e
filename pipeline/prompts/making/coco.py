"""Makes prompts from the caption file of MS-COCO: one caption for each sampled image.

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
    """Counts from sampling captions.

    Attributes:
        images: Number of images in the file.
        captions: Number of captions in the file.
        repeated: Number of entries that repeat an earlier entry exactly; each entry counts once.
        unusable_captions: Number of captions that are empty or contain control characters.
        without_picture: Number of images whose file is not in the folder.
        without_caption: Number of images in the folder without a usable caption.
        same_text: Number of images skipped because an earlier image of the sample has the same
            caption.
        prompts: Number of sampled prompts.
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
    """Sample images by the hash of their ids, and for each image one caption by the hash of its id.

    A larger sample starts with each smaller one, and the order of the file does not matter.

    Args:
        path: The caption file, for example `captions_train2017.json`.
        folder: The images, without subfolders.
        count: Number of prompts.

    Returns:
        The prompts, each with its image as group ("coco:<image id>"), and a report.

    Raises:
        PromptError: If the file is not such JSON (the message names entry and key), if two entries
            contradict each other, if there is no such folder, or if too few images can be used.
    """
    content = _read(path)
    images, repeated_images = _images(path, content)
    captions, unusable, repeated_captions = _captions(path, content, images)
    if not folder.is_dir():
        raise PromptError(
            f"{folder} is not a folder; wanted the folder with the images of {path.name}"
        )
    names = {file.name for file in folder.iterdir()}
    present = sorted((key for key, name in images.items() if name in names), key=_image_order)
    with_caption = [_prompt(key, captions[key]) for key in present if key in captions]
    prompts, same = without_duplicates(with_caption)
    report = CocoReport(
        images=len(images),
        captions=len(content["annotations"]) - repeated_captions,
        repeated=repeated_images + repeated_captions,
        unusable_captions=unusable,
        without_picture=len(images) - len(present),
        without_caption=len(present) - len(with_caption),
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
    """Yield the values of some keys of each entry of a list, after checking their types."""
    for index, entry in enumerate(content[name]):
        where = f"{path}: {name}[{index}]"
        if not isinstance(entry, dict):
            raise PromptError(f"{where}: found {type(entry).__name__}; wanted an object")
        for key, wanted in keys.items():
            if type(entry.get(key)) is not wanted:
                value = repr(entry[key])[:60] if key in entry else "no such key"
                raise PromptError(f"{where}: {key!r}: found {value}; wanted {wanted.__name__}")
        yield tuple(entry[key] for key in keys)


def _images(path: Path, content: Mapping[str, Any]) -> tuple[dict[int, str], int]:
    """Give image id -> file name, and the number of repeated entries."""
    names: dict[int, str] = {}
    repeated = 0
    for image_id, name in _entries(path, content, "images", {"id": int, "file_name": str}):
        repeated += image_id in names
        if names.setdefault(image_id, name) != name:
            raise PromptError(
                f"{path}: image {image_id} is there twice, as {names[image_id]!r} and {name!r}; "
                f"remove one"
            )
    return names, repeated


def _captions(
    path: Path, content: Mapping[str, Any], images: Mapping[int, str]
) -> tuple[dict[int, dict[int, str]], int, int]:
    """Give image id -> caption id -> text, and the numbers of unusable and repeated captions."""
    keys = {"id": int, "image_id": int, "caption": str}
    seen: dict[int, tuple[int, str]] = {}
    usable: dict[int, dict[int, str]] = defaultdict(dict)
    unusable = repeated = 0
    for caption_id, image_id, caption in _entries(path, content, "annotations", keys):
        if caption_id in seen:
            _refuse_other(path, caption_id, seen[caption_id], (image_id, caption))
            repeated += 1
            continue
        seen[caption_id] = (image_id, caption)
        if image_id not in images:
            raise PromptError(
                f"{path}: caption {caption_id} is of image {image_id}, which is not "
                f"in `images`; add the image, or remove the caption"
            )
        text = " ".join(caption.split())
        if _usable(text):
            usable[image_id][caption_id] = text
        else:
            unusable += 1
    return dict(usable), unusable, repeated


def _refuse_other(path: Path, caption_id: int, first: object, second: object) -> None:
    if first != second:
        raise PromptError(
            f"{path}: caption {caption_id} is there twice, as {first} and {second}; remove one"
        )


def _usable(text: str) -> bool:
    try:
        Prompt(text)
    except PromptError:
        return False
    return True
