"""Compare two words letter by letter."""

from collections.abc import Sequence

import numpy as np

LEAST_LETTERS = 3
"""Words with fewer letters are ignored: they resemble almost any word."""


def edit_distance(first: str, second: str) -> int:
    """Smallest number of insertions, deletions and substitutions that turn one text into the other.

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
        # Each insertion costs 1, so after subtracting the column number the row is a running
        # minimum.
        columns = np.arange(len(best))
        row = np.minimum.accumulate(best - columns) + columns
    return int(row[-1])


def words_of(text: str) -> list[str]:
    """The words of a text with at least 3 letters, in lower case.

    Example:
        >>> words_of("A Red-horse, on 2 legs")
        ['red', 'horse', 'legs']
    """
    kept = "".join(letter if letter.isalpha() else " " for letter in text.casefold())
    return [word for word in kept.split() if len(word) >= LEAST_LETTERS]


def likeness(read: Sequence[str], text: str) -> float:
    """Similarity of the closest pair of a word that was read and a word of a text.

    Args:
        read: Texts that were read.
        text: A prompt.

    Returns:
        1 - (edit distance) / (length of the longer word) of the closest pair; 0 if one side has no
        word of at least 3 letters.

    Example:
        >>> likeness(["H0RSE", "horze"], "a red horse"), likeness([], "a red horse")
        (0.8, 0.0)
    """
    pairs = [(a, b) for line in read for a in words_of(line) for b in words_of(text)]
    return max((1 - edit_distance(a, b) / max(len(a), len(b)) for a, b in pairs), default=0.0)
