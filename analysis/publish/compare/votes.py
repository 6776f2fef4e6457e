"""Read the votes that raters saved, and refuse files that cannot be counted."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.publish.compare.key import Key
from analysis.publish.pages import visible
from pipeline.errors import ConfigError

VOTES_FORMAT = "goldenseed votes 1"
QUESTIONS = ("quality", "alignment")
CHOICES = ("left", "right", "same")
MOST_BYTES = 20_000_000
LONGEST_NAME = 60
FNV_OFFSET, FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3


@dataclass(frozen=True)
class Vote:
    """One answer of one rater.

    Attributes:
        rater: Name of the rater.
        pair: Number of the pair.
        question: One of `QUESTIONS`.
        choice: One of `CHOICES`.
    """

    rater: str
    pair: int
    question: str
    choice: str


def read_votes(paths: Sequence[Path], key: Key) -> list[Vote]:
    """Read files of votes on one page.

    Args:
        paths: The files, one for each rater.
        key: The key of the page.

    Raises:
        ConfigError: If a file is no file of votes, is of another page, was edited after it was
            saved, or if two files are of one rater.
    """
    files: dict[str, Path] = {}
    votes: list[Vote] = []
    for path in paths:
        rater, own = _read_file(path, key)
        if rater in files:
            raise ConfigError(
                f"{files[rater]} and {path} are both votes of {rater!r}; give the later one only, "
                f"or let each rater take a name of their own"
            )
        files[rater] = path
        votes += own
    if not votes:
        raise ConfigError(f"{', '.join(map(str, paths)) or 'no file'}: found no votes")
    return votes


def check_value(page: str, rater: str, votes: Sequence[tuple[int, str, str]]) -> str:
    """The check value that a page writes beside votes: it finds accidents, not fraud.

    Args:
        page: Id of the page.
        rater: Name of the rater.
        votes: (pair, question, choice) of each vote, in the order of the file.

    Source:
        64-bit FNV-1a of Fowler, Noll and Vo, over UTF-8.

    Example:
        >>> check_value("", "", [])
        '08547e07b5084555'
    """
    lines = [f"{pair} {question} {choice}" for pair, question, choice in votes]
    value = FNV_OFFSET
    for byte in f"{page}\n{rater}\n{chr(10).join(lines)}".encode(errors="replace"):
        value = (value ^ byte) * FNV_PRIME % 2**64
    return f"{value:016x}"


def _read_file(path: Path, key: Key) -> tuple[str, list[Vote]]:
    fields = _fields(path)
    if fields.get("page") != key.page:
        raise ConfigError(
            f"{path} holds votes on page {visible(str(fields.get('page')))[:40]}; the key is that "
            f"of page {key.page}: give the folder of that comparison with --page"
        )
    rater = fields.get("rater")
    if not isinstance(rater, str) or not 0 < len(rater.strip()) <= LONGEST_NAME:
        raise ConfigError(f"{path}: found no name of a rater of at most {LONGEST_NAME} letters")
    rows = _rows(path, fields.get("votes"), len(key.pairs))
    if fields.get("check") != check_value(key.page, rater, rows):
        raise ConfigError(
            f"{path} was changed after it was saved: its votes do not fit its check value. Ask the "
            f"rater to save the votes again"
        )
    return visible(rater), [Vote(visible(rater), *row) for row in rows]


def _fields(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ConfigError(f"{path} is larger than {MOST_BYTES:,} bytes: no file of votes")
        fields = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path} is no JSON: {error}") from error
    if not isinstance(fields, dict) or fields.get("format") != VOTES_FORMAT:
        raise ConfigError(
            f"{path} is no file of votes (format {VOTES_FORMAT!r}); give what the page saved"
        )
    return fields


def _rows(path: Path, votes: Any, pairs: int) -> list[tuple[int, str, str]]:  # noqa: ANN401
    """Check each vote: a pair of the page, a question, a choice, and none twice."""
    if not isinstance(votes, list):
        raise ConfigError(f"{path}: found no list of votes")
    rows: list[tuple[int, str, str]] = []
    for number, vote in enumerate(votes, start=1):
        row = _row(vote, pairs)
        if row is None:
            raise ConfigError(
                f"{path}: vote {number} is {_short(vote)}; wanted a pair from 0 to {pairs - 1}, "
                f"a question ({', '.join(QUESTIONS)}) and a choice ({', '.join(CHOICES)})"
            )
        rows.append(row)
    (most, times), *_ = [*Counter(row[:2] for row in rows).most_common(1), ((0, ""), 0)]
    if times > 1:
        raise ConfigError(f"{path}: pair {most[0]} has {times} votes on {most[1]}; wanted one")
    return rows


def _row(vote: object, pairs: int) -> tuple[int, str, str] | None:
    """A vote as a tuple, or None if it is none."""
    if not isinstance(vote, dict):
        return None
    pair, question, choice = (vote.get(name) for name in ("pair", "question", "choice"))
    if not isinstance(pair, int) or isinstance(pair, bool) or not 0 <= pair < pairs:
        return None
    if question not in QUESTIONS or choice not in CHOICES:
        return None
    return pair, str(question), str(choice)


def _short(value: object) -> str:
    return visible(re.sub(r"\s+", " ", json.dumps(value))[:80])
