"""Choose which images are compared: two lists of seeds of one run, or two runs cell by cell."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np

from analysis.ranking.rank import read_ranking
from pipeline.errors import ConfigError, RunError
from pipeline.prompts.prompt import Prompt
from pipeline.runs.run import Run

LISTS = ("golden", "bad", "random")
TRIES = 50
"""Pairs that are drawn for each pair that is wanted; most repeat only where few exist."""


@dataclass(frozen=True, eq=False)
class Side:
    """One of two sides.

    Attributes:
        name: What raters compare without knowing it, for example "golden".
        run: The run of its images.
        seeds: The seeds of its images.
    """

    name: str
    run: Run
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Pair:
    """Two images of one prompt.

    Attributes:
        prompt: The prompt.
        seeds: The seed of the first side, and that of the second.
    """

    prompt: Prompt
    seeds: tuple[int, int]


def sides_of_lists(run: Run, names: Sequence[str]) -> tuple[Side, Side]:
    """Two lists of seeds of one run.

    Args:
        run: A ranked run.
        names: Two of `LISTS`. "random" is every seed that the other side does not list.

    Raises:
        ConfigError: If these are not two different lists.
        RunError: If the run is not ranked, or a list is empty.
    """
    if len(set(names)) != 2 or not set(names) <= set(LISTS):
        raise ConfigError(
            f"{' and '.join(names) or 'nothing'} is chosen; choose two of --golden, --bad and "
            f"--random, or a second run with --with"
        )
    ranking = read_ranking(run)
    listed = {"golden": ranking.golden.seeds, "bad": ranking.bad.seeds}
    for name in names:
        if name in listed and not listed[name]:
            raise RunError(
                f"{run.root} has no {name} seeds: set 2 does not confirm those of set 1. Compare "
                f"another list, or another run with --with"
            )
    others = {seed for name in names for seed in listed.get(name, ())}
    listed["random"] = tuple(sorted(set(run.seeds) - others))
    if not listed["random"] and "random" in names:
        raise RunError(f"{run.root} has no seed that is not listed")
    first, second = (Side(name, run, tuple(listed[name])) for name in names)
    return first, second


def sides_of_runs(first: Run, second: Run) -> tuple[Side, Side]:
    """Two runs, to be compared cell by cell: the same prompt and the same seed.

    Raises:
        RunError: If they are the same run, or share no seed or no prompt.
    """
    if first.root == second.root:
        raise RunError(f"{first.root} would be compared with itself; give another run with --with")
    seeds = tuple(sorted(set(first.seeds) & set(second.seeds)))
    if not seeds or not set(first.prompts) & set(second.prompts):
        raise RunError(
            f"{first.root} and {second.root} have {len(seeds)} seeds and "
            f"{len(set(first.prompts) & set(second.prompts))} prompts in common; both need at "
            f"least 1"
        )
    names = [first.root.name, second.root.name]
    if names[0] == names[1]:
        names = [f"{run.folder.parent.name}/{run.root.name}" for run in (first, second)]
    return Side(names[0], first, seeds), Side(names[1], second, seeds)


def choose_pairs(sides: tuple[Side, Side], count: int, rng: np.random.Generator) -> list[Pair]:
    """Draw pairs at random: each prompt nearly equally often, no pair twice.

    Lists of seeds are compared on prompts that had no part in choosing them (set 3), if there are
    any; runs are compared on all prompts that they share.

    Args:
        sides: The sides. Sides of different runs are compared with equal seeds.
        count: Number of pairs; fewer are returned if there are not so many.
        rng: Draws.
    """
    prompts = prompts_of(sides)
    pairs: dict[tuple[str, tuple[int, int]], Pair] = {}
    order = [prompts[i] for i in rng.permutation(len(prompts))]
    wanted = min(count, len(prompts) * _seed_pairs(sides))
    for prompt in islice(cycle(order), wanted * TRIES):
        if len(pairs) == wanted:
            break
        pair = Pair(prompt, _seeds(sides, rng))
        pairs.setdefault((prompt.id, pair.seeds), pair)
    return list(pairs.values())


def prompts_of(sides: tuple[Side, Side]) -> list[Prompt]:
    """The prompts on which sides are compared.

    Raises:
        RunError: If there is none whose images were kept.
    """
    first, second = (side.run for side in sides)
    kept = first.kept_prompts() & second.kept_prompts()
    shared = [p for p in first.prompts.values() if p.id in kept and p.id in second.prompts]
    if not shared:
        raise RunError(f"{first.root} kept no images to compare: set `keep_images: all`")
    unseen = [prompt for prompt in shared if prompt.set == 3]
    return unseen if first.root == second.root and unseen else shared


def _seed_pairs(sides: tuple[Side, Side]) -> int:
    """Number of different pairs of seeds."""
    same = sides[0].run.root != sides[1].run.root
    return len(sides[0].seeds) * (1 if same else len(sides[1].seeds))


def _seeds(sides: tuple[Side, Side], rng: np.random.Generator) -> tuple[int, int]:
    one = int(rng.choice(sides[0].seeds))
    same = sides[0].run.root != sides[1].run.root
    return (one, one) if same else (one, int(rng.choice(sides[1].seeds)))


def cells_of(pairs: Sequence[Pair], side: int) -> Iterator[tuple[str, int]]:
    """The cells of one side of the pairs: (prompt id, seed).

    Args:
        pairs: The pairs.
        side: 0 for the first side, 1 for the second.
    """
    return ((pair.prompt.id, pair.seeds[side]) for pair in pairs)
