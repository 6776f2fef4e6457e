"""The text-to-image families: one file per behaviour, one card per checkpoint.

A new family is a file here and a line in the table; a new checkpoint of a known family is an
entry in `cards.yaml`.
"""

from collections.abc import Mapping
from types import MappingProxyType

MODELS: Mapping[str, str] = MappingProxyType(
    {
        "diffusers_pipeline": "pipeline.models.diffusers_pipeline:DiffusersPipeline",
        "glide": "pipeline.models.glide:Glide",
        "inpainting": "pipeline.models.inpainting:Inpainting",
        "instantid": "pipeline.models.instantid:InstantId",
        "stable_diffusion": "pipeline.models.stable_diffusion:StableDiffusion",
        "text_to_video": "pipeline.models.text_to_video:TextToVideo",
    }
)
"""Family name -> "module:Class"."""
