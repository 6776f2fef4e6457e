"""`clip`: what a CLIP of open_clip sees in a picture, and how well that fits its prompt.

A text of more tokens than the tower takes (77) is cut by its tokenizer without a word.
"""

from collections.abc import Mapping
from typing import ClassVar

import pyarrow as pa

from analysis.features.base import Batch, Columns
from analysis.features.networks import NetworkFeature, option
from analysis.features.towers import Towers, as_float32, texts_of
from pipeline.errors import ModelError
from pipeline.storage.schema import Column, vector


class Clip(NetworkFeature):
    """Embedding of the image tower, and its cosine with the text tower's of the prompt.

    Any model that open_clip knows, by the card's option `architecture`; the card states the
    embedding's `width`. Pictures go through open_clip's own evaluation transform.

    Source:
        Radford et al. 2021, arXiv:2103.00020; https://github.com/mlfoundations/open_clip.
    """

    name: ClassVar[str] = "clip"
    code_version: ClassVar[int] = 2
    default_card: ClassVar[str] = "clip-vit-l-14-openai"

    @property
    def columns(self) -> tuple[Column, ...]:
        """One vector and one number."""
        width = int(option(self.card, "width"))
        return (
            Column("embedding", vector(width), "Image tower's output, of length 1."),
            Column("similarity", pa.float32(), "Cosine of image and prompt.", "-1..1"),
        )

    def applies(self, prompt: Mapping[str, object]) -> str:
        """Only where there is a text to compare with."""
        return "" if prompt["text"] else "the prompt has no text"

    def setup(self) -> None:
        """Load both towers."""
        self.towers = Towers(self.card)

    def extract(self, batch: Batch) -> Columns:
        """Embed a batch; see `Feature.extract`."""
        images = self.towers.images(self.towers.prepared(batch.images))
        width = int(option(self.card, "width"))
        if images.shape[1] != width:
            raise ModelError(f"embeddings are {images.shape[1]} wide; the card says {width}")
        similarity = (images * self.towers.texts(texts_of(batch.prompts))).sum(dim=1)
        return {"embedding": as_float32(images), "similarity": as_float32(similarity)}


class ClipSeedling(Clip):
    """The same of the shipped small network, which knows the project's own world only."""

    name: ClassVar[str] = "clip_seedling"
    default_card: ClassVar[str] = "clip-seedling"
