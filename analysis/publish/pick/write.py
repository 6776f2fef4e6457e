"""Write the pick page: some images of each prompt, in a random order that hides the seeds."""

import io
import os
import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from analysis.extraction.images import read_images
from analysis.publish.pages import Page, visible, write_page
from pipeline.errors import ConfigError, RunError, StoreError
from pipeline.prompts.prompt import Prompt
from pipeline.runs.run import Run
from pipeline.stage import Uint8Images

HERE = Path(__file__).parent
INDEX, IMAGES = "index.html", "images"
FORMAT = "goldenseed picks 1"
MOST_IMAGES = 5_000
"""Images of a page, at most."""


@dataclass(frozen=True)
class Pick:
    """A pick page that was written.

    Attributes:
        page: The page, `index.html`.
        prompts: Number of prompts.
        seeds: Number of seeds, each with one image of each prompt.
        bytes: Bytes of the folder.
    """

    page: Path
    prompts: int
    seeds: int
    bytes: int


def write_pick(run: Run, folder: Path, *, prompts: int, images: int) -> Pick:
    """Write a pick page.

    Prompts and seeds are a random sample that depends on the run only, the same seeds for each
    prompt: then it means something that a seed is kept more often than others. The order of the
    images is another one for each prompt.

    Args:
        run: The run.
        folder: A new or empty folder, or that of an earlier pick page.
        prompts: Number of prompts, at most; at least 1.
        images: Number of images of each prompt, at most; at least 2.

    Raises:
        ConfigError: If a number is too small, or there would be more than `MOST_IMAGES`.
        RunError: If the folder holds other files, or the run has no images.
        StoreError: If the folder cannot be written.
    """
    if prompts < 1 or images < 2:
        raise ConfigError(f"{prompts} prompts with {images} images; give at least 1 and 2")
    shown_images = min(prompts, len(run.prompts)) * min(images, len(run.seeds))
    if shown_images > MOST_IMAGES:
        raise ConfigError(
            f"{shown_images:,} images are more than the {MOST_IMAGES:,} of a page: lower --prompts "
            f"or --images"
        )
    _refuse_other_files(folder)
    rng = np.random.default_rng([int(run.run_id, 16), int(run.grid_hash, 16)])
    kept = [prompt for prompt in run.prompts.values() if prompt.id in run.kept_prompts()]
    shown = [kept[i] for i in sorted(rng.permutation(len(kept))[:prompts])]
    seeds = sorted(int(seed) for seed in rng.permutation(sorted(run.seeds))[:images])
    orders = [[int(seed) for seed in rng.permutation(seeds)] for _ in shown]
    pictures = [_pictures(run, prompt, row) for prompt, row in zip(shown, orders, strict=True)]
    if not any(pictures):
        raise RunError(
            f"{run.root} holds no images of its first prompts: draw them with `goldenseed run`, "
            f"with `keep_images: all` in the recipe"
        )
    rows = [[*row] for row in pictures]
    size = _write(folder, [[*row.values()] for row in pictures], _page(run, shown, rows))
    return Pick(folder / INDEX, len(shown), len(seeds), size)


def _pictures(run: Run, prompt: Prompt, seeds: Sequence[int]) -> dict[int, bytes]:
    """The encoded images of a prompt: seed -> WebP, in this order of seeds."""
    drawn = read_images(run, [(prompt.id, seed) for seed in seeds])
    cells = {seed: (prompt.id, seed) for seed in seeds}
    return {seed: _encode(drawn[cell]) for seed, cell in cells.items() if cell in drawn}


def _refuse_other_files(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file; give a folder for the page")
    others = {path.name for path in folder.iterdir()} - {INDEX, IMAGES} if folder.exists() else ()
    if others:
        raise RunError(
            f"{folder} holds other files ({', '.join(sorted(others)[:3])}); give a new folder or "
            f"that of an earlier pick page"
        )


def _write(folder: Path, pictures: Sequence[Sequence[bytes]], page: Page) -> int:
    """Write the folder as a whole; return its bytes."""
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    try:
        (aside / IMAGES).mkdir(parents=True)
        size = 0
        for p, row in enumerate(pictures):
            for i, data in enumerate(row):
                (aside / IMAGES / f"{p}-{i}.webp").write_bytes(data)
                size += len(data)
        size += write_page(aside / INDEX, page)
        if folder.exists():
            shutil.rmtree(folder)
        aside.rename(folder)
    except OSError as error:
        with suppress(OSError):
            shutil.rmtree(aside)
        raise StoreError(f"{folder} cannot be written: {os.strerror(error.errno or 0)}") from error
    return size


def _encode(pixels: Uint8Images) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=92, method=4)
    return buffer.getvalue()


def _page(run: Run, prompts: Sequence[Prompt], rows: Sequence[Sequence[int]]) -> Page:
    described = [
        {"id": prompt.id, "text": visible(prompt.text), "seeds": row}
        for prompt, row in zip(prompts, rows, strict=True)
    ]
    return Page(
        template=HERE / "pick.html.j2",
        title=f"{visible(run.recipe.name)}: keep the best",
        context={"name": visible(run.recipe.name), "demonstration": run.card.demonstration},
        data={
            "prompts": described,
            "run": {
                "format": FORMAT,
                "id": run.run_id,
                "grid": run.grid_hash,
                "card": visible(run.card.name),
            },
        },
        scripts=[HERE / "pick.js"],
        styles=[HERE / "pick.css"],
    )
