"""Extract `clip`: the embedding of an image by a CLIP of open_clip, and its fit to the prompt.

The tokenizer cuts a text that has more tokens than the tower takes (77); `cut_texts` says which.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pyarrow as pa

from analysis.features.base import Batch, Columns
from analysis.features.long_texts import cut_texts
from analysis.features.networks import NetworkFeature, option
from analysis.features.towers import Towers, as_float32, texts_of
from pipeline.errors import ModelError
from pipeline.storage.schema import Column, vector


class Clip(NetworkFeature):
    """Embedding of the image, and its cosine with the embedding of the prompt.

    The card names any model that open_clip knows in its option `architecture`, and states the
    `width` of the embedding. Images go through the evaluation transform of open_clip.

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
        """Refuse a prompt without a text."""
        return "" if prompt["text"] else "the prompt has no text"

    def cut_texts(self, texts: Sequence[str]) -> list[str]:
        """List the prompts that are longer than the text tower takes."""
        return cut_texts(self.card, texts)

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
    """`Clip` of the shipped small network, which knows only the small world."""

    name: ClassVar[str] = "clip_seedling"
    default_card: ClassVar[str] = "clip-seedling"
