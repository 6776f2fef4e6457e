"""Estimate the memory on the GPU that drawing needs, from the sizes of the weights."""

from pipeline.cards.card import Card
from pipeline.cards.facts.parameters import load_of
from pipeline.cards.memory import need
from pipeline.settings.recipe import Recipe, Sampling
from pipeline.settings.unread import last_set


def memory_words(card: Card, recipe: Recipe, arm: Sampling) -> str:
    """Say what memory an arm needs, and by which rule.

    Args:
        card: The card of the arm.
        recipe: The recipe.
        arm: Settings that replace those of the recipe.

    Returns:
        The words; empty for a card that draws on the CPU, or if its weights are not here.

    Raises:
        ModelError: If a file of the card is damaged.
    """
    if not card.gpu:
        return ""
    layers = (recipe.sampling, arm)
    load = load_of(
        card,
        height=last_set(layers, "height", card.height),
        width=last_set(layers, "width", card.width),
        batch=recipe.batch_size,
        guided=last_set(layers, "guidance_scale", card.guidance_scale) > 1,
    )
    return need(load, card.memory).words if load else ""
