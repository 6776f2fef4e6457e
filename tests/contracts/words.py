"""Say in words what a new member of a family still lacks, and where to add it."""

from collections.abc import Collection


def unlisted(what: str, names: Collection[str], listed: Collection[str], *, table: str) -> str:
    """Compare the names of a registry with a table of a contract suite.

    Args:
        what: The family in the singular: "feature".
        names: Names in the registry.
        listed: Names in the table.
        table: Name of the table and its file, and what a line holds.

    Returns:
        What to add and what to take out, one sentence a name; empty if the two agree.

    Example:
        >>> unlisted("feature", ["gram", "sharpness"], ["gram"], table="TOLERANCE (test.py)")
        'feature sharpness has no line in TOLERANCE (test.py): add one'
        >>> unlisted("feature", ["gram"], ["gram", "old"], table="TOLERANCE (test.py)")
        'TOLERANCE (test.py) has a line for old, which is no feature: take it out'
    """
    missing = [
        f"{what} {name} has no line in {table}: add one" for name in sorted({*names} - {*listed})
    ]
    left = [
        f"{table} has a line for {name}, which is no {what}: take it out"
        for name in sorted({*listed} - {*names})
    ]
    return "\n".join([*missing, *left])
