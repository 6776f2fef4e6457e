"""Draw contact sheets: some seeds as rows, the same prompts as columns."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from PIL import Image, ImageDraw

from analysis.extraction.images import Cell, read_images
from analysis.pictures.lettering import (
    Lettering,
    describe_missing,
    missing_letters,
    printable,
    warn_once,
    words_of,
)
from analysis.ranking.result import RankedSeed, Ranking
from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run
from pipeline.stage import Uint8Images

THUMB = 128
"""Longer side of each image on the sheet, in pixels."""
LABEL, HEAD, GAP = 150, 64, 4
"""Width of the row labels, height of the column labels, gap between images, in pixels."""
FONT_SIZE = 13
PAPER, INK = (255, 255, 255), (20, 20, 20)


@dataclass(frozen=True)
class Row:
    """One row of a sheet.

    Attributes:
        label: Text to the left of the row; may have several lines.
        seed: The seed.
    """

    label: str
    seed: int


def contact_sheet(
    run: Run, ranking: Ranking, *, rows_each: int = 3, columns: int = 8
) -> Image.Image:
    """Draw images of set 2 for the seeds that were best, middle and worst on set 1.

    Args:
        run: The run, with images kept.
        ranking: The run's ranking.
        rows_each: Number of seeds from each of the three parts of the ranking.
        columns: Number of prompts, of as many different groups as possible.

    Returns:
        An RGB image; the same run and ranking give the same pixels.

    Raises:
        RunError: If the run kept no images of set 2.
    """
    rows = pick_rows(ranking, rows_each)
    return draw_sheet(run, rows, pick_prompts(run, columns))


def pick_rows(ranking: Ranking, each: int) -> list[Row]:
    """Choose the best, middle and worst seeds on set 1, each seed once, with their labels.

    The sheet shows images of set 2, because seeds look better than they are in the images by which
    they were chosen.
    """
    seeds = sorted(ranking.seeds, key=lambda seed: (seed.rank_set1, seed.seed))
    middle = max(0, len(seeds) // 2 - each // 2)
    parts = {
        "best": seeds[:each],
        "middle": seeds[middle : middle + each],
        "worst": seeds[-each:],
    }
    rows: dict[int, Row] = {}
    for part, members in parts.items():
        for seed in members:
            rows.setdefault(seed.seed, Row(_label(part, seed, ranking), seed.seed))
    return list(rows.values())


def _label(part: str, seed: RankedSeed, ranking: Ranking) -> str:
    listed = "golden" if seed.seed in ranking.golden.seeds else ""
    listed = "bad" if seed.seed in ranking.bad.seeds else listed
    rank = f"rank {seed.rank_set1:g}, set 2: {seed.rank_set2:g}"
    value = f"{ranking.metric}\n{seed.value:.4g}"
    return "\n".join([f"seed {seed.seed}", listed or part, rank, value])


def pick_prompts(run: Run, count: int) -> list[Prompt]:
    """Choose varied prompts of set 2: each repeats as few words of the earlier prompts as possible.

    Prompts whose images the run does not keep are used only if set 2 has no other prompts. Each
    group is chosen once before any group is chosen twice. Ties go to the lowest id.
    """
    pool = [prompt for prompt in run.prompts.values() if prompt.set == 2]
    kept = run.kept_prompts()
    remaining = sorted([p for p in pool if p.id in kept] or pool, key=lambda p: p.id)
    chosen: list[Prompt] = []
    words: Counter[str] = Counter()
    groups: Counter[str] = Counter()
    while remaining and len(chosen) < count:
        best = min(remaining, key=lambda p: (groups[p.group], *_repeats(p, words)))
        remaining.remove(best)
        chosen.append(best)
        words.update(best.text.split())
        groups[best.group] += 1
    return chosen


def read_one_prompt(run: Run, seeds: Sequence[int]) -> dict[int, Uint8Images]:
    """Read the images of some seeds, all of the same prompt of set 2.

    Args:
        run: The run.
        seeds: The seeds.

    Returns:
        Seed -> shape (H, W, 3), uint8; seeds whose image is not kept are left out.
    """
    by_seed: dict[int, Uint8Images] = {}
    for prompt in pick_prompts(run, 1):
        images = read_images(run, [(prompt.id, seed) for seed in seeds])
        by_seed = {seed: pixels for (_, seed), pixels in images.items()}
    return by_seed


def _repeats(prompt: Prompt, words: Counter[str]) -> tuple[float, int]:
    """Sort key: mean number of earlier uses of a prompt's words, then length, longer first."""
    used = prompt.text.split()
    return sum(words[word] for word in used) / len(used), -len(used)


def draw_sheet(run: Run, rows: Sequence[Row], prompts: Sequence[Prompt]) -> Image.Image:
    """Draw the images of some seeds and prompts; a missing image is a grey square.

    Labels are in the script of their prompts. Where no font has a letter, its number is drawn and a
    warning is logged, once.

    Raises:
        RunError: If all images are missing.
    """
    cells = [(prompt.id, row.seed) for row in rows for prompt in prompts]
    images = read_images(run, cells)
    if not images:
        raise RunError(
            f"{run.root} keeps no image of these seeds and prompts: draw a run with "
            f"`keep_images: all` in its recipe"
        )
    size = (LABEL + len(prompts) * (THUMB + GAP), HEAD + len(rows) * (THUMB + GAP))
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    lettering = Lettering(FONT_SIZE)
    warn_once(describe_missing(missing_letters([prompt.text for prompt in prompts])))
    for column, prompt in enumerate(prompts):
        text = wrap_text(prompt.text, lettering, THUMB, lines=4)
        lettering.draw(draw, (LABEL + column * (THUMB + GAP), GAP), text, INK, spacing=1)
    for line, row in enumerate(rows):
        top = HEAD + line * (THUMB + GAP)
        lettering.draw(draw, (GAP, top + GAP), printable(row.label), INK)
        for column, prompt in enumerate(prompts):
            corner = (LABEL + column * (THUMB + GAP), top)
            _paste(sheet, images, (prompt.id, row.seed), corner)
    return sheet


def _paste(
    sheet: Image.Image, images: dict[Cell, Uint8Images], cell: Cell, corner: tuple[int, int]
) -> None:
    pixels = images.get(cell, np.full((1, 1, 3), 128, dtype=np.uint8))
    image = Image.fromarray(pixels)
    resampling = Image.Resampling.NEAREST if image.width <= THUMB else Image.Resampling.LANCZOS
    scale = THUMB / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    sheet.paste(image.resize((width, height), resampling), corner)


def wrap_text(text: str, lettering: Lettering, width: int, *, lines: int) -> str:
    """Break a text into at most `lines` lines of at most `width` pixels.

    Lines are broken at blanks, and between letters of scripts that write without blanks. Text that
    does not fit is cut and ends in an ellipsis. Line breaks and tabs count as blanks. Letters that
    no font has are written as their numbers.
    """
    broken = [""]
    for joint, word in words_of(printable(text)):
        longer = f"{broken[-1]}{joint}{word}".strip()
        if broken[-1] and lettering.length(longer) > width:
            broken.append(word)
        else:
            broken[-1] = longer
    if len(broken) > lines:
        broken = [*broken[: lines - 1], f"{broken[lines - 1]} ..."]
    return "\n".join(_cut(line, lettering, width) for line in broken)


def _cut(line: str, lettering: Lettering, width: int) -> str:
    """Cut a line to at most `width` pixels, even within a word."""
    if lettering.length(line) <= width:
        return line
    letters = line.removesuffix("...")
    fitting = bisect_right(
        range(len(letters)), width, key=lambda kept: ceil(lettering.length(f"{letters[:kept]}..."))
    )
    return f"{letters[: max(0, fitting - 1)]}..."
