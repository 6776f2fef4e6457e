"""Rank the seeds of a run on some of its prompts only, without touching the run's own ranking."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.ranking.groups import LEAST_GROUPS
from analysis.ranking.one_list import OneList, one_list, prompt_category
from analysis.ranking.rank import rank
from analysis.ranking.result import Ranking
from pipeline.errors import ConfigError, RunError, nearest
from pipeline.prompts.prompt import Prompt
from pipeline.prompts.prompt_sets import read_prompts
from pipeline.runs.run import Run
from pipeline.runs.some_prompts import SomePrompts

FIELDS = ("category", "challenge", "object", "modifier", "group")


@dataclass(frozen=True)
class Where:
    """A condition on prompts.

    Attributes:
        field: "category" (of a prompt without one, its group), "challenge", "object", "group", or
            "modifier" (a list separated by commas).
        values: The prompt must have one of these values.
    """

    field: str
    values: frozenset[str]

    def fits(self, prompt: Prompt) -> bool:
        """Whether a prompt meets the condition; case does not matter."""
        return bool(self.values & values_of(prompt, self.field))

    def __str__(self) -> str:
        """Write the condition as it is typed."""
        return f"{self.field}={','.join(sorted(self.values))}"


@dataclass(frozen=True)
class Choice:
    """Some prompts of a run.

    Attributes:
        words: What was chosen, for messages.
        ids: Ids of the chosen prompts.
        one_by_one: Whether each prompt counts as a prompt group of its own, because the choice
            itself is of fewer groups than a list needs.
    """

    words: str
    ids: frozenset[str]
    one_by_one: bool


@dataclass(frozen=True)
class RankedChoice:
    """A ranking on some prompts of a run.

    Attributes:
        choice: The prompts.
        ranking: The ranking.
        one_list: Whether a list of the other prompts would be enough for them.
    """

    choice: Choice
    ranking: Ranking
    one_list: OneList


def values_of(prompt: Prompt, field: str) -> set[str]:
    """List the values of a prompt's field, in small letters."""
    text = prompt_category(prompt) if field == "category" else getattr(prompt, field) or ""
    parts = text.split(",") if field == "modifier" else [text]
    return {part.strip().casefold() for part in parts if part.strip()}


def parse_where(text: str) -> Where:
    """Read a condition such as "category=horse,cat".

    Raises:
        ConfigError: If it is not FIELD=VALUE with a known field.

    Example:
        >>> str(parse_where("category=Horse"))
        'category=horse'
    """
    name, equals, rest = text.partition("=")
    values = frozenset(part.strip().casefold() for part in rest.split(",") if part.strip())
    if name.strip() not in FIELDS or not equals or not values:
        raise ConfigError(
            f"--where {text!r}: {nearest(name.strip(), FIELDS)}wanted FIELD=VALUE, where FIELD is "
            f"{', '.join(FIELDS[:-1])} or {FIELDS[-1]}, for example category=horse"
        )
    return Where(name.strip(), values)


def choose_where(run: Run, where: Sequence[Where]) -> Choice:
    """Choose the prompts of a run that meet all conditions.

    Raises:
        ConfigError: If there is none; the message names values that the run has.
    """
    prompts = list(run.prompts.values())
    for rule in where:
        known = {value for prompt in prompts for value in values_of(prompt, rule.field)}
        for value in sorted(rule.values - known):
            some = ", ".join(sorted(known)[:20]) or "none"
            raise ConfigError(
                f"--where {rule}: no prompt of {run.root} has the {rule.field} "
                f"{value!r}; {nearest(value, known)}the run has {len(known)}: {some}"
                f"{' ...' if len(known) > 20 else ''}"
            )
    fits = [prompt for prompt in prompts if all(rule.fits(prompt) for rule in where)]
    if not fits:
        raise ConfigError(f"no prompt of {run.root} meets {' and '.join(map(str, where))} together")
    return _choice(" and ".join(map(str, where)), fits)


def choose_listed(run: Run, path: Path) -> Choice:
    """Choose the prompts of a run that a prompt file lists.

    Raises:
        ConfigError: If the run drew none of them.
        PromptError: If the file cannot be read.
    """
    listed = read_prompts(path).prompts
    fits = [run.prompts[prompt.id] for prompt in listed if prompt.id in run.prompts]
    if not fits:
        raise ConfigError(
            f"{path}: {run.root} drew none of its {len(listed)} prompts. Draw them first, with the "
            f"model and the seeds of the run: put this file into the recipe as `prompts`, and "
            f"`goldenseed run` it with the same --out, which adds them"
        )
    missing = len(listed) - len(fits)
    lacks = f", {missing} of {len(listed)} not drawn" if missing else ""
    return _choice(f"the prompts of {path.name}{lacks}", fits)


def _choice(words: str, prompts: Sequence[Prompt]) -> Choice:
    groups = {prompt.group for prompt in prompts}
    ids = frozenset(prompt.id for prompt in prompts)
    return Choice(words, ids, one_by_one=len(groups) < LEAST_GROUPS)


def rank_some(run: Run, where: Sequence[str], listed: Path | None = None) -> RankedChoice:
    """Rank on some prompts of a run. The ranking is returned and not saved.

    Args:
        run: The run.
        where: Conditions such as "category=horse", all of which a prompt must meet.
        listed: A prompt file, of which a prompt must be.

    Raises:
        ConfigError: If a condition is malformed, or no prompt is left.
        PromptError: If the file cannot be read.
        RunError: If these prompts are too few for a ranking.
    """
    rules = [parse_where(text) for text in where]
    choices = [choose_where(run, rules)] if rules else []
    choices += [choose_listed(run, listed)] if listed else []
    choice = choices[0] if len(choices) == 1 else _both(run, *choices)
    try:
        ranking = rank(SomePrompts(run, _units(run, choice)))
    except RunError as error:
        raise RunError(f"{choice.words} ({len(choice.ids)} prompts): {error}") from error
    return RankedChoice(choice, ranking, one_list(run, choice.ids))


def _both(run: Run, first: Choice, second: Choice) -> Choice:
    words = f"{first.words} and {second.words}"
    both = [prompt for name, prompt in run.prompts.items() if name in first.ids & second.ids]
    if not both:
        raise ConfigError(f"no prompt of {run.root} is in both: {words}")
    return _choice(words, both)


def _units(run: Run, choice: Choice) -> Iterator[Prompt]:
    """Give the chosen prompts, each in a group of its own if they are of few groups.

    A list for the category "horse" speaks of prompts about horses, so its prompts are the sample.
    """
    for name in choice.ids:
        prompt = run.prompts[name]
        yield dataclasses.replace(prompt, group=name) if choice.one_by_one else prompt
