"""The numbers that a page prints, and where they stand."""

import re
from dataclasses import dataclass
from pathlib import Path

NUMBER = r"[+−-]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?"
_WORDS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen twenty
"""
WORDS = {word: value for value, word in enumerate(_WORDS.split())}
"""Numbers that a page may write as words."""

NO_NUMBERS = re.compile(
    r"^ *```\w+.*?^ *```$"  # code in a named language
    r"|<!--.*?-->"
    r"|\]\([^)\s]*\)"  # where a link leads
    r"|\b\d{4}-\d\d-\d\d\b"  # a date
    r"|(?<!\w)[A-Za-z_]\w*(?:[-./@:]\w+)*",  # names: seedling-mini-b, arXiv:2405.14828
    re.DOTALL | re.MULTILINE,
)
"""Parts of a page whose digits are no numbers."""

STANDS_ALONE = rf"(?<![\d.])(?:{NUMBER})(?!\d)"


@dataclass(frozen=True)
class Printed:
    """A number as it is printed.

    Attributes:
        start: where it begins in the page.
        end: where it ends.
        text: its characters, for example "24,576", "-0.05" or "five".
    """

    start: int
    end: int
    text: str

    @property
    def value(self) -> float:
        """What the characters mean."""
        if self.text.lower() in WORDS:
            return WORDS[self.text.lower()]
        return float(self.text.replace(",", "").replace("−", "-"))

    @property
    def unit(self) -> float:
        """The value of a step of the last digit."""
        if self.text.lower() in WORDS:
            return 1.0
        mantissa, _, exponent = self.text.partition("e")
        decimals = len(mantissa.partition(".")[2])
        return float(10.0 ** (int(exponent or 0) - decimals))

    def agrees(self, value: float) -> bool:
        """Whether a value, rounded to the printed digits, is this number."""
        return abs(value - self.value) <= 0.5 * self.unit * (1 + 1e-9)

    def rewritten(self, value: float) -> str:
        """A value in the form of this number: as many decimals, thousands, sign."""
        if self.text.lower() in WORDS:
            return next((word for word in WORDS if WORDS[word] == round(value)), f"{value:,.0f}")
        mantissa, has_exponent, _ = self.text.partition("e")
        decimals = len(mantissa.partition(".")[2])
        if has_exponent:
            digits, _, exponent = f"{value:.{decimals}e}".partition("e")
            return f"{digits}e{int(exponent)}"
        sign = "+" if self.text[0] == "+" else "-"
        text = f"{value:{sign}{',' if abs(value) >= 1000 else ''}.{decimals}f}"
        return text.replace("-", "−") if "−" in self.text else text


class Page:
    """A Markdown document.

    Attributes:
        path: the file.
        text: its characters.
        numbers: what it prints, in order, without the digits of names, dates, links and code.
    """

    def __init__(self, path: Path, text: str | None = None) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8") if text is None else text
        blanked = NO_NUMBERS.sub(lambda match: "\0" * len(match[0]), self.text)
        self.numbers = [
            Printed(*match.span(), match[0]) for match in re.finditer(STANDS_ALONE, blanked)
        ]

    def line(self, position: int) -> int:
        """The line of a position, counted from 1."""
        return self.text.count("\n", 0, position) + 1

    def section(self, heading: str) -> tuple[int, int]:
        """Where a section begins and ends.

        Raises:
            ValueError: if the page has no such heading.
        """
        match = re.search(rf"^(#+) {re.escape(heading)}$", self.text, re.MULTILINE)
        if match is None:
            raise ValueError(f"no heading {heading!r}")
        level = len(match[1])
        end = re.compile(rf"^#{{1,{level}}} ", re.MULTILINE).search(self.text, match.end())
        return match.start(), end.start() if end else len(self.text)
