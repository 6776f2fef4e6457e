"""Studies: what is found in a run, one file per finding. A study never draws an image.

A new study is a file here with one class, and a line in `STUDIES`; one that needs helpers of its
own is a package with the class in `study.py`. The class is a frozen dataclass derived from
`analysis.studies.base.Study`. Its fields are its settings. Its docstring states the question, the
method, the null, n and the source under these headings, and `find` turns a run into `Findings`: an
outcome in one line, numbers, tables whose every column is explained, and figures. The contract
suite then finds the study by itself.

What several studies share is in `analysis.study_tools`; figures are drawn by
`analysis.pictures.plots`. A study never draws an image. What could be drawn in addition it names as
recipes, which are ordinary runs; where it can say nothing without them, it raises `NotDrawnError`
with these recipes.

    @dataclass(frozen=True)
    class Evenness(Study):
        \"\"\"How alike the seeds are.

        Question: ...
        Method: ...
        Null: ...
        n: ...
        Source: ...
        \"\"\"

        name: ClassVar[str] = "evenness"
        version: ClassVar[int] = 1
        metric: str = "brightness"  # goldenseed study evenness RUN --set metric=contrast

        def find(self, run: Run) -> Findings: ...
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from analysis.studies.base import Findings, Study, StudyTable, with_settings
from pipeline.registry import load

__all__ = ["STUDIES", "Findings", "Study", "StudyTable", "load_study"]

STUDIES: Mapping[str, str] = MappingProxyType(
    {
        "brightness": "analysis.studies.brightness:Brightness",
        "composition": "analysis.studies.composition.study:Composition",
        "distinguishability": "analysis.studies.distinguishability.study:Distinguishability",
        "diversity": "analysis.studies.diversity.study:Diversity",
        "explain": "analysis.studies.explain.study:Explain",
        "fidelity": "analysis.studies.fidelity.study:Fidelity",
        "golden": "analysis.studies.golden.study:Golden",
        "guidance": "analysis.studies.guidance.study:Guidance",
        "inpainting": "analysis.studies.inpainting.study:Inpainting",
        "paired": "analysis.studies.paired.study:Paired",
        "quality": "analysis.studies.quality.study:Quality",
        "recovery": "analysis.studies.recovery:Recovery",
        "search": "analysis.studies.search.study:Search",
        "seed_swap": "analysis.studies.seed_swap:SeedSwap",
        "share_changes": "analysis.studies.share_changes:ShareChanges",
        "spectrum": "analysis.studies.spectrum.study:Spectrum",
        "style": "analysis.studies.style:Style",
        "transfer": "analysis.studies.transfer.study:Transfer",
    }
)
"""Name -> "module:Class"."""


def load_study(name: str, settings: Mapping[str, Any] | None = None) -> Study:
    """Make the study of this name, or of a user's own dotted path.

    Args:
        name: A name in `STUDIES`, or "my_module:MyStudy".
        settings: Values of its fields; those that are left out keep their defaults.

    Raises:
        RegistryError: If there is none; the message names the nearest.
        ConfigError: If a setting is unknown or of the wrong kind.

    Example:
        >>> load_study("qualty")
        Traceback (most recent call last):
        ...
        pipeline.errors.RegistryError: unknown study 'qualty': ...
    """
    kind: type[Study] = load(STUDIES, name, "study", base=Study)
    return with_settings(kind, settings or {})
