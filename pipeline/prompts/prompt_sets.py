"""Reads and writes prompt files; each error message names the line."""

import dataclasses
import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pipeline.errors import PromptError, StoreError, counted, nearest
from pipeline.prompts.prompt import (
    FIELDS,
    LABELS,
    MAX_CHARACTERS,
    Prompt,
    normalise,
    prompt_from_fields,
    set_of,
)
from pipeline.prompts.prompt_files import SUFFIXES, Row, read_rows

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
        n_blank: Number of blank lines before the last prompt.
        unused: Names of fields or columns that nothing reads.
    """

    path: str
    n_read: int
    n_kept: int
    n_stripped: int
    duplicates: tuple[tuple[int, int], ...]
    n_blank: int = 0
    unused: tuple[str, ...] = ()

    @property
    def says_something(self) -> bool:
        """Whether anything in the file was changed, merged or not used."""
        changed = self.n_read != self.n_kept or self.n_stripped or self.n_blank
        return bool(changed or self.unused)

    def summary(self) -> str:
        """Summarise the counts in one line.

        Example:
            >>> PromptReport("p.txt", 4, 2, 0, ((3, 1), (4, 1))).summary()
            'p.txt: 4 prompts read, 2 kept; 2 duplicates merged (line 3 = 1, 4 = 1)'
        """
        text = f"{self.path}: {counted(self.n_read, 'prompt')} read, {self.n_kept:,} kept"
        if self.n_stripped:
            text += f"; {self.n_stripped:,} stripped of blanks"
        merged = self.n_read - self.n_kept
        if merged:
            pairs = ", ".join(f"{line} = {first}" for line, first in self.duplicates)
            more = " ..." if merged > len(self.duplicates) else ""
            text += f"; {merged:,} duplicates merged (line {pairs}{more})"
        if self.n_blank:
            text += f"; {self.n_blank:,} blank line{'s' * (self.n_blank > 1)} skipped"
        if self.unused:
            text += f"; not used: {', '.join(map(_with_hint, self.unused))}"
        return text


def _with_hint(name: str) -> str:
    """Name a field that nothing reads, with the field that may be meant."""
    hint = nearest(name, FIELDS).rstrip()
    return f"{name[:60]} ({hint})" if hint and name.casefold() not in FIELDS else name[:60]


@dataclasses.dataclass(frozen=True)
class PromptSet:
    """The prompts of a file, each once, in the order of the file.

    Attributes:
        prompts: The prompts.
        report: Counts from reading the file.
        lines: Id of a prompt -> its line in the file, from 1.
    """

    prompts: tuple[Prompt, ...]
    report: PromptReport
    lines: Mapping[str, int]

    def only(self, prompts: Iterable[Prompt]) -> "PromptSet":
        """Keep some of the prompts."""
        return dataclasses.replace(self, prompts=tuple(prompts))


def read_prompts(path: str | Path) -> PromptSet:
    """Read a prompt file; malformed lines are refused, and repeated prompts are merged.

    Args:
        path: `.jsonl` with one object per line; `.json` with a list of texts or objects; a
            `.parquet` file or a folder of them; `.csv` or `.tsv` with a first line that names the
            columns; or `.txt` with one prompt per line. The text is in the field or column `text`,
            `prompt` or `caption`; see `Prompt` for others that are read. In a .tsv, quotes are
            ordinary characters, as in PartiPrompts (google-research/parti). Blank lines are
            skipped. UTF-8, with or without a byte order mark.

    Returns:
        The prompts and a report, which says what was not used. Truncation to a text encoder's
        length is not checked here.

    Raises:
        PromptError: If a line cannot be used, if two lines have the same prompt with different
            labels, or if there is no prompt at all. The message names file and line.
    """
    path = Path(path)
    if not path.is_dir() and path.suffix.lower() not in SUFFIXES:
        raise PromptError(f"{path}: found {path.suffix!r}; wanted a {_listed(SUFFIXES)} file")
    kept: dict[str, tuple[int, Prompt]] = {}
    duplicates: list[tuple[int, int]] = []
    n_stripped = n_blank = 0
    unused: dict[str, None] = {}
    for row in read_rows(path):
        if not row.fields:
            n_blank += 1
            continue
        prompt = _made(row, path)
        n_stripped += row.fields["text"] != prompt.text
        unused |= dict.fromkeys(row.unused)
        first, earlier = kept.setdefault(prompt.id, (row.line, prompt))
        if first != row.line:
            _refuse_conflict(earlier, prompt, f"{path}:{row.line}", first)
            duplicates.append((row.line, first))
    if not kept:
        raise PromptError(f"{path}: found no prompt; wanted at least one")
    report = PromptReport(
        str(path),
        len(kept) + len(duplicates),
        len(kept),
        n_stripped,
        tuple(duplicates[:_LISTED_DUPLICATES]),
        n_blank,
        tuple(unused),
    )
    lines = {prompt.id: line for line, prompt in kept.values()}
    return PromptSet(tuple(prompt for _, prompt in kept.values()), report, lines)


def _made(row: Row, path: Path) -> Prompt:
    try:
        return prompt_from_fields(row.fields)
    except PromptError as error:
        raise PromptError(f"{path}:{row.line}: {error}") from None


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


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
    merged = _prompts_to_keep(path) if path.exists() else {}
    for prompt in prompts:
        earlier = merged.setdefault(prompt.id, prompt)
        _refuse_conflict(earlier, prompt, f"{path}: {prompt.text[:60]!r}", None)
    _replace(path, "".join(f"{prompt.to_json()}\n" for prompt in merged.values()))
    return tuple(merged.values())


def _prompts_to_keep(path: Path) -> dict[str, Prompt]:
    """Read the prompts of a file that is to be rewritten.

    Raises:
        PromptError: If it has fields that would be lost.
    """
    found = read_prompts(path)
    if found.report.unused:
        raise PromptError(
            f"{path} has fields that would be lost: {', '.join(found.report.unused)}; write to "
            f"another file, or remove them"
        )
    return {prompt.id: prompt for prompt in found.prompts}


def _refuse_conflict(first: Prompt, second: Prompt, where: str, line: int | None) -> None:
    """Refuse two equal prompts with different labels; `line` is that of the first, if known."""
    for name in ("object", "modifier", "group", *LABELS):
        old, new = getattr(first, name), getattr(second, name)
        if old != new:
            source = "the file has it" if line is None else f"line {line} has the same prompt"
            raise PromptError(
                f"{where}: found {name} {new!r}, but {source} with {old!r}; make the two agree"
            )


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
