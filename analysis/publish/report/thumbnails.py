"""Cut small images of a run into sheets: some prompts, all seeds, 64 seeds on a sheet.

A browser asks for one file instead of 64, and a page of 1,024 seeds opens 16 of them.
"""

import hashlib
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from analysis.extraction.images import read_tile_images
from analysis.pictures.contact_sheet import pick_prompts
from analysis.publish.pages import visible
from analysis.publish.report.available import Part
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.grid import Tile
from pipeline.runs.run import Run

SIDE = 128
"""Longest side of a thumbnail, in pixels; a smaller image keeps its size."""
COLUMNS, ROWS = 8, 8
SEEDS = COLUMNS * ROWS
"""Seeds on a sheet."""
PROMPTS, LEAST_PROMPTS = 12, 2
MOST = 24_576
"""Thumbnails of a report, at most: 12 prompts of 2,048 seeds. More seeds show fewer prompts."""
QUALITY = 84


def make_sheets(run: Run) -> tuple[Part, dict[str, bytes]]:
    """Make the sheets of a run.

    Returns:
        What the page must know: size of a thumbnail, the prompts, the name of each sheet (prompt by
        prompt, "" where no image of it was kept), and which cells have no image. And the files:
        name -> WebP. Names follow from the content.
    """
    prompts = pick_prompts(run, _prompt_count(len(run.seeds))) or [*run.prompts.values()][:PROMPTS]
    width, height = _size(run)
    names: list[list[str]] = [[] for _ in prompts]
    missing: list[list[int]] = [[] for _ in prompts]
    files: dict[str, bytes] = {}
    tiles = [*run.tiles()]
    for start in range(0, len(run.seeds), SEEDS):
        seeds = run.seeds[start : start + SEEDS]
        sheets = _read(run, tiles, prompts, seeds)
        for number, (sheet, shown) in enumerate(sheets):
            data = _encode(sheet) if shown.any() else b""
            name = f"{hashlib.sha256(data).hexdigest()[:16]}.webp" if data else ""
            names[number].append(name)
            files |= {name: data} if data else {}
            missing[number] += [start + int(row) for row in np.flatnonzero(~shown)]
    described = [
        {"id": p.id, "text": visible(p.text), "group": visible(p.group), "set": p.set}
        for p in prompts
    ]
    part: Part = {"width": width, "height": height, "columns": COLUMNS, "seeds": SEEDS}
    return {**part, "prompts": described, "sheets": names, "without": missing}, files


def _prompt_count(seeds: int) -> int:
    return max(LEAST_PROMPTS, min(PROMPTS, MOST // max(seeds, 1)))


def _size(run: Run) -> tuple[int, int]:
    """Width and height of a thumbnail."""
    width, height = run.config.width, run.config.height
    scale = min(1.0, SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _read(
    run: Run, tiles: Sequence[Tile], prompts: Sequence[Prompt], seeds: Sequence[int]
) -> list[tuple[Image.Image, np.ndarray]]:
    """The sheet of each prompt, and which seeds have an image on it."""
    width, height = _size(run)
    size = (COLUMNS * width, -(-len(seeds) // COLUMNS) * height)
    sheets = [(Image.new("RGB", size, "#808080"), np.zeros(len(seeds), bool)) for _ in prompts]
    columns = {prompt.id: column for column, prompt in enumerate(prompts)}
    rows = {seed: row for row, seed in enumerate(seeds)}
    for tile in tiles:
        shown = [prompt for prompt in tile.prompt_ids if prompt in columns]
        cells = {(prompt, seed) for prompt in shown for seed in tile.seeds if seed in rows}
        for (prompt, seed), pixels in read_tile_images(run, tile, cells).items() if cells else ():
            sheet, has_image = sheets[columns[prompt]]
            row = rows[seed]
            small = Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS)
            sheet.paste(small, (row % COLUMNS * width, row // COLUMNS * height))
            has_image[row] = True
    return sheets


def _encode(sheet: Image.Image) -> bytes:
    buffer = io.BytesIO()
    sheet.save(buffer, "WEBP", quality=QUALITY, method=4)
    return buffer.getvalue()
