"""Sampling COCO's captions: fair, the same whatever the order, and every defect reported."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import PromptError
from pipeline.prompts.making.coco import sample_captions
from pipeline.prompts.making.sample import write_sample
from pipeline.prompts.prompt_sets import read_prompts

N = 60


def content() -> dict[str, Any]:
    images = [{"id": i, "file_name": f"{i:012}.jpg", "width": 640} for i in range(N)]
    captions = [
        {"id": 10 * i + k, "image_id": i, "caption": f"Scene {i}  told\nthe {k}th time. "}
        for i in range(N)
        for k in range(5)
    ]
    return {"info": {}, "images": images, "annotations": captions}


def saved(tmp_path: Path, data: object) -> tuple[Path, Path]:
    folder = tmp_path / "images"
    folder.mkdir(exist_ok=True)
    for i in range(N):
        (folder / f"{i:012}.jpg").touch()
    path = tmp_path / "captions.json"
    path.write_text(json.dumps(data))
    return path, folder


def test_one_caption_an_image_with_the_image_as_group(tmp_path: Path) -> None:
    prompts, report = sample_captions(*saved(tmp_path, content()), count=20)
    assert len({prompt.group for prompt in prompts}) == 20
    for prompt in prompts:
        number = prompt.group.removeprefix("coco:")
        assert prompt.text.startswith(f"Scene {number} told the ")
    assert (report.images, report.captions, report.prompts) == (N, 5 * N, 20)
    assert len({prompt.text.split(" the ")[1] for prompt in prompts}) > 1  # not always the first


def test_order_of_the_file_does_not_matter_and_samples_grow(tmp_path: Path) -> None:
    small, _ = sample_captions(*saved(tmp_path, content()), count=20)
    data, rng = content(), np.random.default_rng(0)
    for name in ("images", "annotations"):
        data[name] = [data[name][i] for i in rng.permutation(len(data[name]))]
    large, _ = sample_captions(*saved(tmp_path, data), count=40)
    assert large[:20] == small
    assert [p.group for p in small] != [f"coco:{i}" for i in range(20)]  # the naive sample
    out = tmp_path / "new" / "coco.jsonl"
    write_sample(out, small)
    write_sample(out, large)
    assert list(read_prompts(out).prompts) == large
    with pytest.raises(PromptError, match="not of this sample"):
        write_sample(out, small)


def test_what_cannot_be_used_is_counted(tmp_path: Path) -> None:
    data = content()
    data["images"].append(dict(data["images"][3]))
    data["annotations"].append(dict(data["annotations"][7]))
    data["annotations"][0]["caption"] = " \n"
    for caption in data["annotations"][5:10]:  # all five of image 1
        caption["caption"] = "\x00"
    for caption in data["annotations"][10:20]:  # images 2 and 3
        caption["caption"] = "The same."
    data["annotations"][-1] = dict(data["annotations"][-2])
    path, folder = saved(tmp_path, data)
    (folder / f"{9:012}.jpg").unlink()
    with pytest.raises(PromptError, match=r"60 prompts are wanted and 57 images .* 1 are not in"):
        sample_captions(path, folder, count=60)
    _, report = sample_captions(path, folder, count=57)
    assert report.unusable_captions == 6
    assert report.repeated == 2
    assert (report.without_picture, report.without_caption, report.same_text) == (1, 1, 1)


def without(name: str, key: str) -> Callable[[dict[str, Any]], None]:
    return lambda data: data[name][4].pop(key)


def twice(name: str, **changes: object) -> Callable[[dict[str, Any]], None]:
    return lambda data: data[name].append({**data[name][0], **changes})


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no images": (lambda data: data.pop("images"), "no list 'images'"),
    "no id": (without("images", "id"), r"images\[4\]: 'id': found no such key"),
    "no caption": (without("annotations", "caption"), r"annotations\[4\]: 'caption'"),
    "wrong type": (twice("images", id="7"), r"'id': found '7'; wanted int"),
    "other name": (twice("images", file_name="x.jpg"), "image 0 is there twice"),
    "other caption": (twice("annotations", caption="x"), "caption 0 is there twice"),
    "no such image": (twice("annotations", id=9999, image_id=777), "of image 777"),
    "no object": (lambda data: data["images"].insert(0, 3), r"images\[0\]: found int"),
}


@pytest.mark.parametrize(("spoil", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_refused_with_its_place(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], object], message: str
) -> None:
    data = content()
    spoil(data)
    with pytest.raises(PromptError, match=message):
        sample_captions(*saved(tmp_path, data), count=5)


def test_no_json_and_no_folder(tmp_path: Path) -> None:
    path, folder = saved(tmp_path, content())
    with pytest.raises(PromptError, match="is not a folder"):
        sample_captions(path, tmp_path / "nowhere", count=5)
    path.write_text('{"images": [')
    with pytest.raises(PromptError, match="cannot be read as JSON"):
        sample_captions(path, folder, count=5)
