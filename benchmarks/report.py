"""Time the report: how long it takes to write, and how soon a browser shows its first screen.

The runs hold 32, 256 and 1,024 seeds and 12 prompts of plain 64 x 64 images; the tables of 16
metrics and the ranking are simulated, because only their size matters. A browser opens the page
from the disk, in a new tab each time. Its own clock says when the first text was painted and when
the script had filled the first screen; the table of all seeds is timed from the click to its first
rows.

There is no other program to compare with: `peer` is a limit that was set beforehand for the largest
run, `ratio` is the limit divided by ours, and so the goal is 1.

Run: `python -m benchmarks.report`
"""

import argparse
import hashlib
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from analysis.publish.report import write_report
from analysis.ranking.rank import save_ranking
from analysis.ranking.result import Gap, RankedSeed, Ranking, SeedList
from analysis.statistics.intervals import Interval
from benchmarks.harness import report_ratio
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.grid import Tile
from pipeline.runs.layout import PER_SEED_FILE
from pipeline.runs.run import Run
from pipeline.settings.config import RunConfig
from pipeline.settings.recipe import Recipe
from pipeline.storage.derived import replace_table
from pipeline.storage.schema import IMAGES, PER_SEED, STATUS_OK

SECONDS = 1.0
"""Longest time to the first screen."""
CHROMIUM = Path("/usr/bin/chromium")
SIDE, PROMPTS, METRICS = 64, 12, 16
FILLED = "() => document.querySelector('#ends .image') && performance.now()"
PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
TABLE = """() => new Promise((done) => {
  const start = performance.now();
  addEventListener('hashchange', () => requestAnimationFrame(() => done(
    document.querySelectorAll('#seeds-table tbody tr').length && performance.now() - start)));
  location.hash = 'seeds';
})"""


@dataclass(frozen=True)
class Views:
    """Seconds until a browser shows something.

    Attributes:
        painted: From the start of the navigation to the first text.
        filled: From the start of the navigation to the whole first screen.
        table: From the click to the first rows of the table of all seeds.
    """

    painted: float
    filled: float
    table: float


def simulate(folder: Path, seeds: int, *, images: bool = True) -> Run:
    """Make a run of many seeds whose tables are made up.

    Args:
        folder: Where.
        seeds: Number of seeds.
        images: Whether to write images; without them the run is unfinished.
    """
    config = RunConfig(
        card="seedling-mini", card_sha256="0" * 64, dtype="float32", height=SIDE, width=SIDE,
        scheduler="DDIMScheduler", num_inference_steps=20, guidance_scale=3.0, batch_size=64,
    )  # fmt: skip
    recipe = Recipe.model_validate(
        {"name": "simulated", "card": "seedling-mini", "prompts": {"source": "seedling"},
         "seeds": {"start": 0, "count": seeds}, "tile": {"seeds": 256, "prompts": PROMPTS}}
    )  # fmt: skip
    run = Run.start(folder, config, recipe)
    run.grow(range(seeds), prompts_of_set_2(PROMPTS))
    for tile in run.missing() if images else ():
        rows = [_row(run.prompts[prompt], seed) for prompt, seed in tile.cells]
        _commit(run, tile, rows)
    _write_metrics(run)
    save_ranking(run, _ranking(run))
    return run


def prompts_of_set_2(count: int) -> list[Prompt]:
    """The first prompts that belong to set 2: a report shows images of this set."""
    numbered = (Prompt(f"a photo of thing number {n}") for n in range(100 * count))
    return [prompt for prompt in numbered if prompt.set == 2][:count]


def _row(prompt: Prompt, seed: int) -> dict[str, object]:
    colour = np.random.default_rng([int(prompt.id, 16), seed]).integers(0, 256, 3)
    pixels = np.broadcast_to(colour.astype(np.uint8), (SIDE, SIDE, 3))
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=1)
    return {
        **{name: getattr(prompt, name) for name in ("text", "object", "modifier", "group", "set")},
        "prompt_id": prompt.id,
        "seed": seed,
        "image": {"bytes": buffer.getvalue(), "path": None},
        "image_sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
        "status": STATUS_OK,
        "reason": None,
        "constant": True,
        "truncated_tokens": 0,
        "micro_batch": 1,
    }


def _commit(run: Run, tile: Tile, rows: list[dict[str, object]]) -> None:
    table = pa.Table.from_pylist(rows, schema=IMAGES.arrow())
    run.images.commit(tile.id, tile.block, table, run_id=run.run_id, provenance={})


def _write_metrics(run: Run) -> None:
    rng = np.random.default_rng(0)
    rows = [
        {
            "seed": seed, "metric": f"metric_{number}", "metric_id": "0", "prompt_set": 2,
            "value": value, "low": value - 0.1, "high": value + 0.1, "n": 12, "unit": "unit",
            "higher_is_better": True, "method": "simulated",
        }
        for number in range(METRICS)
        for seed, value in zip(run.seeds, rng.random(len(run.seeds)).tolist(), strict=True)
    ]  # fmt: skip
    provenance = {"run_id": run.run_id, "grid_hash": run.grid_hash, "sets": [2]}
    table = pa.Table.from_pylist(rows, schema=PER_SEED.arrow())
    replace_table(run.store, PER_SEED_FILE, table, provenance=provenance)


def _ranking(run: Run) -> Ranking:
    interval = Interval(0.5, 0.4, 0.6, 12, "simulated")
    seeds = tuple(
        RankedSeed(seed, place, place, 0.5, 0.4, 0.6, 12, 0.1, 0.9)
        for place, seed in enumerate(run.seeds, start=1)
    )
    quarter = len(seeds) // 4
    golden, bad = (
        SeedList(
            seeds=ends, confirmed=True, chosen=quarter, top_set2=quarter, again=len(ends),
            null_mean=1.0, null_sd=1.0, null_p=0.01, unrelated_mean=1.0, unrelated_sd=1.0,
            unrelated_p=0.01, chosen_mean_set2=0.5, verdict="Simulated.",
        )
        for ends in (tuple(run.seeds[:quarter]), tuple(run.seeds[-quarter:]))
    )  # fmt: skip
    return Ranking(
        rule="simulated", run_id=run.run_id, grid_hash=run.grid_hash, metric="metric_0",
        metric_id="0", unit="unit", higher_is_better=True, method="simulated", share=0.25,
        n_seeds=len(seeds), n_set1=6, n_set2=6, dropped=0, permutations=100,
        rank_correlation=interval, reliability=interval, reliability_half=None,
        prompts_needed=None, prompts_needed_note="", mean_set2=0.5, null_low=0.4, null_high=0.6,
        gap=Gap(0.1, 0.05, 0.08, 0.01), golden=golden, bad=bad, strict_golden=(), seeds=seeds,
    )  # fmt: skip


def first_views(browser: Browser, page: Path, runs: int) -> Views:
    """Open a page several times; median seconds."""
    seen = [_open(browser, page) for _ in range(runs)]
    return Views(*(statistics.median(times) for times in zip(*seen, strict=True)))


def _open(browser: Browser, path: Path) -> tuple[float, float, float]:
    tab = browser.new_page(viewport={"width": 1280, "height": 800})
    tab.goto(path.resolve().as_uri())
    filled = float(tab.evaluate(FILLED)) / 1000
    tab.wait_for_timeout(100)  # the browser reports a paint a little later
    painted = float(tab.evaluate(PAINTED)) / 1000
    table = float(tab.evaluate(TABLE)) / 1000
    tab.close()
    return painted, filled, table


def measure(sizes: Sequence[int], runs: int) -> dict[str, float]:
    """Write and open a report of each size; seconds and megabytes by name."""
    costs: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for seeds in sizes:
            run = simulate(Path(name) / str(seeds), seeds)
            start = time.perf_counter()
            page = write_report(run)
            costs[f"write_{seeds}_s"] = time.perf_counter() - start
            costs[f"page_{seeds}_mb"] = page.stat().st_size / 1e6
            views = first_views(browser, page, runs)
            costs[f"painted_{seeds}_s"] = views.painted
            costs[f"filled_{seeds}_s"] = views.filled
            costs[f"table_{seeds}_s"] = views.table
        browser.close()
    return costs


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and report the time to the first screen of the largest run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, nargs="+", default=[32, 256, 1024])
    parser.add_argument("--runs", type=int, default=5)
    chosen = parser.parse_args(arguments)
    costs = measure(chosen.seeds, chosen.runs)
    largest = max(chosen.seeds)
    filled, table = costs[f"filled_{largest}_s"], costs[f"table_{largest}_s"]
    return report_ratio(
        "report",
        filled,
        SECONDS,
        unit="s",
        goal=1.0,
        runs=chosen.runs,
        right=table > 0,
        more={"seeds": largest, **{name: round(value, 3) for name, value in costs.items()}},
    )


if __name__ == "__main__":
    sys.exit(main())
