"""Takes and writes samples of prompts; a larger sample contains each smaller one."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.errors import PromptError
from pipeline.prompts.prompt import Prompt, normalise
from pipeline.prompts.prompt_sets import read_prompts, write_prompts_jsonl

_SALT = "goldenseed samples 1"


def sample_order(name: str) -> str:
    """Give a sort key of a name, by its hash: the first n names of a list are a fair sample.

    Example:
        >>> sorted(["a", "b", "c"], key=sample_order)
        ['b', 'a', 'c']
    """
    return hashlib.sha256(f"{_SALT}:{name}".encode()).hexdigest()


def without_duplicates(prompts: Iterable[Prompt]) -> tuple[list[Prompt], int]:
    """Keep the first prompt of each text; texts that differ only in case or blanks are the same.

    Two images with the same description would be one prompt with two groups.

    Returns:
        The prompts that are kept, in order, and the number of the others.

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
    """Refuse a file with prompts of another sample; a smaller sample of the same prompts may grow.

    Raises:
        PromptError: If the file has a prompt that is not in the sample, or cannot be read.
    """
    if not path.exists():
        return
    ids = {prompt.id for prompt in prompts}
    others = sum(prompt.id not in ids for prompt in read_prompts(path).prompts)
    if others:
        raise PromptError(
            f"{path} holds {others:,} prompts that are not of this sample; "
            f"name another file, or remove this one"
        )


def write_sample(path: Path, prompts: Sequence[Prompt]) -> None:
    """Write a sample, or add to a smaller sample in the file what it lacks.

    Raises:
        PromptError: If the file holds prompts of another sample.
        StoreError: If the file cannot be written.
    """
    refuse_other_prompts(path, prompts)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_prompts_jsonl(path, prompts)
