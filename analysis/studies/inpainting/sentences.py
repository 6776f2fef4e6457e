"""Say what was found in words: one sentence per task, for mimicry, and between the tasks."""

from collections.abc import Mapping
from typing import Any

from analysis.statistics.attenuation import Carried
from analysis.statistics.monte_carlo import p_words
from analysis.studies.inpainting.mimicry import Mimicry


def task_sentence(row: Mapping[str, Any], draws: int) -> str:
    """State the result of one task, with p-values of so many draws: its row in words."""
    withheld = f", but no seed is listed: {row['withheld']}" if row["withheld"] else ""
    return (
        f"{row['task']}: {row['seeds']:,} seeds, {row['pairs']:,} pairs, a word in the mask in "
        f"{row['rate']:z.1%} [{row['rate_low']:z.1%}, {row['rate_high']:z.1%}] of the images, in "
        f"{row['floor']:z.1%} [{row['floor_low']:z.1%}, {row['floor_high']:z.1%}] of "
        f"{row['floor_n']:,} originals; text covers {row['text_share']:z.1%} of the mask, in the "
        f"originals {row['floor_text_share']:z.1%}; rank correlation of the seeds' rates on the "
        f"two sets {row['rank_correlation']:z.2f}, largest minus smallest rate {row['gap']:z.1%}, "
        f"without a seed effect {row['gap_null_mean']:z.1%} ({p_words(row['gap_p'], draws)}); "
        f"{row['again']} of {row['chosen']} clean seeds are clean again, by chance "
        f"{row['again_chance']:z.1f} ({p_words(row['again_p'], draws)}){withheld}; on "
        f"{row['held_out']:,} held-out pairs their rate is "
        f"{-row['gain']:z.1%} lower [{-row['gain_high']:z.1%}, {-row['gain_low']:z.1%}]"
    )


def mimicry_sentence(mimics: Mapping[str, Mimicry | None], draws: int) -> str:
    """State how far words resemble their prompts, task by task."""
    sentences = [
        f"likeness of words to their {name} prompt {mimic.own:z.2f}, to others {mimic.other:z.2f}, "
        f"with permuted prompts {mimic.null_mean:z.2f} ({p_words(mimic.p, draws)}, {mimic.n:,} "
        f"images with words)"
        if mimic
        else f"too few words or prompts to test mimicry in {name}"
        for name, mimic in mimics.items()
    ]
    return "; ".join(sentences)


def between_sentence(between: Carried | None) -> str:
    """State how far the rates of the seeds agree between the tasks."""
    if between is None:
        return "removal and completion are not compared: one is missing or shares all images"
    cross = between.cross
    return (
        f"correlation of the seeds' rates in removal and completion, across sets, "
        f"{cross.value:z.2f} [{cross.low:z.2f}, {cross.high:z.2f}], corrected "
        f"{between.corrected.value:z.2f}"
    )
