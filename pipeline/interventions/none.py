"""The baseline: sampling as the authors of the model intended."""

from typing import ClassVar

from pipeline.interventions.base import Intervention


class NoIntervention(Intervention):
    """Changes nothing."""

    neutral: ClassVar[dict[str, object]] = {}
