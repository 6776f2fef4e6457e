"""Executors run a stage: `local` is the reference, `ray` spreads the tasks over actors."""

from collections.abc import Mapping
from types import MappingProxyType

EXECUTORS: Mapping[str, str] = MappingProxyType(
    {
        "local": "pipeline.executors.local:LocalExecutor",
        "ray": "pipeline.executors.ray.executor:RayExecutor",
    }
)
"""Name -> "module:Class"."""
