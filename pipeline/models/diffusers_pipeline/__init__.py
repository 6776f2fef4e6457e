"""The family that draws with any diffusers pipeline whose call a card describes."""

from pipeline.models.diffusers_pipeline.pipeline import DiffusersPipeline

__all__ = ["DiffusersPipeline"]
