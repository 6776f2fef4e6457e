"""The baseline: sampling as the model's authors mean it."""

from typing import ClassVar

from pipeline.interventions.base import Intervention


class NoIntervention(Intervention):
    """Changes nothing."""

    neutral: ClassVar[dict[str, object]] = {}
