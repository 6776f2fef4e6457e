"""Write a comparison: the page that raters get, and beside it the key that they do not get."""

import io
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from analysis.cells.image_values import image_metrics, image_values
from analysis.extraction.images import read_images
from analysis.publish.compare.key import KEY_FILE, Key, KeyPair
from analysis.publish.compare.sides import Pair, Side, cells_of, choose_pairs
from analysis.publish.compare.votes import LONGEST_NAME, QUESTIONS, VOTES_FORMAT
from analysis.publish.pages import Page, visible, write_page
from analysis.statistics.arrays import Floats
from pipeline.errors import ConfigError, RunError, StoreError
from pipeline.prompts.prompt import Prompt
from pipeline.stage import Uint8Images

HERE = Path(__file__).parent
PAGE, IMAGES = "page", "images"
MOST_PAIRS = 2_000
"""Pairs of a page, at most: hours of work for a rater."""
READ_PAIRS = 32
"""Pairs whose pixels are in memory at once."""
POSITIONS = ("left", "right")


@dataclass(frozen=True)
class Comparison:
    """A comparison that was written.

    Attributes:
        page: The page for raters, `index.html`; its folder is all that they need.
        key: The file that says which side each image is of.
        sides: Names of the sides.
        pairs: Number of pairs.
        prompts: Number of prompts that they are of.
        bytes: Bytes of the folder of the page.
    """

    page: Path
    key: Path
    sides: tuple[str, str]
    pairs: int
    prompts: int
    bytes: int


def write_comparison(sides: tuple[Side, Side], count: int, folder: Path) -> Comparison:
    """Write a page that compares two sides without saying which is which.

    Args:
        sides: The sides.
        count: Number of pairs, 1 to `MOST_PAIRS`. Pairs without both images are left out.
        folder: A new or empty folder: votes need the key of their page, so none is replaced.

    Raises:
        ConfigError: If `count` is out of range.
        RunError: If the folder holds anything, or no pair has both images.
        StoreError: If the folder cannot be written.
    """
    if not 1 <= count <= MOST_PAIRS:
        raise ConfigError(f"{count} pairs are wanted; give 1 to {MOST_PAIRS:,}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(
            f"{folder} exists, and votes need the key of their page: give a new folder with --out"
        )
    salt = secrets.token_hex(16)
    rng = np.random.default_rng(int(salt, 16))
    pairs, images = _with_images(sides, choose_pairs(sides, count, rng))
    lefts = [int(side) for side in rng.integers(0, 2, len(pairs))]
    key = _key(sides, pairs, lefts, salt)
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        size = _write(aside, key, pairs, images)
        if folder.exists():
            folder.rmdir()
        aside.rename(folder)
    except OSError as error:
        with suppress(OSError):
            shutil.rmtree(aside)
        raise StoreError(f"{folder} cannot be written: {os.strerror(error.errno or 0)}") from error
    names = (sides[0].name, sides[1].name)
    prompts = len({pair.prompt.id for pair in pairs})
    page = folder / PAGE / "index.html"
    return Comparison(page, folder / KEY_FILE, names, len(pairs), prompts, size)


def _with_images(
    sides: tuple[Side, Side], pairs: Sequence[Pair]
) -> tuple[list[Pair], list[tuple[bytes, bytes]]]:
    """Read and encode the images of pairs, and leave out pairs that lack one."""
    kept, images = [], []
    for start in range(0, len(pairs), READ_PAIRS):
        part = pairs[start : start + READ_PAIRS]
        first, second = (
            read_images(side.run, [*cells_of(part, index)]) for index, side in enumerate(sides)
        )
        for pair, one, two in zip(part, cells_of(part, 0), cells_of(part, 1), strict=True):
            if one in first and two in second:
                kept.append(pair)
                images.append((_encode(first[one]), _encode(second[two])))
    if not kept:
        raise RunError(
            f"{sides[0].run.root}: no pair of images is drawn and kept; repeat the command that "
            f"began the run"
        )
    return kept, images


def _key(sides: tuple[Side, Side], pairs: Sequence[Pair], lefts: Sequence[int], salt: str) -> Key:
    ranking = sides[0].run.recipe.ranking
    lists = sides[0].run.root == sides[1].run.root
    scores, higher = _scores(sides, pairs)
    return Key(
        sides=(sides[0].name, sides[1].name),
        runs=(sides[0].run.run_id, sides[1].run.run_id),
        ranked_by=ranking.metric if ranking and lists else "",
        higher=higher,
        salt=salt,
        pairs=tuple(
            KeyPair(pair.prompt.id, pair.prompt.group, pair.seeds, left, of_pair)
            for pair, left, of_pair in zip(pairs, lefts, scores, strict=True)
        ),
    )


def _scores(
    sides: tuple[Side, Side], pairs: Sequence[Pair]
) -> tuple[list[dict[str, tuple[float, float]]], dict[str, bool]]:
    """The values of the pairs' images by each metric that says which image is better."""
    scores: list[dict[str, tuple[float, float]]] = [{} for _ in pairs]
    higher: dict[str, bool] = {}
    for metric in image_metrics(sides[0].run):
        if metric.higher_is_better is None:
            continue
        tables = [image_values(side.run, metric, *_axes(pairs, i)) for i, side in enumerate(sides)]
        if tables[0] is None or tables[1] is None:
            continue
        higher[metric.name] = metric.higher_is_better
        values = [_of_pairs(table, pairs, i) for i, table in enumerate(tables) if table is not None]
        for of_pair, first, second in zip(scores, *values, strict=True):
            if np.isfinite([first, second]).all():
                of_pair[metric.name] = (first, second)
    return scores, higher


def _axes(pairs: Sequence[Pair], side: int) -> tuple[list[int], list[str]]:
    """The seeds and the prompts of one side, each once."""
    seeds = sorted({pair.seeds[side] for pair in pairs})
    return seeds, sorted({pair.prompt.id for pair in pairs})


def _of_pairs(table: Floats, pairs: Sequence[Pair], side: int) -> list[float]:
    seeds, prompts = _axes(pairs, side)
    return [
        float(table[seeds.index(pair.seeds[side]), prompts.index(pair.prompt.id)]) for pair in pairs
    ]


def _write(
    folder: Path,
    key: Key,
    pairs: Sequence[Pair],
    images: Sequence[tuple[bytes, bytes]],
) -> int:
    """Write the files; return the bytes of the page's folder."""
    shown = folder / PAGE / IMAGES
    shown.mkdir(parents=True)
    size = 0
    for number, (of_key, both) in enumerate(zip(key.pairs, images, strict=True)):
        for position, side in zip(POSITIONS, (of_key.left, 1 - of_key.left), strict=True):
            (shown / image_name(number, position)).write_bytes(both[side])
            size += len(both[side])
    (folder / KEY_FILE).write_text(key.to_json(), "utf-8")
    return size + write_page(folder / PAGE / "index.html", _page(key, [p.prompt for p in pairs]))


def image_name(pair: int, position: str) -> str:
    """Name of an image of the page: it says where it is shown and nothing else.

    Example:
        >>> image_name(7, "left")
        '0007-left.webp'
    """
    return f"{pair:04d}-{position}.webp"


def _encode(pixels: Uint8Images) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=True, method=4)
    return buffer.getvalue()


def _page(key: Key, prompts: Sequence[Prompt]) -> Page:
    data: Mapping[str, object] = {
        "page": {"id": key.page, "format": VOTES_FORMAT, "questions": QUESTIONS},
        "prompts": [visible(prompt.text) for prompt in prompts],
    }
    return Page(
        template=HERE / "compare.html.j2",
        title="Which image is better?",
        context={"pairs": len(key.pairs), "longest": LONGEST_NAME},
        data=data,
        scripts=[HERE / "compare.js"],
        styles=[HERE / "compare.css"],
    )
