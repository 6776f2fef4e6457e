"""Estimate what a recipe will cost, before anything is drawn."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from goldenseed.progress import note
from goldenseed.steps import begin
from goldenseed.steps.measuring import measuring_cost
from pipeline.cards.card import Card, find_card
from pipeline.errors import ConfigError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs import grid
from pipeline.runs.identity import read_identity
from pipeline.runs.layout import IMAGES_FOLDER, RUN_FILE
from pipeline.runs.run import Run
from pipeline.settings.recipe import Recipe, Sampling
from pipeline.storage.schema import IMAGE_CONTENT
from pipeline.storage.shards import ShardFolder
from pipeline.storage.store import LocalStore

BYTES_PER_PIXEL = 1.45
"""Lossless WebP (method 0) of a 512 x 512 photograph: 370 KiB."""

FID_WIDTH = 2048
"""Numbers that the Inception network of FID gives for an image."""

SEED_SHARES = (0.001, 0.01, 0.05)
"""Shares of the variance within prompts that a seed may have, for which a plan gives numbers."""

H100_FLOPS = 0.4 * 790e12
"""Assumed rate of one H100: 40 % of the 790 TFLOP/s that a large bf16 matrix product reaches."""


@dataclass(frozen=True)
class ArmPlan:
    """The cost of one arm.

    Attributes:
        arm: Name of the arm; empty if the recipe has no arms.
        card: The model.
        prompts: Prompts in the grid.
        seeds: Seeds in the grid.
        cells: Images in the grid.
        shards: Files that the grid becomes.
        done: Shards that exist already.
        image_bytes: Estimated bytes of the images still to draw.
        seconds: Estimated time to draw (on the machine that `basis` names) and to measure; None
            if the card has no cost figures.
        gpu_hours: The same as hours of one H100; None for a CPU card or without cost figures.
        basis: What the estimate for drawing is based on.
        measuring: What measuring costs, feature by feature.
        expect: What such a grid can show, in words.
    """

    arm: str
    card: str
    prompts: int
    seeds: int
    cells: int
    shards: int
    done: int
    image_bytes: int
    seconds: float | None
    gpu_hours: float | None
    basis: str
    measuring: str
    expect: str

    def as_dict(self) -> dict[str, object]:
        """The plan as plain values, ready for JSON."""
        return asdict(self)


def prompts_to_plan(recipe: Recipe) -> dict[str, Prompt]:
    """Read a recipe's prompts, or make stand-ins if its prompt file does not exist yet.

    A prompt's set depends on a hash, so stand-ins fall into sets as the real prompts will.

    Returns:
        The prompts by id.

    Raises:
        PromptError: If the file is malformed, if it does not exist and the recipe gives no number
            of prompts, or if a condition image is missing or wrong.
    """
    source, count = recipe.prompts.source, recipe.prompts.count
    shipped = begin.PROMPTS / f"{source}.jsonl"
    if count is None or shipped.is_file() or Path(source).exists():
        prompt_set = begin.load_prompts(recipe)
        begin.check_condition_images(recipe, prompt_set)
        return {prompt.id: prompt for prompt in prompt_set.prompts}
    note(
        f"{source} does not exist yet: planned with {count:,} stand-ins; the recipe's comments "
        f"say how to make the file"
    )
    stand_ins = (Prompt(f"stand-in {number}") for number in range(count))
    return {prompt.id: prompt for prompt in stand_ins}


def plan_recipe(
    recipe: Recipe, prompts: Mapping[str, Prompt], out: Path, *, reliability: float | None = None
) -> list[ArmPlan]:
    """Plan each arm of a recipe. Draws nothing, loads no model and needs no network.

    Args:
        recipe: The recipe.
        prompts: Its prompts by id.
        out: The run folder; shards that it holds already count as done.
        reliability: If given, also say how many prompts per set a ranking of this reliability
            needs.
    """
    arms = recipe.arms or {"": Sampling()}
    expect = expectation(prompt.set for prompt in prompts.values())
    plans = []
    for name, arm in arms.items():
        needs = f"; {needed(reliability, out / name)}" if reliability is not None else ""
        text = expect + needs
        plans.append(_plan_arm(recipe, name, arm, list(prompts), folder=out / name, expect=text))
    return plans


def needed(reliability: float, folder: Path) -> str:
    """Say how many prompts per set a reliability needs.

    If the study `quality` was run, its measured numbers are used.
    Otherwise they follow from a formula.

    Args:
        reliability: In (0, 1).
        folder: The run folder, which need not exist.

    Raises:
        ConfigError: If the reliability is out of range.

    Example:
        >>> needed(0.9, Path("no-such-run"))
        "for a reliability of 0.9 a mean over images needs, per set: 8,991 prompts if the seed's \
share of the variance within prompts is 0.1%, 891 if 1.0%, 171 if 5.0% (independent prompts)"
    """
    if not 0 < reliability < 1:
        raise ConfigError(f"--reliability {reliability:g}: wanted a number between 0 and 1")
    measured = _measured(reliability, folder) if (folder / RUN_FILE).is_file() else ""
    if measured:
        return measured
    odds = reliability / (1 - reliability)
    first, *others = [(math.ceil(odds * (1 - f) / f - 1e-9), f) for f in SEED_SHARES]
    return (
        f"for a reliability of {reliability:g} a mean over images needs, per set: {first[0]:,} "
        f"prompts if the seed's share of the variance within prompts is {first[1]:.1%}, "
        f"{', '.join(f'{prompts:,} if {f:.1%}' for prompts, f in others)} (independent prompts)"
    )


def _measured(reliability: float, folder: Path) -> str:
    """Say how many prompts the study `quality` found to be needed; empty if it was not run."""
    from analysis.ranking.repeatability import Repeatability, prompts_needed
    from analysis.statistics.bounds import Interval
    from analysis.studies.results import outcomes, read_summary

    run, texts = Run.open(folder), []
    if "quality" not in outcomes(run):
        return ""
    for row in read_summary(run, "quality")["numbers"]["known"]:
        full, half = (row[key] and Interval(**row[key]) for key in ("full", "half"))
        known = Repeatability(full, half)
        need = prompts_needed(known, per_image_mean=row["per_image_mean"], target=reliability)
        texts.append(f"{row['metric']}: {need.words}")
    return f"as measured in {run.root.name}, {' '.join(texts)}"


def expectation(sets: Iterable[int]) -> str:
    """Say what this number of prompts can show.

    For a mean over images: if the seed has a share f of the variance within prompts, n images
    give the reliability n f / (n f + 1 - f) (Spearman and Brown), provided that prompts are
    independent. For a Frechet distance, n must exceed twice the width of the feature.

    Args:
        sets: Set of each prompt.

    Example:
        >>> expectation([1] * 500 + [2] * 400 + [3] * 100).split(";")[0]
        '400 images of each seed in the smaller of sets 1 and 2'
    """
    count = Counter(sets)
    n = min(count[1], count[2])
    first, *others = [(n * f / (n * f + 1 - f), f) for f in SEED_SHARES]
    verdict = "enough" if n > 2 * FID_WIDTH else "too few: comparable only at this n"
    return (
        f"{n:,} images of each seed in the smaller of sets 1 and 2; reliability of a ranking by a "
        f"mean over images: at most {first[0]:.2f} if the seed's share of the variance within "
        f"prompts is {first[1]:.1%}, {', '.join(f'{r:.2f} if {f:.1%}' for r, f in others)}; for "
        f"FID (more than {2 * FID_WIDTH:,} wanted) {verdict}"
    )


def _plan_arm(
    recipe: Recipe,
    name: str,
    arm: Sampling,
    prompt_ids: list[str],
    *,
    folder: Path,
    expect: str,
) -> ArmPlan:
    card, seeds = find_card(recipe.card), recipe.seeds.values()
    shards, done = _count_shards(recipe, prompt_ids), _count_done(folder)
    cells = len(seeds) * len(prompt_ids)
    left = cells * max(0, shards - done) // max(1, shards)
    per_image, basis = seconds_per_image(card, recipe.sampling, arm)
    cost = measuring_cost(
        recipe, prompt_ids, images=left / max(1, len(prompt_ids)), frames=card.frames
    )
    seconds = None if per_image is None else per_image * left + cost.seconds
    kept = min(left, recipe.kept_prompts(len(prompt_ids)) * len(seeds))
    return ArmPlan(
        arm=name,
        card=card.name,
        prompts=len(prompt_ids),
        seeds=len(seeds),
        cells=cells,
        shards=shards,
        done=done,
        image_bytes=int(kept * _pixels(card, recipe.sampling, arm) * BYTES_PER_PIXEL),
        seconds=seconds,
        gpu_hours=seconds / 3600 if seconds is not None and card.gpu else None,
        basis=basis,
        measuring=cost.words,
        expect=expect,
    )


def _count_shards(recipe: Recipe, prompt_ids: list[str]) -> int:
    """Files that a new grid becomes."""
    blocks = grid.grow(
        [],
        recipe.seeds.values(),
        prompt_ids,
        tile_seeds=recipe.tile.seeds,
        tile_prompts=recipe.tile.prompts,
        order=recipe.order,
    )
    return sum(1 for block in blocks for _ in grid.cut(block))


def _pixels(card: Card, sampling: Sampling, arm: Sampling) -> int:
    """Pixels of one image."""
    height = arm.height or sampling.height or card.height
    return height * (arm.width or sampling.width or card.width)


def _count_done(folder: Path) -> int:
    if not (folder / RUN_FILE).is_file():
        return 0
    read_identity(folder)  # refuses a damaged run
    images = ShardFolder(LocalStore(folder), IMAGES_FOLDER, IMAGE_CONTENT)
    return sum(1 for _ in images.receipt_keys())


def seconds_per_image(card: Card, *layers: Sampling) -> tuple[float | None, str]:
    """Estimate the time to draw one image.

    For a card that was timed, this is its time, scaled by the number of steps. For a GPU card it
    is the number of floating-point operations over `H100_FLOPS`: computed, not measured on a GPU.

    Args:
        card: The card.
        *layers: Sampling settings that replace those of the card; a later one wins.

    Returns:
        Seconds, or None if the card has no cost figures, and what the estimate is based on.
    """
    steps, guidance = card.num_inference_steps, card.guidance_scale
    for layer in layers:
        steps = layer.num_inference_steps or steps
        guidance = guidance if layer.guidance_scale is None else layer.guidance_scale
    if card.seconds_per_image is not None:
        scale = steps / card.num_inference_steps
        return card.seconds_per_image * scale, "timed on two cores of an AMD EPYC, two workers"
    if card.gflop_forward is None or card.gflop_decode is None:
        return None, "this card has no cost figures"
    forwards = steps * (2 if guidance > 1 else 1)
    flop = (card.gflop_forward * forwards + card.gflop_decode) * 1e9
    basis = "computed from FLOPs at 40 % of an H100's 790 TFLOP/s; not measured on a GPU"
    return flop / H100_FLOPS, basis
