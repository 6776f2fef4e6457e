"""The base class of all studies, and what a study returns: findings, tables and figures."""

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

from analysis.pictures.plots import DrawnFigure
from pipeline.errors import ConfigError, RunError, nearest
from pipeline.runs.run import Run
from pipeline.stage import Resources

HEADINGS = ("Question", "Method", "Null", "n", "Source")
"""The headings in the docstring of every study, each as "Heading: text" on a new line."""
LIBRARIES = ("goldenseed", "numpy", "scipy", "polars", "pyarrow", "matplotlib")
"""Python distributions whose versions are in every summary."""


@dataclass(frozen=True, eq=False)
class StudyTable:
    """A table together with an explanation of each column.

    Attributes:
        frame: The rows.
        columns: Name of each column -> what its values mean, with the unit.

    Raises:
        ValueError: If a column has no explanation, or an explanation has no column.
    """

    frame: pl.DataFrame
    columns: Mapping[str, str]

    def __post_init__(self) -> None:
        if self.frame.columns != list(self.columns):
            raise ValueError(f"columns {self.frame.columns} are explained as {list(self.columns)}")


@dataclass(frozen=True, eq=False)
class Findings:
    """The findings of a study.

    Attributes:
        outcome: The result in one line, with n and the result under the null; the line that
            `goldenseed status` shows.
        numbers: The result as numbers, JSON-ready; any value may be an `Interval`.
        tables: Name of the file, without suffix -> table.
        figures: Name of the file, without suffix -> figure.
        recipes: Name of the file, without suffix -> YAML of a recipe that draws more data for
            the study.
        identities: Metric or feature that the numbers depend on -> identity.

    Raises:
        TypeError: If a figure is anything else than a `DrawnFigure`.
    """

    outcome: str
    numbers: Mapping[str, Any]
    tables: Mapping[str, StudyTable]
    figures: Mapping[str, DrawnFigure] = field(default_factory=dict)
    recipes: Mapping[str, str] = field(default_factory=dict)
    identities: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, figure in self.figures.items():
            if not isinstance(figure, DrawnFigure):
                raise TypeError(
                    f"figure {name} is {type(figure).__name__}: return what `plots.figure`, "
                    f"`plots.panel_each` or `plots.sheet` of analysis.pictures returns"
                )


class NotDrawnError(RunError):
    """A study needs runs that are not drawn yet; it carries the recipes that draw them.

    Args:
        message: What was found, what is needed, what to do.
        recipes: As in `Findings`.
    """

    def __init__(self, message: str, recipes: Mapping[str, str]) -> None:
        super().__init__(message)
        self.recipes = dict(recipes)

    def __reduce__(self) -> tuple[type["NotDrawnError"], tuple[str, dict[str, str]]]:
        """Pickle the error with its recipes, so that it can leave a worker process."""
        return type(self), (str(self), self.recipes)


@dataclass(frozen=True)
class Study(ABC):
    """A question about a run. The fields of a subclass are its settings; each has a default.

    The same run and settings give the same findings, byte for byte: random numbers come from
    `rng` only, and a study uses `resources.threads` threads.

    Attributes:
        name: Name in the registry, and of the folder of its results.
        version: Raised whenever the numbers change.
        resources: What the study needs of the machine.
        libraries: Further distributions whose versions go into the summary.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    resources: ClassVar[Resources] = Resources()
    libraries: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def find(self, run: Run) -> Findings:
        """Answer the question for one run.

        Raises:
            RunError: If the run does not hold enough; says what was found and what is needed.
            NotDrawnError: If other runs are missing that a recipe can draw.
        """

    def expected_seconds(self, run: Run) -> float:
        """Estimate how long the study takes on two cores; by default 0, which is under a minute.

        Studies that take longer say so before they start, and run last.
        """
        del run
        return 0.0

    def rng_seed(self, run: Run) -> list[int]:
        """The seed of this study's random numbers on a run: run, grid and name of the study."""
        study = int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:8], "big")
        return [int(run.run_id, 16), int(run.grid_hash, 16), study]

    def rng(self, run: Run, part: str = "") -> np.random.Generator:
        """Make a random generator; each `part` has an independent stream.

        Args:
            run: The run.
            part: Name of the part of the study that draws the numbers. Changes in one part do not
                change the numbers of other parts.
        """
        digest = hashlib.sha256(part.encode()).digest()
        return np.random.default_rng([*self.rng_seed(run), int.from_bytes(digest[:8], "big")])

    def settings(self) -> dict[str, Any]:
        """The values of the study's settings, JSON-ready."""
        return asdict(self)

    @classmethod
    def about(cls) -> dict[str, str]:
        """The question, method, null, n and source that the docstring states.

        Raises:
            ValueError: If the docstring lacks one of them.
        """
        text = inspect.getdoc(cls) or ""
        parts = re.split(rf"^({'|'.join(HEADINGS)}): ", text, flags=re.MULTILINE)
        statements = {
            heading: " ".join(body.split("\n\n")[0].split())
            for heading, body in zip(parts[1::2], parts[2::2], strict=True)
        }
        missing = [heading for heading in HEADINGS if not statements.get(heading)]
        if missing:
            raise ValueError(f"the docstring of {cls.__name__} states no {', '.join(missing)}")
        return {heading.lower(): statements[heading] for heading in HEADINGS}


StudyT = TypeVar("StudyT", bound=Study)


def with_settings(kind: type[StudyT], settings: Mapping[str, Any]) -> StudyT:
    """Make a study with some of its settings changed.

    Raises:
        ConfigError: If a setting is unknown (the message suggests the nearest), has a value of
            the wrong type, or is refused by the study itself.
    """
    known = [setting.name for setting in fields(kind)]
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
