"""Pairs of image and mask with planted writing, and a reader that needs no network."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analysis.features.base import Batch, Columns, Feature
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from pipeline.storage.schema import Column
from tests.analysis import synthetic
from tests.analysis.studies.planted_run import ordered_prompts, write_feature

READER = "tests.analysis.studies.planted_pairs:Reader"
CLEAR = "clear background"
WHERE = [[18, 18], [46, 18], [46, 30], [18, 30]]
"""A box inside the mask."""
ELSEWHERE = [[0, 0], [30, 0], [30, 8], [0, 8]]
"""A box outside of it."""
NAMES = ("horse", "bicycle", "umbrella", "sandwich", "table", "guitar", "laptop", "banana")


class Reader(Feature):
    """Reads EXIT where a picture's middle is white, and calls half of the mask text."""

    name: ClassVar[str] = "reader"
    code_version: ClassVar[int] = 1

    @property
    def columns(self) -> tuple[Column, ...]:
        return (
            Column("words", pa.string(), "Words, as `ocr` writes them."),
            Column("words_count", pa.float32(), "How many.", "words"),
            Column("mask_text_share", pa.float32(), "Of the mask.", "0..1", may_be_nan=True),
        )

    def extract(self, batch: Batch) -> Columns:
        white = batch.images[:, 24, 32].min(axis=1) == 255
        words = [as_json(["EXIT"] if found else []) for found in white]
        return {
            "words": np.array(words, dtype=object),
            "words_count": white.astype(np.float32),
            "mask_text_share": white.astype(np.float32) / 2,
        }


def as_json(texts: Sequence[str], *, inside: bool = True, confidence: float = 0.9) -> str:
    box = WHERE if inside else ELSEWHERE
    return json.dumps([{"text": t, "confidence": confidence, "box": box} for t in texts])


def picture(number: int, *, white: bool) -> bytes:
    pixels = np.full((synthetic.SIZE, synthetic.SIZE, 3), 40 + number % 150, np.uint8)
    pixels[:3, : 1 + number // 150] = 90
    if white:
        pixels[20:28, 28:36] = 255
    return synthetic.png(pixels)


def mask() -> bytes:
    pixels = np.zeros((synthetic.SIZE, synthetic.SIZE, 3), np.uint8)
    pixels[14:50, 14:50] = 255
    return synthetic.png(pixels)


def make_pairs(count: int, *, white: int = 0) -> tuple[list[Prompt], dict[str, bytes]]:
    """Two prompts a pair, and the pictures by their sha256; every `white`-th has words in it."""
    files, prompts = {sha256(mask()): mask()}, []
    for number in range(count):
        data = picture(number, white=bool(white) and number % white == 0)
        files[sha256(data)] = data
        thing = NAMES[number % len(NAMES)]
        both = {"object": thing, "image": sha256(data), "mask": sha256(mask())}
        prompts += [Prompt(CLEAR, **both), Prompt(thing, **both)]
    return prompts, files


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def store_pictures(run: Run, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        run.store.put_if_absent(f"conditions/{name}.png", data)


Write = Callable[[Sequence[Prompt], int], NDArray[np.object_]]
"""Gives the words of every cell as JSON: shape (S, P), prompts as `ordered_prompts` has them."""


def run_of_pairs(path: Path, write: Write, *, seeds: int, count: int, white: int = 0) -> Run:
    """A run of pairs alone, in whose cells words are planted."""
    run = synthetic.start(
        path, seeds=range(seeds), n_prompts=0, tile=(16, 40), features=[READER], ranking=None
    )
    prompts, files = make_pairs(count, white=white)
    store_pictures(run, files)
    run.grow(range(seeds), prompts)
    texts = write(ordered_prompts(run), seeds)
    write_feature(run, READER, columns_of(texts))
    return run


def columns_of(texts: NDArray[np.object_]) -> dict[str, NDArray[Any]]:
    """The reader's columns for planted words: text covers 0.25 of the mask where one is inside."""
    inside = [json.dumps(WHERE) in str(text) for text in texts.flat]
    shares = np.reshape(inside, texts.shape) * 0.25
    return {"words": texts, "words_count": np.zeros(texts.shape), "mask_text_share": shares}
