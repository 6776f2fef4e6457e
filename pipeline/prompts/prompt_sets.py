"""Reads and writes prompt files; each error message names the line."""

import dataclasses
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import PromptError, StoreError
from pipeline.prompts.prompt import (
    MAX_CHARACTERS,
    Prompt,
    normalise,
    parse_prompt_fields,
    prompt_from_fields,
    set_of,
)

__all__ = [
    "MAX_CHARACTERS",
    "Prompt",
    "PromptReport",
    "PromptSet",
    "normalise",
    "read_prompts",
    "set_of",
    "write_prompts_jsonl",
]

_TSV_HEADER = ["Prompt", "Category", "Challenge", "Note"]
_LISTED_DUPLICATES = 10


@dataclasses.dataclass(frozen=True)
class PromptReport:
    """Counts from reading a prompt file.

    Attributes:
        path: The file.
        n_read: Number of prompts in the file.
        n_kept: Number of prompts after merging duplicates.
        n_stripped: Number of prompts that had blanks at an end.
        duplicates: (line, line of the first occurrence), 1-based, for at most ten merged prompts.
    """

    path: str
    n_read: int
    n_kept: int
    n_stripped: int
    duplicates: tuple[tuple[int, int], ...]

    def summary(self) -> str:
        """Summarise the counts in one line.

        Example:
            >>> PromptReport("p.txt", 4, 2, 0, ((3, 1), (4, 1))).summary()
            'p.txt: 4 prompts read, 2 kept; 2 duplicates merged (line 3 = 1, 4 = 1)'
        """
        text = f"{self.path}: {self.n_read:,} prompts read, {self.n_kept:,} kept"
        if self.n_stripped:
            text += f"; {self.n_stripped:,} stripped of blanks"
        merged = self.n_read - self.n_kept
        if merged:
            pairs = ", ".join(f"{line} = {first}" for line, first in self.duplicates)
            more = " ..." if merged > len(self.duplicates) else ""
            text += f"; {merged:,} duplicates merged (line {pairs}{more})"
        return text


@dataclasses.dataclass(frozen=True)
class PromptSet:
    """The prompts of a file, each once, in the order of the file, with the report of reading it."""

    prompts: tuple[Prompt, ...]
    report: PromptReport


def read_prompts(path: str | Path) -> PromptSet:
    """Read a prompt file; malformed lines are refused, and repeated prompts are merged.

    Args:
        path: `.jsonl` with one object per line (see `Prompt.from_json`; blank lines are skipped);
            `.tsv` with the header Prompt, Category, Challenge, Note, which is the format of
            PartiPrompts (quotes are ordinary characters, google-research/parti); or `.txt` with one
            prompt per line. UTF-8, with or without a byte order mark.

    Returns:
        The prompts and a report. Truncation to a text encoder's length is not checked here.

    Raises:
        PromptError: If a line cannot be used, if two lines have the same prompt with different
            labels, or if there is no prompt at all. The message names file and line.
    """
    path = Path(path)
    if path.suffix.lower() not in _PARSERS:
        raise PromptError(f"{path}: found {path.suffix!r}; wanted a .jsonl, .tsv or .txt file")
    kept: dict[str, tuple[int, Prompt]] = {}
    duplicates: list[tuple[int, int]] = []
    n_stripped = 0
    for number, stripped, prompt in _prompts(path):
        n_stripped += stripped
        first, earlier = kept.setdefault(prompt.id, (number, prompt))
        if first != number:
            _refuse_conflict(earlier, prompt, f"{path}:{number}", first)
            duplicates.append((number, first))
    if not kept:
        raise PromptError(f"{path}: found no prompt; wanted at least one")
    listed = tuple(duplicates[:_LISTED_DUPLICATES])
    n_read = len(kept) + len(duplicates)
    report = PromptReport(str(path), n_read, len(kept), n_stripped, listed)
    return PromptSet(tuple(prompt for _, prompt in kept.values()), report)


def write_prompts_jsonl(path: str | Path, prompts: Iterable[Prompt]) -> tuple[Prompt, ...]:
    """Add prompts to a file; prompts are never removed.

    The prompts of the file keep their order, and new prompts follow. The new file is written aside,
    fsynced and renamed, so a kill leaves either the old file or the new one.

    Args:
        path: The `.jsonl` file; its folder must exist.
        prompts: The prompts; those that are already in the file are skipped.

    Returns:
        All prompts of the new file.

    Raises:
        PromptError: If the existing file cannot be read, or has other labels for a prompt.
        StoreError: If the file cannot be written (a full disk, no permission).
    """
    path = Path(path)
    merged = {old.id: old for old in read_prompts(path).prompts} if path.exists() else {}
    for prompt in prompts:
        earlier = merged.setdefault(prompt.id, prompt)
        _refuse_conflict(earlier, prompt, f"{path}: {prompt.text[:60]!r}", None)
    _replace(path, "".join(f"{prompt.to_json()}\n" for prompt in merged.values()))
    return tuple(merged.values())


def _refuse_conflict(first: Prompt, second: Prompt, where: str, line: int | None) -> None:
    """Refuse two equal prompts with different labels; `line` is that of the first, if known."""
    for name in ("object", "modifier", "group"):
        old, new = getattr(first, name), getattr(second, name)
        if old != new:
            source = "the file has it" if line is None else f"line {line} has the same prompt"
            raise PromptError(
                f"{where}: found {name} {new!r}, but {source} with {old!r}; make the two agree"
            )


def _prompts(path: Path) -> Iterator[tuple[int, bool, Prompt]]:
    """Yield (line number, whether blanks were stripped, prompt)."""
    parse = _PARSERS[path.suffix.lower()]
    for number, line in _numbered_lines(path):
        try:
            fields = parse(line)
            prompt = prompt_from_fields(fields)
        except PromptError as error:
            raise PromptError(f"{path}:{number}: {error}") from None
        yield number, fields["text"] != prompt.text, prompt


def _numbered_lines(path: Path) -> list[tuple[int, str]]:
    """Give the lines that should hold a prompt, each with its number from 1."""
    suffix = path.suffix.lower()
    lines = _decode(path).removeprefix("\ufeff").rstrip("\n\r").split("\n")
    numbered = [(number, line.removesuffix("\r")) for number, line in enumerate(lines, start=1)]
    if suffix == ".tsv":
        header = numbered.pop(0)[1].split("\t")
        if header != _TSV_HEADER:
            raise PromptError(f"{path}:1: found the header {header}; wanted {_TSV_HEADER}")
    if suffix == ".jsonl" or lines == [""]:
        numbered = [(number, line) for number, line in numbered if line.strip()]
    return numbered


def _decode(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PromptError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise PromptError(
            f"{path}:{line}: found byte 0x{data[error.start]:02x} at byte offset {error.start}, "
            "which is not UTF-8; save the file as UTF-8"
        ) from None


def _tsv_fields(line: str) -> dict[str, Any]:
    columns = line.split("\t")
    if len(columns) != len(_TSV_HEADER):
        raise PromptError(f"found {len(columns)} columns; wanted {len(_TSV_HEADER)}")
    return {"text": columns[0]}


def _replace(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with aside.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from error


_PARSERS: dict[str, Callable[[str], dict[str, Any]]] = {
    ".jsonl": parse_prompt_fields,
    ".tsv": _tsv_fields,
    ".txt": lambda line: {"text": line},
}
