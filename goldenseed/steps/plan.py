"""What a recipe will cost, before anything is drawn."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from goldenseed.progress import note
from goldenseed.steps import begin
from goldenseed.steps.measuring import measuring
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
"""Numbers that the FID Inception gives of an image."""

H100_FLOPS = 0.4 * 790e12
"""Assumed rate of one H100: 40 % of the 790 TFLOP/s that a large bf16 matrix product reaches."""


@dataclass(frozen=True)
class ArmPlan:
    """The cost of one arm.

    Attributes:
        arm: Its name; empty if the recipe has one only.
        card: The model.
        prompts: Prompts in the grid.
        seeds: Seeds in the grid.
        cells: Images in the grid.
        shards: Files that the grid becomes.
        done: Shards that are already there.
        image_bytes: Estimated bytes of the images still to draw.
        seconds: Estimated time to draw on the machine that `basis` names and to measure, None
            where nothing is known of drawing.
        gpu_hours: The same as hours of one H100, None for a CPU card or where nothing is known.
        basis: What the estimate of drawing rests on.
        measuring: What measuring adds, feature by feature.
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
        """JSON-ready."""
        return asdict(self)


def prompts_to_plan(recipe: Recipe) -> dict[str, Prompt]:
    """A recipe's prompts by id; stand-ins where the file must still be made.

    Sets hang on hashes, so stand-ins fall into them as the real prompts will.

    Raises:
        PromptError: If the file is there and malformed, or is not there and the recipe does
            not say how many prompts it takes of it; if a prompt's picture is missing or wrong.
    """
    source, count = recipe.prompts.source, recipe.prompts.count
    shipped = begin.PROMPTS / f"{source}.jsonl"
    if count is None or shipped.is_file() or Path(source).exists():
        found = begin.load_prompts(recipe)
        begin.check_pictures(recipe, found)
        return {prompt.id: prompt for prompt in found.prompts}
    note(f"{source} is not there yet: planned with {count:,} stand-ins; see the recipe's comments")
    stand_ins = (Prompt(f"stand-in {number}") for number in range(count))
    return {prompt.id: prompt for prompt in stand_ins}


def plan_recipe(
    recipe: Recipe, prompts: Mapping[str, Prompt], out: Path, *, reliability: float | None = None
) -> list[ArmPlan]:
    """Plan every arm of a recipe; draws nothing, loads no model, needs no network.

    Args:
        recipe: The recipe.
        prompts: Its prompts by id.
        out: The folder that the run would be in; what is there counts as done.
        reliability: Also say how many prompts per set a ranking so reliable takes.
    """
    arms = recipe.arms or {"": Sampling()}
    expect = expectation(prompt.set for prompt in prompts.values())
    plans = []
    for name, arm in arms.items():
        more = f"; {needed(reliability, out / name)}" if reliability is not None else ""
        text = expect + more
        plans.append(_plan_arm(recipe, name, arm, list(prompts), folder=out / name, expect=text))
    return plans


def needed(reliability: float, folder: Path) -> str:
    """Prompts per set for a reliability: as the run's own study measured it, else by formula.

    Args:
        reliability: In (0, 1).
        folder: The run, which may not be there yet.

    Raises:
        ConfigError: If the reliability is out of range.

    Example:
        >>> needed(0.9, Path("no-such-run"))
        'for a reliability of 0.9, prompts per set by the share of what prompts leave over that \
belongs to the seed: 0.1%: 8,991, 1.0%: 891, 5.0%: 171 (a mean, independent prompts)'
    """
    if not 0 < reliability < 1:
        raise ConfigError(f"reliability {reliability}: a number between 0 and 1 is needed")
    measured = _measured(reliability, folder) if (folder / RUN_FILE).is_file() else ""
    if measured:
        return measured
    odds = reliability / (1 - reliability)
    parts = [f"{f:.1%}: {math.ceil(odds * (1 - f) / f - 1e-9):,}" for f in (0.001, 0.01, 0.05)]
    return (
        f"for a reliability of {reliability:g}, prompts per set by the share of what prompts leave "
        f"over that belongs to the seed: {', '.join(parts)} (a mean, independent prompts)"
    )


def _measured(reliability: float, folder: Path) -> str:
    """What the study `quality` of a run says, if it was made."""
    from analysis.ranking.repeatability import Repeatability, prompts_needed
    from analysis.statistics.bounds import Interval
    from analysis.studies.results import outcomes, read_summary

    run, said = Run.open(folder), []
    if "quality" not in outcomes(run):
        return ""
    for row in read_summary(run, "quality")["numbers"]["known"]:
        full, half = (row[key] and Interval(**row[key]) for key in ("full", "half"))
        found = Repeatability(full, half)
        need = prompts_needed(found, per_image_mean=row["per_image_mean"], target=reliability)
        said.append(f"{row['metric']}: {need.words}")
    return f"as measured in {run.root.name}, {' '.join(said)}"


def expectation(sets: Iterable[int]) -> str:
    """What so many prompts can show, in words.

    For a measure that is a mean over images: with a share f of the variance that prompts leave
    over belonging to the seed, n images give the reliability n f / (n f + 1 - f) (Spearman and
    Brown), if prompts are independent. For a Frechet distance n must exceed twice the width.

    Example:
        >>> expectation([1] * 500 + [2] * 400 + [3] * 100).split(";")[0]
        '400 images of each seed in the smaller of sets 1 and 2'
    """
    count = Counter(sets)
    n = min(count[1], count[2])
    reliable = [f"{f:.1%}: {n * f / (n * f + 1 - f):.2f}" for f in (0.001, 0.01, 0.05)]
    wide = "enough" if n > 2 * FID_WIDTH else "too few: comparable only at this n"
    return (
        f"{n:,} images of each seed in the smaller of sets 1 and 2; reliability of a mean where "
        f"the seed has this share of what prompts leave over: {', '.join(reliable)} (at best: "
        f"prompts of a group say less); for FID (more than {2 * FID_WIDTH:,} wanted) {wide}"
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
    card = find_card(recipe.card)
    seeds = recipe.seeds.values()
    blocks = grid.grow(
        [],
        seeds,
        prompt_ids,
        tile_seeds=recipe.tile.seeds,
        tile_prompts=recipe.tile.prompts,
        order=recipe.order,
    )
    shards = sum(1 for block in blocks for _ in grid.cut(block))
    cells = len(seeds) * len(prompt_ids)
    done = _done(folder)
    left = cells * max(0, shards - done) // max(1, shards)
    per_image, basis = seconds_per_image(card, recipe.sampling, arm)
    measured = measuring(
        recipe, prompt_ids, images=left / max(1, len(prompt_ids)), frames=card.frames
    )
    seconds = None if per_image is None else per_image * left + measured.seconds
    height = arm.height or recipe.sampling.height or card.height
    width = arm.width or recipe.sampling.width or card.width
    kept = min(left, recipe.kept_prompts(len(prompt_ids)) * len(seeds))
    return ArmPlan(
        arm=name,
        card=card.name,
        prompts=len(prompt_ids),
        seeds=len(seeds),
        cells=cells,
        shards=shards,
        done=done,
        image_bytes=int(kept * height * width * BYTES_PER_PIXEL),
        seconds=seconds,
        gpu_hours=seconds / 3600 if seconds is not None and card.gpu else None,
        basis=basis,
        measuring=measured.words,
        expect=expect,
    )


def _done(folder: Path) -> int:
    if not (folder / RUN_FILE).is_file():
        return 0
    read_identity(folder)  # refuses a damaged run
    images = ShardFolder(LocalStore(folder), IMAGES_FOLDER, IMAGE_CONTENT)
    return sum(1 for _ in images.receipt_keys())


def seconds_per_image(card: Card, *layers: Sampling) -> tuple[float | None, str]:
    """Time of one image, and the machine that the figure rests on.

    For a card that was timed: its time, scaled by the number of steps. For a GPU card: its
    floating-point operations over `H100_FLOPS`; computed, not measured on a GPU.
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
