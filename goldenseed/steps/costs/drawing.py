"""Estimate what drawing costs: the operations of the networks over a rate, and encoding."""

from goldenseed.steps.costs.cost import Cost
from pipeline.cards.card import Card
from pipeline.settings.recipe import Sampling

BYTES_PER_PIXEL = 1.45
"""Lossless WebP (method 0) of a 512 x 512 photograph: 370 KiB."""

ENCODING_SECONDS_PER_PIXEL = 0.0188 / 512**2
"""One core encodes such an image in 19 ms: measured on 2 cores of an AMD EPYC, 2026-12-01, busy."""

TIMED_CORES = 2
"""Cores on which the cards' `seconds_per_image` was timed, with one worker each."""

H100_FLOPS = 0.4 * 790e12
"""Assumed rate of one H100: 40 % of the 790 TFLOP/s that a large bf16 matrix product reaches."""


def drawing_cost(card: Card, *layers: Sampling, images: int, kept: int) -> tuple[Cost | None, str]:
    """Estimate what drawing costs.

    Args:
        card: The card.
        *layers: As for `seconds_per_image`.
        images: Images to draw.
        kept: Images among them that are kept.

    Returns:
        The cost, or None if the card has no cost figures, and what the estimate is based on.
    """
    seconds, basis = seconds_per_image(card, *layers)
    if seconds is None:
        return None, basis
    room = image_bytes(card, *layers, kept=kept)
    if not card.gpu:  # encoding is in the time of the card
        return Cost(core_seconds=TIMED_CORES * seconds * images, disk_bytes=room), basis
    return Cost(seconds * images, encoding_seconds(card, *layers, kept=kept), room), basis


def image_bytes(card: Card, *layers: Sampling, kept: int) -> int:
    """Estimate the size of the images that are kept."""
    return int(kept * _pixels(card, *layers) * BYTES_PER_PIXEL)


def encoding_seconds(card: Card, *layers: Sampling, kept: int) -> float:
    """Estimate how long one core encodes the images that are kept."""
    return kept * _pixels(card, *layers) * ENCODING_SECONDS_PER_PIXEL


def seconds_per_image(card: Card, *layers: Sampling) -> tuple[float | None, str]:
    """Estimate the time to draw one image.

    If the card was timed, the estimate is the card's time, scaled by the number of steps.
    Otherwise it is the number of floating-point operations divided by `H100_FLOPS`: computed, not
    measured on a GPU.

    Args:
        card: The card.
        *layers: Sampling settings that replace those of the card; a later layer replaces an earlier
            one.

    Returns:
        Seconds (None if the card has no cost figures), and what the estimate is based on.
    """
    steps, guidance = card.num_inference_steps, card.guidance_scale
    for layer in layers:
        steps = layer.num_inference_steps or steps
        guidance = guidance if layer.guidance_scale is None else layer.guidance_scale
    if card.seconds_per_image is not None:
        scale = steps / card.num_inference_steps
        return card.seconds_per_image * scale, "timed on two cores of an AMD EPYC, two workers"
    if card.gflop_forward is None or card.gflop_decode is None:
        return None, "this card has no cost figures (`seconds_per_image`)"
    forwards = steps * (2 if guidance > 1 else 1)
    flop = (card.gflop_forward * forwards + card.gflop_decode) * 1e9
    basis = "computed from FLOPs at 40 % of an H100's 790 TFLOP/s; not measured on a GPU"
    return flop / H100_FLOPS, basis


def _pixels(card: Card, *layers: Sampling) -> int:
    """Count the pixels of one image."""
    height, width = card.height, card.width
    for layer in layers:
        height, width = layer.height or height, layer.width or width
    return height * width
