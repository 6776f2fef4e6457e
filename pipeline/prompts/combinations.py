"""Combines the parts of prompts: `{red|blue} {cat|dog}` is four prompts, `__colour__` a list.

This is done only where a recipe asks for it, because braces may be meant as text.
"""

import logging
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError, PromptError
from pipeline.prompts.prompt import Prompt
from pipeline.prompts.prompt_sets import PromptSet

if TYPE_CHECKING:
    from dynamicprompts.generators import CombinatorialPromptGenerator

MAX_COMBINATIONS = 10_000
"""Most prompts of one template."""
TEMPLATE = re.compile(r"[{}]|__[^\s_]")
WILDCARD = re.compile(r"__\S+?__")


def combined(prompts: PromptSet, wildcards: str) -> PromptSet:
    """Replace each template among the prompts by its combinations.

    The combinations of a template depend on one another, so they are one group: that of the file,
    or else the template.

    Args:
        prompts: The prompts of a file.
        wildcards: Folder with `colour.txt`, one value a line, for `__colour__`; empty for none.

    Raises:
        ConfigError: If the library is not installed, or there is no such folder.
        PromptError: If a template is malformed, names a list that is not there, or has more than
            `MAX_COMBINATIONS` combinations. The message names file and line.
    """
    generator = _generator(wildcards)
    made: dict[str, Prompt] = {}
    lines: dict[str, int] = {}
    for prompt in prompts.prompts:
        where = f"{prompts.report.path}:{prompts.lines[prompt.id]}"
        for text in _texts(generator, prompt.text, where):
            new = replace(prompt, text=text)
            made.setdefault(new.id, new)
            lines.setdefault(new.id, prompts.lines[prompt.id])
    return PromptSet(tuple(made.values()), prompts.report, lines)


def _generator(wildcards: str) -> "CombinatorialPromptGenerator":
    if wildcards and not Path(wildcards).is_dir():
        raise ConfigError(f"`wildcards` of `prompts`: {wildcards} is no folder")
    try:
        from dynamicprompts.generators import CombinatorialPromptGenerator
        from dynamicprompts.wildcards import WildcardManager
    except ImportError as error:
        raise ConfigError(
            "`combinations` of `prompts` needs dynamicprompts: pip install 'goldenseed[templates]'"
        ) from error
    # The library logs what `_texts` says in an error.
    logging.getLogger("dynamicprompts").setLevel(logging.CRITICAL)
    return CombinatorialPromptGenerator(WildcardManager(Path(wildcards) if wildcards else None))


def _texts(generator: Any, template: str, where: str) -> Iterator[str]:  # noqa: ANN401
    """Give the combinations of a template; a text without one is given as it is."""
    if not TEMPLATE.search(template):
        yield template
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library uses old names of its parser's
            texts = generator.generate(template, MAX_COMBINATIONS + 1)
    except (Exception, RecursionError) as error:
        raise PromptError(f"{where}: a template that cannot be read: {str(error)[:100]}") from None
    missing = next((found for text in texts for found in WILDCARD.findall(text)), "")
    if missing:
        raise PromptError(
            f"{where}: found no list for {missing}; put one value a line into "
            f"{missing.strip('_')}.txt in the folder `wildcards` of the recipe's `prompts`"
        )
    if len(texts) > MAX_COMBINATIONS:
        raise PromptError(
            f"{where}: more than {MAX_COMBINATIONS:,} combinations; use fewer parts, or write a "
            f"file of the prompts that you want"
        )
    if not texts:
        raise PromptError(f"{where}: a template without any combination")
    yield from texts
