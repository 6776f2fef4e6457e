"""Compare the numbers that a page prints with those that its tables give."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from docs.tools.printed_numbers.binding import Entry
from docs.tools.printed_numbers.page import Page, Printed


@dataclass
class Result:
    """What was found about the numbers of a page.

    Attributes:
        faults: a line for each number that is wrong or has no source, and for each entry that
            fits nowhere.
        corrections: numbers that the tables give otherwise, with the text to print instead.
        kinds: the source of each number by where it begins: "computed", "stated" or "unsourced".
        reasons: why numbers have no table, by where they begin.
    """

    faults: list[str] = field(default_factory=list)
    corrections: list[tuple[Printed, str]] = field(default_factory=list)
    kinds: dict[int, str] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)

    @property
    def counts(self) -> Counter[str]:
        """How many numbers have which source."""
        return Counter(self.kinds.values())

    @property
    def unsourced(self) -> Counter[str]:
        """How many numbers have no table for which reason."""
        kept = (start for start, kind in self.kinds.items() if kind == "unsourced")
        return Counter(self.reasons[start] for start in kept)


def check(page: Page, entries: Iterable[Entry], name: str) -> Result:
    """Recompute the numbers of a page.

    Args:
        page: the page.
        entries: what binds its fragments to their sources.
        name: how to call the page in messages.

    Returns:
        What was found.
    """
    result = Result()
    for entry in entries:
        try:
            _check_entry(page, entry, name, result)
        except ValueError as error:
            result.faults.append(f"{name}: {entry.text!r}: {error}")
    result.faults += [
        f"{name}:{page.line(number.start)}: {number.text}: no source"
        for number in page.numbers
        if number.start not in result.kinds
    ]
    return result


def _check_entry(page: Page, entry: Entry, name: str, result: Result) -> None:
    matches = entry.matches(page)
    if not matches and not entry.optional:
        raise ValueError("not on the page")
    computed = entry.computed() if matches else []
    for match in matches:
        places = [Printed(*match.span(i + 1), match[i + 1]) for i in range(len(match.groups()))]
        if len(places) != len(computed):
            raise ValueError(f"{len(places)} numbers on the page, {len(computed)} computed")
        for printed, value in zip(places, computed, strict=True):
            result.kinds[printed.start] = "computed"
            if not printed.agrees(value):
                where = f"{name}:{page.line(printed.start)}"
                result.faults.append(f"{where}: printed {printed.text}, computed {value:.6g}")
                result.corrections.append((printed, printed.rewritten(value)))
        _cover(entry, entry.literal(page, match), result)


def _cover(entry: Entry, numbers: Iterable[Printed], result: Result) -> None:
    """Note the source of the digits that an entry's text holds."""
    for number in numbers if entry.stated or entry.unsourced else ():
        kind = result.kinds.setdefault(number.start, "unsourced" if entry.unsourced else "stated")
        if kind == "unsourced":
            result.reasons.setdefault(number.start, entry.unsourced)


def corrected(page: Page, result: Result) -> str:
    """The text of a page with the numbers that its tables give."""
    text = page.text
    for printed, right in sorted(result.corrections, key=lambda pair: -pair[0].start):
        text = text[: printed.start] + right + text[printed.end :]
    return text
