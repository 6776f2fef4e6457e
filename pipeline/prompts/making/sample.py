"""Taking a sample that a larger one only adds to, and writing it."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.errors import PromptError
from pipeline.prompts.prompt import Prompt, normalise
from pipeline.prompts.prompt_sets import read_prompts, write_prompts_jsonl

_SALT = "goldenseed samples 1"


def sample_order(name: str) -> str:
    """Sort key of a name: by its hash, so that the first n of any list are a fair sample.

    Example:
        >>> sorted(["a", "b", "c"], key=sample_order)
        ['b', 'a', 'c']
    """
    return hashlib.sha256(f"{_SALT}:{name}".encode()).hexdigest()


def without_duplicates(prompts: Iterable[Prompt]) -> tuple[list[Prompt], int]:
    """Keep the first prompt of every text; texts that differ in case or blanks are one.

    Two pictures with one description would be one prompt with two groups.

    Returns:
        The prompts that are kept, in order, and how many were not.

    Example:
        >>> kept, dropped = without_duplicates([Prompt("a cat", group="1"), Prompt("A cat ")])
        >>> [prompt.group for prompt in kept], dropped
        (['1'], 1)
    """
    kept: dict[str, Prompt] = {}
    count = 0
    for prompt in prompts:
        count += 1
        kept.setdefault(normalise(prompt.text), prompt)
    return list(kept.values()), count - len(kept)


def refuse_other_prompts(path: Path, prompts: Sequence[Prompt]) -> None:
    """Refuse a file that holds prompts of another sample; a smaller sample of ours may grow.

    Raises:
        PromptError: If the file holds a prompt that is none of these, or cannot be read.
    """
    if not path.exists():
        return
    ours = {prompt.id for prompt in prompts}
    strange = sum(prompt.id not in ours for prompt in read_prompts(path).prompts)
    if strange:
        raise PromptError(
            f"{path} holds {strange:,} prompts that are not of this sample; "
            f"name another file, or take that one away"
        )


def write_sample(path: Path, prompts: Sequence[Prompt]) -> None:
    """Write a sample, or add what a smaller sample in the file lacks.

    Raises:
        PromptError: If the file holds prompts of another sample.
        StoreError: If it cannot be written.
    """
    refuse_other_prompts(path, prompts)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_prompts_jsonl(path, prompts)
