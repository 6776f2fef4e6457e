"""The interventions: changes of sampling, one file each.

A new intervention is a file here and a line in the table.
"""

from collections.abc import Mapping
from types import MappingProxyType

INTERVENTIONS: Mapping[str, str] = MappingProxyType(
    {
        "none": "pipeline.interventions.none:NoIntervention",
        "freeu": "pipeline.interventions.freeu:FreeU",
        "offset_noise": "pipeline.interventions.offset_noise:OffsetNoise",
        "particle_guidance": "pipeline.interventions.particle_guidance:ParticleGuidance",
        "seed_blend": "pipeline.interventions.seed_blend:SeedBlend",
        "seed_plant": "pipeline.interventions.seed_plant:SeedPlant",
        "seed_scramble": "pipeline.interventions.seed_scramble:SeedScramble",
        "seed_swap": "pipeline.interventions.seed_swap:SeedSwap",
        "singdiffusion": "pipeline.interventions.singdiffusion:SingDiffusion",
        "stage_seed": "pipeline.interventions.stage_seed:StageSeed",
        "zero_snr": "pipeline.interventions.zero_snr:ZeroSnr",
    }
)
"""Name -> "module:Class"."""
