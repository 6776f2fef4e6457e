"""Runs to report on: hostile prompts, brightness that belongs to the seed, planted studies."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from analysis.per_seed import measure
from analysis.pictures.plots import DrawnFigure
from analysis.ranking.rank import rank, save_ranking
from analysis.studies import load_study
from analysis.studies.base import Findings, StudyTable
from analysis.studies.results import write_findings
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from tests.analysis import synthetic

HOSTILE = [
    "</script><script>window.broken = 1</script> a cat",
    "<img src=x onerror='window.broken = 1'> & &amp; {{ 7 * 7 }}",
    '=HYPERLINK("http://a.invalid", "a cat")',
    "a left \u202eright\u2066 cat",
    "a very long cat " * 620,
    "一只红色的猫 👩‍🚀 قطة حمراء",
]
SEEDS = 16


def brighter(prompt: Prompt, seed: int) -> synthetic.Pixels:
    """Each seed has its own brightness, so that set 2 confirms set 1."""
    return (synthetic.noisy(prompt, seed) // 8 + seed * 7).astype(np.uint8)


def ranked(path: Path) -> Run:
    """A finished run, with hostile prompts in set 2."""
    run = synthetic.start(
        path,
        seeds=range(SEEDS),
        n_prompts=24,
        ranking={"metric": synthetic.COLOUR_KID},
        features=["appearance"],
        metrics=["brightness", "contrast"],
    )
    run.grow(range(SEEDS), [Prompt(text, group=f"hostile {i}") for i, text in enumerate(HOSTILE)])
    synthetic.draw_all(run, brighter)
    synthetic.extract_all(run, synthetic.COLOUR, "appearance")
    measure(run, run.recipe.metrics)
    save_ranking(run, rank(run))
    return run


def studied(run: Run) -> None:
    """Write results of the studies that have a page of their own."""
    rng = np.random.default_rng(1)
    seeds = [*run.seeds]
    ones = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 10, "method": "m"}
    points = dict(zip(("x", "y", "null_x", "null_y"), rng.random((4, len(seeds))), strict=True))
    groups = [seed % 2 for seed in seeds]
    group = {"trait": "grey", "seeds": 8, "set1": 0.1, "set2": 0.1, "low": 0.0, "high": 0.2}
    rows = [
        {"group": 0, **group, "null_high": 0.05, "p_holm": 0.01, "confirmed": True},
        {"group": 1, **group, "null_high": 0.05, "p_holm": 0.5, "confirmed": False},
    ]
    numbers = {"seeds": len(seeds), "prompts_set1": 10, "groups": rows}
    share = {"seed_share": 0.2, "seed_share_null_high": 0.02, "seed_share_p": 0.005}
    _write(run, "style", {**numbers, **share}, map={"seed": seeds, **points, "group": groups})
    places = {name: rng.random(len(seeds)) for name in ("found", "x", "y", "size", "depth")}
    _write(
        run,
        "composition",
        {"found": 0.9},
        seeds={"seed": seeds, **places, "n": [9] * len(seeds)},
        objects={
            "seed": seeds,
            "object": ["cat </script>"] * len(seeds),
            "n": [9] * len(seeds),
            "x": places["x"],
            "y": [None, *places["y"][1:]],
        },
        shares={
            **{"measure": ["x"], "seed": [0.2], "seed_low": [0.1], "seed_high": [0.3]},
            **{"seed_null_high": [0.02], "seed_p": [0.005], "n": [100]},
        },
    )
    _write(
        run,
        "distinguishability",
        {"tests": {"test": ones}},
        epochs={
            **{"trained_on": ["seeds", "seeds"], "prompts": [9, 9], "epoch": [1, 2]},
            **{"training_top1": [0.1, 0.9], "validation_top1": [0.1, 0.8]},
        },
        tests={
            **{"test": ["test"], "top1": [0.9], "low": [0.8], "high": [0.95], "n": [99]},
            **{"prompts": [3], "groups": [3], "chance": [1 / 16]},
        },
        seeds={
            **{"seed": seeds, "top1": places["x"], "n": [9] * len(seeds)},
            "most_often_taken_for": [None, *seeds[1:]],
        },
    )


def _write(run: Run, name: str, numbers: dict[str, Any], **tables: dict[str, Any]) -> None:
    study = load_study(name)
    frames = {table: pl.DataFrame(columns) for table, columns in tables.items()}
    findings = Findings(
        outcome=f"{name}: planted",
        numbers=numbers,
        tables={
            table: StudyTable(frame, dict.fromkeys(frame.columns, "planted"))
            for table, frame in frames.items()
        },
        figures={"figure": DrawnFigure(synthetic.png(np.zeros((8, 8, 3), np.uint8)), "planted")},
    )
    write_findings(run, study, findings)
