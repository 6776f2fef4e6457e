"""How alike two words are, letter by letter."""

from collections.abc import Sequence

import numpy as np

LEAST_LETTERS = 3
"""Shorter words are like anything."""


def edit_distance(first: str, second: str) -> int:
    """Fewest insertions, deletions and replacements that turn one text into the other.

    Source:
        Levenshtein 1966; the table of Wagner and Fischer 1974, J. ACM 21(1), row by row.

    Example:
        >>> edit_distance("kitten", "sitting")
        3
    """
    row = np.arange(len(second) + 1)
    letters = np.array(list(second), dtype=np.str_)
    for number, letter in enumerate(first, start=1):
        change = row[:-1] + (letters != letter)
        best = np.concatenate([[number], np.minimum(change, row[1:] + 1)])
        # An insertion costs 1 a place, so the row is a running minimum once places are taken off.
        places = np.arange(len(best))
        row = np.minimum.accumulate(best - places) + places
    return int(row[-1])


def words_of(text: str) -> list[str]:
    """The words of a text that have letters enough, in small letters.

    Example:
        >>> words_of("A Red-horse, on 2 legs")
        ['red', 'horse', 'legs']
    """
    kept = "".join(letter if letter.isalpha() else " " for letter in text.casefold())
    return [word for word in kept.split() if len(word) >= LEAST_LETTERS]


def likeness(read: Sequence[str], text: str) -> float:
    """How close any word that was read comes to any word of a text.

    Args:
        read: Texts as they were read.
        text: A prompt.

    Returns:
        1 - edit distance / length of the longer word, of the closest pair; 0 where one side has
        no word of 3 letters.

    Example:
        >>> likeness(["H0RSE", "horze"], "a red horse"), likeness([], "a red horse")
        (0.8, 0.0)
    """
    pairs = [(a, b) for each in read for a in words_of(each) for b in words_of(text)]
    return max((1 - edit_distance(a, b) / max(len(a), len(b)) for a, b in pairs), default=0.0)
