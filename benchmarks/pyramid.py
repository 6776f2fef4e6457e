"""Time the grid: how long its sheets take, how soon a browser shows it, and how smoothly it moves.

The run holds 1,024 seeds and 240 prompts of 64 x 64 images: 256 images of blurred noise, which
repeat. They take about as long to decode as those of a model. `--run` times a run of your own
instead. A browser opens the page from the disk; its own clock says when the window was drawn at its
best. Then the page is dragged across the grid for two seconds at each of three sizes of a cell, in
an order that scatters seeds and prompts over all sheets, and the frames are counted.

There is no other program to compare with: `peer` is a limit that was set beforehand for 245,760
images, `ratio` is the limit divided by ours, and so the goal is 1. It is also missed if a sheet has
more than 200 kB, if the page takes more than 2 s, or if fewer than 30 frames a second are drawn.

Run: `python -m benchmarks.pyramid`
"""

import argparse
import hashlib
import io
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from analysis.publish.grid import plan_grid, write_grid
from benchmarks.harness import report_ratio, seconds
from benchmarks.report import CHROMIUM
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from pipeline.settings.config import RunConfig
from pipeline.settings.recipe import Recipe
from pipeline.storage.schema import IMAGES, STATUS_OK

SECONDS_FOR_ALL, OPEN_SECONDS, FRAMES, SHEET_BYTES = 600.0, 2.0, 30.0, 200_000
SIDE, KINDS = 64, 256
CELLS = (4, 24, 96)
"""Sizes of a cell in the window, in pixels, at which the page is dragged."""
SETTLED = "() => view.settled() && performance.now()"
SCATTER = """() => {
  const hash = (i) => (i * 2654435761) % 4294967296;
  const scattered = (list) => [...list].sort((a, b) => hash(a) - hash(b));
  view.show(scattered(view.shown.columns), scattered(view.shown.rows), [], []);
}"""
DRAG = """([size, ms]) => new Promise((done) => {
  Object.assign(view.camera, { x: 0, y: 0, size });
  const begin = view.frames(), start = performance.now();
  const step = () => {
    const passed = performance.now() - start;
    if (passed > ms) return done((view.frames() - begin) / passed * 1000);
    view.move(6, 3);
    requestAnimationFrame(step);
  };
  step();
})"""


@dataclass(frozen=True)
class Seen:
    """What a browser shows.

    Attributes:
        open_s: Seconds from the start of the navigation until the window is drawn at its best.
        frames: Frames a second while the page is dragged, for each size of `CELLS`.
    """

    open_s: float
    frames: tuple[float, ...]


def simulate(folder: Path, seeds: int, prompts: int) -> Run:
    """Make a finished run of blurred noise."""
    config = RunConfig(
        card="seedling-mini", card_sha256="0" * 64, dtype="float32", height=SIDE, width=SIDE,
        scheduler="DDIMScheduler", num_inference_steps=20, guidance_scale=3.0, batch_size=64,
    )  # fmt: skip
    recipe = Recipe.model_validate(
        {"name": "simulated", "card": "seedling-mini", "prompts": {"source": "seedling"},
         "seeds": {"start": 0, "count": seeds}, "tile": {"seeds": 64, "prompts": 16}}
    )  # fmt: skip
    run = Run.start(folder, config, recipe)
    run.grow(range(seeds), [Prompt(f"a photo of thing number {n}") for n in range(prompts)])
    kinds = [_kind(number) for number in range(KINDS)]
    for tile in run.missing():
        rows = [
            {**kinds[(seed * 31 + int(prompt, 16)) % KINDS], "prompt_id": prompt, "seed": seed}
            for prompt, seed in tile.cells
        ]
        columns = {name: [row.get(name) for row in rows] for name in IMAGES.names}
        table = pa.table(columns, schema=IMAGES.arrow())
        run.images.commit(tile.id, tile.block, table, run_id=run.run_id, provenance={})
    return run


def _kind(number: int) -> dict[str, object]:
    """The columns of one image."""
    noise = np.random.default_rng(number).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=True, quality=0, method=0)
    return {
        "image": {"bytes": buffer.getvalue(), "path": None},
        "image_sha256": hashlib.sha256(image.tobytes()).hexdigest(),
        "status": STATUS_OK,
        "constant": False,
        "truncated_tokens": 0,
        "micro_batch": 1,
    }


def look(browser: Browser, page: Path, drag_ms: int) -> Seen:
    """Open a grid and drag it."""
    tab = browser.new_page(viewport={"width": 1440, "height": 900})
    tab.goto(page.resolve().as_uri())
    opened = float(tab.wait_for_function(SETTLED).json_value()) / 1000
    tab.evaluate(SCATTER)
    tab.wait_for_function(SETTLED)
    frames = tuple(float(tab.evaluate(DRAG, [size, drag_ms])) for size in CELLS)
    tab.close()
    return Seen(opened, frames)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, default=1024)
    parser.add_argument("--prompts", type=int, default=240)
    parser.add_argument("--drag-ms", type=int, default=2000)
    parser.add_argument("--run", type=Path, default=None, help="a run of your own")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulated = (folder / "run", chosen.seeds, chosen.prompts)
        run = Run.open(chosen.run) if chosen.run else simulate(*simulated)
        plan = plan_grid(run, folder / "grid")
        made = seconds(lambda: write_grid(run, folder / "grid"))
        sizes = [path.stat().st_size for path in (folder / "grid").rglob("*.*") if path.is_file()]
        largest = max(path.stat().st_size for path in (folder / "grid").rglob("*.jpg"))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
            )
            seen = look(browser, folder / "grid" / "index.html", chosen.drag_ms)
            browser.close()
    images = plan.seeds * plan.prompts
    return report_ratio(
        "pyramid",
        made,
        SECONDS_FOR_ALL,
        unit="s to make all sheets; peer is the limit",
        goal=1.0,
        runs=1,
        right=(
            largest <= SHEET_BYTES and seen.open_s <= OPEN_SECONDS and min(seen.frames) >= FRAMES
        ),
        more={
            "images": images,
            "files": len(sizes),
            "bytes": sum(sizes),
            "bytes_said_before": plan.bytes,
            "largest_sheet": largest,
            "cells": CELLS,
            **asdict(seen),
        },
    )


if __name__ == "__main__":
    sys.exit(main())
