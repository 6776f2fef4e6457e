"""Say on stderr what becomes of prompts: what is not read, not used, or drawn as it stands."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

from analysis.features import FEATURES, load_feature
from goldenseed.progress import note
from pipeline.cards.card import load_cards
from pipeline.cards.checkpoints import PROJECT_ROOT
from pipeline.drawing.planned_texts import cut_texts
from pipeline.prompts.foreign_syntax import foreign_syntax
from pipeline.prompts.prompt import Prompt
from pipeline.prompts.prompt_sets import PromptSet
from pipeline.settings.recipe import Recipe
from pipeline.settings.unread import last_set
from pipeline.settings.weighting import without_weights

LISTED = 5
"""Most prompts with the syntax of other programs that are listed."""


def note_prompts(recipe: Recipe, prompts: PromptSet) -> None:
    """Say what reading the prompts changed, and what a model or a feature does not understand.

    Args:
        recipe: The recipe.
        prompts: The prompts that it names.
    """
    if prompts.report.says_something:
        note(prompts.report.summary())
    if not recipe.prompts.literal:
        _note_foreign_syntax(recipe, prompts)
    note_cut_texts(recipe, recipe.features, prompts.prompts)


def _note_foreign_syntax(recipe: Recipe, prompts: PromptSet) -> None:
    plain = without_weights if _reads_weights(recipe) else str
    found = [*_in_negative_prompts(recipe, plain), *_in_prompts(prompts, plain)]
    for text in found[:LISTED]:
        note(text)
    if found:
        more = f" ({len(found) - LISTED:,} more were found)" if len(found) > LISTED else ""
        note(
            f"models here read a prompt as ordinary text, so such parts are drawn as they "
            f"stand{more}; remove them, or write `literal: true` in the recipe's `prompts` if they "
            f"are meant"
        )


def _reads_weights(recipe: Recipe) -> bool:
    """Whether an arm reads weights in prompts."""
    cards = [part.own_card() for part in recipe.by_card()]
    layers = [recipe.sampling, *recipe.arms.values()]
    return any(layer.prompt_weighting for layer in layers) or any(
        card.prompt_weighting for card in cards
    )


def _in_prompts(prompts: PromptSet, plain: Callable[[str], str]) -> Iterator[str]:
    for prompt in prompts.prompts:
        part = foreign_syntax(plain(prompt.text)) or foreign_syntax(plain(prompt.negative or ""))
        if part:
            yield f"{prompts.report.path}:{prompts.lines[prompt.id]}: found {part}"


def _in_negative_prompts(recipe: Recipe, plain: Callable[[str], str]) -> Iterator[str]:
    for arm, sampling in {"": recipe.sampling, **recipe.arms}.items():
        part = foreign_syntax(plain(sampling.negative_prompt or ""))
        if part:
            yield f"{f'arm {arm}: ' if arm else ''}negative_prompt: found {part}"


def note_cut_texts(recipe: Recipe, features: Sequence[str], prompts: Iterable[Prompt]) -> None:
    """Say how many prompts each feature does not read to the end; the same sentence only once.

    Args:
        recipe: It says on which prompts a feature is measured.
        features: Names of features.
        prompts: The prompts of the grid.
    """
    listed = list(prompts)
    shipped = _is_shipped(recipe)
    for name in dict.fromkeys(features):
        if shipped and name in FEATURES:
            continue  # these fit, as a test checks, and a plan need not load a tokenizer
        share = recipe.feature_prompts.get(name)
        texts = [p.text for p in listed if share is None or not share.skips(p.id)]
        cut = load_feature(name).cut_texts(texts)
        if cut:
            _note_once(
                f"feature {name} does not read {len(cut):,} of {len(texts):,} prompts to the end, "
                f"for example {cut[0][:60]!r}: they have more tokens than its text encoder takes, "
                f"and two prompts that differ only after that have the same numbers"
            )


def check_texts(recipe: Recipe, prompts: Sequence[Prompt]) -> None:
    """Say before anything is drawn which texts the text encoders of the models will cut off.

    Shipped prompts fit the shipped models, as a test checks; so only the negative prompts of such
    a recipe are read.

    Args:
        recipe: The recipe.
        prompts: Its prompts.

    Raises:
        PromptError: If there are such texts and the recipe does not say `long_prompts: cut`.
    """
    refuse = recipe.long_prompts == "refuse"
    for part in recipe.by_card():
        card = part.own_card()
        fit = _is_shipped(recipe) and card == load_cards().get(card.name)
        read = () if fit else prompts
        layers = [(part.sampling, arm) for arm in part.arms.values() or [part.sampling]]
        negatives = {
            last_set(pair, "negative_prompt", "")
            for pair in layers
            if not last_set(pair, "prompt_weighting", card.prompt_weighting)
        }  # what a library that reads weights cuts off is known once the model is loaded
        for negative in sorted(negatives):
            cut = cut_texts(card, read, negative, refuse=refuse)
            if cut:
                whose = " (the negative prompt is one of them)" if negative in cut else ""
                _note_once(
                    f"card {card.name} will cut off {len(cut):,} of {len(prompts):,} prompts and "
                    f"negative prompts{whose}, for example {cut[0][:60]!r}: they are longer than a "
                    f"text encoder reads; `truncated_tokens` will count how much"
                )


def _is_shipped(recipe: Recipe) -> bool:
    return (PROJECT_ROOT / "prompts" / f"{recipe.prompts.source}.jsonl").is_file()


@cache
def _note_once(text: str) -> None:
    note(text)
