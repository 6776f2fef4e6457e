"""Plant one run that holds enough for each study, in seconds."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from tests.analysis import synthetic
from tests.analysis.studies.blended import blended
from tests.analysis.studies.distinguishability.painted import painted_run
from tests.analysis.studies.planted_arms import curves, with_pictures
from tests.analysis.studies.planted_latents import plant_latents
from tests.analysis.studies.planted_pairs import (
    READER,
    as_json,
    columns_of,
    make_pairs,
    store_pictures,
)
from tests.analysis.studies.planted_run import GAP, LAYOUT, SCORE, SCORES, Values, planted_run
from tests.analysis.studies.swapped import arm

STYLE = "gram_seedling"
WIDTH = 512
"""Numbers of its vector."""

RECIPE: dict[str, object] = {
    "features": [SCORES, LAYOUT, STYLE, READER, "appearance"],
    "metrics": [SCORE, GAP],
    "ranking": None,
}
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "composition": {"feature": LAYOUT, "draws": 40},
    "distinguishability": {"epochs": 1, "fewer": [0.5], "pictures": [0, 3, 9]},
    "diversity": {"layout": LAYOUT, "firsts": 10, "draws": 40},
    "explain": {"permutations": 20, "each": 8},
    "fidelity": {"sets": 60},
    "golden": {"permutations": 60},
    "guidance": {
        "alignment": SCORE,
        "permutations": 20,
        "runs": {name: f"arms/{name}" for name in ("plain1", "plain4", "plain8", "freeu2")},
    },
    "inpainting": {"feature": READER},
    "paired": {"runs": {"smooth": "arms/smooth"}, "permutations": 20, "draws": 50},
    "search": {"metric": SCORE, "budgets": [0.5], "unit": 2, "replays": 4, "null_replays": 9},
    "seed_blend": {"arms": "arms"},
    "seed_swap": {"arms": "arms"},
    "spectrum": {"arms": "arms", "permutations": 10},
    "style": {"draws": 200, "landmarks": 100},
    "transfer": {"runs": {"other": "other"}, "kinds": {"early": "manner [0-4]"}, "draws": 100},
}
"""Settings with which a study has findings on this small run. Other studies use their defaults."""


def planted(prompts: Sequence[Prompt], seeds: int) -> Values:
    """Seed effects in every feature, prompts' effects and noise beside them."""
    rng = np.random.default_rng(11)
    shape = (seeds, len(prompts))
    effect = rng.normal(size=(seeds, 1))
    place = rng.normal(size=(4, seeds, 1)) + rng.normal(size=(4, *shape))
    layout = dict(zip(("x", "y", "size", "depth"), 0.5 + 0.05 * place, strict=True))
    direction = rng.normal(size=(seeds, 1, WIDTH))
    return {
        SCORES: {
            "score": effect + rng.normal(size=shape),
            "gap": -effect + rng.normal(size=shape),
        },
        LAYOUT: {"found": np.ones(shape), **layout},
        STYLE: {"style": 3 + direction + rng.normal(size=(*shape, WIDTH))},
        READER: columns_of(written(rng, shape)),
        "appearance": {
            name: 0.5 + 0.05 * effect + 0.1 * rng.normal(size=shape)
            for name in ("brightness", "saturation", "sky_score", "border_score")
        },
    }


def written(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.object_]:
    """Words inside the masks of some cells."""
    words = rng.choice(["SALE", "HORSE", "OPENING"], size=shape)
    inside = rng.random(shape) < np.linspace(0.1, 0.6, shape[0])[:, None]
    cells = [
        as_json([str(word)], inside=bool(flag))
        for word, flag in zip(words.flat, inside.flat, strict=True)
    ]
    found = np.empty(len(cells), dtype=object)
    found[:] = cells
    return found.reshape(shape)


EXTREMES = tuple(
    Prompt(text)
    for text in (
        "a solid black background",
        "a solid white background",
        "a dark photo of a cup",
        "a bright photo of a cup",
    )
)


def everything(path: Path) -> Run:
    """Make it."""
    pairs, files = make_pairs(40)
    run = planted_run(path, planted, seeds=24, prompts=120, more=[*EXTREMES, *pairs], **RECIPE)
    store_pictures(run, files)
    planted_run(path / "other", planted, seeds=24, prompts=120, **RECIPE)
    return run


def with_latents(path: Path) -> Run:
    """A run that keeps latents, and one beside it in its folder `arms`."""
    for place in (path / "arms" / "half", path):
        run = synthetic.start(
            place, seeds=range(8), n_prompts=24, tile=(4, 12), features=[], ranking=None
        )
        plant_latents(run, left=0.8 if place == path else 0.4)
    return run


def with_swaps(path: Path) -> Run:
    """A run with pictures, and a swap of its step noise in its folder `arms`."""
    arm(path / "arms" / "to_1_at_20", 0.2, (1, 20))
    return arm(path, 0.2)


def with_blends(path: Path) -> Run:
    """A run with pictures, and one between two seeds in its folder `arms`."""
    blended(path / "arms" / "to_1_by_50", (1, 0.5))
    return blended(path)


def with_planted_seeds(path: Path) -> Run:
    """A run of `seed_plant` with two seeds of every strength."""
    return planted_run(
        path, planted, seeds=160, prompts=60, objects=8, intervention="seed_plant", **RECIPE
    )


OWN: Mapping[str, Callable[[Path], Run]] = {
    "distinguishability": lambda path: painted_run(path, seeds=4, prompts=48),
    "guidance": lambda path: curves(path, {"freeu": {2.0: (1.0, 0.5)}}),
    "paired": with_pictures,
    "recovery": with_planted_seeds,
    "seed_blend": with_blends,
    "seed_swap": with_swaps,
    "spectrum": with_latents,
}
"""Studies that need images, latents or several runs, each with the function that makes its run."""
