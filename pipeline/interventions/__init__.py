"""Interventions: changes of sampling that change what a seed does. One file each.

A new one is a file here and a line in the table.
"""

from collections.abc import Mapping
from types import MappingProxyType

INTERVENTIONS: Mapping[str, str] = MappingProxyType(
    {
        "none": "pipeline.interventions.none:NoIntervention",
        "seed_scramble": "pipeline.interventions.seed_scramble:SeedScramble",
    }
)
"""Name -> "module:Class"."""
