"""Time measuring while drawing (`measure: while_drawing`) against measuring afterwards.

Both sides run the shipped seedling from scratch to features on one local worker, each time in a
new folder. One measures pixels that are still in memory; the other reads, decodes and checks the
image shards again. No ratio is promised: the second reading that is saved is a small part of the
time if drawing is slow. So the goal is 0, and `ok` only says that the feature shards of both sides
have the same content hashes.

Run: `python -m benchmarks.fuse`
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from analysis.extraction.extract import feature_folder, run_features
from benchmarks.harness import alternate, report_ratio
from goldenseed.steps.begin import start_runs
from goldenseed.steps.steps import Workers, draw_and_measure
from pipeline.runs.run import Run
from pipeline.settings.recipe import Recipe, load_recipe

GOAL = 0.0


def recipe_for(prompts: int, seeds: int, measure: str) -> Recipe:
    """The smallest seedling without metrics, 5 steps per image."""
    base = load_recipe("seedling-mini").model_dump()
    changes = {
        "prompts": {**base["prompts"], "count": prompts},
        "seeds": {"start": 0, "count": seeds},
        "sampling": {"num_inference_steps": 5},
        "metrics": [],
        "ranking": None,
        "measure": measure,
    }
    return Recipe.model_validate({**base, **changes})


def draw(recipe: Recipe, folder: Path) -> None:
    """Draw and measure a run in a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    [run] = start_runs(recipe, folder)
    for result in draw_and_measure(run, Workers("local", 1)):
        if result.errors:
            raise RuntimeError(f"{result.step}: {result.errors[0]}")


def content(folder: Path) -> dict[tuple[str, str], str]:
    """Content hash of each feature shard, by feature and shard id."""
    run = Run.open(folder)
    return {
        (feature.name, receipt.shard_id): receipt.content_sha256
        for feature in run_features(run, run.recipe.features)
        for receipt in feature_folder(run, feature).receipts()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=16)
    parser.add_argument("--pairs", type=int, default=5)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as parent:
        folders = [Path(parent) / name for name in ("while_drawing", "afterwards")]
        sides = [
            partial(draw, recipe_for(chosen.prompts, chosen.seeds, folder.name), folder)
            for folder in folders
        ]
        timings = alternate(*sides, pairs=chosen.pairs)
        first, second = (content(folder) for folder in folders)
    same = bool(first) and first == second
    return report_ratio(
        "fuse",
        timings.ours_median,
        timings.peer_median,
        unit="s",
        goal=GOAL,
        runs=chosen.pairs,
        right=same,
        more={
            "same_content": same,
            "images": chosen.prompts * chosen.seeds,
            "saved_share": 1 - timings.ours_median / timings.peer_median,
        },
    )


if __name__ == "__main__":
    sys.exit(main())
