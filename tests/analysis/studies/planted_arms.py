"""Runs of the same cells drawn in several ways: what a way does is known."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np

from analysis.metrics.base import MeanMetric
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from pipeline.settings.recipe import Recipe
from tests.analysis import synthetic
from tests.analysis.studies.planted_run import (
    GAP,
    SCORE,
    SCORES,
    Values,
    planted_prompt,
    write_feature,
)

LIGHT = "tests.analysis.studies.planted_arms:Light"
CURVE = {1.0: (0.0, 1.0), 2.0: (1.0, 0.6), 4.0: (2.0, 0.8), 8.0: (2.5, 1.4)}
"""Guidance -> alignment and distance without a change."""
SCALES = {"plain1": 1.0, "plain2": 2.0, "plain4": 4.0, "plain8": 8.0}


class Light(MeanMetric):
    """A planted preference: for light pictures."""

    name: ClassVar[str] = "light"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "fraction"
    higher_is_better: ClassVar[bool | None] = True
    needs: ClassVar[tuple[str, ...]] = ("appearance.brightness",)


def start(
    path: Path,
    *,
    features: list[str],
    metrics: list[str],
    prompts: int,
    seeds: int,
    **config: object,
) -> Run:
    """A run with a grid and a given config."""
    fields = {
        "name": "planted",
        "card": "seedling-mini",
        "prompts": {"source": "seedling"},
        "seeds": {"start": 0, "count": 1},
        "tile": {"seeds": 32, "prompts": 48},
        "features": features,
        "metrics": metrics,
        "ranking": None,
    }
    run = Run.start(path, synthetic.config(**config), Recipe.model_validate(fields))
    run.grow(range(seeds), [planted_prompt(i, 12) for i in range(prompts)])
    return run


def planted_arm(path: Path, values: Values, *, metrics: list[str], **config: object) -> Run:
    """A run of planted features; their arrays are (S, P, ...)."""
    first = next(iter(next(iter(values.values())).values()))
    seeds, prompts = first.shape[:2]
    features = list(values)
    run = start(path, features=features, metrics=metrics, prompts=prompts, seeds=seeds, **config)
    for name, columns in values.items():
        write_feature(run, name, columns)
    return run


def curve_arm(
    path: Path,
    guidance: float,
    at: tuple[float, float],
    *,
    change: str = "none",
    seeds: int = 8,
    prompts: int = 48,
    own: float = 0.3,
) -> Run:
    """An arm whose mean alignment and distance are `at`.

    Seeds and prompts do the same in every arm, and far more than arms differ by.
    """
    shared = np.random.default_rng(5)
    noise = np.random.default_rng([int(10 * guidance), len(change), int(100 * at[0])])
    shape = (2, seeds, prompts)
    both = shared.normal(size=(2, seeds, 1)) + shared.normal(size=(2, 1, prompts))
    alignment, distance = both + own * noise.normal(size=shape)
    return planted_arm(
        path,
        {SCORES: {"score": at[0] + alignment, "gap": at[1] + distance}},
        metrics=[GAP, SCORE],
        guidance_scale=guidance,
        intervention={"name": change},
    )


def curves(path: Path, changes: Mapping[str, Mapping[float, tuple[float, float]]]) -> Run:
    """The arms of CURVE in the folder `arms` of the one at guidance 2, and those of changes."""
    for name, scale in SCALES.items():
        if scale != 2.0:
            curve_arm(path / "arms" / name, scale, CURVE[scale])
    for change, arms in changes.items():
        for scale, at in arms.items():
            curve_arm(path / "arms" / f"{change}{scale:g}", scale, at, change=change)
    return curve_arm(path, 2.0, CURVE[2.0])


def arms_of(run: Run) -> dict[str, str]:
    """The setting `runs` of a study."""
    return {folder.name: f"arms/{folder.name}" for folder in sorted((run.root / "arms").iterdir())}


def striped(prompt: Prompt, seed: int, *, fine: float, light: float) -> synthetic.Pixels:
    """A plain colour per prompt and seed, with fine noise of a given strength."""
    rng = np.random.default_rng([int(prompt.id, 16), seed])
    colour = rng.integers(90, 160, size=3) + light
    noise = fine * rng.normal(size=(synthetic.SIZE, synthetic.SIZE, 1))
    return np.clip(np.rint(colour + noise), 0, 255).astype(np.uint8)


def drawn_arm(path: Path, *, fine: float, light: float = 0.0, **config: object) -> Run:
    """A run with pictures of 8 seeds x 48 prompts, measured by `appearance`."""
    run = start(path, features=["appearance"], metrics=[LIGHT], prompts=48, seeds=8, **config)
    synthetic.draw_all(run, lambda p, s: striped(p, s, fine=fine, light=light))
    synthetic.extract_all(run, "appearance")
    return run


def with_pictures(path: Path) -> Run:
    """A run, and in its folder `arms` one that is lighter and half as noisy."""
    drawn_arm(path / "arms" / "smooth", fine=8.0, light=10.0, guidance_scale=2.0)
    return drawn_arm(path, fine=16.0)
