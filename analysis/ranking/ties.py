"""Limit how far ties may lengthen a list.

Seeds that tie for the last place are listed whole, because a tie is never broken by seed number. A
rare yes/no metric has one value for most seeds, and such a list would name nearly all of them.
"""

LONGEST = 1.25
"""A list that ties make longer than this multiple of its share cannot be ranked."""


def most_with_ties(places: int) -> int:
    """Return how many seeds a list may have if seeds tie for its last place.

    Example:
        >>> most_with_ties(8), most_with_ties(1)
        (10, 1)
    """
    return int(LONGEST * places)


def ties_words(listed: int, places: int, seeds: int, where: str) -> str:
    """Say that seeds cannot be ranked because of ties.

    Example:
        >>> ties_words(31, 8, 32, "set 1")
        'cannot be ranked: too many ties (on set 1, 31 of 32 seeds tie for 8 places)'
    """
    return (
        f"cannot be ranked: too many ties (on {where}, {listed} of {seeds} seeds tie for {places} "
        f"places)"
    )
