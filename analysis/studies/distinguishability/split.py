"""Split prompts into training, validation and test parts, with no group in two parts."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.errors import RunError
from pipeline.prompts.prompt_sets import Prompt

SALT = "goldenseed classifier split 1"
SHARES = 11
"""Validation and test each get one of 11 shares, as in the paper (9 : 1 : 1)."""
LEAST_GROUPS = 3
"""Smallest number of groups in the test part: its interval is clustered by group."""


@dataclass(frozen=True)
class Split:
    """The three parts; dependent prompts (of one group) are in the same part.

    Attributes:
        train: Prompts that the network is trained on.
        validation: Prompts that are tested after each epoch.
        test: Prompts that the result is measured on.
    """

    train: tuple[Prompt, ...]
    validation: tuple[Prompt, ...]
    test: tuple[Prompt, ...]

    def groups(self, part: str) -> int:
        """Number of groups of a part."""
        return len({prompt.group for prompt in getattr(self, part)})


def split_by_group(prompts: Iterable[Prompt], counts: Sequence[int] = (0, 0, 0)) -> Split:
    """Split prompts into three parts by whole groups, in the order of the groups' hashes.

    Test and validation take whole groups until each holds its count, or 1 / 11 of all prompts; the
    test takes at least three groups. Training gets the remaining groups. A part with a count is
    then cut down to it, so that each seed has exactly that many images.

    Args:
        prompts: All prompts.
        counts: Prompts for training, validation and test, which are images per seed; 0 for the
            proportions of the paper (9,000 : 1,000 : 1,000).

    Raises:
        RunError: If there are too few groups or prompts; says how many are needed.

    Example:
        >>> split = split_by_group(Prompt(f"{c} {i}", object=c) for c in "abcdef" for i in range(4))
        >>> [len(part) for part in (split.train, split.validation, split.test)]
        [8, 4, 12]
        >>> {p.group for p in split.train} & {p.group for p in split.test}
        set()
    """
    groups: dict[str, list[Prompt]] = {}
    for prompt in sorted(prompts, key=lambda prompt: prompt.id):
        groups.setdefault(prompt.group, []).append(prompt)
    left = [groups[name] for name in sorted(groups, key=_hash)]
    share = -(-sum(map(len, left)) // SHARES)
    test = _take(left, counts[2] or share, LEAST_GROUPS, "test")
    validation = _take(left, counts[1] or share, 1, "validation")
    train = [prompt for group in left for prompt in group]
    if not train or len(train) < counts[0]:
        raise _too_few(len(train), max(counts[0], 1), "training")
    cut = [
        part[: count or None] for part, count in zip((train, validation, test), counts, strict=True)
    ]
    return Split(*map(tuple, cut))


def _hash(group: str) -> str:
    return hashlib.sha256(f"{SALT}:{group}".encode()).hexdigest()


def _take(groups: list[list[Prompt]], wanted: int, least: int, part: str) -> list[Prompt]:
    """Take groups off the front until they hold enough prompts and there are enough groups."""
    taken: list[Prompt] = []
    for number in range(1, len(groups) + 1):
        taken += groups.pop(0)
        if len(taken) >= wanted and number >= least:
            return taken
    raise _too_few(len(taken), wanted, part)


def _too_few(count: int, wanted: int, part: str) -> RunError:
    return RunError(
        f"{count:,} prompts are left for {part}; the classifier needs {wanted:,} there, in whole "
        f"prompt groups, and at least {LEAST_GROUPS} groups for the test: draw more prompts of "
        f"other groups"
    )


def some_groups(prompts: Sequence[Prompt], share: float) -> tuple[Prompt, ...]:
    """Choose the first groups, in the order of their hashes, that hold a share of the prompts.

    Args:
        prompts: The training prompts.
        share: In (0, 1]; at least one group.

    Example:
        >>> prompts = [Prompt(f"{c} {i}", object=c) for c in "abcd" for i in range(3)]
        >>> some = some_groups(prompts, 0.5)
        >>> len(some), len({prompt.group for prompt in some})
        (6, 2)
    """
    groups = sorted({prompt.group for prompt in prompts}, key=_hash)
    members = {name: [p for p in prompts if p.group == name] for name in groups}
    chosen: list[Prompt] = []
    for name in groups:
        if len(chosen) >= share * len(prompts):
            break
        chosen += members[name]
    return tuple(chosen)
