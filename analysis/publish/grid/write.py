"""Write the folder of a grid as a whole, and say before how large it will be."""

import base64
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.publish.grid.layout import CELLS, SHEET, Layout, fitting_cell
from analysis.publish.grid.measures import image_measures, listed_seeds, seed_measures
from analysis.publish.grid.sheets import WORK, Progress, Seen, Source, make_sheets, sample_bytes
from analysis.publish.pages import Page, visible, write_page
from pipeline.errors import ConfigError, RunError, StoreError
from pipeline.runs.layout import REPORT_FOLDER
from pipeline.runs.run import Run
from pipeline.storage.manifest import receipt_index

HERE = Path(__file__).parent
INDEX = "index.html"
SCRIPTS = ("orders", "sheets", "layers", "marks", "view", "details", "controls")
"""The scripts of the page, in the order in which they run."""
SAMPLED_UNITS = 4
COARSE_SHARE = 1 / 16
"""Bytes of the third level and all coarser ones as a share of the second's, at most."""
VALUE_BYTES = 3
"""Bytes of one value of an image in the page, rounded up."""
OWN = ("sheets", INDEX)


@dataclass(frozen=True)
class GridPlan:
    """What a grid will be.

    Attributes:
        folder: Where it will be written.
        seeds: Number of columns.
        prompts: Number of rows.
        cell: Side of an image at the finest level in pixels.
        files: Number of files.
        bytes: Bytes of all files, estimated from sheets of a few of its images.
    """

    folder: Path
    seeds: int
    prompts: int
    cell: int
    files: int
    bytes: int


def plan_grid(run: Run, folder: Path | None = None, *, cell: int | None = None) -> GridPlan:
    """Say how large a grid will be. Writes nothing.

    Args:
        run: The run.
        folder: Where it would be written; `report/grid` of the run if None.
        cell: Side of an image at the finest level in pixels; at most 128 and at most the size of
            the run's images if None.

    Raises:
        RunError: If the run kept no images, or the folder holds other files than a grid.
        ConfigError: If `cell` is no size of a cell.
    """
    source, target = _source(run, cell), _target(run, folder)
    layout, units = source.layout, source.units
    step = max(1, len(units) // SAMPLED_UNITS)
    cells, size = sample_bytes(source, units[step // 2 :: step][:SAMPLED_UNITS])
    total = layout.seeds * layout.prompts
    measures = 1 + len(run.recipe.metrics)
    sheets = sum(len([*layout.sheets(level)]) for level in range(len(layout.sides)))
    estimate = size / cells * total * (1 + COARSE_SHARE) + VALUE_BYTES * measures * total
    return GridPlan(target, layout.seeds, layout.prompts, layout.cell, sheets + 1, round(estimate))


def write_grid(
    run: Run,
    folder: Path | None = None,
    *,
    cell: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Path:
    """Write the grid of a run: `index.html`, and the sheets of images that it shows.

    The folder appears once it is whole. If the work is interrupted, the same call continues it.

    Args:
        run: The run. Cells without an image stay empty.
        folder: As in `plan_grid`. An earlier grid is replaced.
        cell: As in `plan_grid`.
        progress: Called with the number of parts that are done and of all parts.

    Returns:
        The page, `index.html`.

    Raises:
        RunError: As `plan_grid`.
        ConfigError: As `plan_grid`.
        ShardError: If an image of the run is damaged.
        StoreError: If the folder cannot be written.
    """
    source, target = _source(run, cell), _target(run, folder)
    aside = target.with_name(f".{target.name}.unfinished")
    with _storage(target):
        _begin(aside, _fingerprint(source))
        seen = make_sheets(source, aside, progress)
        write_page(aside / INDEX, _page(source, seen, report=(target.parent / INDEX).exists()))
        shutil.rmtree(aside / WORK)
        _replace(target, aside)
    return target / INDEX


def _source(run: Run, cell: int | None) -> Source:
    """Choose seeds, prompts and sheets: all prompts whose images were kept."""
    if cell not in (None, *CELLS):
        raise ConfigError(f"cells of {cell} pixels are wanted; give one of {list(CELLS)}")
    kept = run.kept_prompts()
    prompts = tuple(prompt for prompt in run.prompts if prompt in kept)
    if not prompts or not receipt_index(run.images):
        raise RunError(
            f"{run.root} holds no images to show: draw them with `goldenseed run`, with "
            f"`keep_images: all` in the recipe"
        )
    side = cell or fitting_cell(run.config.width, run.config.height)
    seeds = tuple(sorted(run.seeds))
    return Source(run, seeds, prompts, Layout(len(seeds), len(prompts), side))


def _target(run: Run, folder: Path | None) -> Path:
    """The folder, which must be new, empty, or hold a grid."""
    target = (folder or run.store.path(REPORT_FOLDER) / "grid").absolute()
    if target.exists() and not target.is_dir():
        raise RunError(f"{target} is a file; give a folder for the grid")
    others = {path.name for path in target.iterdir()} - {*OWN} if target.exists() else set()
    if others:
        raise RunError(
            f"{target} holds other files ({', '.join(sorted(others)[:3])}); give a new folder or "
            f"that of an earlier grid"
        )
    return target


def _fingerprint(source: Source) -> str:
    """Name what the sheets are made from and how; work on anything else is not continued."""
    receipts = receipt_index(source.run.images)
    content = [source.run.run_id, source.run.grid_hash, source.layout.cell, *source.prompts]
    content += sorted(receipt.content_sha256 for receipt in receipts.values())
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _begin(aside: Path, fingerprint: str) -> None:
    """Continue the work on the same images, or begin anew."""
    note = aside / WORK / "source.txt"
    if not note.exists() or note.read_text("utf-8") != fingerprint:
        if aside.exists():
            shutil.rmtree(aside)
        note.parent.mkdir(parents=True)
        note.write_text(fingerprint, "utf-8")


def _replace(target: Path, aside: Path) -> None:
    """Put the new folder into the place of an earlier one."""
    if target.exists():
        old = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        target.rename(old)
        aside.rename(target)
        shutil.rmtree(old)
    else:
        aside.rename(target)


@contextmanager
def _storage(target: Path) -> Iterator[None]:
    """Say which folder cannot be written."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise StoreError(
            f"{target} cannot be written: {reason}; what is done so far is kept, and the same "
            f"command continues"
        ) from error


def _page(source: Source, seen: Seen, *, report: bool) -> Page:
    run = source.run
    prompts = [run.prompts[prompt] for prompt in source.prompts]
    return Page(
        template=HERE / "grid.html.j2",
        title=f"{visible(run.recipe.name)}: all images",
        context={
            "name": visible(run.recipe.name),
            "card": visible(run.card.name),
            "demonstration": run.card.demonstration,
            "seeds": len(source.seeds),
            "prompts": len(prompts),
            "images": int(seen.sum()),
            "report": report,
        },
        data={
            "layout": {"sheet": SHEET, "sides": source.layout.sides},
            "seeds": source.seeds,
            "prompts": [
                {
                    "id": prompt.id,
                    "text": visible(prompt.text),
                    "group": visible(prompt.group),
                    "set": prompt.set,
                }
                for prompt in prompts
            ],
            "seen": _bits(seen),
            "lists": listed_seeds(run),
            "seed-measures": seed_measures(run, source.seeds),
            "image-measures": image_measures(run, source.seeds, source.prompts),
        },
        scripts=[HERE / f"{name}.js" for name in SCRIPTS],
        styles=[HERE / "grid.css"],
    )


def _bits(seen: Seen) -> str:
    """Which cells have an image: base64 of one bit each, the prompts of the first seed first."""
    return base64.b64encode(np.packbits(seen.ravel(), bitorder="little").tobytes()).decode()
