"""Studies: each answers one question about a run, from the images and numbers of the run.

A new study is a file here with one class, and a line in `STUDIES`. A study that needs helpers of
its own is a package with the class in `study.py`. The class is a frozen dataclass derived from
`analysis.studies.base.Study`. Its fields are its settings. Its docstring states the question, the
method, the null, n and the source under these headings. Its method `find` turns a run into
`Findings`: an outcome in one line, numbers, tables with an explanation of each column, and figures.
The contract suite finds the study in the registry.

Code that several studies share is in `analysis.study_tools`; figures are drawn with
`analysis.pictures.plots`. A study never draws an image. It may write recipes that draw more data
for it; if it cannot answer without them, it raises `NotDrawnError` with these recipes.

    @dataclass(frozen=True)
    class Evenness(Study):
        \"\"\"How similar the seeds are to one another.

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
        "brightness": "analysis.studies.brightness.study:Brightness",
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
        "seed_blend": "analysis.studies.seed_blend:SeedBlend",
        "seed_swap": "analysis.studies.seed_swap.study:SeedSwap",
        "share_changes": "analysis.studies.share_changes:ShareChanges",
        "spectrum": "analysis.studies.spectrum.study:Spectrum",
        "style": "analysis.studies.style.study:Style",
        "transfer": "analysis.studies.transfer.study:Transfer",
    }
)
"""Name -> "module:Class"."""


def load_study(name: str, settings: Mapping[str, Any] | None = None) -> Study:
    """Make a study by its name, or by the dotted path of a user's own class.

    Args:
        name: A name in `STUDIES`, or "my_module:MyStudy".
        settings: Setting -> value; all others keep their defaults.

    Raises:
        RegistryError: If there is no such study; the message suggests the nearest name.
        ConfigError: If a setting is unknown or its value has the wrong type.

    Example:
        >>> load_study("qualty")
        Traceback (most recent call last):
        ...
        pipeline.errors.RegistryError: unknown study 'qualty': ...
    """
    kind: type[Study] = load(STUDIES, name, "study", base=Study)
    return with_settings(kind, settings or {})
