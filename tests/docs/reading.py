"""Where the pages of the documentation are, and what is in them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^( *)```(\w*)(?: title=\"([^\"]+)\")?\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)


def blocks(path: Path, language: str = "") -> list[tuple[str, str]]:
    """The fenced blocks of a page as (title, text), indentation removed."""
    text = path.read_text(encoding="utf-8")
    return [
        (title, re.sub(rf"^{indent}", "", body, flags=re.MULTILINE))
        for indent, name, title, body in FENCE.findall(text)
        if language in ("", name)
    ]


def table_rows(path: Path, heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, as cells; the head is left out."""
    text = path.read_text(encoding="utf-8")
    section = text.split(f"# {heading}\n", 1)[1].split("\n#", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]
