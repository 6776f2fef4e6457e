"""What binds the fragments of a page to the tables that their numbers come from.

A file in docs/findings/numbers belongs to one page:

    document: docs/findings/README.md
    sources:                      # short names of tables, see source.py
      tests: showcase-turbo/distinguishability
    entries:
      - text: "| saved as JPEG, quality 90 | # % [#, #] |"
        values: ["percent(estimate(tests.tests['jpeg 90']))"]
      - text: "FID 21.60 and 31.97"
        stated: the paper, section 4.1

Each `#` of a text stands for a number, which `values` compute in order; a value that is a list
stands for as many numbers. `stated` covers the digits that the text itself holds, and says where
they come from: settings, and numbers of other people. `unsourced` covers measured numbers whose
table is not in the repository; without a text it covers what nothing else does. `section` restricts
an entry to a section of the page. `each` repeats an entry with other names: `{NAME}` in the text,
and NAME in the expressions. `let` gives names to expressions.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from docs.tools.printed_numbers.expression import Lookup, evaluate
from docs.tools.printed_numbers.page import NUMBER, WORDS, Page, Printed
from docs.tools.printed_numbers.source import FINDINGS, ROOT, load

BINDINGS = FINDINGS / "numbers"
PLACE = rf"((?:{NUMBER})(?!\d)|(?i:{'|'.join(sorted(WORDS, key=len, reverse=True))})\b)"
KEYS = {"text", "values", "stated", "unsourced", "section", "each", "let"}


@dataclass(frozen=True)
class Entry:
    """A fragment of a page with its source.

    Attributes:
        text: the fragment; `#` stands for a number; empty: all that is searched.
        values: expressions of these numbers.
        lookup: gives what a name in an expression stands for.
        stated: where the digits of the text itself come from; empty if they have no source.
        unsourced: why the digits of the text have no table.
        section: heading of the section that is searched; empty: the whole page.
        optional: whether the page may lack the fragment.
    """

    text: str
    values: list[str]
    lookup: Lookup
    stated: str = ""
    unsourced: str = ""
    section: str = ""
    optional: bool = False

    def matches(self, page: Page) -> list[re.Match[str]]:
        """Where the fragment stands in a page; line breaks and blanks are alike."""
        start, end = page.section(self.section) if self.section else (0, len(page.text))
        if not self.text:
            return list(re.compile(".*", re.DOTALL).finditer(page.text, start, end))
        words = [re.escape(word).replace(r"\#", PLACE) for word in self.text.split()]
        return list(re.compile(r"\s+(?:> )?".join(words)).finditer(page.text, start, end))

    def computed(self) -> list[float]:
        """The numbers of the fragment from the tables, in order."""
        return [number for text in self.values for number in _flat(evaluate(text, self.lookup))]

    def literal(self, page: Page, match: re.Match[str]) -> list[Printed]:
        """The numbers that the fragment holds as digits."""
        return [
            number
            for number in page.numbers
            if match.start() <= number.start and number.end <= match.end()
        ]


def _flat(value: Any) -> Iterator[float]:  # noqa: ANN401 - a number or a list
    if isinstance(value, list):
        for item in value:
            yield from _flat(item)
    elif isinstance(value, int | float):
        yield float(value)
    else:
        raise ValueError(f"{value!r} is no number")


def read_bindings() -> dict[Path, list[Entry]]:
    """The entries of each page; those of `everywhere.yaml` belong to all."""
    everywhere = BINDINGS / "everywhere.yaml"
    common = [replace(entry, optional=True) for entry in read_entries(everywhere)[1]]
    files = [path for path in sorted(BINDINGS.glob("*.yaml")) if path != everywhere]
    return {page: entries + common for page, entries in map(read_entries, files)}


def read_entries(path: Path) -> tuple[Path, list[Entry]]:
    """A page and the entries of its file.

    Raises:
        ValueError: if an entry has an unknown key.
    """
    contents = yaml.safe_load(path.read_text(encoding="utf-8"))
    sources = contents.get("sources", {})
    entries = [entry for raw in contents["entries"] for entry in _entries(raw, sources)]
    return ROOT / contents.get("document", ""), entries


def _entries(raw: dict[str, Any], sources: dict[str, str]) -> Iterator[Entry]:
    if unknown := set(raw) - KEYS:
        raise ValueError(f"unknown keys {sorted(unknown)} in the entry {raw.get('text')!r}")
    for variables in raw.get("each", [{}]):
        yield Entry(
            text=_filled(raw.get("text", ""), variables),
            values=raw.get("values", []),
            lookup=_lookup(raw.get("let", {}), variables, sources),
            stated=raw.get("stated", ""),
            unsourced=raw.get("unsourced", ""),
            section=raw.get("section", ""),
        )


def _filled(text: str, variables: dict[str, Any]) -> str:
    for name, value in variables.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


def _lookup(let: dict[str, str], variables: dict[str, Any], sources: dict[str, str]) -> Lookup:
    def lookup(name: str) -> Any:  # noqa: ANN401 - what the table holds
        if name in let:
            return evaluate(let[name], lookup)
        return variables[name] if name in variables else load(sources[name])

    return lookup
