"""Prompts as people have them in files, read with line numbers in every complaint."""

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
    """What reading a prompt file found.

    Attributes:
        path: The file.
        n_read: Prompts in the file.
        n_kept: Prompts left after merging duplicates.
        n_stripped: Prompts that had blanks at an end.
        duplicates: (line, line of the first one), 1-based, of at most ten merged prompts.
    """

    path: str
    n_read: int
    n_kept: int
    n_stripped: int
    duplicates: tuple[tuple[int, int], ...]

    def summary(self) -> str:
        """Say it in one line for people.

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
    """The prompts of a file, each once, in the file's order, and what reading it found."""

    prompts: tuple[Prompt, ...]
    report: PromptReport


def read_prompts(path: str | Path) -> PromptSet:
    """Read a prompt file, refusing what is malformed and merging what is there twice.

    Args:
        path: `.jsonl` with one object a line (see `Prompt.from_json`; blank lines are
            skipped); `.tsv` with the header Prompt, Category, Challenge, Note, which is
            PartiPrompts' own form (quotes are ordinary characters, google-research/parti);
            `.txt` with one prompt a line. UTF-8, with or without a byte order mark.

    Returns:
        The prompts and a report. Truncation to a text encoder's length is not seen here.

    Raises:
        PromptError: With file and line, at the first line that cannot be used, or when two
            lines hold one prompt with different labels, or when there is no prompt at all.
    """
    path = Path(path)
    if path.suffix.lower() not in _PARSERS:
        raise PromptError(f"{path}: found {path.suffix!r}; wanted a .jsonl, .tsv or .txt file")
    kept: dict[str, tuple[int, Prompt]] = {}
    duplicates: list[tuple[int, int]] = []
    n_stripped = 0
    for number, stripped, prompt in _prompts(path):
        n_stripped += stripped
        first, same = kept.setdefault(prompt.id, (number, prompt))
        if first != number:
            _refuse_conflict(same, prompt, f"{path}:{number}", first)
            duplicates.append((number, first))
    if not kept:
        raise PromptError(f"{path}: found no prompt; wanted at least one")
    listed = tuple(duplicates[:_LISTED_DUPLICATES])
    n_read = len(kept) + len(duplicates)
    report = PromptReport(str(path), n_read, len(kept), n_stripped, listed)
    return PromptSet(tuple(prompt for _, prompt in kept.values()), report)


def write_prompts_jsonl(path: str | Path, prompts: Iterable[Prompt]) -> tuple[Prompt, ...]:
    """Add prompts to a file that only ever grows.

    What the file holds stays, in its order; prompts that it lacks follow. The file is written
    aside, fsynced and renamed, so a kill leaves the old one or the new one, never half.

    Args:
        path: The `.jsonl` file; its folder must exist.
        prompts: Any prompts; those that the file holds already are passed over.

    Returns:
        All prompts of the file as it now is.

    Raises:
        PromptError: If the file that is there cannot be read, or labels a prompt otherwise.
        StoreError: If it cannot be written (a full disk, no permission).
    """
    path = Path(path)
    merged = {old.id: old for old in read_prompts(path).prompts} if path.exists() else {}
    for prompt in prompts:
        same = merged.setdefault(prompt.id, prompt)
        _refuse_conflict(same, prompt, f"{path}: {prompt.text[:60]!r}", None)
    _replace(path, "".join(f"{prompt.to_json()}\n" for prompt in merged.values()))
    return tuple(merged.values())


def _refuse_conflict(first: Prompt, again: Prompt, where: str, line: int | None) -> None:
    for name in ("object", "modifier", "group"):
        old, new = getattr(first, name), getattr(again, name)
        if old != new:
            there = "the file has it" if line is None else f"line {line} has the same prompt"
            raise PromptError(
                f"{where}: found {name} {new!r}, but {there} with {old!r}; make the two agree"
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
    """Give the lines that should each hold a prompt, numbered from 1."""
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
