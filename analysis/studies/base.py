"""What a study is: a question about a run, answered with tables, intervals, a null, a picture."""

import hashlib
import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, TypeVar

import numpy as np
import polars as pl
from pydantic import TypeAdapter, ValidationError

from pipeline.errors import ConfigError, RunError, nearest
from pipeline.runs.run import Run
from pipeline.stage import Resources

HEADINGS = ("Question", "Method", "Null", "n", "Source")
"""What the docstring of every study states, each as "Heading: text" on a line of its own."""
LIBRARIES = ("goldenseed", "numpy", "scipy", "polars", "pyarrow", "matplotlib")
"""Distributions whose versions stand in every summary."""


@dataclass(frozen=True, eq=False)
class StudyTable:
    """A table that explains itself.

    Attributes:
        frame: The rows.
        columns: Every column of it -> what a value says, with its unit.

    Raises:
        ValueError: If a column is not explained, or an explanation has no column.
    """

    frame: pl.DataFrame
    columns: Mapping[str, str]

    def __post_init__(self) -> None:
        if self.frame.columns != list(self.columns):
            raise ValueError(f"columns {self.frame.columns} are explained as {list(self.columns)}")


@dataclass(frozen=True, eq=False)
class Findings:
    """What a study found.

    Attributes:
        outcome: The result in one line, with n and what the null gives: the line that stands in
            the run's summary.
        numbers: The result as numbers, JSON-ready; an `Interval` may stand anywhere in it.
        tables: Name of the file, without suffix -> table.
        figures: Name of the file, without suffix -> PNG; see `analysis.pictures.plots`.
        recipes: Name of the file, without suffix -> YAML of a recipe that draws what was lacking.
        identities: What the numbers hang on: metric or feature -> identity.
    """

    outcome: str
    numbers: Mapping[str, Any]
    tables: Mapping[str, StudyTable]
    figures: Mapping[str, bytes] = field(default_factory=dict)
    recipes: Mapping[str, str] = field(default_factory=dict)
    identities: Mapping[str, str] = field(default_factory=dict)


class NotDrawnError(RunError):
    """What a study compares with is not drawn yet; the recipes that draw it are written.

    Args:
        message: What is there, what is needed, what to do.
        recipes: As in `Findings`.
    """

    def __init__(self, message: str, recipes: Mapping[str, str]) -> None:
        super().__init__(message)
        self.recipes = dict(recipes)

    def __reduce__(self) -> tuple[type["NotDrawnError"], tuple[str, dict[str, str]]]:
        """Pickle with its recipes, so that it can leave a worker process."""
        return type(self), (str(self), self.recipes)


@dataclass(frozen=True)
class Study(ABC):
    """A question about a run. The fields of a subclass are its settings, all with defaults.

    The same run and settings give the same findings, byte for byte: random numbers come from
    `rng` alone, and whatever runs here keeps to `resources.threads` threads.

    Attributes:
        name: Name in the registry, and of the folder of its results.
        version: Raised whenever numbers change.
        resources: What it needs of the machine.
        libraries: Further distributions whose versions belong into the summary.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    resources: ClassVar[Resources] = Resources()
    libraries: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def find(self, run: Run) -> Findings:
        """Answer the question for one run.

        Raises:
            RunError: If the run holds too little: says what is there and what is needed.
            NotDrawnError: Likewise, where runs are lacking that a recipe can draw.
        """

    def rng_seed(self, run: Run) -> list[int]:
        """What the random numbers of this study on this run come from."""
        own = int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:8], "big")
        return [int(run.run_id, 16), int(run.grid_hash, 16), own]

    def rng(self, run: Run, part: str = "") -> np.random.Generator:
        """A random stream; another `part` gives an independent one.

        Args:
            run: The run.
            part: What it is for, so that parts do not move one another's numbers.
        """
        digest = hashlib.sha256(part.encode()).digest()
        return np.random.default_rng([*self.rng_seed(run), int.from_bytes(digest[:8], "big")])

    def settings(self) -> dict[str, Any]:
        """The values of its fields, JSON-ready."""
        return asdict(self)

    @classmethod
    def about(cls) -> dict[str, str]:
        """Question, method, null, n and source, as the docstring states them.

        Raises:
            ValueError: If one is missing.
        """
        text = inspect.getdoc(cls) or ""
        parts = re.split(rf"^({'|'.join(HEADINGS)}): ", text, flags=re.MULTILINE)
        found = {
            heading: " ".join(body.split("\n\n")[0].split())
            for heading, body in zip(parts[1::2], parts[2::2], strict=True)
        }
        missing = [heading for heading in HEADINGS if not found.get(heading)]
        if missing:
            raise ValueError(f"the docstring of {cls.__name__} states no {', '.join(missing)}")
        return {heading.lower(): found[heading] for heading in HEADINGS}


StudyT = TypeVar("StudyT", bound=Study)


def with_settings(kind: type[StudyT], settings: Mapping[str, Any]) -> StudyT:
    """Make a study with some of its settings changed.

    Raises:
        ConfigError: If a setting is unknown (the nearest is named), of the wrong kind, or
            refused by the study itself.
    """
    known = [each.name for each in fields(kind)]
    for name in settings:
        if name not in known:
            raise ConfigError(
                f"study {kind.name} has no setting {name!r}: {nearest(name, known)}"
                f"known: {', '.join(known) or 'none'}"
            )
    try:
        return TypeAdapter(kind).validate_python(dict(settings))
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise ConfigError(f"settings of study {kind.name}: {'; '.join(lines)}") from error
