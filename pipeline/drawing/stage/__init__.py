"""The stage that draws a tile and commits it as an image shard."""

from pipeline.drawing.stage.loading import load_intervention, load_model
from pipeline.drawing.stage.stage import GenerateStage, generate_stage

__all__ = ["GenerateStage", "generate_stage", "load_intervention", "load_model"]
