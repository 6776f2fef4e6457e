"""Estimate what a recipe will cost, before anything is drawn."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from analysis.pictures.lettering import describe_missing, missing_letters
from goldenseed.progress import note
from goldenseed.steps import begin
from goldenseed.steps.costs.drawing import (
    TIMED_CORES,
    drawing_cost,
    encoding_seconds,
    image_bytes,
)
from goldenseed.steps.costs.measuring import measuring_cost, value_costs
from goldenseed.steps.growth import GrownGrid, grown_grid
from goldenseed.steps.memory import memory_words
from goldenseed.steps.prompt_notes import check_texts, note_prompts
from pipeline.errors import ConfigError, counted
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs import grid
from pipeline.runs.layout import IMAGES_FOLDER, RUN_FILE
from pipeline.runs.run import Run
from pipeline.settings.recipe import Arm, Recipe, Sampling
from pipeline.storage.address import Place
from pipeline.storage.open_store import store_at
from pipeline.storage.schema import IMAGE_CONTENT
from pipeline.storage.shards import ShardFolder

FID_WIDTH = 2048
"""Length of the vector that FID's Inception network computes from an image."""

SEED_SHARES = (0.001, 0.01, 0.05)
"""The seed's share of the variance within prompts is not known; a plan assumes each of these."""


@dataclass(frozen=True)
class ArmPlan:
    """The cost of one arm.

    Attributes:
        arm: Name of the arm; empty if the recipe has no arms.
        card: The model.
        prompts: Prompts in the grid.
        seeds: Seeds in the grid.
        cells: Images in the grid.
        images_left: Images that are still to be drawn.
        growth: How the grid of a run that exists grows; empty for a new run.
        shards: Number of shards (files) of the grid.
        done: Shards that exist already.
        image_bytes: Estimated bytes of the images still to draw.
        feature_bytes: Estimated bytes of the numbers still to measure.
        seconds: Estimated time to draw and to measure, on one GPU or, for a card that draws on the
            CPU, on two cores; None if the card has no cost figures.
        gpu_hours: `seconds` in hours, for one H100; None if the card is for CPUs or has no cost
            figures.
        cpu_hours: Estimated time of CPU cores, beside the GPU if there is one, and for the values
            of the seeds; None if the card has no cost figures.
        basis: What the estimate for drawing is based on.
        measuring: What measuring costs, feature by feature.
        cores: What the CPU cores do, in words; may be empty.
        memory: The memory on the GPU to expect, in words; may be empty.
        expect: The reliability to expect of a ranking on this grid, in words.
    """

    arm: str
    card: str
    prompts: int
    seeds: int
    cells: int
    images_left: int
    growth: str
    shards: int
    done: int
    image_bytes: int
    feature_bytes: int
    seconds: float | None
    gpu_hours: float | None
    cpu_hours: float | None
    basis: str
    measuring: str
    cores: str
    memory: str
    expect: str

    def as_dict(self) -> dict[str, object]:
        """Return the plan as plain values for JSON."""
        return asdict(self)


def prompts_to_plan(recipe: Recipe) -> dict[str, Prompt]:
    """Read a recipe's prompts, or make stand-ins if its prompt file does not exist yet.

    A hash assigns each prompt to a set, so the sets of stand-ins are about as large as those of
    the real prompts will be.

    Returns:
        The prompts by id.

    Raises:
        PromptError: If the file is malformed, if a condition image is missing or wrong, or if the
            file does not exist and the recipe gives no number of prompts.
    """
    source, count = recipe.prompts.source, recipe.prompts.count
    shipped = begin.PROMPTS / f"{source}.jsonl"
    if count is None or shipped.is_file() or Path(source).exists():
        prompt_set = begin.load_prompts(recipe)
        begin.check_condition_images(recipe, prompt_set)
        note_prompts(recipe, prompt_set)
        check_texts(recipe, prompt_set.prompts)
        missing = missing_letters(prompt.text for prompt in prompt_set.prompts)
        if missing:
            note(describe_missing(missing))
        return {prompt.id: prompt for prompt in prompt_set.prompts}
    note(
        f"{source} does not exist yet: planned with {count:,} stand-ins; the recipe's comments "
        f"say how to make the file"
    )
    stand_ins = (Prompt(f"stand-in {number}") for number in range(count))
    return {prompt.id: prompt for prompt in stand_ins}


def plan_recipe(
    recipe: Recipe, prompts: Mapping[str, Prompt], out: Place, *, reliability: float | None = None
) -> list[ArmPlan]:
    """Plan each arm of a recipe. Draws no images, loads no model and needs no network.

    Args:
        recipe: The recipe.
        prompts: The recipe's prompts, by id.
        out: The run folder. The grid that it holds is part of the plan, and shards that it holds
            count as done.
        reliability: If given, also say how many prompts per set a ranking of this reliability
            needs.
    """
    plans = {}
    arms = [(p, *item) for p in recipe.by_card() for item in (p.arms or {"": Arm()}).items()]
    for part, name, arm in arms:
        folder = out / name
        grown = grown_grid(recipe, prompts, folder)
        text = expectation(prompt.set for prompt in grown.prompts.values())
        if reliability is not None:
            text += f"; {prompts_needed_text(reliability, folder)}"
        plans[name] = _plan_arm(part, name, arm, grown, folder=folder, expect=text)
    return [plans[name] for name in recipe.arms or ("",)]


def prompts_needed_text(reliability: float, folder: Place) -> str:
    """Say how many prompts per set a ranking needs for a reliability.

    If the study `quality` was run, the numbers come from its results, otherwise from a formula.

    Args:
        reliability: In (0, 1).
        folder: The run folder, which need not exist.

    Raises:
        ConfigError: If the reliability is out of range.

    Example:
        >>> prompts_needed_text(0.9, Path("no-such-run"))
        "for a reliability of 0.9, a mean over images needs 8,991 independent prompts per set if \
the seed's share of the variance within prompts is 0.1%, 891 if it is 1.0%, 171 if it is 5.0%"
    """
    if not 0 < reliability < 1:
        raise ConfigError(f"--reliability {reliability:g}: wanted a number between 0 and 1")
    text = _studied_text(reliability, folder) if store_at(folder).exists(RUN_FILE) else ""
    if text:
        return text
    odds = reliability / (1 - reliability)
    first, *others = [(math.ceil(odds * (1 - f) / f - 1e-9), f) for f in SEED_SHARES]
    return (
        f"for a reliability of {reliability:g}, a mean over images needs {first[0]:,} independent "
        f"prompts per set if the seed's share of the variance within prompts is {first[1]:.1%}, "
        f"{', '.join(f'{prompts:,} if it is {f:.1%}' for prompts, f in others)}"
    )


def _studied_text(reliability: float, folder: Place) -> str:
    """Say how many prompts the results of the study `quality` ask for; empty without results."""
    from analysis.ranking.repeatability import Repeatability, prompts_needed
    from analysis.statistics.bounds import Interval
    from analysis.studies.results import outcomes, read_summary

    run, sentences = Run.open(folder), []
    if "quality" not in outcomes(run):
        return ""
    for row in read_summary(run, "quality")["numbers"]["known"]:
        full, half = (row[key] and Interval(**row[key]) for key in ("full", "half"))
        needed = prompts_needed(
            Repeatability(full, half), per_image_mean=row["per_image_mean"], target=reliability
        )
        sentences.append(f"{row['metric']}: {needed.words}")
    return f"as measured in {run.root.name}, {' '.join(sentences)}"


def expectation(sets: Iterable[int]) -> str:
    """Say how reliable a ranking of seeds on a grid can be.

    If the seed's share of the variance within prompts is f, and prompts are independent, the mean
    over n images has the reliability n f / (n f + 1 - f) (Spearman and Brown). For a Frechet
    distance, n must exceed twice the length of the feature's vector.

    Args:
        sets: The set of each prompt of the grid.

    Example:
        >>> expectation([1] * 500 + [2] * 400 + [3] * 100).split(";")[0]
        '400 images of each seed in the smaller of sets 1 and 2'
    """
    count = Counter(sets)
    n = min(count[1], count[2])
    first, *others = [(n * f / (n * f + 1 - f), f) for f in SEED_SHARES]
    verdict = "enough" if n > 2 * FID_WIDTH else "too few"
    return (
        f"{counted(n, 'image')} of each seed in the smaller of sets 1 and 2; a ranking by a "
        f"mean over images has a reliability of at most {first[0]:.2f} if the seed's share "
        f"of the variance within prompts is {first[1]:.1%}, "
        f"{', '.join(f'{r:.2f} if it is {f:.1%}' for r, f in others)}; "
        f"{verdict} for FID, which needs more than {2 * FID_WIDTH:,}"
    )


def _plan_arm(
    recipe: Recipe,
    name: str,
    arm: Sampling,
    grown: GrownGrid,
    *,
    folder: Place,
    expect: str,
) -> ArmPlan:
    card, seeds, prompt_ids = recipe.own_card(), grown.seeds, list(grown.prompts)
    drawn = _drawn_tiles(folder)
    tiles = [tile for block in (*grown.old, *grown.new) for tile in grid.cut(block)]
    left = [tile for tile in tiles if tile.id not in drawn]
    images_left = sum(len(tile.seeds) * len(tile.prompt_ids) for tile in left)
    layers = (recipe.sampling, arm)
    kept = min(images_left, recipe.kept_prompts(len(prompt_ids)) * len(seeds))
    drawing, basis = drawing_cost(card, *layers, images=images_left, kept=kept)
    measuring = measuring_cost(
        recipe, prompt_ids, images=images_left / max(1, len(prompt_ids)), frames=card.frames
    )
    sets = [prompt.set for prompt in grown.prompts.values()]
    values = value_costs(recipe, sets, len(seeds))
    cost = None if drawing is None else drawing + measuring.cost
    seconds = None if cost is None else cost.seconds(1 if card.gpu else TIMED_CORES)
    cores = None if cost is None else cost.core_seconds + sum(values.values())
    return ArmPlan(
        arm=name,
        card=card.name,
        prompts=len(prompt_ids),
        seeds=len(seeds),
        cells=len(seeds) * len(prompt_ids),
        images_left=images_left,
        growth=grown.words,
        shards=len(tiles),
        done=len(tiles) - len(left),
        image_bytes=image_bytes(card, *layers, kept=kept),
        feature_bytes=int(measuring.cost.disk_bytes),
        seconds=seconds,
        gpu_hours=seconds / 3600 if seconds is not None and card.gpu else None,
        cpu_hours=None if cores is None else cores / 3600,
        basis=basis,
        measuring=measuring.words,
        cores=_cores_words(encoding_seconds(card, *layers, kept=kept) if card.gpu else 0.0, values),
        memory=memory_words(card, recipe, arm),
        expect=expect,
    )


def _cores_words(encoding: float, values: Mapping[str, float]) -> str:
    """Say what CPU cores do beside drawing and measuring; empty if that is under a minute."""
    times = {"encoding": encoding, **values}
    parts = [f"{name} {time / 3600:,.1f} h" for name, time in times.items() if time >= 60]
    if not parts:
        return ""
    return f"on CPU cores, in core-hours: {', '.join(parts)}; timed on 2 cores of an AMD EPYC, busy"


def _drawn_tiles(folder: Place) -> set[str]:
    """Ids of the tiles that a run has drawn."""
    store = store_at(folder)
    if not store.exists(RUN_FILE):
        return set()
    images = ShardFolder(store, IMAGES_FOLDER, IMAGE_CONTENT)
    return {PurePosixPath(key).stem for key in images.receipt_keys()}
